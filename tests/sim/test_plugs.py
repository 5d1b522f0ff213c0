"""Small meters on a real broker: topics, words and resolutions of the real ones, and a ledger of what was received."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from lentera_drivers.profiles import decode_sensor, decode_sensor_availability
from lentera_sim.clock import SimClock
from lentera_sim.lamps.bridge import DeviceBridge
from lentera_sim.lamps.device import Behaviour
from lentera_sim.ledger import Ledger, LedgerEntry
from lentera_sim.physics.grid import Grid
from lentera_sim.plugs.appliance import Appliance
from lentera_sim.plugs.fleet import plug_programs
from lentera_sim.plugs.plug import NetworkPlug
from lentera_sim.street import StreetPlan, build_street
from lentera_sim.tasks import end
from tests.services.servers import BrokerInfo
from tests.sim.conftest import until
from tests.sim.test_lamps import Listener, listener

Entries = Callable[[], list[LedgerEntry]]
START_MS = 1_790_000_000_000
HOUR_MS = 3_600_000


@asynccontextmanager
async def running(
    broker: BrokerInfo, ledger: Ledger, **counts: int
) -> AsyncIterator[tuple[DeviceBridge[NetworkPlug], Listener]]:
    """The program of one kind of small meter, energised, and an ear; the plan has one kind only."""
    street = build_street(StreetPlan(lamps=0, plug_every_s=30.0, **counts))  # pyright: ignore[reportArgumentType]
    [bridge] = plug_programs(street.plugs.values(), broker.host, broker.port, ledger, street.clock)
    async with listener(broker) as ear:
        task = asyncio.create_task(bridge.run())
        await bridge.connected.wait()
        bridge.energise()
        await until(lambda: len(ear.heard) >= 2)
        try:
            yield bridge, ear
        finally:
            await end(task)


def received(ear: Listener, plug: NetworkPlug) -> list[tuple[str, dict[str, float]]]:
    """What a gateway that misses nothing decodes from what it heard."""
    names = {topic: name for name, topic in plug.topics.messages.items()}
    return [
        (plug.device, decode_sensor(plug.profile, names[topic], payload).values)
        for topic, payload in ear.heard
        if topic in names
    ]


def answered(entries: list[LedgerEntry]) -> list[tuple[str, dict[str, float]]]:
    return [(entry.device, dict(entry.values)) for entry in entries if entry.kind == "answered"]


def appliance() -> Appliance:
    return Appliance("kulkas", 1, Grid(1), 0, 200.0, START_MS, 5000.0)


def test_the_energy_of_a_load_is_the_integral_of_its_power() -> None:
    load = appliance()
    steps = [START_MS + 1000 * second for second in range(3601)]
    powers = [load.draw(at_ms).active_w for at_ms in steps]
    by_hand_wh = sum((a + b) / 2 for a, b in pairwise(powers)) / 3600
    counted_wh = load.draw(steps[-1]).energy_wh - load.draw(steps[0]).energy_wh
    assert counted_wh == pytest.approx(by_hand_wh, rel=1e-4)
    assert min(powers) > 20
    assert load.draw(START_MS).energy_wh == pytest.approx(5000.0)


def test_an_open_relay_draws_and_counts_nothing() -> None:
    load = appliance()
    load.switch(False, START_MS + HOUR_MS)
    stands_wh = load.draw(START_MS + HOUR_MS).energy_wh
    off = load.draw(START_MS + 2 * HOUR_MS)
    assert (off.active_w, off.current_a, off.power_factor) == (0.0, 0.0, 1.0)
    assert off.energy_wh == stands_wh
    load.switch(True, START_MS + 2 * HOUR_MS)
    assert load.draw(START_MS + 2 * HOUR_MS).energy_wh == pytest.approx(stands_wh)
    sound = appliance()
    for at_ms in (START_MS + 3 * HOUR_MS, START_MS + 5 * HOUR_MS):
        hour_wh = sound.draw(at_ms).energy_wh - sound.draw(START_MS + 2 * HOUR_MS).energy_wh
        assert load.draw(at_ms).energy_wh - stands_wh == pytest.approx(hour_wh)


def test_volts_amperes_watts_and_factor_fit_each_other() -> None:
    draw = appliance().draw(START_MS + 12345)
    assert draw.voltage_v * draw.current_a == pytest.approx(draw.apparent_va)
    assert draw.apparent_va**2 == pytest.approx(draw.active_w**2 + draw.reactive_var**2)
    assert draw.power_factor == pytest.approx(draw.active_w / draw.apparent_va)


async def test_a_tasmota_module_speaks_as_one(mosquitto: BrokerInfo, ledger: Ledger, entries: Entries) -> None:
    async with running(mosquitto, ledger, tasmota=1) as (bridge, ear):
        plug = bridge.devices[0]
        await until(lambda: bool(ear.states("tele/tasmota-01/SENSOR")))
        assert [topic for topic, _ in ear.heard][:3] == [
            f"tele/tasmota-01/{word}" for word in ("LWT", "STATE", "SENSOR")
        ]
        assert ear.heard[0][1] == b"Online"
        said = ear.states("tele/tasmota-01/SENSOR")[0]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", said["Time"]), "local, without a zone, to the second"
        energy = said["ENERGY"]
        assert {"Total", "Today", "Yesterday", "Power", "ApparentPower", "ReactivePower", "Factor"} < set(energy)
        assert [type(energy[key]) for key in ("Power", "Voltage", "ApparentPower")] == [int, int, int]
        assert energy["Total"] == round(energy["Total"], 3) == pytest.approx(plug.draw().energy_wh / 1000, abs=0.01)
        assert energy["Power"] == pytest.approx(energy["Voltage"] * energy["Current"] * energy["Factor"], rel=0.05)
        await until(lambda: answered(entries()) == received(ear, plug))
        assert any(values.get("output_1") == 1.0 for _, values in answered(entries()))


async def test_a_tasmota_module_answers_and_switches(mosquitto: BrokerInfo, ledger: Ledger, entries: Entries) -> None:
    async with running(mosquitto, ledger, tasmota=1) as (bridge, ear):
        plug = bridge.devices[0]
        await until(lambda: len(received(ear, plug)) == 2)
        everything = list(ear.heard)
        await ear.order("cmnd/tasmota-01/Status", "10")
        await until(lambda: bool(ear.states("stat/tasmota-01/STATUS10")))
        assert set(ear.states("stat/tasmota-01/STATUS10")[0]) == {"StatusSNS"}
        everything += ear.heard
        await ear.order("cmnd/tasmota-01/POWER", "OFF")
        await until(lambda: ("stat/tasmota-01/POWER", b"OFF") in ear.heard)
        assert ear.states("stat/tasmota-01/RESULT") == [{"POWER": "OFF"}]
        await ear.client.publish("cmnd/tasmota-01/POWER", "perhaps", qos=1)
        bridge.report(plug)
        await until(lambda: bool(ear.states("tele/tasmota-01/SENSOR")))
        assert ear.states("tele/tasmota-01/STATE")[-1]["POWER"] == "OFF"
        assert ear.states("tele/tasmota-01/SENSOR")[-1]["ENERGY"]["Power"] == 0
        ear.heard = everything + ear.heard
        await until(lambda: answered(entries()) == received(ear, plug))


async def test_the_broker_speaks_the_last_will_of_a_module_without_supply(
    mosquitto: BrokerInfo, ledger: Ledger
) -> None:
    async with running(mosquitto, ledger, tasmota=1) as (bridge, ear):
        plug = bridge.devices[0]
        await until(lambda: bool(ear.states("tele/tasmota-01/SENSOR")))
        ear.heard.clear()
        bridge.set_online(plug, online=False)
        await until(lambda: ("tele/tasmota-01/LWT", b"Offline") in ear.heard)
        assert not bridge.connected.is_set()
        bridge.report(plug)
        bridge.set_online(plug, online=True)
        await until(lambda: ("tele/tasmota-01/LWT", b"Online") in ear.heard)
        await until(lambda: bool(ear.states("tele/tasmota-01/SENSOR")))
        assert len(ear.states("tele/tasmota-01/SENSOR")) == 1, "what it said without its supply, nobody heard"


async def test_a_plug_behind_zigbee2mqtt(mosquitto: BrokerInfo, ledger: Ledger, entries: Entries) -> None:
    async with running(mosquitto, ledger, plugs=1) as (bridge, ear):
        plug = bridge.devices[0]
        state = ear.states("zigbee2mqtt/plug-01")[0]
        assert ear.states("zigbee2mqtt/plug-01/availability") == [{"state": "online"}]
        assert state["state"] == "ON"
        assert state["energy"] == round(state["energy"], 2)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", state["last_seen"])
        everything = list(ear.heard)
        await ear.order("zigbee2mqtt/plug-01/get", {"state": ""})
        await until(lambda: bool(ear.states("zigbee2mqtt/plug-01")))
        assert ear.states("zigbee2mqtt/plug-01") == [state], "an answer about the relay repeats what is cached"
        everything += ear.heard
        await ear.order("zigbee2mqtt/plug-01/set", {"state": "OFF"})
        await until(lambda: len(ear.states("zigbee2mqtt/plug-01")) == 2)
        echo, after = ear.states("zigbee2mqtt/plug-01")
        assert (echo["state"], echo["power"], echo["last_seen"]) == ("OFF", state["power"], state["last_seen"])
        assert (after["state"], after["power"]) == ("OFF", 0.0)
        ear.heard = everything + ear.heard
        await until(lambda: answered(entries()) == received(ear, plug))


async def test_a_plug_that_ignores_echoes_and_stays_on(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with running(mosquitto, ledger, plugs=1) as (bridge, ear):
        plug = bridge.devices[0]
        plug.behave(Behaviour.IGNORES)
        for nonsense in ("", "[]", '{"state":7}'):
            await ear.client.publish("zigbee2mqtt/plug-01/set", nonsense, qos=1)
        await ear.order("zigbee2mqtt/plug-01/set", {"state": "TOGGLE"})
        await ear.client.publish("zigbee2mqtt/plug-01/get", "{}", qos=1)
        await until(lambda: len(ear.states("zigbee2mqtt/plug-01")) == 2)
        assert [state["state"] for state in ear.states("zigbee2mqtt/plug-01")] == ["OFF", "ON"]
        assert plug.appliance.is_on


async def test_a_meter_with_json_of_its_own(mosquitto: BrokerInfo, ledger: Ledger, entries: Entries) -> None:
    async with running(mosquitto, ledger, json_meters=1) as (bridge, ear):
        plug = bridge.devices[0]
        assert ("meters/json-01/availability", b"online") in ear.heard
        everything = list(ear.heard)
        await ear.order("meters/json-01/get", "{}")
        await until(lambda: bool(ear.states("meters/json-01")))
        assert json.loads(ear.heard[-1][1])["at"] > START_MS / 2
        ear.heard = everything + ear.heard
        await until(lambda: answered(entries()) == received(ear, plug))


async def test_a_plug_that_is_offline_answers_nothing(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with running(mosquitto, ledger, plugs=2) as (bridge, ear):
        dead, well = bridge.devices
        bridge.set_online(dead, online=False)
        await until(lambda: {"state": "offline"} in ear.states("zigbee2mqtt/plug-01/availability"))
        assert not decode_sensor_availability(dead.profile, b'{"state":"offline"}')
        ear.heard.clear()
        for name in (dead.device, well.device):
            await ear.client.publish(f"zigbee2mqtt/{name}/get", '{"state":""}', qos=1)
        await until(lambda: bool(ear.states("zigbee2mqtt/plug-02")))
        assert ear.states("zigbee2mqtt/plug-01") == []


def test_the_seed_gives_the_same_small_meters_again() -> None:
    def drawn(seed: int) -> list[float]:
        plan = StreetPlan(lamps=0, plugs=2, tasmota=2, json_meters=1, seed=seed, epoch_ms=START_MS)
        street = build_street(plan, SimClock(epoch_ms=START_MS, monotonic_s=lambda: 0.0))
        return [plug.draw().energy_wh for plug in street.plugs.values()]

    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)
    assert len(set(drawn(5))) == 5
