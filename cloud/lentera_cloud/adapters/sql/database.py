"""One database: its engine, its transactions, its schema and the translation of its errors."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from alembic import command as alembic_command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from lentera_cloud.ports import StoreSchemaError, StoreUnavailableError

BUSY_TIMEOUT_MS = 5_000
"""How long a SQLite connection waits for another process's write to end."""
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 15
MIGRATION_LOCK = 0x1E27E8A
"""PostgreSQL advisory lock: of several replicas that start together, one migrates and the others wait."""

_SWITCH_AGAIN_S = 0.01
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """An async engine with one rule for writes and one for errors.

    SQLite has one writer: writes of this process queue on a lock (a fair wait instead of busy errors) and begin with
    ``BEGIN IMMEDIATE``, so that a read never has to be upgraded. Anything that says "cannot be reached or cannot
    write now" is raised as :class:`StoreUnavailableError`.
    """

    def __init__(self, url: str) -> None:
        """Prepare an engine for the address; nothing is opened before the first use."""
        self._url = make_url(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._write_lock = asyncio.Lock() if self.is_sqlite else None
        self._migrated = False
        self.engine = self._sqlite_engine() if self.is_sqlite else self._postgres_engine()

    @property
    def where(self) -> str:
        """The address without its password, for messages."""
        return self._url.render_as_string(hide_password=True)

    def _sqlite_engine(self) -> AsyncEngine:
        engine = create_async_engine(self._url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine

    def _postgres_engine(self) -> AsyncEngine:
        return create_async_engine(
            self._url,
            pool_size=8,
            max_overflow=8,
            pool_timeout=CONNECT_TIMEOUT_S,
            pool_pre_ping=True,
            connect_args={"timeout": CONNECT_TIMEOUT_S, "command_timeout": STATEMENT_TIMEOUT_S},
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for reading; what it sees is one snapshot on SQLite."""
        self._check_migrated()
        with _translated(self.where):
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction: committed when the block ends, rolled back when it raises."""
        self._check_migrated()
        async with self._transaction() as connection:
            yield connection

    def _check_migrated(self) -> None:
        if not self._migrated:
            raise StoreUnavailableError(f"the registry at {self.where} has not started yet: its tables may be missing")

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            if self._write_lock is not None:
                await stack.enter_async_context(self._write_lock)
            with _translated(self.where):
                async with self.engine.connect() as connection:
                    await connection.execution_options(lentera_writes=True)
                    async with connection.begin():
                        yield connection

    async def migrate(self) -> None:
        """Bring the schema up to date.

        Raises:
            StoreUnavailableError: the database is away.
            StoreSchemaError: its schema is newer than this version, or the migration fails.
        """
        if self.is_sqlite and self._url.database:
            file = Path(self._url.database)
            file.expanduser().parent.mkdir(parents=True, exist_ok=True)
            with _translated(self.where):
                await asyncio.to_thread(_use_write_ahead_log, file)
        async with self._transaction() as connection:
            if not self.is_sqlite:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            revision = await connection.run_sync(_revision)
            try:
                await connection.run_sync(_upgrade)
            except (CommandError, ProgrammingError, NotSupportedError) as error:
                raise StoreSchemaError(self._advice(revision, error)) from error
        self._migrated = True

    def _advice(self, revision: str | None, error: Exception) -> str:
        newest = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        return (
            f"the registry at {self.where} has schema revision {revision or 'none'}, which this version (newest known "
            f"revision: {newest}) cannot bring up to date ({cause}): run the version that made this schema or a newer "
            "one, restore a backup that fits this version, or see that the database user may alter tables"
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


class _translated:
    """Turn the drivers' many ways of saying "not now" into one error."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, IntegrityError):
            return
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        away = isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | OSError | TimeoutError)
        if lost or away or _says_not_now(error):
            cause = str(getattr(error, "orig", None) or error).splitlines()[0] if str(error) else type(error).__name__
            raise StoreUnavailableError(
                f"the registry at {self._where} cannot be used now ({cause}): see that the database runs and has space"
            ) from error


_NOT_NOW = frozenset({"08", "25", "28", "3D", "40", "53", "55", "57", "58"})
"""Classes of PostgreSQL's SQLSTATE that pass: connection, transaction state (read-only after a failover), log-in, no
such database, rolled back (deadlock, serialization), out of resources, object in use, operator intervention, system."""


def _says_not_now(error: BaseException) -> bool:
    original = getattr(error, "orig", error)
    # "malformed", "not a database": the file, not the statement
    if type(original) is sqlite3.DatabaseError or isinstance(error, sqlite3.OperationalError):
        return True
    state = getattr(original, "sqlstate", None) or getattr(getattr(original, "__cause__", None), "sqlstate", None)
    return isinstance(state, str) and state[:2] in _NOT_NOW


def _use_write_ahead_log(file: Path) -> None:
    """Switch a database file to the write-ahead log, for good: the file itself remembers it.

    Where several processes open a new file at once, SQLite answers the switch with "locked" without waiting for
    `busy_timeout`, so it is tried again for as long. Raises sqlite3.Error when the file cannot be used.
    """
    give_up_at = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                if time.monotonic() > give_up_at:
                    raise
            time.sleep(_SWITCH_AGAIN_S)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Set a new SQLite connection up: synced commits, foreign keys, our own BEGIN."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "synchronous=FULL",
        "foreign_keys=ON",
        "journal_size_limit=16777216",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("lentera_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: Connection) -> str | None:
    heads = MigrationContext.configure(connection).get_current_heads()
    return ", ".join(heads) or None


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    alembic_command.upgrade(config, "head")
