"""A mesh's manners, number by number, on a clock of the test's own; and how its Zigbee2MQTT shows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from lentera_sim.lamps.device import Behaviour
from lentera_sim.lamps.mesh import BROADCAST_WINDOW_S, Mesh, Passage, ignoring
from lentera_sim.lamps.zigbee2mqtt import GROUP, Zigbee2Mqtt
from lentera_sim.ledger import Ledger, LedgerEntry
from lentera_sim.street import StreetPlan, build_street
from lentera_sim.tasks import end
from lentera_sim.virtual_time import run_in_virtual_time
from tests.services.servers import BrokerInfo
from tests.sim.conftest import until
from tests.sim.test_lamps import Listener, listener

LAMPS = tuple(f"lamp-{number:03d}" for number in range(1, 1001))


def test_fifteen_unicasts_a_second_pass_and_the_others_wait_their_turn() -> None:
    mesh = Mesh(1)
    waits_s = [mesh.unicast(name, 100.0).after_s for name in LAMPS[:150]]
    assert waits_s == pytest.approx([number / 15 for number in range(150)])
    assert mesh.unicast("lamp-001", 100.0 + 150 / 15).after_s == pytest.approx(0.0), "an idle radio sends at once"


def test_a_unicast_that_would_wait_longer_than_its_time_out_fails_and_takes_nobodys_turn() -> None:
    mesh = Mesh(1, wait_s=2.0)
    passages = [mesh.unicast(name, 0.0) for name in LAMPS[:100]]
    assert [passage.after_s is None for passage in passages] == [False] * 31 + [True] * 69
    assert not any(passage.arrives for passage in passages[31:])
    assert mesh.unicast("lamp-001", 1.0).after_s == pytest.approx(31 / 15 - 1.0)


def test_unicasts_of_any_second_are_fifteen_at_most_though_a_whole_minute_is_asked_for() -> None:
    async def minute() -> list[float]:
        mesh, sent = Mesh(3), list[float]()
        loop = asyncio.get_running_loop()
        while loop.time() < 60.0:
            after_s = mesh.unicast("lamp-001", loop.time()).after_s
            if after_s is not None:
                sent.append(loop.time() + after_s)
            await asyncio.sleep(0.01)
        return sent

    sent = run_in_virtual_time(minute())
    assert len(sent) == pytest.approx(70 * 15, abs=2), "sixty seconds, and ten that wait"
    assert max(sum(start <= at < start + 1 for at in sent) for start in sent) <= 16
    assert sum(10 <= at < 40 for at in sent) == pytest.approx(450, abs=1)


def test_eight_broadcasts_in_nine_seconds_and_no_more() -> None:
    mesh, out_s = Mesh(1), list[float]()
    for now_s in (0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.5, 7.0, 8.0):
        after_s = mesh.broadcast(now_s).after_s
        assert after_s is not None
        out_s.append(now_s + after_s)
    assert out_s[:8] == [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert out_s[8:] == pytest.approx([9.0, 9.0, 10.0])
    for start in out_s:
        assert sum(start <= at < start + BROADCAST_WINDOW_S for at in out_s) <= 8


def test_a_broadcast_that_finds_the_table_full_for_too_long_fails() -> None:
    mesh = Mesh(1, wait_s=5.0)
    assert [mesh.broadcast(0.0).after_s for _ in range(9)] == [0.0] * 8 + [None]
    assert mesh.broadcast(4.5).after_s == pytest.approx(4.5)


@pytest.mark.parametrize("kind", ["unicast", "broadcast", "report"])
def test_two_in_a_hundred_are_lost_the_same_ones_of_a_seed(kind: str) -> None:
    def heard(seed: int) -> list[bool]:
        mesh = Mesh(seed)
        how: dict[str, Callable[[int], bool]] = {
            "unicast": lambda number: mesh.unicast("lamp-001", float(number)).arrives,
            "broadcast": lambda _: mesh.hears_broadcast("lamp-001"),
            "report": lambda _: mesh.report_arrives("lamp-001"),
        }
        return [how[kind](number) for number in range(20_000)]

    fates = heard(1)
    assert fates.count(False) / 20_000 == pytest.approx(0.02, abs=0.003)
    assert fates == heard(1)
    assert fates != heard(2)


def test_one_lamp_in_twenty_ignores_the_same_ones_of_a_seed() -> None:
    assert [len(ignoring(1, LAMPS[:count])) for count in (8, 20, 40, 1000)] == [0, 1, 2, 50]
    assert ignoring(1, LAMPS) == ignoring(1, tuple(reversed(LAMPS)))
    assert ignoring(1, LAMPS) != ignoring(2, LAMPS)
    plan = StreetPlan(lamps=60, mesh=True, behaviours={"lamp-001": Behaviour.SLOW})
    lazy = [lamp for lamp in plan.lamp_plans() if lamp.behaviour is Behaviour.IGNORES]
    assert len(lazy) == 2
    assert {lamp.profile for lamp in lazy} == {"zigbee2mqtt_light"}
    assert plan.lamp_plans()[0].behaviour is Behaviour.SLOW
    assert not any(lamp.behaviour is Behaviour.IGNORES for lamp in StreetPlan(lamps=60).lamp_plans())


class Deaf(Mesh):
    """A mesh that loses all that goes to one lamp."""

    def unicast(self, device: str, now_s: float) -> Passage:
        passage = super().unicast(device, now_s)
        return Passage(passage.after_s, arrives=device != "lamp-002")

    def hears_broadcast(self, device: str) -> bool:
        return device != "lamp-002"

    def report_arrives(self, device: str) -> bool:
        return True


@asynccontextmanager
async def meshed(broker: BrokerInfo, ledger: Ledger, mesh: Mesh) -> AsyncIterator[tuple[Zigbee2Mqtt, Listener]]:
    """A lit street of two Zigbee lamps on a mesh, and an ear."""
    street = build_street(StreetPlan(lamps=3, lamp_every_s=30.0))
    lamps = [lamp for lamp in street.lamps.values() if lamp.profile.dialect == "zigbee2mqtt"]
    bridge = Zigbee2Mqtt(f"mesh-{id(street)}", broker.host, broker.port, lamps, ledger, street.clock, mesh)
    async with listener(broker) as ear:
        task = asyncio.create_task(bridge.run())
        await bridge.connected.wait()
        bridge.energise()
        await until(lambda: bool(ear.states("zigbee2mqtt/lamp-001") and ear.states("zigbee2mqtt/lamp-002")))
        try:
            yield bridge, ear
        finally:
            await end(task)


def levels(entries: list[LedgerEntry]) -> dict[str, float]:
    """The last level that each lamp went to."""
    return {entry.device: round(entry.what["level_percent"]) for entry in entries if entry.kind == "acted"}


async def test_a_lost_command_is_not_echoed_and_said_to_have_failed(
    mosquitto: BrokerInfo, ledger: Ledger, entries: Callable[[], list[LedgerEntry]]
) -> None:
    async with meshed(mosquitto, ledger, Deaf(1)) as (_, ear):
        await ear.order("zigbee2mqtt/lamp-002/set", {"brightness": 102})
        await ear.client.publish("zigbee2mqtt/lamp-001/set", '{"brightness":102}', qos=1)
        await until(lambda: levels(entries())["lamp-001"] == 40)
        await until(lambda: bool(ear.states("zigbee2mqtt/bridge/logging")))
        assert ear.states("zigbee2mqtt/lamp-002") == []
        assert "lamp-002" in ear.states("zigbee2mqtt/bridge/logging")[0]["message"]
        assert levels(entries())["lamp-002"] == 100


async def test_a_group_is_echoed_whole_though_one_did_not_hear(
    mosquitto: BrokerInfo, ledger: Ledger, entries: Callable[[], list[LedgerEntry]]
) -> None:
    async with meshed(mosquitto, ledger, Deaf(1)) as (_, ear):
        await ear.order(f"zigbee2mqtt/{GROUP}/set", {"brightness": 102})
        await until(lambda: levels(entries())["lamp-001"] == 40)
        assert ear.states(f"zigbee2mqtt/{GROUP}") == [{"state": "ON", "brightness": 102}]
        assert ear.states("zigbee2mqtt/lamp-002")[0]["brightness"] == 102, "nobody acknowledges a broadcast"
        assert levels(entries())["lamp-002"] == 100


async def test_a_ninth_broadcast_waits(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with meshed(mosquitto, ledger, Mesh(1, wait_s=1.0)) as (_, ear):
        ear.heard.clear()
        for _ in range(9):
            await ear.client.publish(f"zigbee2mqtt/{GROUP}/set", '{"brightness":102}', qos=1)
        await until(lambda: bool(ear.states("zigbee2mqtt/bridge/logging")))
        await until(lambda: len(ear.states(f"zigbee2mqtt/{GROUP}")) == 8)


async def test_questions_take_their_turn_on_the_radio(mosquitto: BrokerInfo, ledger: Ledger) -> None:
    async with meshed(mosquitto, ledger, Mesh(1)) as (_, ear):
        loop = asyncio.get_running_loop()
        ear.heard.clear()
        began_s = loop.time()
        for _ in range(15):
            await ear.client.publish("zigbee2mqtt/lamp-001/get", '{"brightness":""}', qos=1)
        await until(lambda: len(ear.states("zigbee2mqtt/lamp-001")) == 15)
        assert loop.time() - began_s > 14 / 15
