"""What may lie on a disk after the power went at some call. Pure, and as unkind as POSIX allows.

A file's bytes are durable once the file was synced, a name once its folder was; nothing else is. Of what was not
synced, any part may be there: nothing, all up to a torn write, or some of it, in another order, with zeros in the gaps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from tests.faults.files import Op

Kind = Literal["dropped", "empty", "torn", "reordered", "everything"]
"""What is left of what was not synced: nothing; the names of empty files; a beginning, torn; some of it; all of it."""
KINDS: tuple[Kind, ...] = ("dropped", "empty", "torn", "reordered", "everything")
_T = TypeVar("_T")


@dataclass(slots=True)
class _Node:
    durable: bytes = b""
    pending: list[Op] = field(default_factory=list)


@dataclass(slots=True)
class _Folder:
    """`durable` maps names to the numbers of files; 0 is a folder."""

    durable: dict[str, int] = field(default_factory=dict)
    pending: list[Op] = field(default_factory=list)


@dataclass(slots=True)
class Image:
    """Folders and files as a new process finds them."""

    folders: set[str]
    files: dict[str, bytes]

    def lay(self, root: Path) -> None:
        """Write them into an empty folder."""
        for folder in sorted(self.folders):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (root / name).write_bytes(data)

    def without(self, folder: str) -> Image:
        """Return what is left when a folder is gone: a tmpfs."""
        gone = tuple(name for name in self.folders if (name + "/").startswith(folder + "/"))
        return Image(
            self.folders - set(gone),
            {name: data for name, data in self.files.items() if not name.startswith(folder + "/")},
        )


def read(root: Path) -> Image:
    """Return what really lies in a folder."""
    found = list(root.rglob("*"))
    return Image(
        {str(path.relative_to(root)) for path in found if path.is_dir()},
        {str(path.relative_to(root)): path.read_bytes() for path in found if path.is_file()},
    )


def _changed(data: bytes, ops: Iterable[Op]) -> bytes:
    content = bytearray(data)
    for op in ops:
        content.extend(bytes(max(0, op.offset - len(content))))
        if op.kind == "truncate":
            del content[op.offset :]
        else:
            content[op.offset : op.offset + len(op.data)] = op.data
    return bytes(content)


def _rename(names: dict[str, int], op: Op) -> None:
    if op.kind == "unlink":
        names.pop(_name(op.path), None)
    elif op.kind == "rename":
        names.pop(_name(op.path), None)
        names[_name(op.target)] = op.node
    else:
        names[_name(op.path)] = op.node


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _torn(op: Op, random_: random.Random) -> Op:
    if op.kind != "write" or not op.data:
        return op
    return Op("write", op.path, op.node, op.offset, op.data[: random_.randrange(len(op.data))])


def _surviving(pending: list[_T], kind: Kind, random_: random.Random) -> list[_T]:
    if kind == "everything":
        return pending
    if kind == "torn":
        return pending[: random_.randint(0, len(pending))]
    if kind == "reordered":
        some = [op for op in pending if random_.random() < 0.5]
        random_.shuffle(some)
        return some
    return []


class Disk:
    """Follows calls one by one; at any of them it can say what a power cut might leave."""

    def __init__(self, image: Image | None = None) -> None:
        """Begin with what lies there, all of it durable. Nodes of files that are there are numbered as Files does."""
        self._nodes: dict[int, _Node] = {}
        self._folders: dict[str, _Folder] = {"": _Folder()}
        for folder in sorted(image.folders) if image is not None else ():
            self._folders[folder] = _Folder()
            self._parent(folder).durable[_name(folder)] = 0
        files = image.files if image is not None else {}
        for number, path in enumerate(sorted(files, key=lambda name: Path(name)), start=1):
            self._nodes[number] = _Node(files[path])
            self._parent(path).durable[_name(path)] = number

    def follow(self, ops: Iterable[Op]) -> None:
        """Carry out calls."""
        for op in ops:
            getattr(self, f"_{op.kind}")(op)

    def after_power_cut(self, kind: Kind, random_: random.Random) -> Image:
        """Return a state in which the medium may be found."""
        return self._image(
            lambda pending: _surviving(pending, "everything" if kind == "empty" else kind, random_),
            lambda pending: self._torn_tail(_surviving(pending, kind, random_), kind, random_),
        )

    def as_it_is(self) -> Image:
        """Return what a process that goes on sees, synced or not."""
        return self._image(lambda pending: pending, lambda pending: pending)

    @staticmethod
    def _torn_tail(pending: list[Op], kind: Kind, random_: random.Random) -> list[Op]:
        if kind not in ("torn", "reordered") or not pending:
            return pending
        return [*pending[:-1], _torn(pending[-1], random_)]

    def _image(self, names: Callable[[list[Op]], list[Op]], data: Callable[[list[Op]], list[Op]]) -> Image:
        image = Image(set(), {})
        self._walk("", image, names, data)
        return image

    def _walk(
        self,
        folder: str,
        image: Image,
        names: Callable[[list[Op]], list[Op]],
        data: Callable[[list[Op]], list[Op]],
    ) -> None:
        found = dict(self._folders[folder].durable)
        for op in names(self._folders[folder].pending):
            _rename(found, op)
        for name, number in found.items():
            path = f"{folder}/{name}" if folder else name
            if number == 0:
                image.folders.add(path)
                self._walk(path, image, names, data)
                continue
            node = self._nodes[number]
            image.files[path] = _changed(node.durable, data(node.pending))

    def _parent(self, path: str) -> _Folder:
        return self._folders[path.rpartition("/")[0]]

    def _mkdir(self, op: Op) -> None:
        self._folders[op.path] = _Folder()
        self._parent(op.path).pending.append(op)

    def _create(self, op: Op) -> None:
        self._nodes[op.node] = _Node()
        self._parent(op.path).pending.append(op)

    def _unlink(self, op: Op) -> None:
        self._parent(op.path).pending.append(op)

    _rename = _unlink

    def _write(self, op: Op) -> None:
        self._nodes[op.node].pending.append(op)

    _truncate = _write

    def _sync(self, op: Op) -> None:
        node = self._nodes[op.node]
        node.durable = _changed(node.durable, node.pending)
        node.pending.clear()

    def _sync_folder(self, op: Op) -> None:
        folder = self._folders["" if op.path == "." else op.path]
        for change in folder.pending:
            _rename(folder.durable, change)
        folder.pending.clear()
