"""What bytes after a question are: answers, exceptions, silence and every kind of noise, with when they came."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    WriteSingleRegisterRequest,
)

from lentera_drivers.modbus.raw_answer import AnswerKind, RawAnswer, Sign, build_frame, classify
from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.modbus.transport import LineSettings
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.medium import WireFaults
from lentera_sim.wires.memory_line import MemoryLine
from lentera_sim.wires.settings import WireSettings
from tests.sim.lines import sdm630

FRAMER = FramerRTU(DecodePDU(True))
QUESTION = ReadHoldingRegistersRequest(address=0, count=2, dev_id=5)
ASKED = build_frame(QUESTION, "rtu")


def frame(unit: int, words: list[int]) -> bytes:
    return FRAMER.buildFrame(ReadHoldingRegistersResponse(registers=words, dev_id=unit))


GOOD = frame(5, [1, 2])
REFUSED = FRAMER.buildFrame(ExceptionResponse(3, 2, device_id=5))


@pytest.mark.parametrize(
    ("heard", "kind", "signs"),
    [
        (b"", AnswerKind.SILENCE, set()),
        (GOOD, AnswerKind.REPLY, set()),
        (REFUSED, AnswerKind.EXCEPTION, set()),
        (ASKED, AnswerKind.SILENCE, {Sign.ECHO}),
        (ASKED + GOOD, AnswerKind.REPLY, {Sign.ECHO}),
        (b"\x00" + GOOD, AnswerKind.REPLY, {Sign.LEADING_GARBAGE}),
        (GOOD + b"\xff", AnswerKind.REPLY, {Sign.TOO_LONG}),
        (GOOD + frame(5, [3, 4]), AnswerKind.REPLY, {Sign.TOO_LONG, Sign.SECOND_ANSWER}),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), AnswerKind.NOISE, {Sign.WRONG_CRC}),
        (REFUSED[:-1] + bytes([REFUSED[-1] ^ 1]), AnswerKind.NOISE, {Sign.WRONG_CRC}),
        (GOOD[:6], AnswerKind.NOISE, {Sign.TOO_SHORT}),
        (frame(6, [1, 2]), AnswerKind.NOISE, {Sign.OTHER_UNIT}),
        (frame(5, [1, 2, 3]), AnswerKind.NOISE, {Sign.OTHER_ANSWER}),
        (b"\x9a\x11\x80", AnswerKind.NOISE, {Sign.GARBAGE}),
        (b"\x9a" * 20, AnswerKind.NOISE, {Sign.GARBAGE, Sign.TOO_LONG}),
        (b"\x00\x00\x00", AnswerKind.NOISE, {Sign.GARBAGE, Sign.ALL_ZERO}),
        (b"\x05", AnswerKind.NOISE, {Sign.TOO_SHORT}),
    ],
)
def test_what_was_heard_is_told_by_kind_and_signs(heard: bytes, kind: AnswerKind, signs: set[Sign]) -> None:
    answer = classify(QUESTION, heard, "rtu")
    assert (answer.kind, set(answer.signs)) == (kind, signs)
    assert answer.heard == heard
    assert answer.asked == ASKED
    assert answer.words == ((1, 2) if kind is AnswerKind.REPLY else ())


def test_the_answer_to_a_write_is_no_echo_unless_the_line_echoes() -> None:
    question = WriteSingleRegisterRequest(address=1, registers=[7], dev_id=5)
    asked = build_frame(question, "rtu")
    assert classify(question, asked, "rtu").kind is AnswerKind.REPLY
    assert classify(question, asked, "rtu", echoes=True).kind is AnswerKind.SILENCE
    assert classify(question, asked + asked, "rtu", echoes=True).kind is AnswerKind.REPLY


def test_an_answer_to_another_question_on_tcp_is_not_taken() -> None:
    question = ReadHoldingRegistersRequest(address=0, count=1, dev_id=5, transaction_id=7)
    late = bytes.fromhex("0006 0000 0005 05 03 02 0001".replace(" ", ""))
    good = bytes.fromhex("0007 0000 0005 05 03 02 0009".replace(" ", ""))
    assert classify(question, late, "tcp").kind is AnswerKind.NOISE
    assert classify(question, late + good, "tcp").words == (9,)


def ask(
    line: MemoryLine, unit: int, patience_s: float = 0.1, linger_s: float = 0.0, chatter_s: float = 0.0
) -> tuple[RawAnswer, float, RawPort]:
    """Ask for two registers; `chatter_s`: somebody talks that often without being asked."""

    async def chatter() -> None:
        while True:
            line.medium.talk(b"\x55" * 8, WireSettings())
            await asyncio.sleep(chatter_s)

    async def work() -> tuple[RawAnswer, float, RawPort]:
        port = RawPort()
        await port.open_serial(line.open, LineSettings(9600, "N", 1))
        talking = asyncio.create_task(chatter()) if chatter_s else None
        answer = await port.read(unit, 4, 0, 2, patience_s=patience_s, linger_s=linger_s)
        if talking is not None:
            talking.cancel()
        return answer, asyncio.get_running_loop().time(), port

    return run_in_virtual_time(work())


def line(**more: Any) -> MemoryLine:
    """A meter with id 5."""
    return MemoryLine([sdm630(5, **more)])


def test_an_answer_is_timed_from_the_end_of_the_question() -> None:
    answer, now_s, _ = ask(line(turnaround_s=0.05, jitter=0.0), 5)
    assert len(answer.words) == 2
    # 3.5 characters of silence and nine characters of the reply, which this line hands over together
    assert answer.first_byte_s == pytest.approx(0.05 + (3.5 + 9) / 960, abs=0.0011)
    assert now_s < 0.1


def test_silence_takes_the_question_and_the_patience() -> None:
    answer, now_s, _ = ask(line(), 6)
    assert answer.kind is AnswerKind.SILENCE
    assert answer.first_byte_s is None
    assert now_s == pytest.approx(0.1 + (8 + 3.5) / 960, abs=0.001)


def test_a_line_that_echoes_is_remembered() -> None:
    echoing = line()
    echoing.medium.faults = WireFaults(echo=True)
    answer, _, port = ask(echoing, 5)
    assert answer.kind is AnswerKind.REPLY
    assert port.echoes


@pytest.mark.parametrize("unit", [5, 6])
def test_a_line_on_which_others_never_stop_talking_keeps_no_question_for_long(unit: int) -> None:
    _, now_s, _ = ask(line(), unit, linger_s=0.2, chatter_s=0.03)
    assert now_s < 4
