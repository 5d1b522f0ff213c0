"""What is wrong with the copper, the adapter and those who share it, in simulated time."""

from __future__ import annotations

import asyncio

import pytest
from pymodbus.pdu import DecodePDU

from lentera_sim.wires.chatter import Chatterer
from lentera_sim.wires.medium import WireFaults
from lentera_sim.wires.memory_line import MemoryLine
from lentera_sim.wires.settings import WireSettings
from tests.sim.lines import Reader, is_answer, on_line, question, sdm630

ROUNDS = 200


def whole_share(line: MemoryLine, text: str = "04 0000 0028", settings: WireSettings | None = None) -> float:
    """Share of questions that were answered whole."""

    async def work(reader: Reader) -> float:
        whole = 0
        for _ in range(ROUNDS):
            whole += is_answer(await reader.ask(question(text), 0.5))
        return whole / ROUNDS

    return on_line(line, work, settings)


@pytest.mark.parametrize("noise", [0.0, 0.002, 0.01])
def test_noise_damages_its_share_of_characters(noise: float) -> None:
    line = MemoryLine([sdm630()], seed=5)
    line.medium.faults.noise = noise
    # 8 characters of a question and 85 of an answer must all come through.
    assert whole_share(line) == pytest.approx((1 - noise) ** 93, abs=0.1)


def test_a_missing_termination_harms_fast_lines_and_spares_slow_ones() -> None:
    def share(baud: int) -> float:
        settings = WireSettings(baud)
        line = MemoryLine([sdm630(1, settings)], seed=5)
        line.medium.faults.termination_missing = 0.05
        return whole_share(line, settings=settings)

    assert share(9600) > 0.9
    assert share(115_200) < 0.1


def test_without_bias_frames_come_with_strangers_before_or_after_them() -> None:
    line = MemoryLine([sdm630()], seed=5)
    line.medium.faults.bias_missing = True

    async def work(reader: Reader) -> list[bytes]:
        return [await reader.ask(question(), 0.5) for _ in range(40)]

    answers = on_line(line, work)
    clean = on_line(MemoryLine([sdm630()]), lambda reader: reader.ask(question()))
    assert all(clean in answer for answer in answers)
    assert any(answer != clean for answer in answers)
    strangers = b"".join(answer.replace(clean, b"", 1) for answer in answers)
    assert set(strangers) <= {0x00, 0xFF, 0xFE, 0xF8}


def test_an_adapter_that_hears_itself_gives_the_question_before_the_answer() -> None:
    line = MemoryLine([sdm630()])
    line.medium.faults.echo = True
    heard = on_line(line, lambda reader: reader.ask(question()))
    assert heard[:8] == question()
    assert is_answer(heard[8:])


def test_a_swapped_pair_is_rubbish_both_ways() -> None:
    line = MemoryLine([sdm630()])
    line.medium.faults.swapped_pair = True

    async def work(reader: Reader) -> tuple[bytes, bytes]:
        silent = await reader.ask(question())
        reader.heard.clear()
        line.medium.talk(question(), WireSettings())
        await asyncio.sleep(1)
        return silent, reader.bytes

    silent, rubbish = on_line(line, work)
    assert silent == b"\0", "the idle level upside down is a break, once the reader's driver lets go"
    assert rubbish
    assert question() not in rubbish


def test_a_swapped_pair_without_bias_has_no_level_to_turn_round() -> None:
    line = MemoryLine([sdm630()])
    line.medium.faults = WireFaults(swapped_pair=True, bias_missing=True)
    assert on_line(line, lambda reader: reader.ask(question())) == b""


def test_a_slow_unit_answers_questions_in_their_order() -> None:
    station = sdm630()
    station.unit.faults.delay_s = 1.5

    async def work(reader: Reader) -> list[bytes]:
        first = await reader.ask(question("04 0000 0002"), 1.0)
        second = await reader.ask(question("04 0002 0004"), 1.0)
        third = await reader.ask(question("04 0000 0002"), 2.0)
        return [first, second, third]

    first, second, third = on_line(MemoryLine([station]), work)
    assert first == b""
    assert is_answer(second), "what is heard after the second question is the answer to the first"
    assert second[2] == 4
    assert third[2] == 8, "and after the third the answer to the second"


def test_a_panel_chatters_until_it_is_stopped() -> None:
    line = MemoryLine([sdm630()])

    async def work(reader: Reader) -> tuple[list[bytes], bytes]:
        panel = Chatterer(line.medium, WireSettings(), 0.5)
        await asyncio.sleep(1.1)
        heard = reader.bytes
        panel.stop()
        reader.heard.clear()
        await asyncio.sleep(3)
        return [heard], reader.bytes

    (heard,), after = on_line(line, work)
    assert after == b""
    frame, text = heard[:9], heard[9:]
    assert is_answer(frame, 250)
    assert DecodePDU(False).decode(frame[1:-2]) is not None, "a whole answer that nobody asked for"
    assert text.startswith(b"LP3")


def test_a_panel_that_talks_over_an_answer_spoils_it() -> None:
    line = MemoryLine([sdm630()], seed=1)

    async def work(reader: Reader) -> int:
        panel = Chatterer(line.medium, WireSettings(), 0.07)
        whole = 0
        for _ in range(50):
            whole += is_answer(await reader.ask(question("04 0000 0050"), 0.5))
        panel.stop()
        return whole

    assert on_line(line, work) < 10
