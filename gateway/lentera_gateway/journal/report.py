"""What a technician is told of the journal: the facts of each place, the rates, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lentera_gateway.journal.inspect import PlaceFacts, Where
from lentera_gateway.journal.pulse import Pulse

_SECONDS_A_DAY: Final = 86_400.0
_BACKLOG_AFTER_MS: Final = 300_000
"""On a healthy link nothing waits longer than a minute's seal and a try or two."""


class Step(StrEnum):
    """What to do next; of several reasons the first in this order is told."""

    NOT_ALLOWED = "not_allowed"
    """The files belong to the gateway's user."""
    NOTHING_THERE = "nothing_there"
    """No gateway has ever kept a journal here."""
    START = "start"
    """Readings wait and no gateway runs."""
    START_EMPTY = "start_empty"
    """Nothing waits and no gateway runs."""
    FULL = "full"
    """The journal is full and gives up detail, or its oldest readings."""
    CARD = "card"
    """The card takes no data."""
    CLOCK = "clock"
    """The board does not know the time, so nothing is sent."""
    LINK = "link"
    """The link is down."""
    DAMAGE = "damage"
    """Some bytes do not read."""
    REFUSED = "refused"
    """The cloud refused batches."""
    DRAINING = "draining"
    """The link is up and the backlog is on its way."""
    NOTHING = "nothing"
    """All is well."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What passes through the journal, as means since the gateway's start.

    Attributes:
        basis_s: seconds over which they are taken.
        values_in_per_s: values that came from the devices.
        values_out_per_s: those of them that left for the cloud; the backlog of earlier runs is not in it.
        card_bytes_per_day: bytes written to the card in a day, if it went on like that.
        card_bytes: bytes written to the card since the start: what the estimate is made from.
    """

    basis_s: float
    values_in_per_s: float
    values_out_per_s: float
    card_bytes_per_day: float
    card_bytes: int


def rates(facts: Mapping[Where, PlaceFacts], pulse: Pulse | None) -> Rates | None:
    """Work the rates out of a running gateway's counters and of what still waits; None without a running gateway."""
    if pulse is None or not pulse.uptime_s:
        return None
    journal, counters = pulse.journal, pulse.journal.counters
    waiting = sum(facts[where].process_values for where in (Where.MEMORY, Where.CARD, Where.QUARANTINE))
    held = round(journal.held_bytes / journal.bytes_a_value) if journal.bytes_a_value else 0
    out = max(0, counters.values - waiting - held - counters.given_up_values)
    taken = counters.values + facts[Where.UNSEALED].values
    card = counters.written_card_bytes
    seconds = pulse.uptime_s
    return Rates(seconds, taken / seconds, out / seconds, card / seconds * _SECONDS_A_DAY, card)


def next_step(facts: Mapping[Where, PlaceFacts], pulse: Pulse | None, now_ms: int) -> Step:
    """Decide what to do next.

    Args:
        facts: of each place.
        pulse: what the running gateway says, None when none runs.
        now_ms: the wall clock (Unix ms).
    """
    waits = [facts[where] for where in (Where.MEMORY, Where.CARD, Where.UNSEALED)]
    if any(one.denied for one in facts.values()):
        return Step.NOT_ALLOWED
    if pulse is None:
        if not any(one.exists for one in facts.values()):
            return Step.NOTHING_THERE
        return Step.START if any(one.values for one in waits) else Step.START_EMPTY
    oldest_ms = min((one.oldest_ms for one in waits if one.oldest_ms is not None), default=now_ms)
    reasons: Mapping[Step, object] = {
        Step.FULL: (pulse.journal.counters.thinned_values or pulse.journal.counters.dropped_batches)
        and not pulse.link.up,
        Step.CARD: pulse.journal.card_error,
        Step.CLOCK: pulse.clock is None,
        Step.LINK: not pulse.link.up,
        Step.DAMAGE: any(one.damaged_records or one.skipped for one in facts.values()),
        Step.REFUSED: facts[Where.QUARANTINE].batches,
        Step.DRAINING: now_ms - oldest_ms > _BACKLOG_AFTER_MS,
    }
    return next((step for step, holds in reasons.items() if holds), Step.NOTHING)
