"""The life of a command: every pair of state and event, and what no order of events may break."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_model.commands import (
    FINAL_STATES,
    Accepted,
    Cancel,
    Changed,
    ConfirmedBy,
    Event,
    Execution,
    ExecutionState,
    Finished,
    InvalidArgumentsError,
    LinkLost,
    LinkUp,
    Reason,
    Send,
    SendCancel,
    Started,
    Tick,
    parse_arguments,
    step,
)

S = ExecutionState
T0 = 1_760_000_000_000
PROVED = Finished(S.SUCCEEDED, confirmed_by=ConfirmedBy.READBACK, result={"level_percent": 40.0})
ECHOED = Finished(S.UNPROVED, Reason.UNPROVED, "only the echo was seen", ConfirmedBy.ECHO)
TIMEOUT = Finished(S.FAILED, Reason.BUS_TIMEOUT, "no answer")
OFFLINE = Finished(S.FAILED, Reason.DEVICE_OFFLINE, "offline since 18:04")
REJECTED = Finished(S.REJECTED, Reason.NOT_SUPPORTED)


def execution(state: ExecutionState = S.QUEUED, **change: object) -> Execution:
    base = Execution(
        execution_id="e_1",
        command_id="c_1",
        tenant="langkat",
        gateway="gw-1",
        device="lamp-001",
        name="set_level",
        args={"level_percent": 40.0},
        sequence=1,
        created_at_ms=T0,
        expires_at_ms=T0 + 300_000,
        timeout_ms=20_000,
        retries=1,
        state=state,
        changed_at_ms=T0,
        attempt=0 if state is S.QUEUED else 1,
        step_deadline_ms=T0 + 20_000 if state in (S.SENT, S.ACCEPTED, S.RUNNING) else None,
    )
    return replace(base, **change)


# state, event, at (seconds after creation) -> state, kinds of effects
TABLE = [
    (S.QUEUED, LinkUp(), 1, S.SENT, [Changed, Send]),
    (S.QUEUED, LinkUp(), 301, S.EXPIRED, [Changed]),
    (S.QUEUED, LinkLost(), 1, S.QUEUED, []),
    (S.QUEUED, Accepted(), 1, S.QUEUED, []),
    (S.QUEUED, Started(), 1, S.QUEUED, []),
    (S.QUEUED, PROVED, 1, S.SUCCEEDED, [Changed]),
    (S.QUEUED, Tick(), 299, S.QUEUED, []),
    (S.QUEUED, Tick(), 300, S.EXPIRED, [Changed]),
    (S.QUEUED, Cancel(), 1, S.CANCELLED, [Changed]),
    (S.SENT, LinkUp(), 1, S.SENT, []),
    (S.SENT, LinkLost(), 1, S.QUEUED, [Changed]),
    (S.SENT, Accepted(), 1, S.ACCEPTED, [Changed]),
    (S.SENT, Started(), 1, S.RUNNING, [Changed]),
    (S.SENT, PROVED, 1, S.SUCCEEDED, [Changed]),
    (S.SENT, ECHOED, 1, S.UNPROVED, [Changed]),
    (S.SENT, OFFLINE, 1, S.FAILED, [Changed]),
    (S.SENT, TIMEOUT, 1, S.SENT, [Changed, Send]),
    (S.SENT, Tick(), 19, S.SENT, []),
    (S.SENT, Tick(), 20, S.SENT, [Changed, Send]),
    (S.SENT, Tick(), 300, S.EXPIRED, [Changed]),
    (S.SENT, Cancel(), 1, S.SENT, [SendCancel]),
    (S.ACCEPTED, LinkUp(), 1, S.ACCEPTED, []),
    (S.ACCEPTED, LinkLost(), 1, S.ACCEPTED, []),
    (S.ACCEPTED, Accepted(), 1, S.ACCEPTED, []),
    (S.ACCEPTED, Started(), 1, S.RUNNING, [Changed]),
    (S.ACCEPTED, REJECTED, 1, S.REJECTED, [Changed]),
    (S.ACCEPTED, Tick(), 20, S.SENT, [Changed, Send]),
    (S.ACCEPTED, Tick(), 300, S.FAILED, [Changed]),
    (S.ACCEPTED, Cancel(), 1, S.ACCEPTED, [SendCancel]),
    (S.RUNNING, LinkLost(), 1, S.RUNNING, []),
    (S.RUNNING, Started(), 5, S.RUNNING, [Changed]),
    (S.RUNNING, PROVED, 1, S.SUCCEEDED, [Changed]),
    (S.RUNNING, TIMEOUT, 1, S.SENT, [Changed, Send]),
    (S.RUNNING, TIMEOUT, 301, S.FAILED, [Changed]),
    (S.RUNNING, Tick(), 20, S.SENT, [Changed, Send]),
    (S.RUNNING, Cancel(), 1, S.RUNNING, [SendCancel]),
    *[(state, event, 1, state, []) for state in FINAL_STATES for event in (LinkUp(), LinkLost(), Tick(), Cancel())],
    *[(state, PROVED, 1, state, []) for state in FINAL_STATES - {S.EXPIRED}],
    (S.EXPIRED, PROVED, 400, S.SUCCEEDED, [Changed]),
    (S.EXPIRED, TIMEOUT, 400, S.FAILED, [Changed]),
]


@pytest.mark.parametrize(("state", "event", "after_s", "expected", "effects"), TABLE)
def test_the_table(
    state: ExecutionState, event: Event, after_s: int, expected: ExecutionState, effects: list[type]
) -> None:
    now_ms = T0 + after_s * 1000
    result, done = step(execution(state), event, now_ms)
    assert result.state is expected
    assert [type(effect) for effect in done] == effects
    assert all(effect.execution == result for effect in done)
    if effects and effects[0] is Changed:
        assert result.changed_at_ms == now_ms
    if not effects:
        assert result == execution(state)


def test_a_success_keeps_what_it_rests_on_and_forgets_an_earlier_failure() -> None:
    sent, _ = step(execution(S.RUNNING), TIMEOUT, T0 + 1)
    assert (sent.attempt, sent.reason) == (2, Reason.BUS_TIMEOUT)
    done, _ = step(sent, PROVED, T0 + 2)
    assert (done.confirmed_by, done.result, done.reason, done.reason_text) == (
        ConfirmedBy.READBACK,
        {"level_percent": 40.0},
        None,
        None,
    )


def test_attempts_are_counted_and_end() -> None:
    now, attempts = execution(), 0
    now, _ = step(now, LinkUp(), T0)
    while not now.is_final:
        attempts += 1
        now, _ = step(now, TIMEOUT, T0 + attempts)
    assert (now.state, now.reason, attempts) == (S.FAILED, Reason.BUS_TIMEOUT, 2)


def test_a_lost_link_does_not_cost_an_attempt() -> None:
    now = execution()
    for _ in range(5):
        now, _ = step(now, LinkUp(), T0)
        now, _ = step(now, LinkLost(), T0)
    assert (now.state, now.attempt) == (S.QUEUED, 0)


def test_the_gateways_late_word_corrects_a_verdict_from_silence_only() -> None:
    silent, _ = step(execution(S.RUNNING, attempt=2), Tick(), T0 + 20_000)
    assert (silent.state, silent.reason, silent.from_silence) == (S.FAILED, Reason.TIMED_OUT, True)
    assert step(silent, PROVED, T0 + 30_000)[0].state is S.SUCCEEDED
    heard, _ = step(execution(S.RUNNING), OFFLINE, T0 + 1)
    assert step(heard, PROVED, T0 + 2) == (heard, ())


events = st.sampled_from(
    [LinkUp(), LinkLost(), Accepted(), Started(), PROVED, ECHOED, TIMEOUT, OFFLINE, Tick(), Cancel()]
)


@given(st.lists(st.tuples(events, st.integers(0, 60_000)), max_size=40))
def test_no_order_of_events_breaks_the_promises(history: list[tuple[Event, int]]) -> None:
    now_ms, current, sends = T0, execution(), 0
    for event, passed_ms in history:
        now_ms += passed_ms
        before = current
        current, effects = step(current, event, now_ms)
        sends += sum(isinstance(effect, Send) for effect in effects)
        assert not any(isinstance(effect, Send) for effect in effects) or now_ms < current.expires_at_ms
        assert before == current or any(isinstance(effect, Changed) for effect in effects)
        if current.state is S.SUCCEEDED:
            assert current.confirmed_by in (ConfirmedBy.READBACK, ConfirmedBy.POWER)
        if before.is_final and before != current:
            assert before.from_silence
            assert isinstance(event, Finished)
        assert current.attempt <= current.retries + 1
    final, _ = step(current, Tick(), current.expires_at_ms + current.timeout_ms)
    assert final.is_final


@pytest.mark.parametrize("level", [0, 40, 100, 12.5])
def test_levels_within_bounds_pass(level: float) -> None:
    assert parse_arguments("set_level", {"level_percent": level}).level_percent == level


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("set_level", {"level_percent": 140}, r"level_percent: .*100.*got 140"),
        ("set_level", {"level_percent": -1}, "level_percent"),
        ("set_level", {"level_percent": float("nan")}, "level_percent"),
        ("set_level", {"level_percent": "bright"}, "level_percent.*bright"),
        ("set_level", {}, "level_percent.*required"),
        ("set_level", {"level_percent": 4, "color": "red"}, "color"),
        ("reboot", {}, "no command is called 'reboot'"),
    ],
)
def test_arguments_out_of_bounds_are_named(name: str, arguments: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidArgumentsError, match=says):
        parse_arguments(name, arguments)
