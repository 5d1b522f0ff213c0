"""One question to a unit, as bytes, and what its answer must be.

Requests are built by pymodbus, and so are exceptions and answers to writes read by it. The one shape that is read from
the bytes directly is the reply with registers: see docs/decisions/0008-our-own-transactions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

WRITE_ONE: Final = 6
WRITE_MANY: Final = 16
_ANSWERS: Final = DecodePDU(False)
_RTU: Final = FramerRTU(_ANSWERS)
_SOCKET: Final = FramerSocket(_ANSWERS)
_FAILED: Final = 0x80
EXCEPTIONS: Final[Mapping[int, str]] = {
    1: "illegal function: it does not know this function code",
    2: "illegal data address: it has no such register",
    3: "illegal data value: it does not accept this number of registers, or this value",
    4: "device failure",
    5: "acknowledge: it needs longer",
    6: "busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""What the numbers of exceptions mean (Modbus Application Protocol V1.1b3, 7)."""


class NoAnswerError(Exception):
    """Nothing that could be the answer came in time; the text says what did come, if anything."""


class UnfitAnswerError(Exception):
    """Something came that does not fit the question, or that cannot be trusted; nothing of it is used."""

    def __init__(self, words: str, damaged: bool = False) -> None:
        """Say what came. `damaged`: a frame whose check sum is wrong."""
        super().__init__(words)
        self.damaged = damaged


class RefusedError(Exception):
    """The unit answered with a Modbus exception."""

    def __init__(self, number: int) -> None:
        """Keep the exception's number."""
        super().__init__(f"exception {number}")
        self.number = number


class GoneError(Exception):
    """The port or socket ended before the answer came."""


@dataclass(slots=True)
class Said:
    """A question as it was sent, and every byte heard until it was settled (on TCP: its answer), for people."""

    asked: bytes = b""
    heard: bytes = b""


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and the facts that its answer is checked against.

    Attributes:
        unit: unit id.
        function: function code.
        address: first register.
        count: registers asked for, or written.
        words: what is written; empty for a read.
        rtu: the request as a frame on a serial line.
        tcp: the request as a frame on TCP, without its first two bytes, the transaction id.
        head: how a reply with the registers begins on a serial line: unit, function, number of bytes.
    """

    unit: int
    function: int
    address: int
    count: int
    words: tuple[int, ...]
    rtu: bytes
    tcp: bytes
    head: bytes

    @property
    def is_read(self) -> bool:
        """Whether registers are asked for."""
        return not self.words

    @property
    def rtu_reply_bytes(self) -> int:
        """Length of a fitting reply on a serial line."""
        return 5 + 2 * self.count if self.is_read else 8

    def data_of(self, pdu: bytes) -> bytes:
        """Return the registers of a reply (empty for a write), big-endian as on the wire.

        Args:
            pdu: the reply from its function code to its last byte of data.

        Raises:
            RefusedError: it is an exception to this question.
            UnfitAnswerError: it answers another question.
        """
        if self.is_read and len(pdu) == 2 + 2 * self.count and pdu[0] == self.function and pdu[1] == 2 * self.count:
            return pdu[2:]
        answer = _ANSWERS.decode(pdu) if len(pdu) > 1 else None
        if isinstance(answer, ExceptionResponse) and pdu[0] == self.function | _FAILED:
            raise RefusedError(answer.exception_code)
        if answer is None or self.is_read or not self._is_echoed_by(answer):
            raise UnfitAnswerError(f"got {_described(answer, pdu)}, asked for {self._wish()}")
        return b""

    def _is_echoed_by(self, answer: ModbusPDU) -> bool:
        """Whether the answer to a write repeats what was written, as far as the protocol lets it."""
        if answer.function_code != self.function or answer.address != self.address:
            return False
        if self.function == WRITE_ONE:
            return tuple(answer.registers) == self.words
        return answer.count == self.count

    def _wish(self) -> str:
        if self.is_read:
            return f"function {self.function} with {self.count}"
        if self.function == WRITE_ONE:
            return f"function {self.function} with {self.words[0]} at {self.address}"
        return f"function {self.function} with {self.count} registers at {self.address}"


def reading(unit: int, function: int, address: int, count: int) -> Question:
    """Ask for registers. Raises ValueError when the protocol does not allow that many."""
    kind = ReadInputRegistersRequest if function == 4 else ReadHoldingRegistersRequest
    return _question(unit, kind(address=address, count=count, dev_id=unit), count, ())


def writing(unit: int, function: int, address: int, words: Sequence[int]) -> Question:
    """Write one register (function 6) or several (16).

    Raises:
        ValueError: another function, no words or too many, or a word that is none.
    """
    if function not in (WRITE_ONE, WRITE_MANY):
        raise ValueError(f"function {function} does not write registers; use 6 or 16")
    most = 1 if function == WRITE_ONE else 123
    if not 1 <= len(words) <= most or any(not 0 <= word <= 0xFFFF for word in words):
        raise ValueError(f"function {function} writes 1 to {most} words of 0 to 65535, not {list(words)}")
    kind = WriteSingleRegisterRequest if function == WRITE_ONE else WriteMultipleRegistersRequest
    request = kind(address=address, registers=list(words), dev_id=unit)
    return _question(unit, request, len(words), tuple(words))


def _question(unit: int, request: ModbusPDU, count: int, words: tuple[int, ...]) -> Question:
    function = request.function_code
    return Question(
        unit=unit,
        function=function,
        address=request.address,
        count=count,
        words=words,
        rtu=_RTU.buildFrame(request),
        tcp=_SOCKET.buildFrame(request)[2:],
        head=bytes((unit, function, 2 * count)) if not words else b"",
    )


def _described(answer: ModbusPDU | None, pdu: bytes) -> str:
    if answer is None or not pdu:
        return f"{len(pdu)} bytes that are no answer"
    if isinstance(answer, ExceptionResponse):
        return f"an exception to function {pdu[0] & 0x7F}"
    if answer.function_code == WRITE_ONE:
        return f"function {answer.function_code} with {answer.registers[0]} at {answer.address}"
    if answer.function_code == WRITE_MANY:
        return f"function {answer.function_code} with {answer.count} registers at {answer.address}"
    return f"function {answer.function_code} with {len(answer.registers)} registers"
