"""What proves that a lamp acted: the rules, message by message."""

import pytest

from lentera_drivers.mqtt import proof
from lentera_drivers.profiles import LampMessage, PowerModel, Proof
from lentera_model.commands import ConfirmedBy, Reason

ASKS = Proof(readback=True, power=PowerModel())
MEASURES = Proof(readback=False, power=PowerModel())
RATED_W = 60.0


def says(level: float | None = None, power_w: float | None = None, last_seen_ms: int | None = None) -> LampMessage:
    values = {} if level is None else {"level_percent": level}
    if power_w is not None:
        values["power_active_total"] = power_w
    return LampMessage(values, last_seen_ms, ())


def play(rules: Proof, *events, before_w: float | None = 60.0, before=100.0, rated_w: float | None = RATED_W):
    """Command 40 %; then each event is a message, "ask", or ("telemetry", message); 10 ms apart."""
    known = {"level_percent": before} | ({} if before_w is None else {"power_active_total": before_w})
    watch, now_ms = proof.start(rules, 40.0, rated_w, known, 0), 0
    for event in events:
        now_ms += 10
        if event == "ask":
            watch = proof.asked(watch, now_ms)
        elif isinstance(event, tuple):
            watch = proof.observe(watch, event[1], now_ms, telemetry=True)
        else:
            watch = proof.observe(watch, event, now_ms)
    return watch


def measured(power_w: float):
    return ("telemetry", says(power_w=power_w))


OLD, NEW = says(100), says(40.16)

CASES = [
    # rules, events, outcome, confirmed by, reason
    ("echo and nothing more", ASKS, [NEW], "unproved", ConfirmedBy.ECHO, Reason.UNPROVED),
    ("echo, asked, no answer", ASKS, [NEW, "ask"], "unproved", ConfirmedBy.ECHO, Reason.UNPROVED),
    ("echo twice, never asked", ASKS, [NEW, NEW], "unproved", ConfirmedBy.ECHO, Reason.UNPROVED),
    ("echo, one answer", ASKS, [NEW, "ask", NEW], "unproved", ConfirmedBy.ECHO, Reason.UNPROVED),
    ("echo, repeated by the bridge", ASKS, [NEW, "ask", NEW, NEW, NEW], "unproved", ConfirmedBy.ECHO, Reason.UNPROVED),
    ("echo, two answers", ASKS, [NEW, "ask", NEW, "ask", NEW], "succeeded", ConfirmedBy.READBACK, None),
    ("repeated, then the truth", ASKS, [NEW, "ask", NEW, "ask", OLD], "failed", None, Reason.LEVEL_MISMATCH),
    ("old, then new", ASKS, [NEW, "ask", OLD, "ask", NEW, "ask", NEW], "succeeded", ConfirmedBy.READBACK, None),
    ("late echo after a question", ASKS, ["ask", NEW], "unproved", ConfirmedBy.ECHO, Reason.UNPROVED),
    ("late echo, then the truth", ASKS, ["ask", NEW, "ask", OLD], "failed", None, Reason.LEVEL_MISMATCH),
    ("late echo between old answers", ASKS, ["ask", OLD, NEW, "ask", OLD], "failed", None, Reason.LEVEL_MISMATCH),
    (
        "late echo, then acted",
        ASKS,
        ["ask", OLD, NEW, "ask", NEW, "ask", NEW],
        "succeeded",
        ConfirmedBy.READBACK,
        None,
    ),
    (
        "no echo, three answers",
        ASKS,
        ["ask", NEW, "ask", NEW, "ask", NEW],
        "succeeded",
        ConfirmedBy.READBACK,
        None,
    ),
    ("never acts", ASKS, [NEW, "ask", OLD, "ask", OLD], "failed", None, Reason.LEVEL_MISMATCH),
    ("silence", ASKS, ["ask", "ask"], "failed", None, Reason.BUS_TIMEOUT),
    ("says nothing of its level", ASKS, ["ask", says()], "failed", None, Reason.BUS_TIMEOUT),
    (
        "answered from a cache: the lamp was not heard since",
        ASKS,
        [says(40, last_seen_ms=5), "ask", says(40, last_seen_ms=5)],
        "unproved",
        ConfirmedBy.ECHO,
        Reason.UNPROVED,
    ),
    (
        "heard again",
        ASKS,
        [says(40, last_seen_ms=5), "ask", says(40, last_seen_ms=6), "ask", says(40, last_seen_ms=7)],
        "succeeded",
        ConfirmedBy.READBACK,
        None,
    ),
    ("echo with the cached power", ASKS, [says(40, 60)], "unproved", ConfirmedBy.ECHO, Reason.UNPROVED),
    (
        "one answer whose power contradicts",
        ASKS,
        [says(40, 60), "ask", says(40, 60)],
        "unproved",
        ConfirmedBy.ECHO,
        Reason.UNPROVED,
    ),
    (
        "a power that contradicts is never outvoted",
        ASKS,
        [says(40, 60), "ask", says(40, 60), "ask", says(40, 60), "ask", says(40, 60)],
        "unproved",
        ConfirmedBy.ECHO,
        Reason.UNPROVED,
    ),
    (
        "its power was asked for",
        ASKS,
        [says(40, 60), "ask", says(40, 60), "ask", says(40, 24)],
        "succeeded",
        ConfirmedBy.POWER,
        None,
    ),
    ("power in a message without a level", ASKS, [NEW, says(power_w=24)], "succeeded", ConfirmedBy.POWER, None),
    ("measured", MEASURES, [NEW, measured(60), measured(24)], "succeeded", ConfirmedBy.POWER, None),
    ("measured before the echo", MEASURES, [measured(24), NEW], "succeeded", ConfirmedBy.POWER, None),
    ("cannot be asked", MEASURES, [NEW, "ask", NEW], "unproved", ConfirmedBy.ECHO, Reason.UNPROVED),
    ("measured, never acted", MEASURES, [NEW, measured(60)], "failed", None, Reason.LEVEL_MISMATCH),
    ("on its way", MEASURES, [NEW, measured(60), measured(40)], "failed", None, Reason.LEVEL_MISMATCH),
]


@pytest.mark.parametrize(
    ("rules", "events", "outcome", "by", "reason"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_rules(rules, events, outcome, by, reason):
    end = proof.verdict_at_timeout(play(rules, *events), 2.0)
    assert (end.outcome, end.confirmed_by, end.reason) == (outcome, by, reason)
    assert (end.reason_text == "") is (outcome == "succeeded")


@pytest.mark.parametrize(
    ("before_w", "rated_w"),
    [(None, RATED_W), (24.0, RATED_W), (30.0, RATED_W), (60.0, None)],
    ids=["nothing known before", "was at the target", "was near the target", "rated power unknown"],
)
def test_power_that_cannot_tell_old_from_new_proves_nothing(before_w, rated_w):
    watch = play(MEASURES, NEW, measured(24), before_w=before_w, rated_w=rated_w)
    assert proof.verdict(watch) is None
    assert proof.verdict_at_timeout(watch, 2.0).outcome == "unproved"


def test_one_answer_is_enough_where_a_power_agrees_with_it():
    assert play(ASKS, NEW, "ask", says(40, 24), before_w=None).proof is ConfirmedBy.READBACK


def test_a_power_seen_since_can_be_the_old_one():
    watch = play(MEASURES, measured(60), measured(24), before_w=None)
    assert watch.proof is ConfirmedBy.POWER


def test_a_lamp_that_was_there_already_has_nothing_to_do():
    there = play(MEASURES, NEW, before=40.16, before_w=24.0)
    assert there.proof is ConfirmedBy.POWER
    assert play(MEASURES, before=40.16, before_w=24.0).proof is None, "it must still take the command"
    assert play(MEASURES, NEW, before=40.16, before_w=60.0).proof is None, "an echoed level that was never reached"
    assert play(MEASURES, NEW, before=40.16, before_w=None).proof is None
    assert play(MEASURES, NEW, before=40.16, before_w=24.0, rated_w=None).proof is None
    assert play(MEASURES, measured(60), NEW, before=40.16, before_w=24.0).proof is None
    assert play(ASKS, NEW, before=40.16, before_w=24.0).proof is None, "this one can be asked"


def test_what_was_measured_is_reported():
    end = proof.verdict_at_timeout(play(ASKS, says(40, 60), "ask", says(40.2, 24)), 2.0)
    assert end.measured == {"level_percent": 40.2, "power_active_total": 24}


def test_when_to_ask():
    watch = proof.start(ASKS, 40.0, RATED_W, {}, 1_000)
    assert proof.next_question_ms(watch) == 1_300
    early = proof.observe(watch, NEW, 1_005)
    assert proof.next_question_ms(early) == 1_005
    asked = proof.asked(early, 1_006)
    assert proof.next_question_ms(asked) == 1_156
    late = proof.observe(proof.asked(watch, 1_300), NEW, 1_310)
    assert proof.next_question_ms(late) == 1_310
    once = proof.observe(asked, NEW, 1_010)
    assert proof.next_question_ms(once) == 1_010, "the second question need not wait"
    twice = proof.observe(proof.asked(once, 1_011), NEW, 1_020)
    assert proof.next_question_ms(twice) is None
    assert not once.doubted
    assert proof.observe(asked, says(40, 60), 1_010).doubted
    assert proof.next_question_ms(proof.start(MEASURES, 40.0, RATED_W, {}, 0)) is None
