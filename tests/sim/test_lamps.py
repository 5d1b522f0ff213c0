"""Lamps on a real broker: echo before act, truth after a question, availability, and a ledger of what was received."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
import pytest

from lentera_drivers.profiles import decode_lamp_payload
from lentera_sim.clock import wall_ms
from lentera_sim.lamps.bridge import LampBridge
from lentera_sim.lamps.device import Behaviour
from lentera_sim.lamps.homeassistant import HomeAssistantLights
from lentera_sim.lamps.zigbee2mqtt import Zigbee2Mqtt
from lentera_sim.ledger import Ledger, LedgerEntry
from lentera_sim.street import StreetPlan, build_street
from lentera_sim.tasks import end
from tests.services.servers import BrokerInfo, Mosquitto
from tests.sim.conftest import until

Entries = Callable[[], list[LedgerEntry]]


@dataclass
class Listener:
    """A gateway's ear: everything published, in order."""

    client: aiomqtt.Client
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    async def listen(self) -> None:
        await self.client.subscribe("#", qos=1)
        async for message in self.client.messages:
            if not message.retain:
                self.heard.append((message.topic.value, bytes(message.payload)))  # pyright: ignore[reportArgumentType]

    def states(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for at, payload in self.heard if at == topic]

    async def order(self, topic: str, body: str | dict[str, Any]) -> None:
        self.heard.clear()
        await self.client.publish(topic, body if isinstance(body, str) else json.dumps(body), qos=1)


@asynccontextmanager
async def listener(broker: BrokerInfo) -> AsyncIterator[Listener]:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        made = Listener(client)
        task = asyncio.create_task(made.listen())
        await asyncio.sleep(0)
        try:
            yield made
        finally:
            await end(task)


@asynccontextmanager
async def running(
    kind: type[LampBridge], broker: BrokerInfo, ledger: Ledger, dialect: str, **behaviours: Behaviour
) -> AsyncIterator[LampBridge]:
    plan = StreetPlan(
        lamps=3, lamp_every_s=30.0, behaviours={name.replace("_", "-"): how for name, how in behaviours.items()}
    )
    street = build_street(plan)
    lamps = [lamp for lamp in street.lamps.values() if lamp.profile.dialect == dialect]
    bridge = kind(f"test-{kind.__name__}-{id(plan)}", broker.host, broker.port, lamps, ledger, street.clock)
    task = asyncio.create_task(bridge.run())
    await bridge.connected.wait()
    try:
        yield bridge
    finally:
        await end(task)


@pytest.fixture
async def zigbee(mosquitto: BrokerInfo, ledger: Ledger) -> AsyncIterator[tuple[LampBridge, Listener]]:
    async with listener(mosquitto) as ear, running(Zigbee2Mqtt, mosquitto, ledger, "zigbee2mqtt") as bridge:
        bridge.energise()
        await until(lambda: bool(ear.states("zigbee2mqtt/lamp-002")))
        yield bridge, ear


def facts(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """States without the times at which their lamp said them."""
    return [{key: value for key, value in state.items() if key != "last_seen"} for state in states]


def received(ear: Listener, bridge: LampBridge) -> list[tuple[str, dict[str, float]]]:
    """What a gateway that misses nothing decodes from what it heard."""
    found = []
    for topic, payload in ear.heard:
        for lamp in bridge.lamps:
            if topic in (lamp.topics.state, lamp.topics.telemetry):
                found.append((lamp.device, decode_lamp_payload(lamp.profile, payload).values))
    return found


def answered(entries: list[LedgerEntry]) -> list[tuple[str, dict[str, float]]]:
    return [(entry.device, dict(entry.values)) for entry in entries if entry.kind == "answered"]


async def test_nothing_is_said_before_the_supply_is_on(mosquitto: BrokerInfo, ledger: Ledger, entries: Entries) -> None:
    async with listener(mosquitto) as ear, running(Zigbee2Mqtt, mosquitto, ledger, "zigbee2mqtt"):
        await ear.order("zigbee2mqtt/lamp-001/set", {"brightness": 100})
        await ear.order("zigbee2mqtt/lamp-001/get", {"brightness": ""})
        await asyncio.sleep(0.15)
        assert ear.states("zigbee2mqtt/lamp-001") == []
    assert entries() == []


async def test_a_lamp_comes_on_at_full_level(zigbee: tuple[LampBridge, Listener], entries: Entries) -> None:
    bridge, ear = zigbee
    state = ear.states("zigbee2mqtt/lamp-001")[0]
    assert (state["state"], state["brightness"]) == ("ON", 254)
    assert state["power"] == pytest.approx(bridge.lamps[0].luminaire.rated_w)
    assert ear.states("zigbee2mqtt/lamp-001/availability") == [{"state": "online"}]
    await until(lambda: answered(entries()) == received(ear, bridge))


async def test_a_wrong_decoder_does_not_change_the_ledger(
    mosquitto: BrokerInfo, ledger: Ledger, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lentera_drivers.profiles.payloads.level_of", lambda *_: 7.0)
    monkeypatch.setattr("lentera_drivers.profiles.payloads.finite_number", lambda _: 7.0)
    async with running(Zigbee2Mqtt, mosquitto, ledger, "zigbee2mqtt") as bridge:
        bridge.energise()
        await until(lambda: len(answered(entries())) == 2)
        for (device, values), lamp in zip(answered(entries()), bridge.lamps, strict=True):
            assert (device, values["level_percent"]) == (lamp.device, 100.0)
            assert values["power_active_total"] == pytest.approx(lamp.luminaire.rated_w, abs=0.1)


async def test_the_echo_comes_before_the_lamp_has_acted(zigbee: tuple[LampBridge, Listener]) -> None:
    bridge, ear = zigbee
    before = ear.states("zigbee2mqtt/lamp-001")[-1]
    lamp = bridge.lamps[0].luminaire
    await ear.order("zigbee2mqtt/lamp-001/set", {"state": "ON", "brightness": 102})
    await until(lambda: bool(ear.states("zigbee2mqtt/lamp-001")))
    assert lamp.level_percent(bridge.clock.now_ms()) == 100.0
    echo = ear.states("zigbee2mqtt/lamp-001")[0]
    assert echo["brightness"] == 102
    assert (echo["power"], echo["last_seen"]) == (before["power"], before["last_seen"])
    await until(lambda: len(ear.states("zigbee2mqtt/lamp-001")) == 2)
    report = ear.states("zigbee2mqtt/lamp-001")[1]
    assert report["brightness"] == 102
    assert report["power"] < 0.5 * before["power"]
    assert report["last_seen"] > before["last_seen"]


async def test_a_question_is_answered_by_the_lamp_and_not_by_the_cache(
    zigbee: tuple[LampBridge, Listener], entries: Entries
) -> None:
    bridge, ear = zigbee
    everything = list(ear.heard)
    await ear.order("zigbee2mqtt/lamp-001/set", {"brightness": 0, "state": "OFF"})
    await ear.client.publish("zigbee2mqtt/lamp-001/get", '{"brightness":""}', qos=1)
    await until(lambda: len(ear.states("zigbee2mqtt/lamp-001")) >= 3)
    brightness = [state["brightness"] for state in ear.states("zigbee2mqtt/lamp-001")]
    assert brightness == [0, 254, 0]  # the echo, the lamp that has not yet acted, the report of its change
    assert [entry.what for entry in entries() if entry.kind == "acted"][-1] == {"level_percent": 0.0}
    everything += ear.heard
    ear.heard = everything
    await until(lambda: answered(entries()) == received(ear, bridge))


async def test_each_asked_attribute_is_published_by_itself(zigbee: tuple[LampBridge, Listener]) -> None:
    """The answer to `state` still carries the wanted brightness: only the answer to `brightness` is the truth."""
    bridge, ear = zigbee
    bridge.lamps[0].behaviour = Behaviour.IGNORES
    await ear.order("zigbee2mqtt/lamp-001/set", {"brightness": 200})
    await ear.client.publish("zigbee2mqtt/lamp-001/get", '{"state":"","brightness":"","power":"","nonsense":""}', qos=1)
    await until(lambda: len(ear.states("zigbee2mqtt/lamp-001")) == 4)
    assert [state["brightness"] for state in ear.states("zigbee2mqtt/lamp-001")] == [200, 200, 254, 254]


@pytest.mark.parametrize("nonsense", ["", "no json", "[1]", "{}", '{"brightness":"bright"}', '{"state":5}'])
async def test_nonsense_is_ignored(zigbee: tuple[LampBridge, Listener], nonsense: str) -> None:
    _, ear = zigbee
    await ear.order("zigbee2mqtt/lamp-001/set", nonsense)
    await ear.client.publish("zigbee2mqtt/lamp-002/set", '{"brightness":9999}', qos=1)
    await until(lambda: bool(ear.states("zigbee2mqtt/lamp-002")))
    assert ear.states("zigbee2mqtt/lamp-001") == []
    assert ear.states("zigbee2mqtt/lamp-002")[0]["brightness"] == 254


async def test_an_ignoring_lamp_is_echoed_and_stays(mosquitto: BrokerInfo, ledger: Ledger, entries: Entries) -> None:
    async with (
        listener(mosquitto) as ear,
        running(Zigbee2Mqtt, mosquitto, ledger, "zigbee2mqtt", lamp_001=Behaviour.IGNORES) as bridge,
    ):
        bridge.energise()
        await until(lambda: bool(ear.states("zigbee2mqtt/lamp-002")))
        await ear.order("zigbee2mqtt/lamp-001/set", {"brightness": 25})
        await until(lambda: bool(ear.states("zigbee2mqtt/lamp-001")))
        assert ear.states("zigbee2mqtt/lamp-001")[0]["brightness"] == 25
        await ear.order("zigbee2mqtt/lamp-001/get", {"brightness": ""})
        await until(lambda: bool(ear.states("zigbee2mqtt/lamp-001")))
        assert ear.states("zigbee2mqtt/lamp-001")[0]["brightness"] == 254
    assert [entry.what["level_percent"] for entry in entries() if entry.kind == "acted"] == [100.0, 100.0]


async def test_an_offline_lamp_says_so_and_nothing_else(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with (
        listener(mosquitto) as ear,
        running(Zigbee2Mqtt, mosquitto, ledger, "zigbee2mqtt", lamp_001=Behaviour.OFFLINE) as bridge,
    ):
        bridge.energise()
        await until(lambda: bool(ear.states("zigbee2mqtt/lamp-002")))
        assert ear.states("zigbee2mqtt/lamp-001/availability") == [{"state": "offline"}]
        await ear.client.publish("zigbee2mqtt/lamp-001/set", '{"brightness":25}', qos=1)
        await ear.client.publish("zigbee2mqtt/lamp-002/set", '{"brightness":25}', qos=1)
        await until(lambda: len(ear.states("zigbee2mqtt/lamp-002")) == 2)
        assert ear.states("zigbee2mqtt/lamp-001") == []


async def test_a_slow_lamp_acts_late(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with running(Zigbee2Mqtt, mosquitto, ledger, "zigbee2mqtt", lamp_001=Behaviour.SLOW) as bridge:
        lamp = bridge.lamps[0]
        bridge.energise()
        now_ms = bridge.clock.now_ms()
        settled_ms = lamp.luminaire.command(10, now_ms)
        assert settled_ms - now_ms >= 5000
        assert lamp.luminaire.level_percent(now_ms + 4900) == 100.0


async def test_home_assistants_lights_echo_their_state_and_measure_their_power(
    mosquitto: BrokerInfo, ledger: Ledger, entries: Entries
) -> None:
    async with (
        listener(mosquitto) as ear,
        running(HomeAssistantLights, mosquitto, ledger, "homeassistant_json") as bridge,
    ):
        bridge.energise()
        await until(lambda: bool(ear.states("lights/lamp-003/telemetry")))
        assert ("lights/lamp-003/availability", b"online") in ear.heard
        assert facts(ear.states("lights/lamp-003")) == [{"state": "ON", "brightness": 255}]
        rated_w = ear.states("lights/lamp-003/telemetry")[0]["power"]
        first = list(ear.heard)
        await ear.order("lights/lamp-003/set", {"state": "ON", "brightness": 102})
        await until(lambda: bool(ear.states("lights/lamp-003/telemetry")))
        assert facts(ear.states("lights/lamp-003")) == [{"state": "ON", "brightness": 102}]
        assert [topic for topic, _ in ear.heard][-2:] == ["lights/lamp-003", "lights/lamp-003/telemetry"]
        assert ear.states("lights/lamp-003/telemetry")[0]["power"] == pytest.approx(0.41 * rated_w, rel=0.02)
        ear.heard = first + ear.heard
        await until(lambda: answered(entries()) == received(ear, bridge))


async def test_a_lights_nonsense_is_ignored(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with (
        listener(mosquitto) as ear,
        running(HomeAssistantLights, mosquitto, ledger, "homeassistant_json") as bridge,
    ):
        bridge.energise()
        await until(lambda: bool(ear.states("lights/lamp-003/telemetry")))
        for nonsense in ("", "[]", '{"brightness":true}'):
            await ear.client.publish("lights/lamp-003/set", nonsense, qos=1)
        await ear.client.publish("lights/lamp-003/set", '{"state":"ON","transition":0}', qos=1)
        await until(lambda: len(ear.states("lights/lamp-003")) == 2)
        assert facts(ear.states("lights/lamp-003"))[1] == {"state": "ON", "brightness": 255}


async def test_a_lights_messages_carry_its_own_time(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    """What a broker kept for an absent gateway can be dated only by the device's own word."""
    async with (
        listener(mosquitto) as ear,
        running(HomeAssistantLights, mosquitto, ledger, "homeassistant_json") as bridge,
    ):
        before_ms = wall_ms()
        bridge.report(bridge.lamps[0])
        after_ms = wall_ms()
        await until(lambda: bool(ear.states("lights/lamp-003/telemetry")))
        for topic in ("lights/lamp-003", "lights/lamp-003/telemetry"):
            assert before_ms <= ear.states(topic)[0]["last_seen"] <= after_ms


async def test_the_on_off_attribute_alone_does_not_tell_the_brightness(zigbee: tuple[LampBridge, Listener]) -> None:
    bridge, ear = zigbee
    lamp = bridge.lamps[0]
    lamp.luminaire.failed = True
    await ear.order("zigbee2mqtt/lamp-001/get", {"state": ""})
    await until(lambda: len(ear.states("zigbee2mqtt/lamp-001")) == 1)
    assert ear.states("zigbee2mqtt/lamp-001")[0]["state"] == "OFF"
    lamp.luminaire.failed = False
    await ear.order("zigbee2mqtt/lamp-001/get", {"state": ""})
    await until(lambda: len(ear.states("zigbee2mqtt/lamp-001")) == 1)
    assert ear.states("zigbee2mqtt/lamp-001")[0]["state"] == "ON"


async def test_reports_come_by_themselves(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with listener(mosquitto) as ear, running(Zigbee2Mqtt, mosquitto, ledger, "zigbee2mqtt") as bridge:
        for lamp in bridge.lamps:
            lamp.every_s = 0.1
        bridge.energise()
        await until(lambda: len(ear.states("zigbee2mqtt/lamp-001")) > 5)


async def test_a_quiet_bridge_has_published_everything_and_says_nothing_more(
    zigbee: tuple[LampBridge, Listener], entries: Entries
) -> None:
    bridge, ear = zigbee
    for _ in range(50):
        bridge.report(bridge.lamps[0])
    await bridge.quieten()
    count = len(answered(entries()))
    assert count >= 52
    await until(lambda: answered(entries()) == received(ear, bridge))
    bridge.report(bridge.lamps[0])
    await ear.client.publish("zigbee2mqtt/lamp-001/set", '{"brightness":9}', qos=1)
    await asyncio.sleep(0.1)
    assert len(answered(entries())) == count


async def test_lamps_come_back_with_their_broker(own_mosquitto: Mosquitto, ledger: Ledger, entries: Entries) -> None:
    async with running(Zigbee2Mqtt, own_mosquitto.info, ledger, "zigbee2mqtt") as bridge:
        bridge.energise()
        await until(lambda: len(answered(entries())) == 2)
        await asyncio.to_thread(own_mosquitto.kill)
        await until(lambda: not bridge.connected.is_set())
        bridge.report(bridge.lamps[0])  # nobody can hear it: it is no answer
        await asyncio.to_thread(own_mosquitto.start)
        await until(lambda: len(answered(entries())) == 4, 10)  # both announce themselves again
        assert bridge.connected.is_set()
