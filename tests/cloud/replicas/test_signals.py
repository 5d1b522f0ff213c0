"""One contract for the signals between replicas, in one process and through a real PostgreSQL."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from lentera_cloud.adapters.local_signals import Exchange, LocalSignals
from lentera_cloud.adapters.sql import signals as by_notify
from lentera_cloud.adapters.sql.signals import PostgresSignals
from lentera_cloud.domain.signals import Signal, SignalKind, read_signal, write_signal
from lentera_cloud.kit import patience
from lentera_cloud.ports import Signals, StoreUnavailableError
from tests.cloud.replicas.forwarder import open_forwarder

WITHIN_S = 20


def cancel(number: int) -> Signal:
    return Signal(SignalKind.CANCEL, "stabat", "gw-1", f"e_{number}")


class Ear:
    """A replica that listens, and what it heard."""

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self.heard: list[Signal] = []
        self.missed = 0
        self._changed = asyncio.Condition()

    async def on_heard(self, signal: Signal) -> None:
        async with self._changed:
            self.heard.append(signal)
            self._changed.notify_all()

    async def on_missed(self) -> None:
        async with self._changed:
            self.missed += 1
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S), self._changed:
            await self._changed.wait_for(condition)


@asynccontextmanager
async def listening(signals: Signals):
    """Listen, and go on once it has begun."""
    ear = Ear(signals)
    task = asyncio.create_task(signals.listen(ear.on_heard, ear.on_missed))
    try:
        await ear.until(lambda: ear.missed > 0)
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=["local", "postgresql"])
def make(request: pytest.FixtureRequest) -> Callable[[str], Signals]:
    """Make the signals of a replica of that name."""
    if request.param == "local":
        exchange = Exchange()
        return lambda _name: LocalSignals(exchange)
    url = request.getfixturevalue("postgres_database").url
    return lambda name: PostgresSignals(url, name)


async def test_what_one_tells_all_others_hear_in_order_and_itself_does_not(make):
    async with listening(make("a")) as a, listening(make("b")) as b, listening(make("c")) as c:
        told = [cancel(number) for number in range(50)]
        for one in told:
            await a.signals.publish(one)
        await b.signals.publish(cancel(99))
        await a.until(lambda: cancel(99) in a.heard)
        for ear in (b, c):
            await ear.until(lambda ear=ear: len(ear.heard) >= 50 + (ear is c))
        assert a.heard == [cancel(99)]
        assert b.heard == told
        assert [one for one in c.heard if one != cancel(99)] == told


async def test_listening_begins_with_a_look_and_what_is_told_during_it_comes_after(make):
    async with listening(make("a")) as a:
        late, looking, go_on = make("b"), asyncio.Event(), asyncio.Event()
        order: list[object] = []

        async def heard(signal: Signal) -> None:
            order.append(signal)
            await a.on_heard(signal)

        async def missed() -> None:
            looking.set()
            await go_on.wait()
            order.append("looked")

        task = asyncio.create_task(late.listen(heard, missed))
        await asyncio.wait_for(looking.wait(), WITHIN_S)
        await a.signals.publish(cancel(1))
        go_on.set()
        await a.until(lambda: bool(a.heard))
        assert order == ["looked", cancel(1)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_who_stops_listening_hears_no_more(make):
    async with listening(make("a")) as a:
        async with listening(make("b")) as b:
            await a.signals.publish(cancel(1))
            await b.until(lambda: b.heard == [cancel(1)])
        async with listening(make("c")) as c:
            await a.signals.publish(cancel(2))
            await c.until(lambda: c.heard == [cancel(2)])
        assert b.heard == [cancel(1)]


@pytest.fixture
def impatient(monkeypatch):
    """Connect again soon."""
    monkeypatch.setattr(patience.waits_s, "__defaults__", (0.02, 0.05))


async def test_a_cut_connection_is_made_anew_and_counts_as_missed(postgres_database, impatient):
    async with (
        listening(PostgresSignals(postgres_database.url, "a")) as a,
        listening(PostgresSignals(postgres_database.url, "b")) as b,
    ):
        surgeon = await asyncpg.connect(postgres_database.dsn)
        await surgeon.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await surgeon.close()
        await a.until(lambda: a.missed >= 2)
        await b.until(lambda: b.missed >= 2)
        await a.signals.publish(cancel(7))
        await b.until(lambda: b.heard == [cancel(7)])


async def test_a_connection_that_died_without_a_word_is_noticed(postgres_database, impatient, monkeypatch):
    monkeypatch.setattr(by_notify, "ALIVE_EVERY_S", 0.2)
    monkeypatch.setattr(by_notify, "ANSWER_WITHIN_S", 0.5)
    address = make_url(postgres_database.url)
    assert address.port is not None
    async with open_forwarder([address.port]) as forwarder:
        through = address.set(port=forwarder.port).render_as_string(hide_password=False)
        async with listening(PostgresSignals(through, "a")) as a, listening(PostgresSignals(through, "b")) as b:
            forwarder.freeze()
            with pytest.raises(StoreUnavailableError):
                await a.signals.publish(cancel(0))
            await a.until(lambda: a.missed >= 2)
            await b.until(lambda: b.missed >= 2)
            async with asyncio.timeout(WITHIN_S):
                while cancel(1) not in b.heard:
                    with suppress(StoreUnavailableError):
                        await a.signals.publish(cancel(1))


async def test_more_than_can_be_kept_counts_as_missed(postgres_database, impatient, monkeypatch):
    monkeypatch.setattr(by_notify, "WAITING", 3)
    url, busy, go_on = postgres_database.url, asyncio.Event(), asyncio.Event()
    ear = Ear(PostgresSignals(url, "b"))

    async def slow(signal: Signal) -> None:
        busy.set()
        await go_on.wait()
        await ear.on_heard(signal)

    task = asyncio.create_task(ear.signals.listen(slow, ear.on_missed))
    await ear.until(lambda: ear.missed == 1)
    async with listening(PostgresSignals(url, "a")) as a:
        for number in range(20):
            await a.signals.publish(cancel(number))
        await asyncio.wait_for(busy.wait(), WITHIN_S)
        go_on.set()
        await ear.until(lambda: ear.missed == 2)
        await a.signals.publish(cancel(100))
        await ear.until(lambda: cancel(100) in ear.heard)
        assert len(ear.heard) < 20
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nothing_can_be_told_without_a_connection():
    away = PostgresSignals("postgresql+asyncpg://lentera:hush@127.0.0.1:1/lentera", "a")
    with pytest.raises(StoreUnavailableError) as caught:
        await away.publish(cancel(1))
    assert "hush" not in str(caught.value)


def test_a_word_of_a_newer_replica_is_left_alone():
    assert read_signal(write_signal("a", cancel(1))) == ("a", cancel(1))
    for text in ("", "{}", "[1]", '["a", "link_flew", "t", "g", "s"]', '["a", "cancel", 1, "g", "s"]', "[" * 2_000):
        assert read_signal(text) is None
    assert read_signal('["a", "cancel", "stabat", "gw-1", "e_1", "more"]') == ("a", cancel(1))
