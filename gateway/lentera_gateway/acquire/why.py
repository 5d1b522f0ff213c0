"""Why a value is there or is not: facts in, one verdict out. Pure; the words for people are the front door's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from lentera_drivers.driver import Outcome, OutcomeKind
from lentera_gateway.acquire.exception_report import LastStored

_OVERDUE_INTERVALS: Final = 2
"""A value that came is late once so many of its intervals have passed without the next."""


class Verdict(StrEnum):
    """What became of a quantity's newest value."""

    STORED = "stored"
    """It was read, and nothing waits for the cloud."""
    QUEUED = "queued"
    """It was read, and the journal holds what the cloud has not acknowledged."""
    DEADBAND = "deadband"
    """It was read and left out: it lies within the deadband of the last value stored."""
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
        waiting_batches: sealed and not acknowledged. link_up: whether the cloud is there.
    """

    now_ms: int
    interval_ms: int
    outcome: Outcome | None
    last_stored: LastStored | None = None
    waiting_batches: int = 0
    link_up: bool = True


@dataclass(frozen=True, slots=True)
class Because:
    """The answer.

    Attributes:
        verdict: see there.
        age_s: seconds since the attempt that the verdict is about.
        read_age_s: seconds since a value last came; None if never.
        exception_code: of REFUSED and ABSENT.
        detail: the driver's own words.
        stored_value, stored_age_s, read_value, left_out: of DEADBAND, in the quantity's SI unit.
        waiting_batches: of QUEUED.
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


def judge(facts: Facts) -> Because:
    """Say what became of a quantity's newest value."""
    outcome = facts.outcome
    if outcome is None:
        return Because(Verdict.NOT_YET)
    age_s = (facts.now_ms - outcome.at_ms) / 1000
    read_age_s = None if outcome.ok_at_ms is None else (facts.now_ms - outcome.ok_at_ms) / 1000
    verdict = _BY_OUTCOME.get(outcome.kind)
    if verdict is not None:
        return Because(verdict, age_s, read_age_s, outcome.exception_code, outcome.detail)
    if facts.now_ms - outcome.at_ms > _OVERDUE_INTERVALS * facts.interval_ms + 1000:
        return Because(Verdict.LATE, age_s, read_age_s, detail=outcome.detail)
    last = facts.last_stored
    if last is not None and last.left_out and last.read_ms is not None:
        return Because(
            Verdict.DEADBAND,
            age_s,
            read_age_s,
            stored_value=last.value,
            stored_age_s=(facts.now_ms - last.at_ms) / 1000,
            read_value=last.read,
            left_out=last.left_out,
        )
    if facts.waiting_batches or not facts.link_up:
        return Because(Verdict.QUEUED, age_s, read_age_s, waiting_batches=facts.waiting_batches)
    return Because(Verdict.STORED, age_s, read_age_s)
