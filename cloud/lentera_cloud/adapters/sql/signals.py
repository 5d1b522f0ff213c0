"""Signals between replicas by PostgreSQL's LISTEN and NOTIFY, over a connection of their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import structlog
from sqlalchemy.engine import make_url

from lentera_cloud.adapters.sql.database import CONNECT_TIMEOUT_S
from lentera_cloud.domain.signals import Signal, read_signal, write_signal
from lentera_cloud.kit.patience import waits_s
from lentera_cloud.ports import StoreUnavailableError

CHANNEL = "lentera_signals"
"""One channel a database: NOTIFY goes no further than the database it is said in."""
ALIVE_EVERY_S = 10.0
"""A listening connection is silent for long; this often it is asked whether it is still one."""
ANSWER_WITHIN_S = 5.0
WAITING = 10_000
"""More signals than this that nobody has handled yet are thrown away, and counted as missed."""

_log = structlog.get_logger(__name__)

Heard = Callable[[Signal], Awaitable[None]]
Missed = Callable[[], Awaitable[None]]


class PostgresSignals:
    """Implements :class:`lentera_cloud.ports.Signals` for the replicas of one PostgreSQL database.

    Needs a session of its own: a pooler in transaction mode (pgbouncer) between cloud and database cannot carry it.
    """

    def __init__(self, url: str, replica: str) -> None:
        """Prepare for a SQLAlchemy address of PostgreSQL; ``replica`` names the sender."""
        self._dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._where = make_url(url).render_as_string(hide_password=True)
        self._replica = replica
        self._connection: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def publish(self, signal: Signal) -> None:
        """See the port; without :meth:`listen` running there is no connection to tell by."""
        try:
            async with self._one_at_a_time, asyncio.timeout(ANSWER_WITHIN_S):
                connection = self._connection
                if connection is None:
                    raise StoreUnavailableError(f"no connection for signals to {self._where} now")
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, write_signal(self._replica, signal))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(f"the replicas at {self._where} cannot be told now: {error!r}") from error

    async def listen(self, heard: Heard, missed: Missed) -> None:
        """See the port."""
        waits = waits_s()
        while True:
            try:
                async with self._session() as told:
                    waits = waits_s()
                    await self._hand_on(told, heard, missed)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                _log.warning("signals_lost", where=self._where, error=str(error) or type(error).__name__)
            await asyncio.sleep(next(waits))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncio.Queue[str | None]]:
        """Connect and listen; the queue gives what is told, and None once the connection is gone or it overflows."""
        told: asyncio.Queue[str | None] = asyncio.Queue()

        def on_told(_connection: object, _pid: int, _channel: str, text: object) -> None:
            if told.qsize() < WAITING:
                told.put_nowait(str(text))
            else:
                connection.terminate()  # listening anew says that something was missed

        connection = await asyncpg.connect(self._dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            connection.add_termination_listener(lambda _: told.put_nowait(None))
            await connection.add_listener(CHANNEL, on_told)
            self._connection = connection
            yield told
        finally:
            self._connection = None
            connection.terminate()

    async def _hand_on(self, told: asyncio.Queue[str | None], heard: Heard, missed: Missed) -> None:
        await missed()
        _log.info("signals_heard", where=self._where)
        while True:
            try:
                # Not wait_for: of a cancellation in the instant in which something is told it would know nothing.
                async with asyncio.timeout(ALIVE_EVERY_S):
                    text = await told.get()
            except TimeoutError:
                await self._see_that_it_lives()
                continue
            if text is None:
                raise ConnectionResetError("the connection to the database is gone")
            found = read_signal(text)
            if found is not None and found[0] != self._replica:
                await heard(found[1])

    async def _see_that_it_lives(self) -> None:
        async with self._one_at_a_time, asyncio.timeout(ANSWER_WITHIN_S):
            if self._connection is not None:
                await self._connection.execute("SELECT 1")
