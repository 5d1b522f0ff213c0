"""A layer under a program's file calls: it records them in order and, on demand, lets one of them fail.

It stands in for `os.open`, `os.write`, `os.fsync` and their like and for `io.open`, by which pathlib opens; the real
files are written all the same, so that the program reads what it wrote. Only paths under `root` are looked at. Nothing
in the program knows of it, so production pays nothing; that no call goes round it is what test_layer.py checks.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock


@dataclass(frozen=True, slots=True)
class Op:
    """One call that changes the disk or makes it durable.

    Attributes:
        kind: mkdir, create, write, truncate, sync, sync_folder, rename, unlink; or open and read, which only fail.
        path: below the root.
        node: the file's number; a file keeps it when it is renamed.
        offset: where a write begins, or the size that a truncation leaves.
        data: what is written.
        target: the new path of a rename.
    """

    kind: str
    path: str
    node: int = 0
    offset: int = 0
    data: bytes = b""
    target: str = ""

    RECORDED: ClassVar[frozenset[str]] = frozenset(
        {"mkdir", "create", "write", "truncate", "sync", "sync_folder", "rename", "unlink"}
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call fails: with this error, or, for a write, after `fits` bytes (a short write, as a full disk does)."""

    code: int
    fits: int = 0


Judge = Callable[[Op], Refusal | None]
_REAL = {
    name: getattr(os, name)
    for name in (
        *("open", "close", "write", "fsync", "fdatasync", "ftruncate"),
        *("truncate", "unlink", "replace", "rename", "mkdir", "rmdir", "symlink", "link"),
    )
}
_REAL_IO_OPEN = io.open
_WRITES = os.O_WRONLY | os.O_RDWR


class _File(io.FileIO):
    """A raw file whose writes go through the layer."""

    def __init__(self, layer: Files, descriptor: int) -> None:
        super().__init__(descriptor, "w")
        self._layer = layer

    def write(self, data: Any, /) -> int:
        return self._layer.write(self.fileno(), data)

    def close(self) -> None:
        if not self.closed:
            self._layer.forget(self.fileno())
        super().close()


@dataclass(slots=True)
class Files:
    """The layer.

    Attributes:
        root: the folder that is looked at.
        ops: what was done, in order.
        judge: is asked before each call; None lets it through.
    """

    root: Path
    ops: list[Op] = field(default_factory=list)
    judge: Judge | None = None
    nodes: dict[str, int] = field(default_factory=dict)
    _descriptors: dict[int, tuple[str, int]] = field(default_factory=dict)
    _last_node: int = 0

    def __post_init__(self) -> None:
        """Give numbers to the files that are there already."""
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                self._number(self._below(path) or "")

    @contextmanager
    def watching(self) -> Iterator[Files]:
        """Stand under the file calls of this process."""
        calls = {name: getattr(self, name) for name in _REAL}
        with mock.patch.multiple(os, **calls), mock.patch.object(io, "open", self.io_open):
            yield self

    def open(self, path: Any, flags: int, mode: int = 0o777, **kwargs: Any) -> int:
        below = self._below(path)
        if below is None:
            return _REAL["open"](path, flags, mode, **kwargs)
        creates = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        self._ask(Op("create" if creates else "open" if flags & _WRITES else "read", below))
        descriptor = _REAL["open"](path, flags, mode, **kwargs)
        if os.path.isdir(path):
            self._descriptors[descriptor] = (below, 0)
            return descriptor
        if creates:
            self._note(Op("create", below, self._number(below)))
        elif flags & os.O_TRUNC:
            self._note(Op("truncate", below, self.nodes[below]))
        self._descriptors[descriptor] = (below, self.nodes[below])
        return descriptor

    def io_open(self, file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
        below = None if isinstance(file, int) else self._below(file)
        if below is None:
            return _REAL_IO_OPEN(file, mode, buffering, *args, **kwargs)
        if mode == "rb":
            self._ask(Op("read", below))
            return _REAL_IO_OPEN(file, mode, buffering)
        flags = {"wb": os.O_TRUNC, "ab": os.O_APPEND, "xb": os.O_EXCL}[mode] | os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        raw = _File(self, self.open(file, flags, 0o666))
        return raw if buffering == 0 else io.BufferedWriter(raw)

    def close(self, descriptor: int) -> None:
        self.forget(descriptor)
        _REAL["close"](descriptor)

    def forget(self, descriptor: int) -> None:
        """The number may be given to another file from here on."""
        self._descriptors.pop(descriptor, None)

    def write(self, descriptor: int, data: Any) -> int:
        if descriptor not in self._descriptors:
            return _REAL["write"](descriptor, data)
        below, node = self._descriptors[descriptor]
        data, offset = bytes(data), os.fstat(descriptor).st_size  # each file is appended to, or was emptied
        refusal = self._refusal(Op("write", below, node, offset, data))
        if refusal is not None:
            data = data[: refusal.fits]
            if not data:
                raise OSError(refusal.code, os.strerror(refusal.code), below)
        _REAL["write"](descriptor, data)
        self._note(Op("write", below, node, offset, data))
        return len(data)

    def fsync(self, descriptor: int) -> None:
        if descriptor in self._descriptors:
            below, node = self._descriptors[descriptor]
            self._ask(Op("sync" if node else "sync_folder", below, node))
            self._note(Op("sync" if node else "sync_folder", below, node))

    fdatasync = fsync

    def ftruncate(self, descriptor: int, size: int) -> None:
        below, node = self._descriptors[descriptor]
        self._ask(Op("truncate", below, node, size))
        _REAL["ftruncate"](descriptor, size)
        self._note(Op("truncate", below, node, size))

    def truncate(self, path: Any, size: int) -> None:
        self._change("truncate", path, lambda below: Op("truncate", below, self.nodes[below], size), size)

    def unlink(self, path: Any, **kwargs: Any) -> None:
        below = self._change("unlink", path, lambda below: Op("unlink", below), **kwargs)
        self.nodes.pop(below or "", None)

    def mkdir(self, path: Any, mode: int = 0o777, **kwargs: Any) -> None:
        if os.path.isdir(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._change("mkdir", path, lambda below: Op("mkdir", below), mode, **kwargs)

    def replace(self, source: Any, target: Any) -> None:
        goal = self._below(target)
        below = self._change(
            "replace", source, lambda below: Op("rename", below, self.nodes[below], target=goal or ""), target
        )
        if below is not None and goal is not None:
            self.nodes[goal] = self.nodes.pop(below)

    rename = replace

    def _unknown(self, *_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("the layer does not know this call yet: teach it before the journal uses it")

    rmdir = symlink = link = _unknown

    def _change(self, name: str, path: Any, op: Callable[[str], Op], *args: Any, **kwargs: Any) -> str | None:
        below = self._below(path)
        if below is not None:
            self._ask(Op("rename" if name == "replace" else name, below))
        _REAL[name](path, *args, **kwargs)
        if below is not None:
            self._note(op(below))
        return below

    def _number(self, below: str) -> int:
        self._last_node += 1
        self.nodes[below] = self._last_node
        return self._last_node

    def _below(self, path: Any) -> str | None:
        try:
            return str(Path(os.fspath(path)).relative_to(self.root))
        except (TypeError, ValueError):
            return None

    def _note(self, op: Op) -> None:
        self.ops.append(op)

    def _refusal(self, op: Op) -> Refusal | None:
        return None if self.judge is None else self.judge(op)

    def _ask(self, op: Op) -> None:
        refusal = self._refusal(op)
        if refusal is not None:
            raise OSError(refusal.code, os.strerror(refusal.code), op.path)
