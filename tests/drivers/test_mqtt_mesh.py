"""Forty lamps on a mesh with its limits and losses, dimmed at once: what is said of each is what it did."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from lentera_drivers.mqtt import proof
from lentera_drivers.mqtt.questions import Questions
from lentera_model.commands import ConfirmedBy, Reason
from lentera_sim.lamps.device import Behaviour
from lentera_sim.lamps.mesh import Mesh
from lentera_sim.lamps.zigbee2mqtt import Zigbee2Mqtt
from lentera_sim.ledger import Ledger, read_ledger
from lentera_sim.street import StreetPlan, build_street
from lentera_sim.tasks import end
from tests.drivers.mqtt_street import Z2M, Street

SEED = 11
PLAN = StreetPlan(lamps=60, seed=SEED, mesh=True, lamp_every_s=30.0)  # two of three speak Zigbee


@asynccontextmanager
async def meshed(host: str, port: int, folder: Path) -> AsyncIterator[Zigbee2Mqtt]:
    """A lit street of forty Zigbee lamps, as their Zigbee2MQTT."""
    street = build_street(PLAN)
    lamps = [lamp for lamp in street.lamps.values() if lamp.profile.dialect == "zigbee2mqtt"]
    ledger = Ledger(folder / "ledger.jsonl")
    bridge = Zigbee2Mqtt("mesh", host, port, lamps, ledger, street.clock, Mesh(SEED))
    task = asyncio.create_task(bridge.run())
    await bridge.connected.wait()
    try:
        yield bridge
    finally:
        await end(task)
        ledger.close()


async def test_forty_lamps_of_a_mesh_are_dimmed_at_once_and_none_is_believed_without_proof(own_mosquitto, tmp_path):
    info = own_mosquitto.info
    async with meshed(info.host, info.port, tmp_path) as bridge:
        rated_w = {lamp.device: lamp.luminaire.rated_w for lamp in bridge.lamps}
        lazy = {lamp.device for lamp in bridge.lamps if lamp.behaviour is Behaviour.IGNORES}
        assert (len(rated_w), len(lazy)) == (40, 2)
        async with Street(info.host, info.port, *rated_w, rated_w=rated_w) as street:
            await street.ready()
            bridge.energise()
            await street.until(lambda: len({sample.device for sample in street.samples}) >= 38)
            await street.settled()
            ends = await asyncio.gather(*(street.driver.set_level(name, 40, 12) for name in rated_w))
        bridge.ledger.flush()
    entries = read_ledger(tmp_path / "ledger.jsonl")
    obeyed = {entry.device for entry in entries if entry.kind == "acted" and entry.what["level_percent"] < 41}
    lost = set(rated_w) - lazy - obeyed
    assert 0 < len(lost) < 4, "the seed is chosen so that the mesh loses some of the commands"
    for name, done in zip(rated_w, ends, strict=True):
        if name in obeyed:
            assert (done.outcome, done.reason) == ("succeeded", None), (name, done)
            assert done.confirmed_by in (ConfirmedBy.READBACK, ConfirmedBy.POWER)
        else:
            assert (done.outcome, done.reason) == ("failed", Reason.LEVEL_MISMATCH), (name, done)
            assert "asked for 40 %, the lamp is at 100.0 %" in done.reason_text


def test_only_so_many_questions_of_a_bus_are_under_way():
    questions, woken = Questions(limit=2, patience_ms=1000), []
    for name in ("a", "b"):
        assert questions.wait_ms(name, 0, lambda: None) == 0
    assert questions.wait_ms("c", 100, lambda: woken.append("c")) == 900, "until the oldest has waited long enough"
    assert questions.wait_ms("d", 100, lambda: woken.append("d")) == 900
    assert questions.wait_ms("a", 200, lambda: woken.append("a")) == 800, "a device that was asked has no right of way"
    questions.heard("nobody")
    assert woken == []
    questions.heard("b")
    assert woken == ["c"], "who has waited longest"
    assert questions.wait_ms("d", 300, lambda: None) > 0
    assert questions.wait_ms("c", 300, lambda: None) == 0
    assert questions.wait_ms("d", 1000, lambda: None) == 0, "the first was never answered; its place is free"
    questions.end("a")
    assert questions.wait_ms("e", 1001, lambda: None) > 0
    questions.end("c")
    assert questions.wait_ms("e", 1002, lambda: None) == 0


def test_a_command_that_has_waited_long_asks_less_often():
    watch = proof.start(Z2M.proof, 40.0, 60.0, {}, 0)
    asked_ms, now_ms = [], 0
    while now_ms < 20_000:
        now_ms = proof.next_question_ms(watch) or 20_000
        watch = proof.asked(watch, now_ms)
        asked_ms.append(now_ms)
    pauses_ms = [later - earlier for earlier, later in pairwise(asked_ms)]
    assert pauses_ms == sorted(pauses_ms)
    assert (pauses_ms[0], pauses_ms[-1]) == (150, 2000)
    assert len(asked_ms) < 25
