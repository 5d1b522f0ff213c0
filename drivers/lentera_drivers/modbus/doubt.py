"""Whose next answer may be a late one, where frames carry no transaction id. Pure: the present is an argument.

Three things together keep a late reply from becoming a value:
- a unit in doubt is asked for a canary first, whose length is that of no planned request;
- canaries come in several lengths, and the one that was asked longest ago takes its turn: a unit that answers in the
  order in which it was asked, as all on one line do, but some questions behind, is found out by each of them, however
  late it is. One that has missed so many questions that it may be behind by a whole round of lengths must answer two
  canaries, the second out of turn;
- a question whose answer is overdue is not put again in the same words (unit, function, number of registers) before
  that answer was heard or its time has passed, so that none can pass for the other even out of order. That time is
  `LATE_MS`; for a unit that was heard late within the hour it is thrice as late, if that is more, up to `LATEST_MS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lentera_drivers.modbus.question import Question

LATE_MS: Final = 3_000
"""An answer that has not come so long after its time-out will not come, from a unit that was never heard later."""
LATEST_MS: Final = 60_000
_LATER: Final = 3
_REMEMBERED_MS: Final = 3_600_000
CANARIES: Final = 6
LEAST_CANARIES: Final = 3
_READS: Final = (3, 4)
_LAST_TWO: Final = 2
_NEVER: Final = 1_000_000


class Doubts:
    """The doubts about one line.

    Attributes:
        units: whose answers may not belong to their questions.
    """

    def __init__(self) -> None:
        """Begin without."""
        self.units: set[int] = set()
        self._overdue: dict[tuple[int, int, int], int] = {}
        self._missed_at: dict[tuple[int, int, int], int] = {}
        self._late: dict[int, tuple[int, int]] = {}
        self._lengths: dict[int, list[int]] = {}
        self._misses: dict[int, int] = {}
        self._rounds: dict[int, int] = {}
        self._half_proved: set[int] = set()

    def asked(self, question: Question) -> None:
        """Note that a question goes out."""
        lengths = self._lengths.setdefault(question.unit, [])
        if question.count in lengths:
            lengths.remove(question.count)
        lengths.append(question.count)

    def proves(self, question: Question) -> bool:
        """Whether its answer shows that the unit is in step: none to the question before has the same length."""
        return self._lengths.get(question.unit, [0])[-1] != question.count

    def canaries_needed(self, unit: int) -> int:
        """Return how many canaries a unit in doubt must answer before a value of it is believed."""
        return 2 if self._is_far_behind(unit) and unit not in self._half_proved else 1

    def canary_answered(self, unit: int) -> None:
        """Note that a canary was answered: the next one for this unit comes out of turn."""
        self._half_proved.add(unit)

    def proved(self, unit: int) -> bool:
        """Note that a question was answered that `proves`; return whether the unit is in step or only half proved."""
        if unit in self.units and self._is_far_behind(unit) and unit not in self._half_proved:
            self._half_proved.add(unit)
            return False
        self.units.discard(unit)
        self._half_proved.discard(unit)
        self._misses.pop(unit, None)
        return True

    def _is_far_behind(self, unit: int) -> bool:
        """Whether a unit has missed so much that it may answer canaries of the round before.

        A unit of which so few registers are known that it has no canary to be asked out of turn is never asked twice.
        """
        lengths = self._rounds.get(unit, CANARIES)
        return lengths > _LAST_TWO + 1 and self._misses.get(unit, 0) >= lengths

    def unmistakable(self, questions: Sequence[Question], now_ms: int) -> int | None:
        """Return which of a unit's canaries to put: no answer that may yet come could be taken for its own.

        None where there is none now: each was asked a moment ago, or an answer that looks like its own is overdue.
        """
        free: list[tuple[int, int]] = []
        longest_ago = 0
        for at, question in enumerate(questions):
            lengths = self._lengths.get(question.unit, [])
            ago = len(lengths) - lengths.index(question.count) if question.count in lengths else _NEVER
            longest_ago = max(longest_ago, ago)
            self._rounds[question.unit] = len(questions)
            if ago > _LAST_TWO and not self.waits_ms(question, now_ms):
                free.append((ago, -at))
        out_of_turn = bool(questions) and questions[0].unit in self._half_proved
        if out_of_turn:  # whoever is a round behind would answer the one whose turn it is
            free = [one for one in free if one[0] < longest_ago]
        if not free:
            return None
        return -(min(free) if out_of_turn else max(free))[1]

    def missed(self, question: Question, now_ms: int, *, overdue: bool = True) -> None:
        """Note that a question got no answer, or one that did not fit: its own may still come if it is `overdue`."""
        unit = question.unit
        self.units.add(unit)
        self._half_proved.discard(unit)
        self._misses[unit] = self._misses.get(unit, 0) + 1
        if overdue:
            key = (question.unit, question.function, question.count)
            self._overdue[key] = now_ms + self._time_of(question.unit, now_ms)
            self._missed_at[key] = now_ms

    def spoke(self, frame: bytes, now_ms: int) -> None:
        """Note that a unit spoke while nobody was asked (a frame without its check sum): it was late."""
        self.units.add(frame[0])
        if len(frame) > 2 and frame[1] in _READS:
            key = (frame[0], frame[1], frame[2] // 2)
            self._overdue.pop(key, None)
            late_ms = now_ms - self._missed_at.pop(key, now_ms)
            if 0 < late_ms <= LATEST_MS:  # beyond that it is another master's
                self._late[frame[0]] = max(late_ms, self.late_ms(frame[0], now_ms)), now_ms

    def late_ms(self, unit: int, now_ms: int) -> int:
        """Return how long after a time-out a unit was heard at most within the hour; 0 if it was not."""
        late_ms, noted_ms = self._late.get(unit, (0, now_ms))
        return late_ms if now_ms - noted_ms < _REMEMBERED_MS else 0

    def _time_of(self, unit: int, now_ms: int) -> int:
        """Return for how long after a time-out an answer of a unit may still come."""
        return max(LATE_MS, min(_LATER * self.late_ms(unit, now_ms), LATEST_MS))

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
