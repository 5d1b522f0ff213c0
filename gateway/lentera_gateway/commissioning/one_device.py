"""Reading, writing and watching one unit on a port that is ours: registers as they are, or a profile's quantities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Final

from lentera_drivers.modbus.question import EXCEPTIONS
from lentera_drivers.modbus.raw_answer import AnswerKind, RawAnswer
from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.profiles import MeterProfile
from lentera_gateway.commissioning.hypothesis import merged, runs
from lentera_gateway.commissioning.image import Span
from lentera_model.errors import LenteraError

PATIENCE_S: Final = 1.0
MOST_REGISTERS: Final = 125
_TRIES: Final = 2
_MOST_WRITTEN: Final = 123


class DeviceAnswerError(LenteraError):
    """A unit did not do what was asked; the message says what came instead, with its bytes."""

    code: ClassVar[str] = "device_answer"


@dataclass(slots=True)
class DeviceReading:
    """What one unit said.

    Attributes:
        unit: its id.
        registers: (function code, address) -> word.
        values: quantity -> value in SI units, of a profile.
        refused: questions that were refused or not answered, with why.
        raw: questions and answers as bytes, in order.
    """

    unit: int
    registers: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    values: dict[str, float] = field(default_factory=dict[str, float])
    refused: dict[Span, str] = field(default_factory=dict[Span, str])
    raw: list[RawAnswer] = field(default_factory=list[RawAnswer])

    @property
    def silent(self) -> bool:
        """Whether the unit was asked and has not sent a single byte."""
        return bool(self.raw) and all(answer.kind is AnswerKind.SILENCE for answer in self.raw)


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What was in registers before a write, what was written, and what was read back after it."""

    unit: int
    address: int
    before: tuple[int, ...]
    written: tuple[int, ...]
    after: tuple[int, ...]
    raw: tuple[RawAnswer, ...]

    @property
    def confirmed(self) -> bool:
        """Whether the registers hold what was written."""
        return self.after == self.written

    @property
    def why_no_after(self) -> str:
        """Why nothing was read back, empty where something was."""
        return "" if self.after else why_not(self.raw[-1])

    @property
    def silent_after(self) -> bool:
        """Whether the unit took the write and does not answer at its id any more."""
        return not self.after and self.raw[-1].kind is AnswerKind.SILENCE


async def ask(port: RawPort, unit: int, span: Span, raw: list[RawAnswer], patience_s: float = PATIENCE_S) -> RawAnswer:
    """Ask, once more when the answer was broken or missing; every answer is kept in `raw`."""
    answer = await port.read(unit, span.function_code, span.address, span.count, patience_s=patience_s)
    raw.append(answer)
    for _ in range(_TRIES - 1):
        if answer.answered:
            break
        answer = await port.read(unit, span.function_code, span.address, span.count, patience_s=patience_s)
        raw.append(answer)
    return answer


async def read_registers(
    port: RawPort, unit: int, spans: Iterable[Span], *, known_to_live: bool = False
) -> DeviceReading:
    """Read registers as they are; a unit that does not answer the first question is asked no other one.

    Args:
        port: that is ours.
        unit: id of the unit.
        spans: the questions.
        known_to_live: the unit has answered already: silence is about one question only.
    """
    reading = DeviceReading(unit)
    for span in spans:
        answer = await ask(port, unit, span, reading.raw)
        if answer.kind is AnswerKind.REPLY:
            known = zip(range(span.address, span.end), answer.words, strict=True)
            reading.registers.update({(span.function_code, at): word for at, word in known})
        else:
            reading.refused[span] = why_not(answer)
        if reading.silent and not known_to_live:
            break
    return reading


async def read_quantities(
    port: RawPort, unit: int, profile: MeterProfile, quantities: Iterable[str] | None = None
) -> DeviceReading:
    """Read a profile's quantities (None: all) with few questions; what a long one refuses is asked in pieces.

    A short question goes first: some meters are silent to one with a hole, so only silence to this one says that nobody
    is there.
    """
    wanted = None if quantities is None else frozenset(quantities)
    registers = [register for register in profile.registers if wanted is None or register.quantity in wanted]
    long, pieces = list(merged(profile, registers)), list(runs(profile, registers))
    first = await read_registers(port, unit, pieces[:1])
    if first.silent:
        return first
    reading = first if long == pieces[:1] else await read_registers(port, unit, long, known_to_live=True)
    again = [piece for piece in pieces if any(_lies_in(piece, span) for span in reading.refused if span != piece)]
    for span in [span for span in reading.refused if span not in pieces]:
        del reading.refused[span]
    short = await read_registers(port, unit, again, known_to_live=True)
    reading.registers.update(short.registers)
    reading.refused.update(short.refused)
    reading.raw += short.raw
    for code in {code for code, _ in reading.registers}:
        image = {at: word for (one, at), word in reading.registers.items() if one == code}
        decoded = profile.decode(image, code)
        reading.values.update({name: value for name, value in decoded.items() if wanted is None or name in wanted})
    return reading


def _lies_in(piece: Span, span: Span) -> bool:
    return span.function_code == piece.function_code and span.address <= piece.address and piece.end <= span.end


async def write_registers(
    port: RawPort, unit: int, address: int, words: tuple[int, ...], function_code: int = 16
) -> WriteReport:
    """Write holding registers and read them back.

    Raises:
        DeviceAnswerError: the unit refused or did not answer.
    """
    if not 1 <= len(words) <= _MOST_WRITTEN or any(not 0 <= word <= 0xFFFF for word in words):
        raise DeviceAnswerError("a write takes 1 to 123 registers of 0 to 65535 each")
    raw: list[RawAnswer] = []
    span = Span(3, address, len(words))
    before = await ask(port, unit, span, raw)
    answer = await port.write(unit, address, words, function_code=function_code, patience_s=PATIENCE_S)
    raw.append(answer)
    if not answer.answered or answer.kind is AnswerKind.EXCEPTION:
        what = f"unit {unit} did not take the write to register {address}: {why_not(answer)}"
        raise DeviceAnswerError(f"{what}; some meters must be put into their set-up mode by a button first")
    after = await ask(port, unit, span, raw)
    return WriteReport(unit, address, before.words, words, after.words, tuple(raw))


def why_not(answer: RawAnswer) -> str:
    """Say in words what came instead of registers."""
    if answer.kind is AnswerKind.EXCEPTION:
        code = answer.exception_code or 0
        return f"exception {code}: {EXCEPTIONS.get(code, 'unknown')}"
    if answer.kind is AnswerKind.SILENCE:
        return "no answer"
    return f"broken answer ({', '.join(sorted(answer.signs))}): {answer.heard[:32].hex(' ')}"
