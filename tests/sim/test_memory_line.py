"""The line in memory: the pace of its bytes, who hears whom, silence, and what collides."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from lentera_sim.errors import PlanError
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.bits import heard
from lentera_sim.wires.memory_line import MemoryLine
from lentera_sim.wires.settings import WireSettings
from tests.sim.lines import Reader, is_answer, on_line, question, sdm630


@pytest.mark.parametrize("baud", [1200, 9600, 115_200])
def test_bytes_take_the_time_that_the_baud_rate_says(baud: int) -> None:
    settings = WireSettings(baud, "E")
    station = sdm630(1, settings, turnaround_s=0.02, jitter=0.0)

    async def work(reader: Reader) -> None:
        started_s = asyncio.get_running_loop().time()
        answer = await reader.ask(question("04 0000 0050"), 10.0)
        assert is_answer(answer)
        assert len(answer) == 165
        assert max(len(group) for _, group in reader.heard) <= 16
        wire_s = (8 + 165) * 11 / baud + max(3.5 * 11 / baud, 0.00175) + 0.02
        assert reader.heard[-1][0] - started_s == pytest.approx(wire_s, abs=1e-9)
        assert reader.heard[0][0] - started_s == pytest.approx(wire_s - (165 - 16) * 11 / baud, abs=1e-9)

    on_line(MemoryLine([station]), work, settings)


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        (WireSettings(9600, "E"), True),
        (WireSettings(9600, "E", 2), True),
        (WireSettings(9600, "N"), False),
        (WireSettings(9600, "O"), False),
        (WireSettings(19200, "E"), False),
    ],
)
def test_a_unit_hears_only_its_own_settings(asked: WireSettings, answers: bool) -> None:
    line = MemoryLine([sdm630(1, WireSettings(9600, "E"))])
    heard_bytes = on_line(line, lambda reader: reader.ask(question()), asked)
    assert is_answer(heard_bytes) if answers else heard_bytes == b""


def test_units_of_mixed_settings_are_reached_one_after_the_other() -> None:
    plans = [WireSettings(baud, parity) for baud in (2400, 19200) for parity in ("N", "E")]
    line = MemoryLine([sdm630(number, settings) for number, settings in enumerate(plans, start=1)])

    async def work(reader: Reader) -> list[bytes]:
        assert reader.port is not None
        found = []
        for number, settings in enumerate(plans, start=1):
            reader.port.set_settings(settings)
            found.append(await reader.ask(question(unit_id=number)))
        return found

    for number, answer in enumerate(on_line(line, work), start=1):
        assert is_answer(answer, number)


@pytest.mark.parametrize(
    "frame", [question(unit_id=9), question()[:-1], question(unit_id=0), b"\x00", question() + b"\x00"]
)
def test_silence_where_nobody_is_asked(frame: bytes) -> None:
    assert on_line(MemoryLine([sdm630()]), lambda reader: reader.ask(frame, 5.0)) == b""


def test_a_unit_without_power_is_silent() -> None:
    station = sdm630()
    station.powered = False
    assert on_line(MemoryLine([station]), lambda reader: reader.ask(question())) == b""


def test_a_question_over_an_answer_garbles_both() -> None:
    async def work(reader: Reader) -> tuple[bytes, bytes]:
        assert reader.port is not None
        clean = await reader.ask(question("04 0000 0050"))
        reader.heard.clear()
        reader.port.write(question("04 0000 0050"))
        await asyncio.sleep(0.08)
        reader.port.write(question())
        await asyncio.sleep(2.0)
        return clean, reader.bytes

    clean, spoiled = on_line(MemoryLine([sdm630()], seed=3), work)
    assert is_answer(clean)
    assert not is_answer(spoiled)
    assert len(spoiled) <= len(clean), "the second question was not heard either"


def two_at_once(seed: int, spread_s: float = 0.0) -> bytes:
    stations = [sdm630(7, turnaround_s=0.02, seed=1), sdm630(7, turnaround_s=0.02 + spread_s, seed=2)]
    return on_line(MemoryLine(stations, seed=seed), lambda reader: reader.ask(question(unit_id=7)))


def test_two_units_with_one_id_garble_each_other_and_now_and_then_one_survives() -> None:
    answers = [two_at_once(seed) for seed in range(200)]
    assert answers == [two_at_once(seed) for seed in range(200)]
    survived = sum(is_answer(answer, 7) for answer in answers)
    assert 4 <= survived <= 60
    assert all(answers)


def test_two_units_with_one_id_that_answer_one_after_the_other_are_both_heard() -> None:
    assert len(two_at_once(1, spread_s=0.05)) == 2 * 9


def test_garbage_of_another_baud_rate_is_not_what_was_sent() -> None:
    data = question("04 0000 0050")
    for sent, by in itertools.permutations((WireSettings(9600), WireSettings(19200), WireSettings(9600, "E")), 2):
        assert heard(data, sent, by) != data or (sent.baud == by.baud)
    assert heard(data, WireSettings(), WireSettings()) == data
    assert heard(data, WireSettings(9600, "E"), WireSettings(9600, "E")) == data
    assert heard(data, WireSettings(), WireSettings(), swapped=True) not in (b"", data)


def test_a_chatterer_in_other_settings_is_garbage_to_the_reader() -> None:
    line = MemoryLine()

    async def work(reader: Reader) -> bytes:
        line.medium.talk(question("04 0000 0050"), WireSettings(2400))
        await asyncio.sleep(1.0)
        return reader.bytes

    found = on_line(line, work)
    assert found
    assert question("04 0000 0050") not in found


def test_a_port_is_one_readers_and_can_be_unplugged() -> None:
    line = MemoryLine([sdm630()])

    async def work() -> None:
        reader = Reader(line)
        port = await reader.open()
        with pytest.raises(OSError, match="another reader"):
            await Reader(line).open()
        port.write(question())
        line.unplug()
        await asyncio.sleep(1.0)
        assert reader.bytes == b""
        assert len(reader.lost) == 1
        assert not port.is_open
        with pytest.raises(OSError, match="closed"):
            port.write(question())
        with pytest.raises(FileNotFoundError, match="unplugged"):
            await reader.open()
        line.plug()
        await reader.open()
        assert is_answer(await reader.ask(question()))
        assert reader.port is not None
        reader.port.close()
        assert len(reader.lost) == 1
        await reader.open()

    run_in_virtual_time(work())


async def test_it_runs_in_real_time_too() -> None:
    reader = Reader(MemoryLine([sdm630(turnaround_s=0.001)]))
    await reader.open(WireSettings())
    assert is_answer(await reader.ask(question(), 0.2))


def test_a_baud_rate_that_no_meter_has_is_refused() -> None:
    with pytest.raises(PlanError, match="300 baud"):
        WireSettings(300)
