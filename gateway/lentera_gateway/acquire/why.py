"""Why a value is there or is not: facts in, one verdict out. Pure; the words for people are the front door's.

A value comes from the meter over its bus past the deadband into the journal and to the cloud. What stops it first is
the verdict: a technician who asks about a dead meter while the cloud is away has a dead meter. Two verdicts bend this
order. A bus that skips instants still brings values, so what the cloud lacks for good is told before that: an
acknowledgement that cannot come. And what lies within the deadband is only then the reason why nothing newer is in the
cloud when the value that it is compared with is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from lentera_drivers.driver import Outcome, OutcomeKind
from lentera_gateway.acquire.exception_report import LastStored
from lentera_gateway.acquire.lateness import LostCycles
from lentera_gateway.journal.delivery import Stage, Whereabouts
from lentera_model.readings import QualityWord

_OVERDUE_INTERVALS: Final = 2
"""A value that came is late once so many of its intervals have passed without the next."""
_OVERDUE_LEAST_MS: Final = 1000
_DEVICE_FAILURE: Final = 4
"""The Modbus exception by which a device says that it is at fault itself."""


_DELIVERED: Final = Whereabouts(Stage.DELIVERED)


class Verdict(StrEnum):
    """What became of a quantity's newest value."""

    STORED = "stored"
    """It was read, and the cloud has acknowledged it."""
    QUEUED = "queued"
    """It was read, and the cloud has not acknowledged it yet: the journal keeps it."""
    DEADBAND = "deadband"
    """It was read and left out: it lies within the deadband of the last value stored, which the cloud has."""
    SET_ASIDE = "set_aside"
    """It was read, and the cloud refused it."""
    NOT_YET = "not_yet"
    """It has not been asked for since the gateway started."""
    NO_VALUE = "no_value"
    """The device answered, and said that it has no such value now."""
    LATE = "late"
    """No answer in time, or the bus had no time to ask."""
    DEAD = "dead"
    """The device is silent and only probed now and then."""
    REFUSED = "refused"
    """The device answered with an exception."""
    DEVICE_FAULT = "device_fault"
    """The device answered that it is at fault itself."""
    ABSENT = "absent"
    """This kind of device has no such value."""
    UNREADABLE = "unreadable"
    """What came did not fit the question."""
    BUS_DOWN = "bus_down"
    """The port, host or broker cannot be reached."""


_BY_OUTCOME: Final[Mapping[OutcomeKind, Verdict]] = MappingProxyType(
    {
        OutcomeKind.NO_VALUE: Verdict.NO_VALUE,
        OutcomeKind.REFUSED: Verdict.REFUSED,
        OutcomeKind.ABSENT: Verdict.ABSENT,
        OutcomeKind.LATE: Verdict.LATE,
        OutcomeKind.DEAD: Verdict.DEAD,
        OutcomeKind.UNREADABLE: Verdict.UNREADABLE,
        OutcomeKind.BUS_DOWN: Verdict.BUS_DOWN,
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gateway knows. All instants are monotonic milliseconds.

    Attributes:
        now_ms: now.
        interval_ms: how often the quantity is due.
        outcome: how the last attempt ended; None if there was none.
        last_stored: of a device that reports by exception.
        whereabouts: how far the newest value stored has come.
        waiting_batches: of the whole gateway, sealed and not acknowledged.
        link_up: whether the cloud is there. clock_known: whether the board knows the time; without it nothing is sent.
        lost: the stretch in which the bus has no time for all of this poll's instants, None while it has.
        load_percent: how much of its time the bus would need.
    """

    now_ms: int
    interval_ms: int
    outcome: Outcome | None
    last_stored: LastStored | None = None
    whereabouts: Whereabouts = _DELIVERED
    waiting_batches: int = 0
    link_up: bool = True
    clock_known: bool = True
    lost: LostCycles | None = None
    load_percent: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Whether nothing of this quantity is on its way to the cloud."""
        return self.whereabouts.stage not in (Stage.UNSEALED, Stage.WAITING)

    def age_s(self, at_ms: int | None) -> float | None:
        """Return how long ago something was, in seconds."""
        return None if at_ms is None else (self.now_ms - at_ms) / 1000


@dataclass(frozen=True, slots=True)
class Because:
    """The answer.

    Attributes:
        verdict: see there.
        age_s: seconds since the attempt that the verdict is about.
        read_age_s: seconds since a value last came; None if never.
        exception_code: of REFUSED, DEVICE_FAULT and ABSENT.
        detail: the driver's own words, or the cloud's of SET_ASIDE.
        stored_value, stored_age_s, read_value, left_out: of DEADBAND, in the quantity's SI unit.
        waiting_batches, link_up, clock_known: of QUEUED.
        skipped, skipped_age_s, load_percent: of LATE: how many instants the bus had no time for, since when, and how
            much of its time its polls would need; 0 and None where that is not why.
        quality, doubt: of the value that last came, as the API writes it, and why it is not good.
    """

    verdict: Verdict
    age_s: float | None = None
    read_age_s: float | None = None
    exception_code: int | None = None
    detail: str = ""
    stored_value: float | None = None
    stored_age_s: float | None = None
    read_value: float | None = None
    left_out: int = 0
    waiting_batches: int = 0
    link_up: bool = True
    clock_known: bool = True
    skipped: int = 0
    skipped_age_s: float | None = None
    load_percent: float | None = None
    quality: QualityWord | None = None
    doubt: str = ""


def judge(facts: Facts) -> Because:
    """Say what became of a quantity's newest value, and how far that value may be trusted, where one came."""
    because, outcome = _because(facts), facts.outcome
    if outcome is None or outcome.ok_at_ms is None:
        return because
    return replace(because, quality=outcome.quality.word, doubt=outcome.doubt)


def _because(facts: Facts) -> Because:
    """Return the first reason of this table that holds."""
    outcome = facts.outcome
    if outcome is None:
        return Because(Verdict.NOT_YET) if facts.lost is None else _late(facts, facts.lost)
    verdict = _BY_OUTCOME.get(outcome.kind)
    if verdict is not None:
        return _failed(facts, outcome, verdict)
    if facts.now_ms - outcome.at_ms > _OVERDUE_INTERVALS * facts.interval_ms + _OVERDUE_LEAST_MS:
        return _failed(facts, outcome, Verdict.LATE)
    if not facts.is_delivered and not (facts.link_up and facts.clock_known):
        return _queued(facts, outcome)
    if facts.lost is not None:
        return _late(facts, facts.lost)
    if facts.whereabouts.stage is Stage.SET_ASIDE:
        return Because(Verdict.SET_ASIDE, *_ages(facts, outcome), detail=facts.whereabouts.text)
    if not facts.is_delivered:
        return _queued(facts, outcome)
    if facts.last_stored is not None and facts.last_stored.left_out:
        return _left_out(facts, outcome, facts.last_stored)
    return Because(Verdict.STORED, *_ages(facts, outcome))


def _ages(facts: Facts, outcome: Outcome) -> tuple[float | None, float | None]:
    return facts.age_s(outcome.at_ms), facts.age_s(outcome.ok_at_ms)


def _failed(facts: Facts, outcome: Outcome, verdict: Verdict) -> Because:
    """Answer with what the driver met; a bus without time is told beside a missing answer."""
    if verdict is Verdict.REFUSED and outcome.exception_code == _DEVICE_FAILURE:
        verdict = Verdict.DEVICE_FAULT
    lost = facts.lost if verdict is Verdict.LATE else None
    return Because(
        verdict,
        *_ages(facts, outcome),
        outcome.exception_code,
        outcome.detail,
        skipped=0 if lost is None else lost.count,
        skipped_age_s=None if lost is None else facts.age_s(lost.since_ms),
        load_percent=None if lost is None else facts.load_percent,
    )


def _late(facts: Facts, lost: LostCycles) -> Because:
    """Answer that the bus has no time for every instant."""
    ages = (None, None) if facts.outcome is None else _ages(facts, facts.outcome)
    since_s = facts.age_s(lost.since_ms)
    return Because(Verdict.LATE, *ages, skipped=lost.count, skipped_age_s=since_s, load_percent=facts.load_percent)


def _queued(facts: Facts, outcome: Outcome) -> Because:
    return Because(
        Verdict.QUEUED,
        *_ages(facts, outcome),
        waiting_batches=facts.waiting_batches,
        link_up=facts.link_up,
        clock_known=facts.clock_known,
    )


def _left_out(facts: Facts, outcome: Outcome, last: LastStored) -> Because:
    return Because(
        Verdict.DEADBAND,
        *_ages(facts, outcome),
        stored_value=last.value,
        stored_age_s=facts.age_s(last.at_ms),
        read_value=last.read,
        left_out=last.left_out,
    )
