"""Why a value is there or is not: the table of verdicts, in the order in which reasons are looked for."""

import pytest

from lentera_drivers.driver import Outcome, OutcomeKind
from lentera_gateway.acquire.exception_report import LastStored
from lentera_gateway.acquire.lateness import LostCycles
from lentera_gateway.acquire.why import Facts, Verdict, judge
from lentera_gateway.journal.delivery import Stage, Whereabouts
from lentera_model.readings import Quality

NOW = 1_000_000
OK = Outcome(OutcomeKind.OK, NOW - 2_000, NOW - 2_000)
OLD = Outcome(OutcomeKind.OK, NOW - 30_000, NOW - 30_000)
LEFT_OUT = LastStored(230.0, NOW - 60_000, Quality.GOOD, 230.1, NOW - 2_000, 5)
FRESH = LastStored(230.0, NOW - 2_000, Quality.GOOD)
UNSEALED, WAITING = Whereabouts(Stage.UNSEALED), Whereabouts(Stage.WAITING)
ASIDE = Whereabouts(Stage.SET_ASIDE, "no such device")
LOST = LostCycles(NOW - 90_000, 12)


def failed(kind: OutcomeKind, code: int | None = None) -> Outcome:
    return Outcome(kind, NOW - 3_000, NOW - 50_000, code, "words")


def facts(outcome: Outcome | None, last: LastStored | None = None, interval_ms: int = 10_000, **more) -> Facts:
    return Facts(NOW, interval_ms, outcome, last, **more)


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        # Nothing was asked yet: since the start, or because the bus has no time.
        (facts(None), Verdict.NOT_YET),
        (facts(None, lost=LOST), Verdict.LATE),
        # What the driver met comes before everything that is behind it.
        (facts(failed(OutcomeKind.LATE)), Verdict.LATE),
        (facts(failed(OutcomeKind.DEAD), LEFT_OUT), Verdict.DEAD),
        (facts(failed(OutcomeKind.DEAD), whereabouts=WAITING, link_up=False), Verdict.DEAD),
        (facts(failed(OutcomeKind.DEAD), lost=LOST), Verdict.DEAD),
        (facts(failed(OutcomeKind.REFUSED, 2)), Verdict.REFUSED),
        (facts(failed(OutcomeKind.REFUSED, 6)), Verdict.REFUSED),
        (facts(failed(OutcomeKind.REFUSED, 4)), Verdict.DEVICE_FAULT),
        (facts(failed(OutcomeKind.REFUSED, 2), whereabouts=WAITING, link_up=False, lost=LOST), Verdict.REFUSED),
        (facts(failed(OutcomeKind.ABSENT, 2)), Verdict.ABSENT),
        (facts(failed(OutcomeKind.NO_VALUE)), Verdict.NO_VALUE),
        (facts(failed(OutcomeKind.UNREADABLE)), Verdict.UNREADABLE),
        (facts(failed(OutcomeKind.BUS_DOWN)), Verdict.BUS_DOWN),
        # A value came, and the next one should have.
        (facts(OLD, interval_ms=400), Verdict.LATE),
        (facts(OLD, interval_ms=400, whereabouts=WAITING, link_up=False), Verdict.LATE),
        (facts(OLD, interval_ms=15_000), Verdict.STORED),
        # It cannot leave the board now.
        (facts(OK, whereabouts=WAITING, link_up=False), Verdict.QUEUED),
        (facts(OK, whereabouts=UNSEALED, link_up=False), Verdict.QUEUED),
        (facts(OK, whereabouts=WAITING, clock_known=False), Verdict.QUEUED),
        (facts(OK, whereabouts=WAITING, link_up=False, lost=LOST), Verdict.QUEUED),
        (facts(OK, LEFT_OUT, whereabouts=WAITING, link_up=False), Verdict.QUEUED),
        # The bus loses instants, whatever is on its way.
        (facts(OK, lost=LOST), Verdict.LATE),
        (facts(OK, lost=LOST, whereabouts=WAITING), Verdict.LATE),
        (facts(OK, LEFT_OUT, lost=LOST), Verdict.LATE),
        # The cloud has answered about it, or has not yet.
        (facts(OK, whereabouts=ASIDE), Verdict.SET_ASIDE),
        (facts(OK, LEFT_OUT, whereabouts=ASIDE), Verdict.SET_ASIDE),
        (facts(OK, whereabouts=WAITING), Verdict.QUEUED),
        (facts(OK, whereabouts=UNSEALED), Verdict.QUEUED),
        (facts(OK, LEFT_OUT, whereabouts=WAITING), Verdict.QUEUED),
        # The cloud has all that was stored: what other devices wait for, and whether the link is up, is no reason.
        (facts(OK, LEFT_OUT), Verdict.DEADBAND),
        (facts(OK, LEFT_OUT, link_up=False, waiting_batches=3), Verdict.DEADBAND),
        (facts(OK, FRESH), Verdict.STORED),
        (facts(OK, waiting_batches=3, link_up=False), Verdict.STORED),
        (facts(OK), Verdict.STORED),
    ],
)
def test_the_table(known, verdict):
    assert judge(known).verdict is verdict


def test_every_outcome_has_a_verdict_of_its_own():
    bad = [kind for kind in OutcomeKind if kind is not OutcomeKind.OK]
    assert [judge(facts(failed(kind))).verdict.value for kind in bad] == [kind.value for kind in bad]


def test_the_numbers_behind_a_verdict():
    because = judge(facts(failed(OutcomeKind.REFUSED, 3)))
    assert (because.age_s, because.read_age_s, because.exception_code, because.detail) == (3, 50, 3, "words")
    because = judge(facts(OK, LEFT_OUT))
    assert (because.stored_value, because.stored_age_s, because.read_value, because.left_out) == (230.0, 60, 230.1, 5)
    because = judge(facts(OK, whereabouts=WAITING, waiting_batches=7, link_up=False))
    assert (because.waiting_batches, because.link_up, because.clock_known) == (7, False, True)
    assert judge(facts(OK, whereabouts=ASIDE)).detail == "no such device"


def test_a_busy_bus_is_told_with_its_numbers_also_beside_an_answer_that_did_not_come():
    for known in (facts(OK, lost=LOST, load_percent=131.0), facts(OLD, lost=LOST, load_percent=131.0, interval_ms=400)):
        because = judge(known)
        assert (because.verdict, because.skipped, because.skipped_age_s) == (Verdict.LATE, 12, 90)
        assert because.load_percent == 131.0
    silent = judge(facts(failed(OutcomeKind.LATE), load_percent=40.0))
    assert (silent.skipped, silent.skipped_age_s, silent.load_percent, silent.detail) == (0, None, None, "words")
