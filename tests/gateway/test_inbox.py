"""Commands: the rules as a table, then the inbox with a driver whose answers the test holds back."""

import asyncio
from dataclasses import dataclass, field

import pytest
import structlog
from msgspec.structs import replace

from lentera_drivers.driver import Confirmation
from lentera_gateway.inbox import Inbox, UpdateQueue
from lentera_gateway.inbox.table import Newest, Verdict, after_restart, judge, new_record, newest_taken
from lentera_gateway.inbox.updates import MAX_PENDING, update_of
from lentera_gateway.journal.records import CommandRecord
from lentera_gateway.lighting import level_in_effect
from lentera_model.commands import ConfirmedBy, ExecutionState, Reason
from lentera_model.protocol import CommandMessage

NOW = 1_790_000_000_000


def command(execution_id="e1", device="lamp-1", level=40.0, expires=NOW + 300_000, attempt=1, sequence=5, **other):
    args = other.pop("args", {"level_percent": level})
    return CommandMessage(
        execution_id, device, other.pop("name", "set_level"), args, expires, 20_000, attempt, sequence
    )


def record(state, reason=None, attempt=1):
    return CommandRecord("e1", "lamp-1", 5, attempt, state, reason, None, None, None, 7)


S, R, V = ExecutionState, Reason, Verdict
TABLE = [
    # what arrives, what is known, newest taken, -> verdict, state, reason
    (command(), None, None, V.ACCEPT, S.ACCEPTED, None),
    (command(device="nobody"), None, None, V.END, S.REJECTED, R.DEVICE_UNKNOWN),
    (command(level=140.0), None, None, V.END, S.REJECTED, R.INVALID_ARGUMENTS),
    (command(level=-1.0), None, None, V.END, S.REJECTED, R.INVALID_ARGUMENTS),
    (command(level=float("nan")), None, None, V.END, S.REJECTED, R.INVALID_ARGUMENTS),
    (command(args={}), None, None, V.END, S.REJECTED, R.INVALID_ARGUMENTS),
    (command(name="explode"), None, None, V.END, S.REJECTED, R.INVALID_ARGUMENTS),
    (command(expires=NOW), None, None, V.END, S.EXPIRED, R.EXPIRED),
    (command(expires=NOW + 1), None, None, V.ACCEPT, S.ACCEPTED, None),
    (command(sequence=4), None, Newest(5, NOW + 300_000), V.END, S.CANCELLED, R.SUPERSEDED),
    (command(sequence=6), None, Newest(5, NOW + 300_000), V.ACCEPT, S.ACCEPTED, None),
    (command(sequence=1), None, Newest(500, NOW + 200_000), V.ACCEPT, S.ACCEPTED, None),  # a cloud set up anew
    (command(), record("accepted"), None, V.ANSWER, S.ACCEPTED, None),
    (command(), record("running"), None, V.ANSWER, S.RUNNING, None),
    (command(), record("succeeded"), None, V.ANSWER, S.SUCCEEDED, None),
    (command(attempt=2), record("succeeded"), None, V.ANSWER, S.SUCCEEDED, None),
    (command(attempt=2), record("running"), None, V.ANSWER, S.RUNNING, None),
    (command(), record("failed", "bus_timeout"), None, V.ANSWER, S.FAILED, R.BUS_TIMEOUT),
    (command(attempt=2), record("failed", "bus_timeout"), None, V.ACCEPT, S.ACCEPTED, None),
    (command(attempt=2), record("failed", "gateway_restarted"), None, V.ACCEPT, S.ACCEPTED, None),
    (command(attempt=2), record("failed", "device_offline"), None, V.ANSWER, S.FAILED, R.DEVICE_OFFLINE),
    (command(attempt=2), record("unproved", "unproved"), None, V.ANSWER, S.UNPROVED, R.UNPROVED),
    (command(attempt=2, expires=NOW - 1), record("failed", "bus_timeout"), None, V.END, S.EXPIRED, R.EXPIRED),
    (command(expires=NOW - 1), record("succeeded"), None, V.ANSWER, S.SUCCEEDED, None),
]


@pytest.mark.parametrize(("arrives", "known", "newest", "verdict", "state", "reason"), TABLE)
def test_what_becomes_of_an_arrival(arrives, known, newest, verdict, state, reason):
    got, kept = judge(arrives, known, newest, {"lamp-1", "lamp-2"}, NOW, 77)
    assert (got, kept.state, kept.reason) == (verdict, state.value, None if reason is None else reason.value)


def test_a_restart_fails_what_had_not_ended_and_keeps_what_had():
    assert after_restart(record("succeeded"), 9).state == "succeeded"
    ended = after_restart(record("running"), 9)
    assert (ended.state, ended.reason) == ("failed", "gateway_restarted")
    assert Reason(ended.reason).retryable


@pytest.mark.parametrize(("wished", "given"), [(40.0, 40.0), (140.0, 100.0), (-3.0, 0.0), (0.0, 0.0), (100.0, 100.0)])
def test_level_in_effect_is_within_bounds(wished, given):
    assert level_in_effect("lamp-1", wished) == given


def test_level_in_effect_refuses_what_is_no_number():
    with pytest.raises(ValueError, match="lamp-1"):
        level_in_effect("lamp-1", float("nan"))


@dataclass
class Card:
    """Remembers in a list; may be told to complain."""

    kept: list = field(default_factory=list)
    problem: str | None = None

    async def commands(self):
        latest = {item.execution_id: item for item in self.kept}
        return list(latest.values())

    async def keep_command(self, record):
        self.kept.append(record)
        return self.problem


class Lamps:
    """A driver: each call waits until the test answers it."""

    def __init__(self):
        self.calls = []
        self.started = asyncio.Event()

    async def set_level(self, device, level_percent, timeout_s):
        answer = asyncio.get_running_loop().create_future()
        self.calls.append((device, level_percent, timeout_s, answer))
        self.started.set()
        return await answer

    async def call(self, index):
        async with asyncio.timeout(5):
            while len(self.calls) <= index:
                self.started.clear()
                await self.started.wait()
        return self.calls[index]


def written(queue):
    """Take what is to be sent, as a link that writes all of it does."""
    taken = queue.take()
    for update in taken:
        queue.sent(update)
    return taken


GOOD = Confirmation("succeeded", ConfirmedBy.READBACK, measured={"level_percent": 40.0})


class Bench:
    def __init__(self, card=None):
        self.now_ms = NOW
        self.card = card or Card()
        self.lamps = Lamps()
        self.updates = UpdateQueue()
        self.samples = []
        self.inbox = Inbox(
            {"lamp-1": "zigbee2mqtt_light", "lamp-2": "zigbee2mqtt_light"},
            self.lamps.set_level,
            self.card,
            self.updates,
            self.samples.append,
            lambda: self.now_ms,
            lambda: 1234,
            structlog.get_logger(),
        )
        self.seen = []

    def states(self, execution_id):
        self.seen += written(self.updates)
        return [update.state for update in self.seen if update.execution_id == execution_id]

    async def ended(self, execution_id):
        async with asyncio.timeout(5):
            while not self.states(execution_id) or self.states(execution_id)[-1] in ("accepted", "running"):
                await asyncio.sleep(0)
        return next(update for update in reversed(self.seen) if update.execution_id == execution_id)


async def test_a_command_is_accepted_run_and_confirmed():
    bench = Bench()
    bench.inbox.arrive(command())
    device, level, timeout_s, answer = await bench.lamps.call(0)
    assert (device, level, timeout_s) == ("lamp-1", 40.0, 18.0)
    answer.set_result(GOOD)
    final = await bench.ended("e1")
    assert bench.states("e1") == ["accepted", "running", "succeeded"]
    assert (final.confirmed_by, final.result) == ("readback", {"level_percent": 40.0})
    assert [sample.values for sample in bench.samples] == [{"level_commanded_percent": 40.0}]
    await bench.inbox.close(1)
    assert [item.state for item in bench.card.kept] == ["accepted", "succeeded"]


async def test_a_repeat_is_answered_and_not_carried_out_again():
    bench = Bench()
    bench.inbox.arrive(command())
    bench.inbox.arrive(command())
    (await bench.lamps.call(0))[3].set_result(GOOD)
    await bench.ended("e1")
    bench.inbox.arrive(command())
    assert bench.states("e1")[-1] == "succeeded"
    assert len(bench.lamps.calls) == 1


async def test_a_restart_answers_a_repeat_with_the_same_result():
    first = Bench()
    first.inbox.arrive(command())
    (await first.lamps.call(0))[3].set_result(GOOD)
    await first.ended("e1")
    await first.inbox.close(1)
    second = Bench(first.card)
    await second.inbox.open()
    assert second.states("e1") == ["succeeded"], "reported again: the cloud may have missed it"
    second.inbox.arrive(command(attempt=2))
    assert second.states("e1") == ["succeeded", "succeeded"]
    assert second.seen[-1].confirmed_by == "readback"
    assert second.lamps.calls == []


async def test_a_restart_in_the_middle_is_reported_and_the_next_attempt_runs():
    first = Bench()
    first.inbox.arrive(command())
    await first.lamps.call(0)
    second = Bench(first.card)
    await second.inbox.open()
    assert second.states("e1") == ["failed"]
    assert second.seen[-1].reason == "gateway_restarted"
    second.inbox.arrive(command(attempt=2))
    (await second.lamps.call(0))[3].set_result(GOOD)
    assert (await second.ended("e1")).state == "succeeded"
    await first.inbox.close(0)


async def test_a_restart_does_not_let_an_older_retry_overrule_a_newer_command():
    card = Card()
    first = Bench(card)
    first.inbox.arrive(command("new", level=80, sequence=6))
    (await first.lamps.call(0))[3].set_result(GOOD)
    await first.ended("new")
    first.inbox.arrive(command("bad", level=140.0, sequence=9))
    await first.inbox.close(1)
    second = Bench(card)
    await second.inbox.open()
    second.inbox.arrive(command("old", level=10, sequence=5, attempt=2))
    old = await second.ended("old")
    assert (old.state, old.reason) == ("cancelled", "superseded")
    second.inbox.arrive(command("next", level=20, sequence=7))
    (await second.lamps.call(0))[3].set_result(GOOD)
    assert (await second.ended("next")).state == "succeeded", "what was rejected was not taken"


def test_the_newest_taken_is_the_highest_sequence_whatever_ended_last():
    records = [
        new_record(command("e2", sequence=7, expires=NOW + 1), S.FAILED, 1, R.GATEWAY_RESTARTED),
        new_record(command("e1", sequence=6, expires=NOW + 9), S.SUCCEEDED, 2),
        new_record(command("e3", sequence=8), S.EXPIRED, 3, R.EXPIRED),
        new_record(command("e4", "lamp-2", sequence=2), S.RUNNING, 4),
    ]
    assert newest_taken(records) == {"lamp-1": Newest(7, NOW + 1), "lamp-2": Newest(2, NOW + 300_000)}
    assert after_restart(records[3], 9).expires_at_ms == NOW + 300_000


async def test_one_slow_lamp_never_delays_another():
    bench = Bench()
    bench.inbox.arrive(command("slow", "lamp-1"))
    await bench.lamps.call(0)
    bench.inbox.arrive(command("quick", "lamp-2"))
    (await bench.lamps.call(1))[3].set_result(GOOD)
    assert (await bench.ended("quick")).state == "succeeded"
    assert bench.states("slow") == ["accepted", "running"]
    await bench.inbox.close(0)


async def test_commands_to_one_lamp_follow_one_another_and_only_the_newest_waits():
    bench = Bench()
    bench.inbox.arrive(command("e1", level=10, sequence=1))
    await bench.lamps.call(0)
    bench.inbox.arrive(command("e3", level=30, sequence=3))
    bench.inbox.arrive(command("e2", level=20, sequence=2))
    bench.inbox.arrive(command("e4", level=40, sequence=4))
    bench.lamps.calls[0][3].set_result(GOOD)
    (await bench.lamps.call(1))[3].set_result(GOOD)
    await bench.ended("e4")
    assert [call[1] for call in bench.lamps.calls] == [10.0, 40.0]
    for execution_id in ("e2", "e3"):
        final = await bench.ended(execution_id)
        assert (final.state, final.reason) == ("cancelled", "superseded")


async def test_a_command_that_expires_while_the_lamp_is_busy_is_not_carried_out():
    bench = Bench()
    bench.inbox.arrive(command("e1"))
    await bench.lamps.call(0)
    bench.inbox.arrive(command("e2", sequence=6, expires=NOW + 1000))
    bench.now_ms = NOW + 1000
    bench.lamps.calls[0][3].set_result(GOOD)
    final = await bench.ended("e2")
    assert (final.state, final.reason) == ("expired", "expired")
    assert len(bench.lamps.calls) == 1


async def test_cancel_takes_back_what_waits_and_leaves_what_runs():
    bench = Bench()
    bench.inbox.arrive(command("e1"))
    await bench.lamps.call(0)
    bench.inbox.arrive(command("e2", sequence=6))
    bench.inbox.cancel("e2")
    bench.inbox.cancel("e1")
    bench.inbox.cancel("unknown")
    bench.lamps.calls[0][3].set_result(GOOD)
    assert (await bench.ended("e1")).state == "succeeded"
    assert (await bench.ended("e2")).reason == "cancelled"
    assert len(bench.lamps.calls) == 1


@pytest.mark.parametrize(
    ("confirmation", "state"),
    [
        (Confirmation("unproved", ConfirmedBy.ECHO, Reason.UNPROVED, "only an echo"), "unproved"),
        (Confirmation("failed", None, Reason.LEVEL_MISMATCH, "shows 60 %"), "failed"),
        (Confirmation("failed", None, Reason.NOT_SUPPORTED, "a meter"), "rejected"),
    ],
)
async def test_what_a_driver_says_is_what_is_reported(confirmation, state):
    bench = Bench()
    bench.inbox.arrive(command())
    (await bench.lamps.call(0))[3].set_result(confirmation)
    final = await bench.ended("e1")
    assert (final.state, final.reason) == (state, confirmation.reason.value)
    assert final.reason_text == confirmation.reason_text


async def test_a_drivers_mistake_fails_the_command_and_not_the_device():
    bench = Bench(Card(problem="read-only"))
    bench.inbox.arrive(command("e1"))
    (await bench.lamps.call(0))[3].set_exception(ZeroDivisionError("oops"))
    final = await bench.ended("e1")
    assert (final.state, final.reason) == ("failed", "internal")
    bench.inbox.arrive(command("e2", sequence=6))
    (await bench.lamps.call(1))[3].set_result(GOOD)
    assert (await bench.ended("e2")).state == "succeeded"


async def test_updates_go_out_again_until_a_ping_proves_that_they_arrived():
    queue = UpdateQueue()
    for item in (record("accepted"), record("succeeded")):
        queue.put(update_of(item))
    assert [update.state for update in written(queue)] == ["accepted", "succeeded"]
    queue.reconnected()
    assert [update.state for update in written(queue)] == ["succeeded"], "only the latest after a gap"
    queue.ping_sent()
    queue.put(update_of(record("failed", "bus_timeout")))
    written(queue)
    queue.ping_answered()
    queue.reconnected()
    assert [update.state for update in written(queue)] == ["failed"], "what was sent after the ping is not proved"
    queue.ping_sent()
    queue.ping_answered()
    assert len(queue) == 0
    queue.reconnected()
    assert queue.take() == []


async def test_a_ping_that_overtakes_a_report_proves_nothing_of_it():
    queue = UpdateQueue()
    first, second = (update_of(replace(record("succeeded"), execution_id=name)) for name in ("e1", "e2"))
    queue.put(first)
    queue.put(second)
    assert queue.take() == [first, second]
    queue.sent(first)
    queue.ping_sent()  # written between the two: the send buffer was full before the second
    queue.ping_answered()
    queue.reconnected()
    assert queue.take() == [second]


async def test_reports_are_bounded_while_there_is_no_link_and_the_newest_stay():
    queue = UpdateQueue()
    for index in range(2 * MAX_PENDING + 5):
        queue.put(update_of(replace(record("succeeded"), execution_id=f"e{index}")))
    assert len(queue) == MAX_PENDING
    newest = [f"e{index}" for index in range(MAX_PENDING + 5, 2 * MAX_PENDING + 5)]
    assert [update.execution_id for update in queue.take()] == newest
    queue.reconnected()
    assert [update.execution_id for update in queue.take()] == newest


async def test_old_ends_are_forgotten_but_the_last_512_are_not():
    bench = Bench()
    for index in range(600):
        bench.inbox.arrive(command(f"e{index}", "nobody"))
    assert len(bench.inbox._records) == 512
    assert new_record(command("e599", "nobody"), S.REJECTED, 1).execution_id in bench.inbox._records
    await asyncio.sleep(0)
