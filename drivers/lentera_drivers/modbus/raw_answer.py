"""What the bytes after a question are: an answer, an exception, silence or noise, and which signs they show.

Pure. A scan and a doctor need what a driver throws away: whose answer it was, how it was broken, what came beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU

from lentera_drivers.modbus.rtu_frames import is_whole

Framing = Literal["rtu", "tcp"]
_DECODER: Final = DecodePDU(False)
_RTU: Final = FramerRTU(_DECODER)
_SOCKET: Final = FramerSocket(_DECODER)
_EXCEPTION_BYTES: Final = 5
_WRITE_BYTES: Final = 8
_READS: Final = (3, 4)
_CRC_BYTES: Final = 2
_SHORTEST: Final = 4


class AnswerKind(StrEnum):
    """What came back."""

    REPLY = "reply"
    EXCEPTION = "exception"
    SILENCE = "silence"
    NOISE = "noise"


class Sign(StrEnum):
    """What is odd about the bytes."""

    WRONG_CRC = "wrong_crc"
    """A frame of the expected head and length whose check sum is wrong."""
    GARBAGE = "garbage"
    """Bytes that are no frame at all."""
    LEADING_GARBAGE = "leading_garbage"
    """Bytes before a good frame: typical of a line without bias, when the drivers turn round."""
    TOO_LONG = "too_long"
    """More bytes than the answer has."""
    TOO_SHORT = "too_short"
    """A frame that began well and ended early."""
    SECOND_ANSWER = "second_answer"
    """Another good frame of the same unit id after the answer."""
    OTHER_UNIT = "other_unit"
    """A good frame of a unit that was not asked: a late answer."""
    OTHER_ANSWER = "other_answer"
    """A good frame of the unit, but not what was asked for."""
    ECHO = "echo"
    """Our own question came back first."""
    ALL_ZERO = "all_zero"
    """Nothing but 0x00: a break, or a line held at the wrong level."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A question, what was heard after it, and what that is.

    Attributes:
        asked: bytes sent.
        heard: every byte heard until the line was silent again, our echo included.
        kind: what it is.
        signs: what is odd about it.
        unit: who sent the frame, None without one.
        words: registers of a reply to a read.
        exception_code: of an exception.
        first_byte_s: from the end of the question to the first byte, in seconds; None for silence.
    """

    asked: bytes
    heard: bytes
    kind: AnswerKind
    signs: frozenset[Sign] = field(default_factory=frozenset[Sign])
    unit: int | None = None
    words: tuple[int, ...] = ()
    exception_code: int | None = None
    first_byte_s: float | None = None

    @property
    def answered(self) -> bool:
        """Whether the unit that was asked has answered: with registers or with an exception."""
        return self.kind in (AnswerKind.REPLY, AnswerKind.EXCEPTION)

    @property
    def is_clean(self) -> bool:
        """Whether an answer came with nothing odd beside it (an echo aside)."""
        return self.answered and not self.signs - {Sign.ECHO}


def build_frame(request: ModbusPDU, framing: Framing) -> bytes:
    """Return the bytes of a question."""
    return (_RTU if framing == "rtu" else _SOCKET).buildFrame(request)


def classify(request: ModbusPDU, heard: bytes, framing: Framing, *, echoes: bool = False) -> RawAnswer:
    """Say what was heard after a question.

    Args:
        request: the question, with its unit id (and transaction id on TCP).
        heard: every byte since it was sent.
        framing: of the transport.
        echoes: this line is known to give our own bytes back, so that an answer equal to the question is no answer.
    """
    asked = build_frame(request, framing)
    signs: set[Sign] = set()
    rest = heard
    if framing == "rtu" and rest.startswith(asked) and (echoes or request.function_code in _READS):
        signs.add(Sign.ECHO)
        rest = rest[len(asked) :]
    if not rest:
        return RawAnswer(asked, heard, AnswerKind.SILENCE, frozenset(signs))
    found = _find_rtu(request, rest) if framing == "rtu" else _find_tcp(request, rest)
    if found is None:
        return RawAnswer(asked, heard, AnswerKind.NOISE, frozenset(signs | _noise_signs(request, rest)))
    unit, pdu, start, end = found
    if start:
        signs.add(Sign.LEADING_GARBAGE)
    if end < len(rest):
        signs.add(Sign.TOO_LONG)
        second = _find_rtu(request, rest[end:]) if framing == "rtu" else None
        if second is not None and second[0] == request.dev_id:
            signs.add(Sign.SECOND_ANSWER)
    return _told(request, asked, heard, unit, pdu, signs)


def _told(request: ModbusPDU, asked: bytes, heard: bytes, unit: int, pdu: ModbusPDU, signs: set[Sign]) -> RawAnswer:
    """Judge a good frame."""
    if unit != request.dev_id:
        return RawAnswer(asked, heard, AnswerKind.NOISE, frozenset(signs | {Sign.OTHER_UNIT}), unit)
    if isinstance(pdu, ExceptionResponse):
        if pdu.function_code & 0x7F == request.function_code:
            code = pdu.exception_code
            return RawAnswer(asked, heard, AnswerKind.EXCEPTION, frozenset(signs), unit, exception_code=code)
    elif pdu.function_code == request.function_code:
        words = tuple(pdu.registers) if request.function_code in _READS else ()
        if request.function_code not in _READS or len(words) == request.count:
            return RawAnswer(asked, heard, AnswerKind.REPLY, frozenset(signs), unit, words)
    return RawAnswer(asked, heard, AnswerKind.NOISE, frozenset(signs | {Sign.OTHER_ANSWER}), unit)


def expected_bytes(request: ModbusPDU) -> int:
    """Return how many bytes the answer of an RTU unit has when it does not refuse."""
    return _EXCEPTION_BYTES + 2 * request.count if request.function_code in _READS else _WRITE_BYTES


def _find_rtu(request: ModbusPDU, data: bytes) -> tuple[int, ModbusPDU, int, int] | None:
    """Return (unit, PDU, start, end) of the first good answer; one of the unit that was asked goes first."""
    found: tuple[int, ModbusPDU, int, int] | None = None
    for start in range(max(0, len(data) - _SHORTEST + 1)):
        size = _size(request, data[start:])
        if size is None or start + size > len(data):
            continue
        frame = data[start : start + size]
        if not is_whole(frame):
            continue
        pdu = _DECODER.decode(frame[1:-_CRC_BYTES])
        if pdu is None:
            continue
        if frame[0] == request.dev_id:
            return frame[0], pdu, start, start + size
        found = found or (frame[0], pdu, start, start + size)
    return found


def _size(request: ModbusPDU, data: bytes) -> int | None:
    """Return the length that a frame beginning here would have; None when it cannot be an answer."""
    function = data[1] if len(data) > 1 else 0
    if function & 0x80:
        return _EXCEPTION_BYTES
    if function in _READS and len(data) > 2:
        return _EXCEPTION_BYTES + data[2]
    return _WRITE_BYTES if function == request.function_code else None


def _find_tcp(request: ModbusPDU, data: bytes) -> tuple[int, ModbusPDU, int, int] | None:
    """Return (unit, PDU, start, end) of the frame with the question's transaction id."""
    at = 0
    while at < len(data):
        used, unit, transaction, body = _SOCKET.decode(data[at:])
        if not used or not body:
            return None
        pdu = _DECODER.decode(body) if transaction == request.transaction_id else None
        if pdu is not None:
            return unit, pdu, 0, len(data)
        at += used
    return None


def _noise_signs(request: ModbusPDU, data: bytes) -> set[Sign]:
    """Say how bytes without a good frame are broken."""
    if not any(data):
        return {Sign.ALL_ZERO, Sign.GARBAGE}
    wanted = expected_bytes(request)
    begins_well = data[0] == request.dev_id and (len(data) == 1 or data[1] & 0x7F == request.function_code)
    refused = len(data) > 1 and bool(data[1] & 0x80)
    size = _EXCEPTION_BYTES if refused else wanted
    if begins_well and len(data) < size:
        return {Sign.TOO_SHORT}
    if begins_well and len(data) == size:
        return {Sign.WRONG_CRC}
    signs = {Sign.WRONG_CRC} if begins_well else {Sign.GARBAGE}
    return signs | ({Sign.TOO_LONG} if len(data) > size else set())
