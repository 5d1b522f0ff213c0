"""A street whose broker is killed: it comes back on its port, the lamps with it, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import psutil
import pytest

from lentera_drivers.profiles import decode_lamp_payload
from lentera_model.readings import Reading
from lentera_sim.audit import audit
from lentera_sim.broker import BrokerChoice, answers, find_mosquitto, start_broker
from lentera_sim.clock import wall_ms
from lentera_sim.ledger import read_ledger
from lentera_sim.run import RunningStreet, open_street
from lentera_sim.street import StreetPlan
from lentera_sim.tasks import end
from tests.services.process import missing
from tests.sim.conftest import until

BROKERS: tuple[BrokerChoice, ...] = ("mosquitto", "amqtt")


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> BrokerChoice:
    """Each broker in turn."""
    if request.param == "mosquitto" and find_mosquitto() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    return request.param


@asynccontextmanager
async def lit_street(run_dir: Path, broker: BrokerChoice) -> AsyncIterator[RunningStreet]:
    street = await open_street(StreetPlan(lamps=6, lamp_every_s=0.3), run_dir, broker)
    try:
        street.energise()
        yield street
    finally:
        await street.close()


def answered(street: RunningStreet) -> int:
    street.ledger.flush()
    return sum(entry.kind == "answered" for entry in read_ledger(street.run_dir / "ledger.jsonl"))


async def kill_broker(street: RunningStreet) -> None:
    """Kill it as the kernel would, and wait until another process has its place and the lamps have found it."""
    old = street.broker.process
    old.kill()
    await until(lambda: street.broker.process is not old)
    await until(lambda: not any(bridge.connected.is_set() for bridge in street.bridges))
    await until(lambda: all(bridge.connected.is_set() for bridge in street.bridges))


async def test_a_killed_broker_comes_back_on_its_port(
    tmp_path: Path, broker: BrokerChoice, caplog: pytest.LogCaptureFixture
) -> None:
    async with lit_street(tmp_path, broker) as street:
        await until(lambda: answered(street) > 6)
        first, port = street.broker.process, street.broker.port
        with caplog.at_level(logging.WARNING, "lentera_sim.broker"):
            killed_s = asyncio.get_running_loop().time()
            first.kill()
            await until(lambda: street.broker.process is not first)
            assert asyncio.get_running_loop().time() - killed_s < 0.4
            await until(lambda: not any(bridge.connected.is_set() for bridge in street.bridges))
            await until(lambda: all(bridge.connected.is_set() for bridge in street.bridges), 10)
        assert [record.name for record in caplog.records].count("lentera_sim.broker") == 1
        assert f"on port {port} ended with -9" in caplog.text
        assert street.broker.process.pid != first.pid
        assert street.broker.port == port
        assert await answers("127.0.0.1", port)
        before = answered(street)
        await until(lambda: answered(street) > before + 6)
    assert not psutil.pid_exists(street.broker.process.pid)
    assert not await answers("127.0.0.1", port)


class Subscriber:
    """A gateway in small with a session that its broker keeps: what it has heard of the lamps, repeats left out."""

    def __init__(self, street: RunningStreet) -> None:
        self.broker = street.broker
        self.by_topic = {
            topic: lamp
            for lamp in street.street.lamps.values()
            for topic in (lamp.topics.state, lamp.topics.telemetry)
            if topic is not None
        }
        self.stored: dict[str, list[Reading]] = {}
        self.ready = asyncio.Event()

    async def listen(self) -> None:
        while True:
            try:
                async with aiomqtt.Client(
                    self.broker.host, self.broker.port, identifier="kept", clean_session=False
                ) as client:
                    for topic in self.by_topic:
                        await client.subscribe(topic, qos=1)
                    self.ready.set()
                    async for message in client.messages:
                        self.keep(message.topic.value, bytes(message.payload))  # pyright: ignore[reportArgumentType]
            except aiomqtt.MqttError:
                await asyncio.sleep(0.5)

    def keep(self, topic: str, payload: bytes) -> None:
        lamp = self.by_topic[topic]
        message = decode_lamp_payload(lamp.profile, payload)
        at_ms = message.last_seen_ms or wall_ms()
        self.stored.setdefault(lamp.device, []).append(Reading(lamp.device, "", at_ms, message.values))


async def test_nothing_acknowledged_is_missing_after_two_deaths(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    street = await open_street(StreetPlan(lamps=6, lamp_every_s=0.5), tmp_path, "mosquitto")
    subscriber = Subscriber(street)
    listening = asyncio.create_task(subscriber.listen())
    try:
        await asyncio.wait_for(subscriber.ready.wait(), 5)
        street.energise()
        await until(lambda: len(subscriber.stored) == 6)
        for _ in range(2):
            await kill_broker(street)
            before = answered(street)
            await until(lambda before=before: answered(street) > before + 12)
        await street.quieten()
        certain = answered(street)
        await until(lambda: sum(map(len, subscriber.stored.values())) >= certain)
    finally:
        await end(listening)
        await street.close()
    result = audit(read_ledger(tmp_path / "ledger.jsonl"), subscriber.stored)
    assert result.produced > 200
    assert result.missing == 0, result.details[:5]


async def test_repeated_deaths_are_answered_ever_later(
    tmp_path: Path, broker: BrokerChoice, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await start_broker(broker, tmp_path)
    monkeypatch.setattr("lentera_sim.broker._PAUSE_S", (0.0, 0.01, 0.02))
    started.command = ["/bin/false"]
    started.process.kill()
    with caplog.at_level(logging.WARNING, "lentera_sim.broker"):
        supervising = asyncio.create_task(started.supervise())
        await until(lambda: len(caplog.records) >= 5)
        await end(supervising)
    pauses = [record.getMessage().rsplit("in ", 1)[1] for record in caplog.records]
    assert pauses[:5] == ["0 s", "0.01 s", "0.02 s", "0.02 s", "0.02 s"]
    await started.stop()


async def test_nothing_is_restarted_while_a_street_closes(tmp_path: Path, broker: BrokerChoice) -> None:
    street = await open_street(StreetPlan(lamps=3), tmp_path, broker)
    last = street.broker.process
    closing = asyncio.create_task(street.close())
    await asyncio.sleep(0)
    last.kill()
    await closing
    assert street.broker.process is last
    assert not await answers("127.0.0.1", street.broker.port)
