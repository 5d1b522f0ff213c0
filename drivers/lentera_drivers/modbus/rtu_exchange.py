"""One question and its answer at a time, where frames carry no transaction id: serial lines, and RTU over TCP.

An answer must have the unit, the function and the length that were asked for and a right check sum, and must not have
begun before the question's last character left. That is not enough: a reply after its time-out looks just like the
answer to the next question. The line above therefore reads a canary after a time-out (`ModbusLine`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lentera_drivers.modbus.question import (
    WRITE_ONE,
    GoneError,
    NoAnswerError,
    Question,
    RefusedError,
    Said,
    UnfitAnswerError,
)
from lentera_drivers.modbus.rtu_frames import Heard, frames_in, is_whole, listen
from lentera_drivers.modbus.transport import ByteTransport

Answered = tuple[bytes, int, float]
"""Registers as on the wire, stamp in monotonic milliseconds, seconds from the question's end to the answer's begin."""
_MOST_HEARD: Final = 4096
"""Bytes kept while an answer is awaited: what is older is noise of a line that never falls silent."""
_PATIENCE_S: Final = 1.0
_SETTLED_S: Final = 0.03
_SETTLED_BY_TCP_S: Final = 0.1
"""After this silence no byte of the same frame follows: USB adapters hand bytes over in lumps of up to 16 ms."""
_SILENT_CHARACTERS: Final = 3.5
_ECHO_FORGOTTEN_AFTER: Final = 8


class RtuExchange:
    """What is heard on one line, and the one question that is under way.

    Attributes:
        last_byte_at: when the line was last busy (the event loop's clock).
        quiet_until: nothing is asked before.
        echoing: whether the line brings our own questions back; None before the first question.
        echoes, chatter, noise_bytes: copies of our questions, frames of others or of nobody's question, bytes of no
            frame.
    """

    def __init__(self, clock: Callable[[], int], character_s: float, silence_s: float) -> None:
        """Take the clock of the stamps, the time of a character (0: not a serial line) and the frame's silence."""
        self._clock = clock
        self._character_s = character_s
        self._silence_s = silence_s
        self._settled_s = max(_SETTLED_S, _SILENT_CHARACTERS * character_s) if character_s else _SETTLED_BY_TCP_S
        self._question: Question | None = None
        self._answer: asyncio.Future[Answered] | None = None
        self._held: Answered | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch_s = 0.0
        self._sent_by = 0.0
        self._began_at = 0.0
        self._heard = b""
        self._early = b""
        self._questions_without_echo = 0
        self.last_byte_at = 0.0
        self.quiet_until = 0.0
        self.echoing: bool | None = None
        self.echoes = 0
        self.chatter = 0
        self.noise_bytes = 0

    def take_unasked(self) -> list[bytes]:
        """Return the frames that came while nobody was asked, and forget them."""
        if not self._heard:
            return []
        frames = frames_in(self._heard)
        self.chatter += len(frames)
        self.noise_bytes += 0 if frames else len(self._heard)
        self._heard = b""
        return frames

    async def wait_for_silence(self, gap_s: float) -> None:
        """Wait until the line has been silent for a frame's end and the unit's own gap; new bytes move the end.

        A line that never falls silent is waited for a second only.
        """
        loop = asyncio.get_running_loop()
        give_up_at = max(loop.time(), self.quiet_until) + _PATIENCE_S + gap_s
        while (until := max(self.last_byte_at + self._silence_s + gap_s, self.quiet_until)) > loop.time():
            if loop.time() >= give_up_at:
                return
            await asyncio.sleep(min(until, give_up_at) - loop.time())

    async def ask(
        self,
        transport: ByteTransport,
        question: Question,
        timeout_s: float,
        watch_s: float = 0.0,
        said: Said | None = None,
    ) -> Answered:
        """Ask and wait; the line must be silent.

        Args:
            transport: open.
            question: what is asked.
            timeout_s: from the end of the question until the answer must be there whole.
            watch_s: the answer is believed only if no other follows within this time of the question's end.
            said: takes the bytes.

        Raises:
            NoAnswerError: nothing that could be the answer came in time.
            UnfitAnswerError: something else came, or it was damaged.
            RefusedError: the unit answered with an exception.
            GoneError: the port or socket ended.
        """
        loop = asyncio.get_running_loop()
        self._heard = self._early = b""
        self._held, self._watch_s = None, watch_s
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
            self._at(0.0, None)
            self._question = self._answer = None
            if said is not None:
                said.asked, said.heard = question.rtu, self._early + self._heard
            self._heard = self._early = b""

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
        if self._held is not None:
            answer.set_exception(UnfitAnswerError("a second answer came: one of the two is late"))
            return
        if not self._heard:
            self._began_at = now - len(data) * self._character_s
        self._heard = (self._heard + data)[-_MOST_HEARD:]
        self._look(question, answer, settled=False)

    def _look(self, question: Question, answer: asyncio.Future[Answered], settled: bool) -> None:
        """See whether what was heard settles the question."""
        heard, head = self._heard, question.head
        if head and not self._early and heard.startswith(head):
            if len(heard) == question.rtu_reply_bytes and is_whole(heard):
                self._learn(question, echoed=False)
                self._hand_out(answer, self._with_stamp(heard[3:-2]))
                return
            if len(heard) < question.rtu_reply_bytes and not settled:
                return
        found = self._cut(question)
        # Inside what may yet become a frame of somebody else, nothing is an answer: the silence after it decides.
        if settled or not found.undecided:
            if found.answers or found.asked_by_another:
                self._settle(question, answer, found)
                return
            if settled and found.damaged:
                self._finish(question, found)
                answer.set_exception(UnfitAnswerError("an answer came with a wrong check sum", damaged=True))
                return
        if not settled:
            self._at(asyncio.get_running_loop().time() + self._settled_s, self._look_again)

    def _look_again(self) -> None:
        if self._question is not None and self._answer is not None and not self._answer.done():
            self._look(self._question, self._answer, settled=True)

    def _settle(self, question: Question, answer: asyncio.Future[Answered], found: Heard) -> None:
        """Judge the unit's frame."""
        self._finish(question, found)
        try:
            if found.asked_by_another:
                raise UnfitAnswerError("another master asks this unit: two masters are on the line")
            if len(found.answers) > 1:
                raise UnfitAnswerError("two answers came: one of the two is late")
            self._hand_out(answer, self._with_stamp(question.data_of(found.answers[0][1:])))
        except (UnfitAnswerError, RefusedError) as error:
            answer.set_exception(error)

    def _hand_out(self, answer: asyncio.Future[Answered], answered: Answered) -> None:
        """Give the answer to whoever asked, or keep it until it is sure that no other follows."""
        if self._watch_s <= 0.0:
            answer.set_result(answered)
            return
        self._held = answered
        now = asyncio.get_running_loop().time()
        self._at(max(now, self._sent_by + self._watch_s) + self._settled_s, self._release)

    def _release(self) -> None:
        if self._held is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(self._held)

    def _at(self, when: float, step: Callable[[], None] | None) -> None:
        """Do a step at an instant, instead of what was to be done before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if step is None else asyncio.get_running_loop().call_at(when, step)

    def _with_stamp(self, data: bytes) -> Answered:
        return data, self._clock(), max(0.0, self._began_at - self._sent_by)

    def _cut(self, question: Question) -> Heard:
        """Cut what was heard into frames; of what came early only the begin of our own echo counts."""
        request, early = question.rtu, self._early
        # The answer to a write of one register is the request once more: there the line's manners decide.
        expected = int(question.function != WRITE_ONE or self.echoing is True)
        if early.startswith(request):
            found = listen(self._heard, question.unit, request, question.head, 0)
            found.echoes += 1
            return found
        begun = early if request.startswith(early) else b""
        return listen(begun + self._heard, question.unit, request, question.head, expected)

    def _give_up(self) -> None:
        """Nothing settled the question in time: say what there was."""
        question, answer = self._question, self._answer
        if question is None or answer is None or answer.done() or self._held is not None:
            return
        found = self._cut(question)
        if found.answers or found.asked_by_another:
            self._settle(question, answer, found)
            return
        self._finish(question, found)
        if found.damaged:
            answer.set_exception(UnfitAnswerError("an answer came with a wrong check sum", damaged=True))
        elif found.noise_bytes:
            answer.set_exception(NoAnswerError(f"no answer, but {found.noise_bytes} bytes of noise"))
        elif found.echoes:
            answer.set_exception(NoAnswerError("no answer but the echo of the question"))
        else:
            answer.set_exception(NoAnswerError("no answer"))

    def _finish(self, question: Question, found: Heard) -> None:
        """Count what was heard beside the answer."""
        self.echoes += found.echoes
        self.chatter += len(found.others)
        self.noise_bytes += found.noise_bytes
        self._learn(question, echoed=found.echoes > 0)

    def _learn(self, question: Question, echoed: bool) -> None:
        """Learn whether the line brings our questions back; a damaged echo alone does not unlearn it."""
        if echoed:
            self.echoing, self._questions_without_echo = True, 0
        elif question.function != WRITE_ONE:
            self._questions_without_echo += 1
            if self.echoing is None or self._questions_without_echo >= _ECHO_FORGOTTEN_AFTER:
                self.echoing = False

    def gone(self, reason: str) -> None:
        """The port or socket has ended: whoever waits is told."""
        self._heard = self._early = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(GoneError(reason))
