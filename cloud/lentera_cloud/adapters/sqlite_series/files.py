"""The folder of tenants' files: which file is whose, open connections, and SQLite's errors in our words."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from lentera_cloud.adapters.sqlite_series.schema import SeriesFileError, check_version, open_reader, open_writer
from lentera_cloud.adapters.sqlite_series.writing import FileWriter
from lentera_cloud.ports import StoreUnavailableError
from lentera_model.identifiers import check_id

SUFFIX: Final = ".series.sqlite3"
_OPEN_WRITERS: Final = 64
_IDLE_READERS: Final = 2

_log = structlog.get_logger(__name__)


@contextmanager
def said_plainly(path: Path) -> Iterator[None]:
    """Turn what SQLite raises in the body into `StoreUnavailableError` with the file and the remedy."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            remedy = "another program holds the file's write lock: end it, or try again when it is done"
        elif "full" in text:
            remedy = "free space on its disk, or raise the store's size limit"
        elif "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
            remedy = "check that its folder exists and that this user may write it"
        else:
            remedy = "check the disk; if the file is damaged, restore it from a backup"
        raise StoreUnavailableError(f"series file {path}: {text}; {remedy}") from error


class Folder:
    """One SQLite file a tenant in one folder.

    A file a tenant keeps tenants apart by construction, lets one be backed up, moved or deleted by itself, and gives
    each its own write lock and log.
    """

    def __init__(self, folder: Path, max_bytes_per_tenant: int | None) -> None:
        """Take the folder's path (created by `prepare`) and the bound of each file's size."""
        self._folder = folder
        self._max_bytes = max_bytes_per_tenant
        self._writers: OrderedDict[str, FileWriter] = OrderedDict()
        self._idle: dict[str, list[sqlite3.Connection]] = {}
        self._lock = threading.Lock()

    def path(self, tenant: str) -> Path:
        """Return the tenant's file. Raises `InvalidIdError` for a name that is no id."""
        return self._folder / f"{check_id('tenant', tenant)}{SUFFIX}"

    def prepare(self) -> None:
        """Create the folder and check the version of every file in it.

        A damaged file is left to whoever uses it: it must not keep the other tenants from starting.

        Raises:
            SeriesFileError: a file is of a newer version or not ours.
            StoreUnavailableError: the folder cannot be made.
        """
        with said_plainly(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        for tenant in self.tenants():
            try:
                with self.reader(tenant) as connection:
                    if connection is not None:
                        check_version(connection, self.path(tenant))
            except SeriesFileError:
                raise
            except StoreUnavailableError as error:
                _log.error("series_file_unusable", tenant=tenant, error=str(error))

    def tenants(self) -> list[str]:
        """Return the tenants that have a file, by name."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}"))

    def writer(self, tenant: str) -> FileWriter:
        """Return the tenant's writer, opened and created as needed; for the writer thread only.

        Raises:
            StoreUnavailableError: the file cannot be opened or is not usable.
        """
        writer = self._writers.get(tenant)
        if writer is None:
            path = self.path(tenant)
            with said_plainly(path):
                writer = FileWriter(open_writer(path, self._max_bytes))
            self._writers[tenant] = writer
            if len(self._writers) > _OPEN_WRITERS:
                self._writers.popitem(last=False)[1].close()
        self._writers.move_to_end(tenant)
        return writer

    @contextmanager
    def reader(self, tenant: str) -> Iterator[sqlite3.Connection | None]:
        """Lend a read-only connection inside one read transaction; None when the tenant has nothing yet.

        The transaction makes rows and blocks one picture: what compaction moves meanwhile is seen once, never twice or
        not at all.

        Raises:
            StoreUnavailableError: the file cannot be read.
        """
        path = self.path(tenant)
        with said_plainly(path):
            connection = self._borrow(tenant, path)
            if connection is None:
                yield None
                return
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
        self._give_back(tenant, connection)

    def _borrow(self, tenant: str, path: Path) -> sqlite3.Connection | None:
        with self._lock:
            idle = self._idle.get(tenant)
            if idle:
                return idle.pop()
        return open_reader(path)

    def _give_back(self, tenant: str, connection: sqlite3.Connection) -> None:
        with self._lock:
            idle = self._idle.setdefault(tenant, [])
            if len(idle) < _IDLE_READERS:
                idle.append(connection)
                return
        connection.close()

    def close_readers(self) -> None:
        """Close idle readers; call it when no reader is lent any more."""
        with self._lock:
            for idle in self._idle.values():
                for connection in idle:
                    connection.close()
            self._idle.clear()

    def close_writers(self) -> None:
        """Close every writer; call it on the writer thread, after the readers, so that the log is folded in."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
