"""Questions and answers on Modbus TCP: several may be under way, each with a transaction id of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lentera_drivers.modbus.question import (
    GoneError,
    NoAnswerError,
    Question,
    RefusedError,
    Said,
    UnfitAnswerError,
)
from lentera_drivers.modbus.transport import ByteTransport

_HEAD_BYTES: Final = 7
_LEAST_LENGTH: Final = 2
_MOST_LENGTH: Final = 254
Answered = tuple[bytes, int, float]
"""Registers as on the wire, stamp in monotonic milliseconds, seconds from the question to the answer."""


@dataclass(slots=True)
class _Waiting:
    """A question under way."""

    question: Question
    asked_at: float
    answer: asyncio.Future[Answered]
    said: Said | None


class TcpExchange:
    """Matches answers to questions by their transaction ids; a stale answer finds nobody who waits for it."""

    def __init__(self, clock: Callable[[], int], on_broken: Callable[[str], None]) -> None:
        """Take the clock of the stamps, and who is told when the stream can no longer be read as frames."""
        self._clock = clock
        self._on_broken = on_broken
        self._heard = b""
        self._waiting: dict[int, _Waiting] = {}
        self._last_id = 0
        self.stale = 0

    @property
    def under_way(self) -> int:
        """Questions without an answer yet."""
        return len(self._waiting)

    async def ask(
        self, transport: ByteTransport, question: Question, timeout_s: float, *, said: Said | None = None
    ) -> Answered:
        """Ask and wait; `said` takes the bytes.

        Raises:
            NoAnswerError: nothing came in time.
            UnfitAnswerError, RefusedError: see `Question.data_of`.
            GoneError: the connection ended.
        """
        loop = asyncio.get_running_loop()
        number = self._last_id = self._last_id % 0xFFFF + 1
        waiting = _Waiting(question, loop.time(), loop.create_future(), said)
        self._waiting[number] = waiting
        frame = number.to_bytes(2) + question.tcp
        if said is not None:
            said.asked = frame
        try:
            transport.write(frame)
        except OSError as error:
            del self._waiting[number]
            raise GoneError(str(error)) from error
        timer = loop.call_later(timeout_s, self._give_up, waiting.answer)
        try:
            return await waiting.answer
        finally:
            timer.cancel()
            self._waiting.pop(number, None)

    @staticmethod
    def _give_up(answer: asyncio.Future[Answered]) -> None:
        if not answer.done():
            answer.set_exception(NoAnswerError("no answer"))

    def heard(self, data: bytes) -> None:
        """Take bytes from the connection."""
        buffer = self._heard + data if self._heard else data
        while len(buffer) >= _HEAD_BYTES:
            length = buffer[4] << 8 | buffer[5]
            if buffer[2] or buffer[3] or not _LEAST_LENGTH <= length <= _MOST_LENGTH:
                self._heard = b""
                self._on_broken(f"it sends what is no Modbus TCP ({buffer[:_HEAD_BYTES].hex(' ')})")
                return
            if len(buffer) < 6 + length:
                break
            self._frame(buffer[0] << 8 | buffer[1], buffer[: 6 + length])
            buffer = buffer[6 + length :]
        self._heard = buffer

    def _frame(self, number: int, frame: bytes) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is None or waiting.answer.done():
            self.stale += 1
            return
        question, answer = waiting.question, waiting.answer
        if waiting.said is not None:
            waiting.said.heard = frame
        unit = frame[6]
        try:
            if unit != question.unit:
                raise UnfitAnswerError(f"unit {unit} answered what unit {question.unit} was asked")
            data = question.data_of(frame[_HEAD_BYTES:])
        except (UnfitAnswerError, RefusedError) as error:
            answer.set_exception(error)
            return
        now = asyncio.get_running_loop().time()
        answer.set_result((data, self._clock(), now - waiting.asked_at))

    def gone(self, reason: str) -> None:
        """The connection has ended: everybody who waits is told, and half a frame is forgotten."""
        self._heard = b""
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.answer.done():
                one.answer.set_exception(GoneError(reason))
