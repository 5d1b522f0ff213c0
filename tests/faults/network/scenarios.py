"""What goes wrong with the wire, one story each: told so many times over, then the chain is judged as a whole."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing

from tests.faults.network.names import GONE
from tests.faults.network.replay import batches, forge, repeat
from tests.faults.network.rig import Rig
from tests.faults.network.wire import BOTH, Cut, Direction, Shape

NOTICED_WITHIN_S = 60.0
MOBILE_UP = Shape(bits_a_second=64_000, latency_s=0.3, jitter_s=0.15, loss=0.02)
MOBILE_DOWN = Shape(bits_a_second=256_000, latency_s=0.3, jitter_s=0.15, loss=0.02)
OPENING: tuple[tuple[Direction, str], ...] = (
    ("up", "head"),
    ("down", "head"),
    ("up", "h"),
    ("down", "H"),
    ("up", "s"),
    ("up", "d"),
)
"""What passes when a connection opens, and then seldom."""
RUNNING: tuple[tuple[Direction, str], ...] = (("up", "b"), ("down", "A"))

Scenario = Callable[[Rig, int], Awaitable[None]]


async def black_hole(rig: Rig, rounds: int) -> None:
    """Somebody accepts the connection, takes every byte and says nothing: the gateway gives up by itself."""
    for _ in range(rounds):
        await rig.until_up()
        rig.wire.swallows = True
        rig.wire.cut_all()
        await rig.wire.until_more("up", "swallowed")
        await rig.gateway.until(lambda: "Timeout" in (rig.link()["error"] or ""), 60)
        await rig.wire.mend()
        await rig.until_stored()


async def mobile(rig: Rig, rounds: int) -> None:
    """A backlog, then a mobile link in both directions: slow, late, unsteady; one connection carries all of it."""
    for _ in range(rounds):
        await rig.wire.refuse()
        await asyncio.sleep(rig.dice.uniform(2, 5))
        await rig.wire.mend()
        rig.wire.shapes = {"up": MOBILE_UP, "down": MOBILE_DOWN}
        await rig.until_up()
        connections = rig.link()["connections"]
        await rig.until_stored(15)
        assert rig.link()["connections"] == connections, rig.link()
        rig.wire.shapes = {}


async def cuts(rig: Rig, rounds: int) -> None:
    """The connection ends within a message of either side, at any byte of it, before the first and after the last."""
    for number in range(rounds):
        directed: list[tuple[Direction, str, float]] = [
            ("up", "b", rig.dice.random()),
            ("down", "A", rig.dice.random()),
            ("down", "A", 0.0),
        ]
        if number:
            directed = [(*rig.dice.choice(RUNNING), rig.dice.choice([0.0, 1.0, rig.dice.random()]))]
            directed += [(*rig.dice.choice(OPENING), rig.dice.choice([0.0, 1.0, rig.dice.random()]))]
        for direction, kind, at in directed:
            before = rig.wire.seen[direction, "cut"]
            rig.wire.cut = Cut(direction, kind, at, reset=rig.dice.random() < 0.5)
            if (direction, kind) in OPENING:
                rig.wire.cut_all()
            await rig.wire.until(
                lambda direction=direction, before=before: rig.wire.seen[direction, "cut"] > before, 150
            )
            await rig.until_stored(1)


async def acknowledgements(rig: Rig, rounds: int) -> None:
    """The store has it, but the word of it is lost; then it comes late. What is sent again is stored once."""
    for _ in range(rounds):
        rig.wire.acknowledgements = "never"
        await rig.wire.until_more("down", "withheld", 3)
        sent = rig.wire.seen["up", "b"]
        rig.wire.cut_all(reset=rig.dice.random() < 0.5)
        rig.wire.acknowledgements = "late"
        rig.wire.late_s = rig.dice.uniform(2, 5)
        await rig.wire.until_more("down", "delayed", 5)
        assert rig.wire.seen["up", "b"] >= sent + 3
        await rig.wire.mend()
        await rig.until_stored()


async def half_open(rig: Rig, rounds: int) -> None:
    """The connection is forgotten without a word: both sides find out by themselves, with the product's own times."""
    choices: list[frozenset[Direction]] = [BOTH, frozenset({"up"}), frozenset({"down"})]
    loop = asyncio.get_running_loop()
    for number in range(rounds):
        await rig.until_up()
        begin = loop.time()
        rig.wire.hang(choices[number % 3])
        await _both_notice(rig, begin)


async def forgotten(rig: Rig, rounds: int) -> None:
    """A NAT drops a connection of the link: not even TCP hears of the other side any more."""
    for _ in range(rounds):
        await rig.until_up()
        begin = asyncio.get_running_loop().time()
        rig.wire.forget()
        await _both_notice(rig, begin)
        assert rig.gateway.log().count("TCP acknowledges nothing") >= 1, rig.gateway.log()[-2000:]


async def _both_notice(rig: Rig, begin: float) -> None:
    loop = asyncio.get_running_loop()
    await rig.wire.refuse()
    await rig.gateway.until(lambda: not rig.link()["up"], NOTICED_WITHIN_S)
    gateway_s = loop.time() - begin
    async with asyncio.timeout_at(begin + NOTICED_WITHIN_S):
        while await rig.cloud_sees_it():
            await asyncio.sleep(0.2)
    rig.notes.append(f"noticed by gateway and cloud within {gateway_s:.0f} and {loop.time() - begin:.0f} s")
    await rig.wire.mend()
    await rig.until_stored()


async def nameless(rig: Rig, rounds: int) -> None:
    """The name servers are gone while the link is lost: the gateway asks again, and is back once they answer."""
    gone = rig.gateway.run_dir / GONE
    for _ in range(rounds):
        await rig.until_up()
        gone.touch()
        rig.wire.cut_all()
        await rig.gateway.until(lambda: "name resolution" in (rig.link()["error"] or ""), 60)
        await asyncio.sleep(rig.dice.uniform(1, 4))
        gone.unlink()
        await rig.until_stored()


async def flapping(rig: Rig, rounds: int) -> None:
    """Nobody listens, then somebody does, every few seconds and faster than the gateway's waits."""
    await rig.wire.refuse()
    await rig.gateway.until(lambda: "refused" in (rig.link()["error"] or "").lower(), 60)
    await rig.wire.mend()
    for _ in range(2 * rounds):
        await asyncio.sleep(rig.dice.uniform(0.3, 3))
        await rig.wire.refuse()
        await asyncio.sleep(rig.dice.uniform(0.3, 2))
        await rig.wire.mend()


async def replayed(rig: Rig, rounds: int) -> None:
    """A whole conversation comes again, also to a cloud that has forgotten all that it had in memory."""
    for _ in range(rounds):
        await rig.until_stored(4)
        said = max((passage.said for passage in rig.wire.passages), key=len).copy()
        await rig.wire.refuse()
        await rig.cloud.end(signal.SIGKILL)
        await rig.cloud.start()
        for work in (repeat, forge, repeat):
            answered = {(ack.epoch, ack.sequence) for ack in await work(rig.cloud.port, said)}
            assert len(answered) == len(batches(said))
        await rig.wire.mend()
        await rig.until_stored()


async def stuck_store(rig: Rig, rounds: int) -> None:
    """The store takes nothing while batches come; then the cloud is killed: whatever it had not stored comes again."""
    for _ in range(rounds):
        with closing(sqlite3.connect(rig.cloud.series_file, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await rig.wire.until_more("up", "b", 3)
            await asyncio.sleep(rig.dice.uniform(0, 1))
            await rig.cloud.end(signal.SIGKILL)
        await rig.cloud.start()
        await rig.until_stored()
        await asyncio.sleep(rig.dice.uniform(0, 2))
        await rig.cloud.end(signal.SIGKILL)
        await rig.cloud.start()
        await rig.until_stored()


async def dead_influxdb(rig: Rig, rounds: int) -> None:
    """The same with InfluxDB: it dies while batches come, and the cloud with what it held before it is back."""
    assert rig.influx is not None
    for _ in range(rounds):
        await asyncio.to_thread(rig.influx.kill)
        await rig.wire.until_more("up", "b", 3)
        await asyncio.sleep(rig.dice.uniform(0, 1))
        await rig.cloud.end(signal.SIGKILL)
        await asyncio.to_thread(rig.influx.start)
        await rig.cloud.start()
        await rig.until_stored()


SCENARIOS: Mapping[str, Scenario] = {
    work.__name__: work
    for work in (
        half_open,
        forgotten,
        dead_influxdb,
        stuck_store,
        black_hole,
        nameless,
        replayed,
        cuts,
        flapping,
        acknowledgements,
        mobile,
    )
}
"""Those that wait longest begin first."""
