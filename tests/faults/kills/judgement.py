"""What a kill may cost: the one place that says so. Pure.

Nothing may be doubled. Missing may be only what the devices answered in the moment before a kill of the gateway: what
it had read and not yet written. Every other kill, of cloud, stores and broker, alone or together, may cost nothing:

- the gateway forgets a batch when the cloud has acknowledged it, and the cloud acknowledges what the store has taken;
- a lamp's message is published at QoS 1 and stays with the lamp's bridge until the broker has acknowledged it; the
  broker keeps the gateway's session and its queue in a file, saved after each change, and the gateway acknowledges a
  message only when it has it. What is said again because of that is recognised by packet id and content.

Each loss must lie within a gap that the gateway told and the cloud knows, too.

What is missing is held against the gaps one by one: a value that its device answered once in the run, by its time; one
that it answered again and again (a lamp's 100 %) by number, because the ledger cannot say which of the equal ones is
the lost one: no more of them may be missing than were answered in the gaps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lentera_model.quantities import stored_precision
from lentera_sim.audit import AuditResult, Finding
from lentera_sim.ledger import LedgerEntry

LAST_WORDS_MS = 1_000
"""The gateway writes down what it has read once a second."""
LATE_SECOND_MS = 2_000
"""A machine on which much else runs comes late to that second: the table shows how old the oldest lost value was."""
KILL_TAKES_MS = 300
"""A device notes its answer when it gives it, the gateway has it when it has read it: far apart on a busy machine."""


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval of Unix ms in which values may be missing, and why."""

    from_ms: int
    to_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill that hit a living process: whose, and between which Unix ms."""

    victim: str
    from_ms: int
    to_ms: int

    def is_in(self, gaps: Sequence[Gap]) -> bool:
        """Return whether a gap covers its instant."""
        return _in_any(gaps, self.to_ms)


def last_words(kills: Iterable[Kill]) -> list[Gap]:
    """Return when values may be missing, by what the rig did: the last words of each gateway that it killed."""
    return [
        Gap(kill.from_ms - LAST_WORDS_MS - LATE_SECOND_MS, kill.to_ms + KILL_TAKES_MS, "killed")
        for kill in kills
        if kill.victim == "gateway"
    ]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of the missing values, how many are as they may be, and those that no kill explains, or no gap that was told.

    `oldest_ms` is how long before the next kill of the gateway the oldest was answered, of those answered but once.
    """

    excused: int
    lost: list[Finding]
    untold: list[Finding]
    oldest_ms: int


_Value = tuple[str, str, float]


def judge(result: AuditResult, entries: Sequence[LedgerEntry], kills: Iterable[Kill], told: Sequence[Gap]) -> Judgement:
    """Hold what is missing against what a kill may cost and against the gaps that the gateway told.

    Raises AssertionError when more is missing than the audit lists.
    """
    missing = [one for one in result.details if one.what == "missing"]
    assert len(missing) == result.missing, f"{result.missing} missing, but {len(missing)} listed"
    killed = list(kills)
    lost, untold = _outside(last_words(killed), missing, entries), _outside(told, missing, entries)
    return Judgement(len(missing) - len({*lost, *untold}), lost, untold, _oldest_ms(missing, entries, killed))


def _oldest_ms(missing: Iterable[Finding], entries: Iterable[LedgerEntry], kills: Sequence[Kill]) -> int:
    answered = Counter(value for entry in entries for value in _values(entry))
    dated = [one.at_ms for one in missing if answered[one.device, one.quantity, one.value] == 1]
    ends = [kill.from_ms for kill in kills if kill.victim == "gateway"]
    return max((min((end - at for end in ends if end >= at), default=0) for at in dated), default=0)


def _values(entry: LedgerEntry) -> list[_Value]:
    if entry.kind not in ("answered", "unsure"):
        return []
    return [(entry.device, name, stored_precision(name, value)) for name, value in entry.values.items()]


def _outside(gaps: Sequence[Gap], missing: Iterable[Finding], entries: Iterable[LedgerEntry]) -> list[Finding]:
    """Return what is missing and in no gap; of equal values, as many as are too many."""
    answered, at_risk = Counter[_Value](), Counter[_Value]()
    for entry in entries:
        answered.update(_values(entry))
        # Of equal values the audit may have given the row of one that did arrive to one of which nobody knows.
        at_risk.update(_values(entry) if entry.kind == "unsure" or _in_any(gaps, entry.at_ms) else ())
    lost: list[Finding] = []
    for one in missing:
        value = (one.device, one.quantity, one.value)
        explained = _in_any(gaps, one.at_ms) if answered[value] == 1 else at_risk[value] > 0
        at_risk[value] -= 1
        if not explained:
            lost.append(one)
    return lost


def _in_any(gaps: Sequence[Gap], at_ms: int) -> bool:
    return any(gap.from_ms <= at_ms <= gap.to_ms for gap in gaps)
