"""How complete the readings of a device are, hour by hour: what was due, what is stored, and why the rest is not. Pure.

Of each quantity and hour, `expected` values are due. Each of them is stored (`received`), was left out because it had
not changed (`unchanged`), has a stand-in (`estimated`), or is `missing` for one of `reasons`; the four always add up to
`expected`, and the reasons to `missing`. What the gateway counted is believed before what the paces let expect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

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
    """

    answered: int = 0
    missed: Mapping[str, int] = field(default_factory=dict)
    tallies: int = 1

    @property
    def expected(self) -> int:
        """How many reads were due while the gateway ran."""
        return self.answered + sum(self.missed.values())

    def __add__(self, other: ReadCount) -> ReadCount:
        """Add the counts of two parts of an hour."""
        missed = added(self.missed, other.missed)
        return ReadCount(self.answered + other.answered, missed, self.tallies + other.tallies)


@dataclass(frozen=True, slots=True)
class Absence:
    """A time of which the gateway told that values are missing; with `detail_s`, one in so many seconds is left."""

    reason: str
    from_ms: int
    to_ms: int
    detail_s: int = 0


@dataclass(frozen=True, slots=True)
class Completeness:
    """The sum of any quantities, devices and hours.

    Attributes:
        declared: whether it is known of any of it how many values are due.
        expected, received, unchanged, estimated, missing: see the module; `received` is never more than is due.
        extra: stored beyond that: read by hand, or told more often than agreed.
        unscheduled: stored where no number is due: events, and devices whose gateway does not tell its paces.
        reasons: why `missing` are missing.
    """

    declared: bool = False
    expected: int = 0
    received: int = 0
    unchanged: int = 0
    estimated: int = 0
    missing: int = 0
    extra: int = 0
    unscheduled: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float | None:
        """The part of what is due that is there or known to be unchanged, 0 to 1; None where nothing is due."""
        return None if not self.expected else (self.expected - self.missing) / self.expected

    def __add__(self, other: Completeness) -> Completeness:
        """Add two sums."""
        return Completeness(
            self.declared or other.declared,
            self.expected + other.expected,
            self.received + other.received,
            self.unchanged + other.unchanged,
            self.estimated + other.estimated,
            self.missing + other.missing,
            self.extra + other.extra,
            self.unscheduled + other.unscheduled,
            added(self.reasons, other.reasons) if other.reasons else self.reasons,
        )


NOTHING: Final = Completeness()


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Add counts by reason."""
    found = dict(one)
    for reason, count in other.items():
        found[reason] = found.get(reason, 0) + count
    return found


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
    """The paces that govern a quantity within an hour, each with its part of the hour in milliseconds."""

    parts: tuple[tuple[Pace, int], ...]

    @property
    def every_ms(self) -> int:
        return self.parts[-1][0].every_ms

    @property
    def heartbeat_ms(self) -> int:
        return max(pace.heartbeat_ms for pace, _ in self.parts)

    @property
    def expected(self) -> int:
        """Round down: where an interval does not divide the hour, an hour has one value more at times."""
        return int(sum(part_ms / pace.every_ms for pace, part_ms in self.parts))


def hour_of(facts: HourFacts) -> dict[str, Completeness]:
    """Return how complete each quantity of a device is in an hour; every quantity that is due or stored is there."""
    due = _due(facts)
    best: dict[_Due, int] = {}
    for name, one in due.items():
        best[one] = max(best.get(one, 0), facts.received.get(name, 0))
    found = {name: _judge(one, facts.received.get(name, 0), best[one], facts) for name, one in due.items()}
    for name, count in facts.received.items():
        if name not in found:
            found[name] = Completeness(unscheduled=count)
    return found


def _in_force(facts: HourFacts) -> Iterator[tuple[PaceVersion, int]]:
    """Yield each version that holds in the hour with its time in it.

    What was told first holds for earlier hours too if the gateway has counted them: it ran before it had a link.
    """
    versions = facts.versions
    for index, version in enumerate(versions):
        begin_ms = facts.from_ms if index == 0 and facts.reads else max(version.valid_from_ms, facts.from_ms)
        end_ms = versions[index + 1].valid_from_ms if index + 1 < len(versions) else facts.until_ms
        part_ms = min(end_ms, facts.until_ms) - begin_ms
        if part_ms > 0:
            yield version, part_ms


def _due(facts: HourFacts) -> dict[str, _Due]:
    parts: dict[str, list[tuple[Pace, int]]] = {}
    for version, part_ms in _in_force(facts):
        named = {name for pace in version.paces for name in pace.quantities}
        for pace in version.paces:
            names = pace.quantities or tuple(facts.quantities - named - EVENTS) or (ANYTHING,)
            for name in names:
                parts.setdefault(name, []).append((pace, part_ms))
    if len(parts) > 1:
        parts.pop(ANYTHING, None)
    return {name: _Due(tuple(found)) for name, found in parts.items()}


def _judge(due: _Due, received: int, best: int, facts: HourFacts) -> Completeness:
    expected, reads = _expected(due, received, facts)
    uncovered = expected - reads.expected
    possible = reads.answered + uncovered
    if not reads.tallies and due.heartbeat_ms:
        unchanged = _unchanged(due, expected, received) if received else 0
    else:
        unchanged = _unchanged(due, reads.answered, received) if due.heartbeat_ms else 0
    stored = min(received, possible)
    unchanged = min(unchanged, possible - stored)
    missing = expected - stored - unchanged
    reasons = dict(reads.missed)
    rest = missing - sum(reasons.values())
    if rest:
        not_given = 0 if due.heartbeat_ms else max(0, min(best, possible) - stored)
        _explain(reasons, rest, [(NOT_GIVEN, not_given), *_explanations(due, facts, told=bool(reads.tallies))])
    return Completeness(True, expected, stored, unchanged, 0, missing, received - stored, 0, reasons)


def _expected(due: _Due, received: int, facts: HourFacts) -> tuple[int, ReadCount]:
    """Return how many values are due, and the gateway's count as far as it can be believed.

    The gateway's own number holds where it ran all the hour (the grid of its reads may put one more or less into an
    hour); else what the pace lets expect, and the count covers a part of it.
    """
    planned = due.expected
    counts = [facts.reads[every_ms] for every_ms in {pace.every_ms for pace, _ in due.parts} if every_ms in facts.reads]
    if not counts:
        # Longer than an hour: the hour in which a value falls is not known beforehand.
        is_slow = due.every_ms > HOUR_MS
        return (min(received, 1) if is_slow else planned), ReadCount(tallies=0)
    reads = counts[0]
    for count in counts[1:]:
        reads += count
    if reads.expected > planned + 2 * reads.tallies:
        return planned, ReadCount(tallies=0)  # more than the pace has room for: not a count of this pace
    return (reads.expected if reads.expected >= planned - 1 else planned), reads


def _unchanged(due: _Due, answered: int, received: int) -> int:
    """Return how many answers were left out, as far as the values stored prove it: one at least in each heartbeat."""
    heartbeats = answered * due.every_ms // (due.heartbeat_ms + due.every_ms)
    if received >= heartbeats:
        return max(0, answered - received)
    return max(0, answered * received // heartbeats - received)


def _explanations(due: _Due, facts: HourFacts, *, told: bool) -> Iterator[tuple[str, int]]:
    """Yield (reason, the most values that it can explain), the surest first."""
    for absence in facts.absences:
        share_ms = _overlap_ms(facts, absence.from_ms, absence.to_ms)
        if share_ms > 0:
            left = share_ms // (absence.detail_s * 1000) if absence.detail_s else 0
            yield absence.reason, max(0, share_ms // due.every_ms + 1 - left)
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
