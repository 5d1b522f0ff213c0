"""The tables of one tenant's file, its version, and how a connection to it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from lentera_cloud.ports import StoreUnavailableError

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x4C4E5453
"""`LNTS` in the file's header, so that `file` and we ourselves know the file for what it is."""

BUSY_TIMEOUT_S: Final = 5.0
_PAGE_BYTES: Final = 4096

# `row` is clustered by (series, at_ms): a device's newest rows lie on one page, a query reads a run of pages.
# `block` keeps a rowid, because a table without one handles values of several kilobytes badly.
_TABLES: Final = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE column_set (id INTEGER PRIMARY KEY, columns TEXT NOT NULL UNIQUE);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES device (id),
    column_set INTEGER NOT NULL REFERENCES column_set (id),
    UNIQUE (device, column_set)
);
CREATE TABLE row (
    series INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (series, at_ms)
) WITHOUT ROWID;
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (series, hour)
);
"""


class SeriesFileError(StoreUnavailableError):
    """A tenant's file is not one that this version can use; the message names the file and the remedy."""

    code = "series_file_unusable"


def open_writer(path: Path, max_bytes: int | None) -> sqlite3.Connection:
    """Open a tenant's file for writing and create its tables if it is new.

    Durability: WAL with `synchronous=FULL`, which syncs the log at every commit. `NORMAL` would keep the file whole but
    might lose the last transactions at a power cut, although `write` had promised them and the gateway forgot them.

    Args:
        path: the file; its folder must exist.
        max_bytes: upper bound of the file's size, None for the disk's.

    Raises:
        SeriesFileError: the file is of a newer version or not ours.
        sqlite3.Error: it cannot be opened or written.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _create_or_check(connection, path)
        if max_bytes is not None:
            connection.execute(f"PRAGMA max_page_count={max(max_bytes // _PAGE_BYTES, 1)}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection | None:
    """Open a file for reading only; None if there is none, or one that a kill or power cut left unfinished.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    if not path.exists():
        return None
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        if not _is_empty(connection):
            return connection
    except sqlite3.OperationalError as error:
        connection.close()
        # A rollback journal lies beside the file: only until its log is in use for the first time is there one.
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        return None
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0


def _create_or_check(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection):
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA_VERSION,))
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        else:
            check_version(connection, path)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `SeriesFileError` unless the file is a series file of a version that this program knows."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise SeriesFileError(f"{path} is an SQLite file of something else: move it out of the series folder")
    version = connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise SeriesFileError(
            f"{path} has schema version {version}, this program knows 1 to {SCHEMA_VERSION}: "
            "start the newer version of lentera that wrote it, or restore a backup"
        )
