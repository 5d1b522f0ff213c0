"""The ledger check: every answered value must be stored exactly once. Pure; counts value by value.

Per device and quantity the answered values (ledger) and the stored ones are matched. Two match if they are equal after
`stored_precision` and their times are near enough. How near depends on what could be confused:

- A value that was not answered again within twice the tolerance may be up to the tolerance (2 s) away from its answer.
- A value that repeats (a lamp that says 100 % ten times) must be within `repeat_window_ms` of its own answer, after the
  usual offset between answer and stamp is taken off; so a lost repeat is not excused by a doubled neighbour. The
  offset is learnt from the values that do not repeat, or where there are none, it is the one that explains most.

A device that reports by exception may leave values out: each one that is not stored must then lie within the deadband
of the last value stored before it, which must be no older than the heartbeat. Anything else is missing.

Only when the same value is answered twice within that window and one of the two is lost while the other is doubled, the
two mistakes cancel out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median_low

from lentera_model.config import ReportByException
from lentera_model.quantities import stored_precision
from lentera_model.readings import Reading
from lentera_sim.ledger import LedgerEntry

TOLERANCE_MS = 2_000
REPEAT_WINDOW_MS = 450
_OFFSET_STEP_MS = 50
_OFFSET_SAMPLE = 400
MOST_DETAILS = 200
_ROUNDING = 1e-12
"""The last bits of a float: a difference that is the deadband to the last bit may be taken either way."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One value that is wrong: `what` is missing, duplicated, unexplained or out_of_order."""

    what: str
    device: str
    quantity: str
    at_ms: int
    value: float

    def __str__(self) -> str:
        """Return the finding on one line."""
        return f"{self.what}: {self.device} {self.quantity} = {self.value!r} at {self.at_ms}"


@dataclass(slots=True)
class AuditResult:
    """Counts of values. produced - missing + duplicated = stored.

    Attributes:
        produced: answered for certain and not suppressed, or answered perhaps and found.
        stored: in the store.
        missing: answered for certain and not stored, though it should have been.
        suppressed: answered for certain and rightly left out: within the deadband of the last value stored.
        duplicated: stored, and no answer of its own; the unexplained among them.
        unexplained: stored with a value that no answer near it had.
        out_of_order: matched, but stamped in another order than answered (counted in neither of the above).
        details: the first findings, at most `most_details`.
    """

    produced: int = 0
    stored: int = 0
    missing: int = 0
    suppressed: int = 0
    duplicated: int = 0
    unexplained: int = 0
    out_of_order: int = 0
    details: list[Finding] = field(default_factory=list[Finding])
    most_details: int = MOST_DETAILS

    @property
    def clean(self) -> bool:
        """Whether every value is stored exactly once and in order."""
        return not (self.missing or self.duplicated or self.out_of_order)


@dataclass(slots=True)
class _Answer:
    at_ms: int
    value: float
    exact: float
    certain: bool
    stored: _Stored | None = None


@dataclass(slots=True)
class _Stored:
    at_ms: int
    value: float
    answer: _Answer | None = None


@dataclass(slots=True)
class _Series:
    """Both sides of one device's quantity."""

    answers: list[_Answer] = field(default_factory=list[_Answer])
    stored: list[_Stored] = field(default_factory=list[_Stored])


def audit(
    entries: Iterable[LedgerEntry],
    stored: Mapping[str, Iterable[Reading]],
    *,
    tolerance_ms: int = TOLERANCE_MS,
    repeat_window_ms: int = REPEAT_WINDOW_MS,
    rules: Mapping[str, ReportByException] | None = None,
    most_details: int = MOST_DETAILS,
) -> AuditResult:
    """Compare a ledger with what a store holds, device id to all its readings.

    `tolerance_ms` is how far a stamp may be from its answer, `repeat_window_ms` how far where the same value was
    answered again near by; both in milliseconds. `rules` are those of the devices that report by exception,
    `most_details` is how many findings are listed.
    """
    result = AuditResult(most_details=most_details)
    for (device, quantity), series in sorted(_collect(entries, stored).items()):
        series.answers.sort(key=lambda answer: answer.at_ms)
        series.stored.sort(key=lambda row: row.at_ms)
        rule = None if rules is None else rules.get(device)
        _match(series, tolerance_ms, repeat_window_ms, sparse=rule is not None)
        left_out = frozenset[int]() if rule is None else _left_out(series, quantity, rule, repeat_window_ms)
        _count(result, device, quantity, series, tolerance_ms, left_out)
    return result


def _collect(entries: Iterable[LedgerEntry], stored: Mapping[str, Iterable[Reading]]) -> dict[tuple[str, str], _Series]:
    found: dict[tuple[str, str], _Series] = defaultdict(_Series)
    for entry in entries:
        if entry.kind in ("answered", "unsure"):
            for name, value in entry.values.items():
                answer = _Answer(entry.at_ms, stored_precision(name, value), value, entry.kind == "answered")
                found[entry.device, name].answers.append(answer)
    for device, readings in stored.items():
        for reading in readings:
            for name, value in reading.values.items():
                found[device, name].stored.append(_Stored(reading.at_ms, stored_precision(name, value)))
    return found


def _match(series: _Series, tolerance_ms: int, repeat_window_ms: int, *, sparse: bool) -> None:
    """Match answers and rows value by value: first the values that cannot be confused, then those that repeat.

    Of a `sparse` series most repeats are not stored, so any multiple of its interval would explain its few rows: their
    usual offset, and each row, is then looked for within half an interval.
    """
    groups: dict[float, tuple[list[_Answer], list[_Stored]]] = defaultdict(lambda: ([], []))
    for answer in series.answers:
        groups[answer.value][0].append(answer)
    for row in series.stored:
        groups[row.value][1].append(row)
    lone, repeating = [], []
    for answers, rows in groups.values():
        if answers and rows:
            (lone if _is_lone(answers, tolerance_ms) else repeating).append((answers, rows))
    for answers, rows in lone:
        _pair(answers, rows, 0, [tolerance_ms] * len(answers))
    if repeating:
        reach_ms = tolerance_ms
        if sparse:
            reach_ms = min(tolerance_ms, _usual_gap_ms(series.answers) // 2)
            repeat_window_ms = min(repeat_window_ms, reach_ms)
        offset_ms = _offset(series, repeating, reach_ms, repeat_window_ms)
        for answers, rows in repeating:
            _pair(answers, rows, offset_ms, _windows(answers, tolerance_ms, repeat_window_ms))
            _prefer_certain(answers, offset_ms, repeat_window_ms)


def _is_lone(answers: Sequence[_Answer], tolerance_ms: int) -> bool:
    return all(b.at_ms - a.at_ms > 2 * tolerance_ms for a, b in pairwise(answers))


def _usual_gap_ms(answers: Sequence[_Answer]) -> int:
    return median_low([later.at_ms - earlier.at_ms for earlier, later in pairwise(answers)] or [2 * TOLERANCE_MS])


def _offset(
    series: _Series,
    repeating: Sequence[tuple[list[_Answer], list[_Stored]]],
    reach_ms: int,
    window_ms: int,
) -> int:
    """Return the usual time from answer to stamp in ms, at most `reach_ms` either way."""
    known = [answer.stored.at_ms - answer.at_ms for answer in series.answers if answer.stored is not None]
    if len(known) >= 3:
        return median_low(known)
    sample = [(answers[:_OFFSET_SAMPLE], rows[:_OFFSET_SAMPLE]) for answers, rows in repeating]
    candidates = sorted(range(-reach_ms, reach_ms + 1, _OFFSET_STEP_MS), key=abs)
    return max(
        candidates,
        key=lambda candidate: sum(_closeness(answers, rows, candidate, window_ms) for answers, rows in sample),
    )


def _closeness(answers: Sequence[_Answer], rows: Sequence[_Stored], offset_ms: int, window_ms: int) -> float:
    """Return how well an offset explains the rows: each pair of a walk counts 1 at its expected time, 0 at the window.

    Counting pairs alone would let an offset of half an interval win, which excuses a lost value by the
    double of its neighbour.
    """
    score, at = 0.0, 0
    for answer in answers:
        expected = answer.at_ms + offset_ms
        while at < len(rows) and rows[at].at_ms < expected - window_ms:
            at += 1
        if at < len(rows) and rows[at].at_ms <= expected + window_ms:
            score += 1 - abs(rows[at].at_ms - expected) / window_ms
            at += 1
    return score


def _windows(answers: Sequence[_Answer], tolerance_ms: int, repeat_window_ms: int) -> list[int]:
    """Return how far each answer's row may be in ms: half way to the nearest equal answer, within both limits."""
    gaps = [later.at_ms - earlier.at_ms for earlier, later in pairwise(answers)]
    far = 2 * tolerance_ms
    nearest = [min(before, after) for before, after in zip([far, *gaps], [*gaps, far], strict=True)]
    return [min(tolerance_ms, max(repeat_window_ms, gap // 2)) for gap in nearest]


def _pair(answers: Sequence[_Answer], rows: Sequence[_Stored], offset_ms: int, windows_ms: Sequence[int]) -> None:
    """Give each answer the first free row within its window around its expected time, in order of time.

    Windows may overlap, but none begins before the one of an earlier answer, so one walk finds as many pairs as exist.
    """
    at = 0
    for answer, window_ms in zip(answers, windows_ms, strict=True):
        expected = answer.at_ms + offset_ms
        while at < len(rows) and rows[at].at_ms < expected - window_ms:
            at += 1
        if at < len(rows) and rows[at].at_ms <= expected + window_ms:
            answer.stored, rows[at].answer = rows[at], answer
            at += 1


def _prefer_certain(answers: Sequence[_Answer], offset_ms: int, window_ms: int) -> None:
    """Let an answer that certainly arrived take the row of a neighbour of which that is not known."""
    for number, answer in enumerate(answers):
        if answer.stored is not None or not answer.certain:
            continue
        for other in answers[max(0, number - 3) : number + 4]:
            row = other.stored
            if row is not None and not other.certain and abs(row.at_ms - answer.at_ms - offset_ms) <= window_ms:
                other.stored, answer.stored, row.answer = None, row, answer
                break


def _left_out(series: _Series, quantity: str, rule: ReportByException, window_ms: int) -> frozenset[int]:
    """Return the positions of the answers that may be left out; the last value stored decides, never the last read."""
    deadband, longest_ms = rule.deadband_of(quantity), rule.heartbeat_s * 1000 + window_ms
    last: _Answer | None = None
    found: set[int] = set()
    for position, answer in enumerate(series.answers):
        if answer.stored is not None:
            last = answer
        elif last is not None and answer.at_ms - last.at_ms < longest_ms:
            slack = _ROUNDING * max(abs(answer.exact), abs(last.exact))
            if abs(answer.exact - last.exact) <= deadband + slack:
                found.add(position)
    return frozenset(found)


def _count(
    result: AuditResult, device: str, quantity: str, series: _Series, tolerance_ms: int, left_out: frozenset[int]
) -> None:
    def note(what: str, at_ms: int, value: float) -> None:
        if len(result.details) < result.most_details:
            result.details.append(Finding(what, device, quantity, at_ms, value))

    result.stored += len(series.stored)
    last_stamp_ms = None
    for position, answer in enumerate(series.answers):
        if answer.stored is None and answer.certain and position in left_out:
            result.suppressed += 1
            continue
        if answer.certain or answer.stored is not None:
            result.produced += 1
        if answer.stored is None:
            if answer.certain:
                result.missing += 1
                note("missing", answer.at_ms, answer.value)
            continue
        if last_stamp_ms is not None and answer.stored.at_ms < last_stamp_ms:
            result.out_of_order += 1
            note("out_of_order", answer.stored.at_ms, answer.value)
        last_stamp_ms = answer.stored.at_ms
    times = [answer.at_ms for answer in series.answers]
    for row in series.stored:
        if row.answer is None:
            explained = _was_answered(series.answers, times, row, tolerance_ms)
            result.duplicated += 1
            result.unexplained += not explained
            note("duplicated" if explained else "unexplained", row.at_ms, row.value)


def _was_answered(answers: Sequence[_Answer], times: Sequence[int], row: _Stored, tolerance_ms: int) -> bool:
    """Return whether the row's value was answered near its time."""
    at = bisect_left(times, row.at_ms - tolerance_ms)
    while at < len(answers) and answers[at].at_ms <= row.at_ms + tolerance_ms:
        if answers[at].value == row.value:
            return True
        at += 1
    return False
