"""How many questions a Modbus TCP endpoint takes at once: found out step by step, and never assumed.

What a profile allows is a limit, not a promise: the same meter behind a converter, or with older firmware, drops what
comes before it has answered, mixes the answers up, or hangs up. A window is therefore proved before a value rides in
it: as many questions as it has places go out together, of different lengths and with known answers (each was answered
alone a moment ago), and every answer must find its own question, in whichever order they come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from lentera_drivers.modbus.connection import Connection
from lentera_drivers.modbus.priority_lock import PriorityLock
from lentera_drivers.modbus.question import (
    GoneError,
    NoAnswerError,
    Question,
    RefusedError,
    UnfitAnswerError,
    reading,
)
from lentera_drivers.modbus.tcp_exchange import TcpExchange
from lentera_drivers.modbus.transport import ByteTransport

AGAIN_FIRST_S: Final = 60.0
AGAIN_MOST_S: Final = 6 * 3600.0
FORGIVEN_S: Final = 24 * 3600.0
_LENGTHS: Final = 4
_FAILURES: Final = (NoAnswerError, UnfitAnswerError, RefusedError, GoneError)


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of an endpoint, over all its connections. Pure: the present is an argument (seconds).

    Attributes:
        most: what the profiles on it allow.
        proved: what it has shown that it takes.
        falls: how often in a row a larger window went wrong; each doubles the pause before the next try.
        again_at_s: no larger window is tried before.
    """

    most: int
    proved: int = 1
    falls: int = 0
    again_at_s: float = 0.0

    def next_step(self, now_s: float) -> int | None:
        """Return the size to prove now; None where there is nothing to prove."""
        if self.proved >= self.most or now_s < self.again_at_s:
            return None
        return min(2 * self.proved, self.most)

    def passed(self, size: int) -> Window:
        """Return the state after every answer at this size has found its question."""
        return replace(self, proved=size)

    def failed(self, now_s: float) -> Window:
        """Return the state after a proof that went wrong: what was proved before still holds."""
        forgiven = now_s - self.again_at_s > FORGIVEN_S
        falls = 1 if forgiven else self.falls + 1
        pause_s = min(AGAIN_FIRST_S * 2 ** (falls - 1), AGAIN_MOST_S)
        return replace(self, falls=falls, again_at_s=now_s + pause_s)

    def fell(self, now_s: float) -> Window:
        """Return the state after a miss or a hang-up with several questions under way: one at a time again."""
        return replace(self.failed(now_s), proved=1)


class TcpWindow:
    """Keeps the number of questions under way at what the endpoint has proved; `most` is what profiles allow."""

    def __init__(
        self, most: int, lock: PriorityLock, exchange: TcpExchange, connection: Connection, timeout_s: float
    ) -> None:
        """Begin at one question; `lock` is what questions take, one place each."""
        self.state = Window(most)
        self._lock = lock
        self._exchange = exchange
        self._connection = connection
        self._timeout_s = timeout_s
        self._proving = False

    def is_due(self) -> bool:
        """Whether a larger window is to be proved, and only whoever asks holds the lock."""
        return self._lock.held == 1 and self.state.next_step(asyncio.get_running_loop().time()) is not None

    async def prove(self, device: str, answered: Question) -> int:
        """Prove one size after the other until one goes wrong; return how many questions that took.

        The caller holds the lock, alone.

        Args:
            device: for errors.
            answered: a read that was just answered.

        Raises:
            BusDownError: the connection has ended meanwhile and cannot be opened.
        """
        loop, lock, timeout_s = asyncio.get_running_loop(), self._lock, self._timeout_s
        asked = 0
        lock.limit, self._proving = 1, True  # nobody else comes in meanwhile
        try:
            transport = await self._connection.get(device)
            known = await _known_questions(self._exchange, transport, answered, timeout_s)
            while (size := self.state.next_step(loop.time())) is not None:
                asked += size
                passed = await _takes_at_once(self._exchange, transport, known, size, timeout_s)
                self.state = self.state.passed(size) if passed else self.state.failed(loop.time())
        finally:
            lock.limit, self._proving = self.state.proved, False
        return asked

    def narrow(self) -> None:
        """Something went wrong: if several questions were under way, one goes at a time from now on."""
        if self._exchange.under_way > 0 and self.state.proved > 1 and not self._proving:
            self.state = self.state.fell(asyncio.get_running_loop().time())
            self._lock.limit = 1


async def _known_questions(
    exchange: TcpExchange, transport: ByteTransport, answered: Question, timeout_s: float
) -> list[Question]:
    """Return up to four questions of different lengths that the device answers when each is asked alone.

    Args:
        exchange: of the connection, with no question under way.
        transport: open.
        answered: a read that was just answered; the others read the begin of the same registers.
        timeout_s: for each answer.
    """
    known = [answered]
    shorter = range(answered.count - 2, 0, -2)
    for count in shorter[: _LENGTHS - 1]:
        question = reading(answered.unit, answered.function, answered.address, count)
        if not await _all_answered(exchange, transport, [question], timeout_s):
            break
        known.append(question)
    return known


async def _takes_at_once(
    exchange: TcpExchange, transport: ByteTransport, known: Sequence[Question], size: int, timeout_s: float
) -> bool:
    """Whether every one of `size` questions sent together gets the answer that is its own."""
    return await _all_answered(exchange, transport, [known[at % len(known)] for at in range(size)], timeout_s)


async def _all_answered(
    exchange: TcpExchange, transport: ByteTransport, questions: Sequence[Question], timeout_s: float
) -> bool:
    asked = (exchange.ask(transport, question, timeout_s) for question in questions)
    ends = await asyncio.gather(*asked, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, _FAILURES):
            raise end
    return not any(isinstance(end, BaseException) for end in ends)
