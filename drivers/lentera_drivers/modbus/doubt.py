"""Whose next answer may be a late one, where frames carry no transaction id. Pure: the present is an argument.

Three things together keep a late reply from becoming a value:
- a unit in doubt is asked for a canary first, whose length is that of no planned request; where units answer in the
  order in which they were asked, as all on one line do, this is enough however late they are;
- a question whose answer is overdue is not put again in the same words (unit, function, number of registers) before
  that answer was heard or `LATE_MS` have passed, so that none can pass for the other even out of order;
- canaries come in three lengths that take turns: a unit that answers each question with the reply to the one before,
  or to the one before that, whenever it is asked, is found out by each of them.
"""

from __future__ import annotations

from typing import Final

from lentera_drivers.modbus.question import Question

LATE_MS: Final = 3_000
"""An answer that has not come so long after its time-out will not come."""
CANARIES: Final = 3
_READS: Final = (3, 4)


class Doubts:
    """The doubts about one line.

    Attributes:
        units: whose answers may not belong to their questions.
    """

    def __init__(self) -> None:
        """Begin without."""
        self.units: set[int] = set()
        self._overdue: dict[tuple[int, int, int], int] = {}
        self._lengths: dict[int, tuple[int, int]] = {}

    def asked(self, question: Question) -> None:
        """Note that a question goes out."""
        last, _ = self._lengths.get(question.unit, (0, 0))
        self._lengths[question.unit] = question.count, last

    def proves(self, question: Question) -> bool:
        """Whether its answer shows that the unit is in step: none to the question before has the same length."""
        return self._lengths.get(question.unit, (0, 0))[0] != question.count

    def is_unmistakable(self, question: Question, now_ms: int) -> bool:
        """Whether no answer that may yet come could be taken for its own."""
        return question.count not in self._lengths.get(question.unit, ()) and not self.waits_ms(question, now_ms)

    def missed(self, question: Question, now_ms: int, *, overdue: bool = True) -> None:
        """Note that a question got no answer, or one that did not fit: its own may still come if it is `overdue`."""
        self.units.add(question.unit)
        if overdue:
            self._overdue[question.unit, question.function, question.count] = now_ms + LATE_MS

    def spoke(self, frame: bytes) -> None:
        """Note that a unit spoke while nobody was asked (a frame without its check sum): it was late."""
        self.units.add(frame[0])
        if len(frame) > 2 and frame[1] in _READS:
            self._overdue.pop((frame[0], frame[1], frame[2] // 2), None)

    def concern(self, question: Question, now_ms: int) -> bool:
        """Whether what would be taken for the answer to a question may be another's."""
        return question.unit in self.units or self.waits_ms(question, now_ms) > 0

    def waits_ms(self, question: Question, now_ms: int) -> int:
        """Return for how long a question must not be put, since an answer that looks like its own is overdue."""
        if not self._overdue:
            return 0
        key = (question.unit, question.function, question.count)
        until_ms = self._overdue.get(key, now_ms)
        if until_ms <= now_ms:
            self._overdue.pop(key, None)
        return max(0, until_ms - now_ms)
