"""Faults of devices on MQTT: what is on the wire, what the ledger holds, what a naive reader makes of it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lentera_drivers.profiles import LampPayloadError, decode_lamp_payload, decode_sensor
from lentera_sim.broker import start_broker
from lentera_sim.faults.kinds import Faults
from lentera_sim.faults.mqtt_faults import BROKER_KINDS, DEVICE_KINDS, broker_faults, device_faults
from lentera_sim.lamps.bridge import DeviceBridge
from lentera_sim.lamps.zigbee2mqtt import Zigbee2Mqtt
from lentera_sim.ledger import Ledger, LedgerEntry
from lentera_sim.tasks import end
from tests.services.servers import BrokerInfo
from tests.sim import test_plugs
from tests.sim.conftest import until
from tests.sim.test_lamps import Listener, listener, running

Entries = Callable[[], list[LedgerEntry]]
LAMP = "zigbee2mqtt/lamp-001"


class Faulty:
    """Two lit lamps, an ear, and what can be wrong with the first."""

    def __init__(self, bridge: DeviceBridge[Any], ear: Listener) -> None:
        self.bridge, self.ear = bridge, ear
        self.lamp = bridge.devices[0]
        self.faults: Faults = device_faults(bridge, self.lamp)

    def put(self, name: str, value: float = 0.0) -> None:
        self.faults[name].apply(value, True)

    def lift(self, name: str) -> None:
        self.faults[name].apply(0.0, False)

    async def reports(self, count: int = 1) -> list[bytes]:
        """Let the first lamp report and return what is heard of it."""
        self.ear.heard.clear()
        for _ in range(count):
            self.bridge.report(self.lamp)
        await until(lambda: len(self.payloads()) == count)
        return self.payloads()

    async def settle(self) -> None:
        """Wait until all that was said before is heard and written down: the other lamp speaks last."""
        other, topic = self.bridge.devices[1], "zigbee2mqtt/lamp-002"
        before = len(self.ear.states(topic))
        self.bridge.report(other)
        await until(lambda: len(self.ear.states(topic)) > before and not self.bridge.waiting)

    def payloads(self) -> list[bytes]:
        return [payload for topic, payload in self.ear.heard if topic == LAMP]


@pytest.fixture
async def faulty(mosquitto: BrokerInfo, ledger: Ledger) -> AsyncIterator[Faulty]:
    async with listener(mosquitto) as ear, running(Zigbee2Mqtt, mosquitto, ledger, "zigbee2mqtt") as bridge:
        bridge.energise()
        await until(lambda: ledger.answered_values > 0 and len(ear.states("zigbee2mqtt/lamp-002")) == 1)
        await until(lambda: not bridge.waiting)
        yield Faulty(bridge, ear)


def said_by(entries: list[LedgerEntry], kind: str = "answered") -> list[dict[str, float]]:
    return [dict(entry.values) for entry in entries if entry.kind == kind and entry.device == "lamp-001"]


def naive(payload: bytes) -> dict[str, float]:
    """Read a state as a quick script does."""
    return {key: float(value) for key, value in json.loads(payload).items() if key in ("power", "energy", "voltage")}


async def test_malformed_payloads_are_of_no_use_to_anybody(faulty: Faulty, entries: Entries) -> None:
    before = len(said_by(entries()))
    faulty.put("malformed")
    payloads = await faulty.reports(6)
    assert len(set(payloads)) == 6
    for payload in payloads:
        with pytest.raises(LampPayloadError):
            decode_lamp_payload(faulty.lamp.profile, payload)
        with pytest.raises((ValueError, AttributeError, UnicodeDecodeError)):
            naive(payload)
    faulty.lift("malformed")
    await faulty.reports()
    await until(lambda: len(said_by(entries())) == before + 1)


async def test_nan_is_stored_by_a_naive_reader_and_by_no_other(faulty: Faulty, entries: Entries) -> None:
    before = said_by(entries())
    faulty.put("nan")
    [payload] = await faulty.reports()
    assert all(math.isnan(value) for value in naive(payload).values())
    with pytest.raises(LampPayloadError, match="JSON"):
        decode_lamp_payload(faulty.lamp.profile, payload)
    assert said_by(entries()) == before
    faulty.lift("nan")
    assert naive((await faulty.reports())[0])["power"] > 0


async def test_wrong_types_break_a_naive_reader_and_give_the_other_complaints(faulty: Faulty, entries: Entries) -> None:
    before = said_by(entries())
    faulty.put("wrong_types")
    [payload] = await faulty.reports()
    with pytest.raises((TypeError, ValueError)):
        naive(payload)
    message = decode_lamp_payload(faulty.lamp.profile, payload)
    assert message.values == {}
    assert len(message.complaints) > 5
    assert {type(value) for value in json.loads(payload).values()} == {str, dict}
    assert said_by(entries()) == before


async def test_a_small_meter_with_wrong_types_gives_nothing_but_complaints(
    mosquitto: BrokerInfo, ledger: Ledger
) -> None:
    async with test_plugs.running(mosquitto, ledger, tasmota=1) as (bridge, ear):
        plug = bridge.devices[0]
        await until(lambda: bool(ear.states("tele/tasmota-01/SENSOR")))
        ear.heard.clear()
        device_faults(bridge, plug)["wrong_types"].apply(0.0, True)
        bridge.report(plug)
        await until(lambda: len(ear.heard) == 2)
        for topic, payload in ear.heard:
            message = decode_sensor(plug.profile, "sensor" if topic.endswith("SENSOR") else "state", payload)
            assert message.values == {}
            assert message.complaints


async def test_a_flood_comes_at_its_rate_and_need_not_be_stored(faulty: Faulty, entries: Entries) -> None:
    loop = asyncio.get_running_loop()
    before, heard_from_s = len(said_by(entries())), loop.time()
    faulty.ear.heard.clear()
    faulty.put("flood", 200.0)
    await until(lambda: len(faulty.payloads()) >= 100)
    assert loop.time() - heard_from_s > 0.4, "two hundred a second, and no faster"
    faulty.lift("flood")
    assert len(said_by(entries())) == before
    await faulty.settle()
    assert 100 <= len(faulty.payloads()) == len(said_by(entries(), "unsure"))
    faulty.ear.heard.clear()
    await asyncio.sleep(0.1)  # nothing more comes: twenty would have
    await faulty.settle()
    assert faulty.payloads() == []


async def test_one_huge_message(faulty: Faulty, entries: Entries) -> None:
    before = said_by(entries())
    faulty.ear.heard.clear()
    faulty.put("huge", 10.0)
    await until(lambda: bool(faulty.payloads()), 10)
    [payload] = faulty.payloads()
    assert len(payload) == 10_000_000
    json.loads(payload)
    with pytest.raises(LampPayloadError, match="message of 10000000 bytes"):
        decode_lamp_payload(faulty.lamp.profile, payload)
    assert said_by(entries()) == before


async def test_counters_that_are_reset_or_read_zero_for_a_moment(faulty: Faulty, entries: Entries) -> None:
    async def energy_wh() -> float:
        await faulty.reports()
        await until(lambda: len(said_by(entries())) > seen[0])
        seen[0] = len(said_by(entries()))
        return said_by(entries())[-1]["energy_active_import"]

    seen = [len(said_by(entries()))]
    before_wh = await energy_wh()
    assert before_wh > 1000
    faulty.put("counter_zero")
    assert await energy_wh() == 0.0
    faulty.lift("counter_zero")
    assert await energy_wh() == pytest.approx(before_wh, abs=1)
    faulty.put("counter_reset")
    assert await energy_wh() == pytest.approx(0.0, abs=1)
    faulty.put("counter_zero")
    faulty.lift("counter_zero")
    assert await energy_wh() == pytest.approx(0.0, abs=1), "what was reset stays so"


async def test_a_dead_lamp_is_said_to_be_offline_and_comes_back(faulty: Faulty) -> None:
    faulty.put("dead")
    await until(lambda: {"state": "offline"} in faulty.ear.states(f"{LAMP}/availability"))
    await faulty.ear.order(f"{LAMP}/get", {"brightness": ""})
    await faulty.ear.client.publish("zigbee2mqtt/lamp-002/get", '{"brightness":""}', qos=1)
    await until(lambda: bool(faulty.ear.states("zigbee2mqtt/lamp-002")))
    assert faulty.payloads() == []
    faulty.lift("dead")
    await until(lambda: {"state": "online"} in faulty.ear.states(f"{LAMP}/availability"))
    await until(lambda: bool(faulty.payloads()))


async def test_a_lamp_that_ignores_and_one_that_is_slow(faulty: Faulty) -> None:
    faulty.put("ignores")
    await faulty.ear.order(f"{LAMP}/set", {"brightness": 102})
    await until(lambda: bool(faulty.payloads()))
    assert json.loads((await faulty.reports())[0])["brightness"] == 254
    faulty.lift("ignores")
    luminaire, usual_ms = faulty.lamp.luminaire, faulty.lamp.luminaire.delay_ms
    faulty.put("slow", 3.0)
    assert luminaire.delay_ms == usual_ms + 3000
    faulty.lift("slow")
    assert luminaire.delay_ms == usual_ms


async def test_a_slow_meter_answers_late(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with test_plugs.running(mosquitto, ledger, json_meters=1) as (bridge, ear):
        loop = asyncio.get_running_loop()
        device_faults(bridge, bridge.devices[0])["slow"].apply(0.3, True)
        began_s = loop.time()
        await ear.order("meters/json-01/get", "{}")
        await until(lambda: bool(ear.states("meters/json-01")))
        assert loop.time() - began_s >= 0.3


async def test_a_killed_broker_is_started_again(tmp_path: Any) -> None:
    broker = await start_broker("auto", tmp_path)
    supervisor = asyncio.create_task(broker.supervise())
    first = broker.process
    broker_faults(broker)["broker_kill"].apply(0.0, True)
    await until(lambda: broker.restarts == 1)
    assert first.poll() == -9
    await end(supervisor)
    await broker.stop()


def test_every_kind_is_bound_and_said_in_one_line(street: Any) -> None:
    for kind in (*DEVICE_KINDS, *BROKER_KINDS):
        assert kind.what
        assert "\n" not in kind.what
        assert kind.usual is None or kind.low <= kind.usual <= kind.high
    lamp = next(iter(street.lamps.values()))
    bridge = Zigbee2Mqtt("x", "127.0.0.1", 1, [lamp], Ledger.__new__(Ledger), street.clock)
    assert set(device_faults(bridge, lamp)) == {kind.name for kind in DEVICE_KINDS}
