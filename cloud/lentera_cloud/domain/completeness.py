"""How complete the readings of a device are, hour by hour: what was due, what is stored, and why the rest is not. Pure.

Of each quantity and hour, `expected` values are due. Each of them is stored (`received`), is stored as a mean of
several (`estimated`), was left out because it had not changed (`unchanged`), or is `missing` for one of `reasons`; the
four always add up to `expected`, and the reasons to `missing`. What the gateway counted is believed before what the
paces let expect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from lentera_cloud.domain.completeness_sum import Completeness, added
from lentera_model.quantities import CATALOGUE, Kind, names_of

HOUR_MS: Final = 3_600_000
ANYTHING: Final = "*"
"""Stands for the quantities of a device that has never given any: at least one value is due at each read."""
EVENTS: Final = frozenset({"level_commanded_percent", "device_fault"})
"""Quantities that are told when they happen: of these no number is due, unless a pace names them."""

NOT_GIVEN: Final = "not_given"
"""The device answered, without a value of this quantity."""
SILENT: Final = "silent"
ON_THE_WAY: Final = "on_the_way"
"""The gateway is not connected or has not delivered everything yet: the values may still come."""
UNKNOWN: Final = "unknown"
QUOTA: Final = "quota"
_REDUCING: Final = frozenset({QUOTA, "journal_thinned"})
"""Known gaps that take some values of a quantity and leave those of others in full."""
_MOMENTS: Final = names_of(Kind.INSTANTANEOUS)
_STATES: Final = names_of(Kind.STATE)
_AVERAGED: Final = frozenset(name for name in _MOMENTS if CATALOGUE[name].unit != "deg" and not name.endswith("_max"))
"""Of angles and of maxima that a meter holds a quota's step sends the newest, as it was read."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Some quantities of a device are due once in `every_ms`; see `PaceDeclaration` of the link for the fields."""

    every_ms: int
    quantities: tuple[str, ...] = ()
    heartbeat_ms: int = 0


@dataclass(frozen=True, slots=True)
class PaceVersion:
    """The paces of a device from one moment on, as its gateway told them; without any, nothing is known to be due."""

    valid_from_ms: int
    paces: tuple[Pace, ...]
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class ReadCount:
    """What became of the reads of one pace in an hour, as the gateway counted: answered ones and missed ones.

    Attributes:
        answered: brought a value, stored or left out as unchanged.
        missed: reason -> reads that brought none.
        tallies: how many counts were added up.
        taken: of `answered`, those told to have brought a value to store, of whichever quantity.
        unchanged: of `answered`, those told to have brought unchanged values only. Of the others it is not told.
    """

    answered: int = 0
    missed: Mapping[str, int] = field(default_factory=dict)
    tallies: int = 1
    taken: int = 0
    unchanged: int = 0

    @property
    def expected(self) -> int:
        """How many reads were due while the gateway ran."""
        return self.answered + sum(self.missed.values())

    def __add__(self, other: ReadCount) -> ReadCount:
        """Add the counts of two parts of an hour."""
        missed = added(self.missed, other.missed)
        return ReadCount(
            self.answered + other.answered,
            missed,
            self.tallies + other.tallies,
            self.taken + other.taken,
            self.unchanged + other.unchanged,
        )


@dataclass(frozen=True, slots=True)
class Absence:
    """A time of which the gateway told that values are missing; with `detail_s`, one in so many seconds is left."""

    reason: str
    from_ms: int
    to_ms: int
    detail_s: int = 0


@dataclass(frozen=True, slots=True)
class HourFacts:
    """What is known of one device in one hour.

    Attributes:
        from_ms, until_ms: the hour, or the part of it that is over.
        versions: the paces of the device, the oldest first.
        quantities: that the device is known to give.
        received: quantity -> values stored in the hour.
        reads: interval -> what the gateway counted; empty where it told nothing.
        absences: known gaps that concern the device.
        silent_from_ms: since when the gateway says that the device does not answer; None while it does.
        on_the_way_from_ms: what is of this time or later may still come.
    """

    from_ms: int
    until_ms: int
    versions: Sequence[PaceVersion]
    quantities: frozenset[str] = frozenset()
    received: Mapping[str, int] = field(default_factory=dict)
    reads: Mapping[int, ReadCount] = field(default_factory=dict)
    absences: Sequence[Absence] = ()
    silent_from_ms: int | None = None
    on_the_way_from_ms: int = 1 << 62


@dataclass(frozen=True, slots=True)
class _Due:
    """What governs some quantities within an hour.

    Attributes:
        expected: values of each that the paces let expect. Rounded down: where an interval does not divide the hour, an
            hour has one value more at times.
        intervals: of the paces that hold. every_ms: the last of them. heartbeat_ms: the longest.
        most: values that the paces have room for in this hour.
    """

    expected: int
    intervals: frozenset[int]
    every_ms: int
    heartbeat_ms: int
    most: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is stored of a quantity: `count` values; the `best` of its pace has so many, all of its pace `values`.

    Under a quota those of a quantity that `is_mean` are means.
    """

    count: int
    best: int
    values: int
    is_mean: bool


def groups_of(facts: HourFacts) -> list[tuple[list[str], Completeness]]:
    """Return how complete each quantity of a device is in an hour, those of equal counts together, as most are.

    Every quantity that is due or stored is in one of the lists.
    """
    found: list[tuple[list[str], Completeness]] = []
    received, scheduled = facts.received, set[str]()
    has_quota = any(absence.reason == QUOTA for absence in facts.absences)
    for due, names in _due(tuple(_in_force(facts)), facts.quantities):
        scheduled.update(names)
        alike: dict[tuple[int, Kind | None, bool], list[str]] = {}
        for name in names:
            kind = _kind_of(name) if has_quota else None
            alike.setdefault((received.get(name, 0), kind, has_quota and name in _AVERAGED), []).append(name)
        best = max(count for count, _, _ in alike)
        values = sum(count * len(same) for (count, _, _), same in alike.items())
        for (count, kind, is_mean), same in alike.items():
            gaps = [one for one in facts.absences if _concerns(one, kind)] if has_quota else facts.absences
            found.append((same, _judge(due, _Stored(count, best, values, is_mean), gaps, facts)))
    found += [([name], Completeness(unscheduled=count)) for name, count in received.items() if name not in scheduled]
    return found


def _kind_of(name: str) -> Kind:
    """Return how a quota treats a quantity; one that the catalogue does not hold is left in full, as a counter is."""
    if name in _MOMENTS:
        return Kind.INSTANTANEOUS
    return Kind.STATE if name in _STATES else Kind.COUNTER


def _concerns(absence: Absence, kind: Kind | None) -> bool:
    """Tell whether values of a kind are missing: a quota leaves counters in full, and states while it sends means."""
    if absence.reason != QUOTA or kind is Kind.INSTANTANEOUS:
        return True
    return kind is Kind.STATE and not absence.detail_s


def _in_force(facts: HourFacts) -> Iterator[tuple[PaceVersion, int, int]]:
    """Yield each version that holds in the hour with its time in it, and the time in which it may have held.

    What was told first may have held before: a gateway runs before its first link. Then it is due what it counted.
    """
    versions = facts.versions
    for index, version in enumerate(versions):
        end_ms = versions[index + 1].valid_from_ms if index + 1 < len(versions) else facts.until_ms
        end_ms = min(end_ms, facts.until_ms)
        part_ms = max(0, end_ms - max(version.valid_from_ms, facts.from_ms))
        room_ms = max(0, end_ms - facts.from_ms) if index == 0 and facts.reads else part_ms
        if room_ms > 0:
            yield version, part_ms, room_ms


@lru_cache(maxsize=4096)  # a street has few kinds of devices, and their paces hold for months
def _due(
    in_force: tuple[tuple[PaceVersion, int, int], ...], quantities: frozenset[str]
) -> tuple[tuple[_Due, tuple[str, ...]], ...]:
    """Return what governs which quantities."""
    parts: dict[str, list[tuple[Pace, int, int]]] = {}
    for version, part_ms, room_ms in in_force:
        named = {name for pace in version.paces for name in pace.quantities}
        for pace in version.paces:
            names = pace.quantities or tuple(quantities - named - EVENTS) or (ANYTHING,)
            for name in names:
                parts.setdefault(name, []).append((pace, part_ms, room_ms))
    if len(parts) > 1:
        parts.pop(ANYTHING, None)
    groups: dict[tuple[tuple[Pace, int, int], ...], list[str]] = {}
    for name in sorted(parts):
        groups.setdefault(tuple(parts[name]), []).append(name)
    return tuple((_due_of(group), tuple(names)) for group, names in groups.items())


def _due_of(parts: tuple[tuple[Pace, int, int], ...]) -> _Due:
    return _Due(
        int(sum(part_ms / pace.every_ms for pace, part_ms, _ in parts)),
        frozenset(pace.every_ms for pace, _, _ in parts),
        parts[-1][0].every_ms,
        max(pace.heartbeat_ms for pace, _, _ in parts),
        int(sum(room_ms / pace.every_ms for pace, _, room_ms in parts)),
    )


def _judge(due: _Due, of: _Stored, gaps: Sequence[Absence], facts: HourFacts) -> Completeness:
    expected, reads = _expected(due, of.count, facts)
    possible = reads.answered + expected - reads.expected
    stored = min(of.count, possible)
    unchanged = 0
    if due.heartbeat_ms and (reads.tallies or of.count):
        unchanged = min(_unchanged(due, expected, reads, of, _doubtful(due, gaps, facts, reads)), possible - stored)
    estimated = min(stored, _means(due, gaps, facts)) if of.is_mean else 0
    missing = expected - stored - unchanged
    reasons = dict(reads.missed)
    rest = missing - sum(reasons.values())
    if rest:
        not_given = 0 if due.heartbeat_ms else max(0, min(of.best, possible) - stored)
        known = _explanations(due, gaps, facts, told=bool(reads.tallies))
        surest = sorted([(NOT_GIVEN, not_given), *known], key=lambda one: one[0] not in _REDUCING)
        _explain(reasons, rest, surest)
    received, extra = stored - estimated, of.count - stored
    return Completeness(True, expected, received, unchanged, estimated, missing, extra, 0, reasons)


def _expected(due: _Due, received: int, facts: HourFacts) -> tuple[int, ReadCount]:
    """Return how many values are due, and the gateway's count as far as it can be believed.

    The gateway's own number holds where it ran all the hour (the grid of its reads may put one more or less into an
    hour); else what the pace lets expect, and the count covers a part of it.
    """
    planned = due.expected
    counts = [facts.reads[every_ms] for every_ms in due.intervals if every_ms in facts.reads]
    if not counts:
        # Longer than an hour: the hour in which a value falls is not known beforehand.
        is_slow = due.every_ms > HOUR_MS
        return (min(received, 1) if is_slow else planned), ReadCount(tallies=0)
    reads = counts[0]
    for count in counts[1:]:
        reads += count
    if reads.expected > due.most + 2 * reads.tallies:
        return planned, ReadCount(tallies=0)  # more than the pace has room for: not a count of this pace
    return (reads.expected if reads.expected >= planned - 1 else planned), reads


def _unchanged(due: _Due, expected: int, reads: ReadCount, of: _Stored, doubtful: tuple[int, int]) -> int:
    """Return how many answers were left out: told, or outside doubtful times; proved by heartbeats in either case.

    A read that was taken for another quantity may have left this one out. But where all the quantities together have
    fewer values than reads were taken, some reads are not here.
    """
    answered = reads.answered if reads.tallies else expected
    doubtful_reads, left = doubtful
    outside = max(0, min(answered, expected - sum(reads.missed.values()) - doubtful_reads))
    stored_outside = max(0, of.count - left)
    lost = max(0, reads.taken - of.values)
    told = min(reads.unchanged, _proved(due, answered, of.count))
    untold = max(0, outside - reads.unchanged - stored_outside - lost)
    return told + min(untold, _proved(due, outside, stored_outside))


def _proved(due: _Due, answered: int, received: int) -> int:
    """Return how many answers may have been left out so that a value came in each heartbeat.

    Counts of an hour do not say where in it the values lie: they are taken to lie evenly, with one in each hour beside.
    """
    heartbeats = answered * due.every_ms // (due.heartbeat_ms + due.every_ms)
    if received >= heartbeats:
        return max(0, answered - received)
    return max(0, answered * received // heartbeats - received)


def _doubtful(due: _Due, gaps: Sequence[Absence], facts: HourFacts, reads: ReadCount) -> tuple[int, int]:
    """Return how many reads fall into times of which values are missing or may still come, and the values left there.

    Of a gap nothing is taken to be left but what its detail says.
    """
    times = [(gap.from_ms, gap.to_ms) for gap in gaps]
    times.append((facts.on_the_way_from_ms, facts.until_ms))
    if facts.silent_from_ms is not None and not reads.tallies:
        times.append((facts.silent_from_ms, facts.until_ms))
    count, seen_ms = 0, facts.from_ms
    for from_ms, to_ms in sorted(times):
        share_ms = _overlap_ms(facts, max(from_ms, seen_ms), to_ms)
        if share_ms > 0:
            count += -(-share_ms // due.every_ms)
            seen_ms = to_ms
    return count, sum(_left(gap, _overlap_ms(facts, gap.from_ms, gap.to_ms)) for gap in gaps)


def _means(due: _Due, gaps: Sequence[Absence], facts: HourFacts) -> int:
    """Return how many means a quota has room for; a mean of a single value is that value."""
    return sum(
        -(-max(0, _overlap_ms(facts, gap.from_ms, gap.to_ms)) // (gap.detail_s * 1000))
        for gap in gaps
        if gap.reason == QUOTA and gap.detail_s * 1000 > due.every_ms
    )


def _left(gap: Absence, share_ms: int) -> int:
    """Return how many values a gap has left in so much of its time."""
    return max(0, share_ms) // (gap.detail_s * 1000) if gap.detail_s else 0


def _explanations(due: _Due, gaps: Sequence[Absence], facts: HourFacts, *, told: bool) -> Iterator[tuple[str, int]]:
    """Yield (reason, the most values that it can explain), the surest first."""
    for gap in gaps:
        share_ms = _overlap_ms(facts, gap.from_ms, gap.to_ms)
        if share_ms > 0:
            yield gap.reason, max(0, share_ms // due.every_ms + 1 - _left(gap, share_ms))
    late_ms = _overlap_ms(facts, facts.on_the_way_from_ms, facts.until_ms)
    if late_ms > 0:
        yield ON_THE_WAY, late_ms // due.every_ms + 1
    if facts.silent_from_ms is not None and not told:
        silent_ms = _overlap_ms(facts, facts.silent_from_ms, facts.until_ms)
        if silent_ms > 0:
            yield SILENT, silent_ms // due.every_ms + 1


def _overlap_ms(facts: HourFacts, from_ms: int, to_ms: int) -> int:
    return min(to_ms, facts.until_ms) - max(from_ms, facts.from_ms)


def _explain(reasons: dict[str, int], rest: int, explanations: Iterable[tuple[str, int]]) -> None:
    """Divide `rest` among the explanations in their order; what none explains is unknown."""
    for reason, most in explanations:
        count = min(rest, most)
        if count > 0:
            reasons[reason] = reasons.get(reason, 0) + count
            rest -= count
    if rest:
        reasons[UNKNOWN] = reasons.get(UNKNOWN, 0) + rest
