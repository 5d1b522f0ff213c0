"""Faults on demand: orders as text, the desk that takes them, the mailbox, and a running street that obeys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from lentera_sim.errors import FaultError
from lentera_sim.faults.catalogue import catalogue
from lentera_sim.faults.desk import FaultDesk, StandingFault
from lentera_sim.faults.kinds import BoundFault, FaultKind, by_name
from lentera_sim.faults.mailbox import answer_orders, ask_run, close_mailbox, open_mailbox
from lentera_sim.faults.order import FaultOrder, parse_order
from lentera_sim.ledger import read_ledger
from lentera_sim.run import RunningStreet, open_street
from lentera_sim.street import StreetPlan
from lentera_sim.virtual_time import run_in_virtual_time


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("meter-market=dead", FaultOrder("meter-market", "dead")),
        ("meter-market=late:1.5@30/60", FaultOrder("meter-market", "late", 1.5, after_s=30, for_s=60)),
        (" rs485-0=noise:0.01 ", FaultOrder("rs485-0", "noise", 0.01)),
        ("rs485-0=unplugged/5", FaultOrder("rs485-0", "unplugged", for_s=5)),
        ("m=meter_swapped:1e6@2", FaultOrder("m", "meter_swapped", 1e6, after_s=2)),
    ],
)
def test_an_order_is_read_and_written(text: str, order: FaultOrder) -> None:
    assert parse_order(text) == order
    assert parse_order(str(order)) == order


@pytest.mark.parametrize("text", ["", "dead", "m=", "m=dead:", "m=dead:-1", "m=dead@x", "m=Dead", "m dead", "m=dead/"])
def test_what_is_no_order_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(FaultError, match="TARGET=FAULT"):
        parse_order(text)


LOUD = FaultKind("loud", "is loud", 3.0, 0.0, 10.0, "dB")
MUTE = FaultKind("mute", "says nothing")
BANG = FaultKind("bang", "once", lasting=False)


class Horn:
    """What the desk did, with the time of the loop."""

    def __init__(self) -> None:
        self.did: list[tuple[float, str, float, bool]] = []
        self.noted: list[tuple[str, str, bool, float | None]] = []

        def act(name: str) -> Callable[[float, bool], None]:
            return lambda value, on: self.did.append((asyncio.get_running_loop().time(), name, value, on))

        kinds = (LOUD, MUTE, BANG)
        self.desk = FaultDesk(
            {"horn": by_name(*(BoundFault(kind, act(kind.name)) for kind in kinds))},
            lambda *noted: self.noted.append(noted),
        )


def test_faults_come_stand_and_go_at_their_times() -> None:
    async def run() -> Horn:
        horn = Horn()
        said = [
            await horn.desk.take(FaultOrder("horn", "loud", after_s=5, for_s=10)),
            await horn.desk.take(FaultOrder("horn", "mute", for_s=2)),
            await horn.desk.take(FaultOrder("horn", "bang")),
        ]
        assert said == ["horn: loud 3 dB in 5 s", "horn: mute", "horn: bang"]
        assert horn.desk.standing == [StandingFault("horn", "mute", None)]
        await asyncio.sleep(6)
        assert horn.desk.standing == [StandingFault("horn", "loud", 3.0)]
        await asyncio.sleep(20)
        assert horn.desk.standing == []
        return horn

    horn = run_in_virtual_time(run())
    assert horn.did == [
        (0, "mute", 0, True),
        (0, "bang", 0, True),
        (2, "mute", 0, False),
        (5, "loud", 3, True),
        (15, "loud", 3, False),
    ]
    assert horn.noted[3:] == [("horn", "loud", True, 3.0), ("horn", "loud", False, 3.0)]


def test_a_later_order_takes_the_place_of_an_earlier_one() -> None:
    async def run() -> Horn:
        horn = Horn()
        await horn.desk.take(FaultOrder("horn", "loud", 1, for_s=5))
        await horn.desk.take(FaultOrder("horn", "loud", 2))
        await asyncio.sleep(60)
        assert horn.desk.standing == [StandingFault("horn", "loud", 2.0)]
        await horn.desk.take(FaultOrder("horn", "loud", on=False))
        assert horn.desk.standing == []
        await horn.desk.take(FaultOrder("horn", "loud", after_s=5))
        await horn.desk.close()
        await asyncio.sleep(60)
        return horn

    assert [(value, on) for _, _, value, on in run_in_virtual_time(run()).did] == [(1, True), (2, True), (3, False)]


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (FaultOrder("hrn", "loud"), "did you mean horn"),
        (FaultOrder("x", "loud"), "there are horn"),
        (FaultOrder("horn", "lout"), "did you mean loud"),
        (FaultOrder("horn", "x"), "there are loud, mute, bang"),
        (FaultOrder("horn", "loud", 11), "not within 0 to 10"),
        (FaultOrder("horn", "loud", float("nan")), "not within"),
        (FaultOrder("horn", "mute", 1), "takes no value"),
        (FaultOrder("horn", "bang", for_s=1), "done once"),
        (FaultOrder("horn", "bang", on=False), "done once"),
        (FaultOrder("horn", "mute", after_s=-1), "after -1 s"),
        (FaultOrder("horn", "mute", for_s=1e9), "for 1e"),
    ],
)
def test_an_order_that_cannot_be_carried_out_says_why(order: FaultOrder, says: str) -> None:
    async def run() -> None:
        horn = Horn()
        with pytest.raises(FaultError, match=says):
            await horn.desk.take(order)
        assert horn.did == horn.noted == []

    run_in_virtual_time(run())


async def test_orders_from_another_process_are_answered_and_rubbish_too(tmp_path: Path) -> None:
    horn = Horn()
    with pytest.raises(FaultError, match="nothing runs here"):
        ask_run(tmp_path, None)
    open_mailbox(tmp_path)
    asked = asyncio.create_task(asyncio.to_thread(ask_run, tmp_path, FaultOrder("horn", "loud", 7)))
    while not asked.done():
        await answer_orders(tmp_path, horn.desk)
        await asyncio.sleep(0.01)
    answer = asked.result()
    assert answer["standing"] == [{"target": "horn", "fault": "loud", "value": 7.0}]
    assert answer["targets"] == {"horn": ["loud", "mute", "bang"]}
    folder = tmp_path / "faults"
    assert list(folder.iterdir()) == []
    for name, text in (
        ("1", "{"),
        ("2", '{"target": 1}'),
        ("3", "[]"),
        ("4", '{"x": "' + "y" * 5000 + '"}'),
        ("5", "{}"),
    ):
        (folder / f"{name}.order").write_text(text)
    await answer_orders(tmp_path, horn.desk)
    answers = [json.loads((folder / f"{name}.answer").read_text()) for name in "12345"]
    assert ["error" in answer for answer in answers] == [True, True, True, True, False]
    assert horn.did[1:] == []
    open_mailbox(tmp_path)
    assert list(folder.iterdir()) == []
    close_mailbox(tmp_path)
    assert not folder.exists()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningStreet]:
    street = await open_street(StreetPlan(lamps=0), tmp_path)
    yield street
    await street.close()


async def put(running: RunningStreet, text: str) -> None:
    await running.faults.take(parse_order(text))


async def lift(running: RunningStreet, target: str, fault: str) -> None:
    await running.faults.take(FaultOrder(target, fault, on=False))


async def serial_read(running: RunningStreet, unit: int = 1) -> list[int] | None:
    """Registers of the cabinet's or the office's meter, None where there is no right answer."""
    client = AsyncModbusSerialClient(str(running.wires.tty), baudrate=9600, timeout=0.4, retries=0)
    try:
        async with client:
            read = client.read_input_registers if unit == 1 else client.read_holding_registers
            reply = await read(342 if unit == 1 else 20480, count=2 if unit == 1 else 4, device_id=unit)
            return None if reply.isError() else list(reply.registers)
    except (ModbusException, OSError):
        return None


async def tcp_read(running: RunningStreet) -> list[int] | None:
    port = running.wires.tcp_ports["meter-market"]
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=0.4, retries=0)
    try:
        async with client:
            reply = await client.read_input_registers(1, count=6, device_id=1)
            return None if reply.isError() else list(reply.registers)
    except (ModbusException, OSError):
        return None


SERIAL_SILENCERS = (
    "meter-cabinet=dead",
    "meter-cabinet=late:0.6",
    "meter-cabinet=exception:6",
    "meter-cabinet=hole:342",
    "rs485-0=noise:0.5",
    "rs485-0=swapped_pair",
    "rs485-0=unplugged",
)
TCP_SILENCERS = (
    "meter-market=dead",
    "meter-market=late:0.6",
    "meter-market=exception:4",
    "lan-meter-market=unplugged",
    "lan-meter-market=resets",
    "lan-meter-market=cuts",
    "lan-meter-market=mixes",
)


async def test_a_street_obeys_and_recovers(running: RunningStreet) -> None:
    assert await serial_read(running) is not None
    assert await tcp_read(running) is not None
    for text in (*SERIAL_SILENCERS, *TCP_SILENCERS):
        order = parse_order(text)
        read = serial_read if text in SERIAL_SILENCERS else tcp_read
        await put(running, text)
        assert await read(running) is None, text
        await lift(running, order.target, order.fault)
        if order.fault == "late":
            await asyncio.sleep(0.7)  # the last late answer is still on its way
        assert await read(running) is not None, text
    noted = [entry for entry in _entries(running) if entry.kind == "fault"]
    assert len(noted) == 2 * (len(SERIAL_SILENCERS) + len(TCP_SILENCERS))
    assert (noted[0].device, dict(noted[0].what)) == ("meter-cabinet", {"fault": "dead", "on": True, "value": None})


async def test_counters_jump_as_they_are_told(running: RunningStreet) -> None:
    office = running.street.units["meter-office"]
    before = office.values()["energy_active_import"]
    await put(running, "meter-office=counter_reset")
    assert office.values()["energy_active_import"] < 100 < before
    await put(running, "meter-office=meter_swapped:5000000")
    assert office.values()["energy_active_import"] == pytest.approx(5_000_000, abs=100)
    await put(running, "meter-office=dial_limit:1")
    limit = next(r.rolls_over_at for r in office.profile.registers if r.quantity == "energy_active_import")
    assert limit is not None
    assert (
        office.values()["energy_active_import"] == pytest.approx(limit - 1, abs=1)
        or office.values()["energy_active_import"] < 100
    )
    await put(running, "meter-office=counter_zero")
    words = await serial_read(running, 2)
    assert words == [0, 0, 0, 0]
    await lift(running, "meter-office", "counter_zero")


async def test_noise_echo_and_chatter_are_heard_on_the_line(running: RunningStreet) -> None:
    await put(running, "rs485-0=chatter:0.05")
    await put(running, "rs485-0=echo")
    reader = AsyncModbusSerialClient(str(running.wires.tty), baudrate=9600, timeout=0.3, retries=0)
    async with reader:
        with pytest.raises(ModbusException):
            await reader.read_input_registers(0, count=80, device_id=1)
    await lift(running, "rs485-0", "chatter")
    await lift(running, "rs485-0", "echo")
    await asyncio.sleep(0.1)
    assert await serial_read(running) is not None


async def test_a_line_behind_a_converter_has_the_same_faults(tmp_path: Path) -> None:
    running = await open_street(StreetPlan(lamps=0, converter=True), tmp_path)
    try:
        assert running.wires.tty is None
        assert running.info().converter_port
        assert set(running.faults.targets["rs485-0"]) == {kind.name for kind in catalogue()["serial bus"]}
        await put(running, "rs485-0=unplugged")
        with pytest.raises(OSError, match="111"):
            await asyncio.open_connection("127.0.0.1", running.wires.converter_port)
        await lift(running, "rs485-0", "unplugged")
        _, writer = await asyncio.open_connection("127.0.0.1", running.wires.converter_port)
        writer.close()
    finally:
        await running.close()


async def test_the_catalogue_is_what_the_targets_have(running: RunningStreet) -> None:
    known = {on: {kind.name for kind in kinds} for on, kinds in catalogue().items()}
    targets = running.faults.targets
    assert set(targets["meter-cabinet"]) == known["meter"]
    assert set(targets["rs485-0"]) == known["serial bus"]
    assert set(targets["lan-meter-market"]) == known["TCP bus"]


def _entries(running: RunningStreet):
    running.ledger.flush()
    return list(read_ledger(running.run_dir / "ledger.jsonl"))
