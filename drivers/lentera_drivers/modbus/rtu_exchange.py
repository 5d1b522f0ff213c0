"""One question and its answer at a time, where frames carry no transaction id: serial lines, and RTU over TCP.

An answer must have the unit, the function and the length that were asked for and a right check sum, and must not have
begun before the question's last character left. That is not enough: a reply after its time-out looks just like the
answer to the next question. The line above therefore reads a canary after a time-out (`ModbusLine`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lentera_drivers.modbus.question import GoneError, NoAnswerError, Question, RefusedError, UnfitAnswerError
from lentera_drivers.modbus.rtu_frames import Heard, frames_in, is_whole, listen
from lentera_drivers.modbus.transport import ByteTransport

Answered = tuple[bytes, int, float]
"""Registers as on the wire, stamp in monotonic milliseconds, seconds from the question's end to the answer's begin."""
_MOST_HEARD: Final = 4096
"""Bytes kept while an answer is awaited: what is older is noise of a line that never falls silent."""
_ECHOES: Final = 1


class RtuExchange:
    """What is heard on one line, and the one question that is under way."""

    def __init__(self, clock: Callable[[], int], character_s: float, silence_s: float) -> None:
        """Take the clock of the stamps, the time of a character (0: not a serial line) and the frame's silence."""
        self._clock = clock
        self._character_s = character_s
        self._silence_s = silence_s
        self._question: Question | None = None
        self._answer: asyncio.Future[Answered] | None = None
        self._sent_by = 0.0
        self._began_at = 0.0
        self._heard = b""
        self._early = b""
        self.last_byte_at = 0.0
        self.quiet_until = 0.0
        self.echoes = 0
        self.chatter = 0
        self.noise_bytes = 0

    async def wait_for_silence(self, gap_s: float) -> None:
        """Wait until the line has been silent for a frame's end and the unit's own gap; new bytes move the end.

        A line that never falls silent is not waited for longer than a few hundred characters.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + 1.0 + gap_s
        while (until := max(self.last_byte_at + self._silence_s + gap_s, self.quiet_until)) > loop.time():
            if loop.time() >= give_up_at:
                return
            await asyncio.sleep(min(until, give_up_at) - loop.time())

    async def ask(self, transport: ByteTransport, question: Question, timeout_s: float) -> Answered:
        """Ask and wait; the line must be silent.

        Args:
            transport: open.
            question: what is asked.
            timeout_s: from the end of the question until the answer must be there whole.

        Raises:
            NoAnswerError: nothing that could be the answer came in time.
            UnfitAnswerError: something else came, or it was damaged.
            RefusedError: the unit answered with an exception.
            GoneError: the port or socket ended.
        """
        loop = asyncio.get_running_loop()
        self._note_unasked()
        self._heard = self._early = b""
        self._question, self._answer = question, loop.create_future()
        self._sent_by = loop.time() + len(question.rtu) * self._character_s
        try:
            transport.write(question.rtu)
        except OSError as error:
            self._question = self._answer = None
            raise GoneError(str(error)) from error
        self.last_byte_at = self._sent_by
        timer = loop.call_at(self._sent_by + timeout_s, self._give_up)
        try:
            return await self._answer
        finally:
            timer.cancel()
            self._question = self._answer = None

    def heard(self, data: bytes) -> None:
        """Take bytes from the line."""
        now = asyncio.get_running_loop().time()
        self.last_byte_at = max(now, self.last_byte_at)
        question, answer = self._question, self._answer
        if question is None or answer is None or answer.done():
            self._heard = (self._heard + data)[-_MOST_HEARD:]
            return
        if now < self._sent_by:
            self._early += data  # our own echo, or somebody who talks into the question; never its answer
            return
        if not self._heard:
            self._began_at = now - len(data) * self._character_s
        self._heard = (self._heard + data)[-_MOST_HEARD:]
        self._look(question, answer)

    def _look(self, question: Question, answer: asyncio.Future[Answered]) -> None:
        """See whether what was heard settles the question."""
        heard, head = self._heard, question.head
        if head and len(heard) == question.rtu_reply_bytes and heard.startswith(head) and is_whole(heard):
            answer.set_result(self._with_stamp(heard[3:-2]))
            return
        if len(heard) < 5:
            return
        found = self._cut(heard, question)
        if not found.answers:
            return
        self._settle(question, answer, found)

    def _settle(self, question: Question, answer: asyncio.Future[Answered], found: Heard) -> None:
        """Judge the first frame of the unit; anything after it belongs to nobody."""
        try:
            if found.asked_by_another:
                raise UnfitAnswerError("another master asks this unit: two masters are on the line")
            answer.set_result(self._with_stamp(question.data_of(found.answers[0][1:])))
        except (UnfitAnswerError, RefusedError) as error:
            answer.set_exception(error)

    def _with_stamp(self, data: bytes) -> Answered:
        return data, self._clock(), max(0.0, self._began_at - self._sent_by)

    def _cut(self, heard: bytes, question: Question) -> Heard:
        echoed = self._early.startswith(question.rtu)
        return listen(heard, question.unit, question.rtu, question.head, 0 if echoed else _ECHOES)

    def _give_up(self) -> None:
        """Nothing settled the question in time: say what there was."""
        question, answer = self._question, self._answer
        if question is None or answer is None or answer.done():
            return
        found = self._cut(self._early + self._heard, question)
        self._count(found)
        if found.damaged:
            answer.set_exception(UnfitAnswerError("an answer came with a wrong check sum", damaged=True))
        elif found.asked_by_another:
            answer.set_exception(UnfitAnswerError("another master asks this unit: two masters are on the line"))
        elif found.noise_bytes:
            answer.set_exception(NoAnswerError(f"no answer, but {found.noise_bytes} bytes of noise"))
        elif found.echoes:
            answer.set_exception(NoAnswerError("no answer but the echo of the question"))
        else:
            answer.set_exception(NoAnswerError("no answer"))

    def _note_unasked(self) -> None:
        """Count what was heard while nobody was asked."""
        if self._heard:
            frames = frames_in(self._heard)
            self.chatter += len(frames)
            self.noise_bytes += 0 if frames else len(self._heard)

    def _count(self, found: Heard) -> None:
        self.echoes += found.echoes
        self.chatter += len(found.others)
        self.noise_bytes += found.noise_bytes

    def gone(self, reason: str) -> None:
        """The port or socket has ended: whoever waits is told."""
        self._heard = self._early = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(GoneError(reason))
