"""A layer under a store's SQLite: it records what SQLite writes, cuts off, makes durable and removes, in order.

The stores open SQLite by `sqlite3.connect`, themselves or through aiosqlite. While the layer watches, that gives them
a connection of apsw instead, whose virtual file system notes each call and hands it on to the real files. So every
statement, pragma and transaction is the store's own, and nothing in the program knows of it. What lies on the disk
after a cut is then opened by Python's own SQLite, as in production. apsw brings an SQLite of its own, newer than
Python's; the format of the files and the places of the syncs are the same in both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import apsw

from tests.faults.files import Op

SECTOR_BYTES = 512
_WITH_ITS_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL
"""SQLite syncs the folder with the first sync of such a file that it may have made."""


class Recorder:
    """The files below `root` and what SQLite does to them, in `ops`; a write is one `Op` a sector of 512 bytes."""

    def __init__(self, root: Path) -> None:
        """Look at a folder; files that lie in it already are numbered as `Disk` numbers them."""
        self.root = root
        self.ops: list[Op] = []
        there = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        self.nodes = {name: number for number, name in enumerate(sorted(there, key=Path), start=1)}
        self._last = len(self.nodes)
        self._vfs = _Vfs(self)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Give the program connections that are recorded."""
        with mock.patch.object(sqlite3, "connect", self._connect):
            yield

    def _connect(self, path: str | Path, timeout: float = 5.0, *, uri: bool = False, **_: Any) -> Connection:
        with _translated():
            flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | (apsw.SQLITE_OPEN_URI if uri else 0)
            inner = apsw.Connection(str(path), flags=flags, vfs=self._vfs.name)
            inner.set_busy_timeout(round(timeout * 1000))
            return Connection(inner)

    def name(self, path: str) -> str:
        """Return a file's path below the root."""
        return str(Path(path).relative_to(self.root))

    def create(self, name: str) -> None:
        """Note a new file."""
        self._last += 1
        self.nodes[name] = self._last
        self.ops.append(Op("create", name, self._last))

    def unlink(self, name: str) -> None:
        """Note that a file's name is gone."""
        self.ops.append(Op("unlink", name, self.nodes.pop(name)))

    def write(self, name: str, node: int, data: bytes, offset: int) -> None:
        """Note a write, sector by sector: a disk takes or leaves each of them by itself."""
        at = 0
        while at < len(data):
            size = SECTOR_BYTES - (offset + at) % SECTOR_BYTES
            self.ops.append(Op("write", name, node, offset + at, data[at : at + size]))
            at += size


class _Vfs(apsw.VFS):
    """The system's own file system, noted down."""

    def __init__(self, recorder: Recorder) -> None:
        self.name = f"recorded-{id(recorder)}"
        self._recorder = recorder
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        if name is None or flags[0] & apsw.SQLITE_OPEN_DELETEONCLOSE:
            return apsw.VFSFile("", name, flags)  # what outlives no process need outlive no cut
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        is_new = not Path(path).exists()
        return _File(self._recorder, self._recorder.name(path), name, flags, is_new)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._recorder.unlink(self._recorder.name(filename))
        if syncdir:
            self._recorder.ops.append(Op("sync_folder", "."))


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, below: str, name: Any, flags: list[int], is_new: bool) -> None:
        super().__init__("", name, flags)
        if is_new:
            recorder.create(below)
        self._recorder, self._name, self._node = recorder, below, recorder.nodes[below]
        self._folder_too = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _WITH_ITS_FOLDER)

    def xLock(self, level: int) -> None:
        try:
            super().xLock(level)
        except apsw.IOError as error:
            # A reader may not write-lock the file, and SQLite leaves it at that; of a busy file apsw does so too.
            raise apsw.BusyError from error

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._recorder.write(self._name, self._node, bytes(data), offset)

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._recorder.ops.append(Op("truncate", self._name, self._node, newsize))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._recorder.ops.append(Op("sync", self._name, self._node))
        if self._folder_too:
            self._recorder.ops.append(Op("sync_folder", "."))
            self._folder_too = False


@contextmanager
def _translated() -> Iterator[None]:
    """Raise apsw's errors as sqlite3's."""
    try:
        yield
    except apsw.ConstraintError as error:
        raise sqlite3.IntegrityError(str(error)) from error
    except apsw.Error as error:
        said = sqlite3.OperationalError(str(error))
        said.sqlite_errorcode = getattr(error, "extendedresult", apsw.SQLITE_ERROR)
        raise said from error


class Connection:
    """What the stores, aiosqlite and SQLAlchemy use of `sqlite3.Connection`, over apsw; transactions are their own."""

    isolation_level: str | None = None
    row_factory: Callable[..., Any] | None = None

    def __init__(self, inner: apsw.Connection) -> None:
        self.inner = inner

    @property
    def in_transaction(self) -> bool:
        return self.inner.in_transaction

    @property
    def total_changes(self) -> int:
        return self.inner.total_changes()

    def cursor(self) -> Cursor:
        return Cursor(self)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        return Cursor(self).execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Cursor:
        return Cursor(self).executemany(sql, rows)

    def create_function(self, name: str, narg: int, func: Callable[..., Any], *, deterministic: bool = False) -> None:
        self.inner.create_scalar_function(name, func, narg, deterministic=deterministic)

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        with _translated():
            self.inner.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cursor:
    """A cursor that has fetched all rows when `execute` returns."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._at = 0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        return self._run(lambda cursor: cursor.execute(sql, parameters))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Cursor:
        return self._run(lambda cursor: cursor.executemany(sql, rows))

    def _run(self, start: Callable[[apsw.Cursor], apsw.Cursor]) -> Cursor:
        inner, self.description = self.connection.inner, None
        cursor = inner.cursor()
        cursor.exec_trace = self._describe
        before = inner.total_changes()
        with _translated():
            self._rows = [tuple(row) for row in start(cursor)]
        self._at = 0
        self.rowcount = -1 if self.description else inner.total_changes() - before
        self.lastrowid = inner.last_insert_rowid()
        return self

    def _describe(self, cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        columns = cursor.get_description()
        self.description = [(name, None, None, None, None, None, None) for name, *_ in columns] or None
        return True

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self, None)

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        found = self._rows[self._at : self._at + (size or self.arraysize)]
        self._at += len(found)
        return found

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.fetchmany(len(self._rows) - self._at or 1)

    def close(self) -> None:
        self._rows = []

    def __iter__(self) -> Cursor:
        return self

    def __next__(self) -> tuple[Any, ...]:
        if self._at >= len(self._rows):
            raise StopIteration
        self._at += 1
        return self._rows[self._at - 1]
