"""Polls on a grid: no drift, phases spread, a slow or dead bus skips and never catches up in a burst."""

import asyncio
import itertools

import pytest
import structlog

from lentera_drivers.driver import BusDownError, DeviceTimeoutError
from lentera_gateway.acquire import BusPoller, Poll, PollSchedule, ReadTally, intervals_of
from lentera_gateway.acquire.lateness import LostCycles
from lentera_model.config import DeviceConfig
from lentera_model.readings import Sample


def test_instants_never_drift_however_long_a_poll_takes():
    schedule = PollSchedule({Poll("m"): 1000}, 500)
    instants = []
    now = 500
    for _ in range(1000):
        _, due = schedule.next_due()
        now = max(now, due)
        instants.append(due)
        now += 137
        schedule.polled(now)
    assert instants == list(range(500, 1_000_500, 1000))
    assert schedule.cycles()["m"][1] == 0


def test_phases_spread_the_devices_over_their_interval():
    schedule = PollSchedule({Poll(f"m{i}"): 8000 for i in range(4)}, 0)
    order = []
    for _ in range(8):
        (device, _), due = schedule.next_due()
        order.append((due, device))
        schedule.polled(due)
    assert order == [(2000 * i, f"m{i % 4}") for i in range(8)]


def test_instants_missed_while_the_bus_was_busy_are_skipped_and_counted():
    schedule = PollSchedule({Poll("m"): 1000}, 0)
    schedule.polled(4500)
    assert schedule.next_due() == (Poll("m"), 5000)
    assert schedule.cycles() == {"m": (0, 4)}


def test_different_intervals_keep_their_own_grids():
    schedule = PollSchedule({Poll("fast"): 1000, Poll("slow"): 5000}, 0)
    seen = {"fast": [], "slow": []}
    for _ in range(24):
        (device, _), due = schedule.next_due()
        seen[device].append(due)
        schedule.polled(due + 10)
    assert seen["fast"][:4] == [0, 1000, 2000, 3000]
    assert seen["slow"][:4] == [2500, 7500, 12500, 17500]


def test_a_poll_that_begins_late_is_counted():
    schedule = PollSchedule({Poll("m"): 1000}, 0)
    for due in range(0, 5000, 1000):
        schedule.began(due + (150 if due >= 3000 else 90))
        schedule.polled(due + 200)
    assert schedule.cycles() == {"m": (2, 0)}


def test_the_paces_of_a_device_share_their_instants_the_slow_one_first():
    device = DeviceConfig.model_validate(
        {
            "id": "m",
            "profile": "p",
            "bus": "b",
            "unit": 1,
            "every_s": 1,
            "paces": [{"quantities": ["energy_active_import"], "every_s": 5}],
        }
    )
    intervals = intervals_of([device])
    assert intervals == {Poll("m", 1): 5000, Poll("m", 0): 1000}
    schedule = PollSchedule(intervals, 0)
    order = []
    for _ in range(8):
        poll, due = schedule.next_due()
        order.append((due, poll.pace))
        schedule.polled(due + 10)
    assert order == [(0, 1), (0, 0), (1000, 0), (2000, 0), (3000, 0), (4000, 0), (5000, 1), (5000, 0)]


def test_a_pace_that_leaves_nothing_for_the_first_one_is_polled_alone():
    device = DeviceConfig.model_validate(
        {
            "id": "m",
            "profile": "p",
            "bus": "b",
            "unit": 1,
            "quantities": ["frequency"],
            "paces": [{"quantities": ["frequency"], "every_s": 5}],
        }
    )
    assert intervals_of([device]) == {Poll("m", 1): 5000}


class Clock:
    """A clock that only moves when somebody waits; stops everything at `end_ms`."""

    def __init__(self, end_ms):
        self.now_ms = 0
        self.end_ms = end_ms

    async def pause(self, seconds):
        await asyncio.sleep(0)
        self.now_ms += round(seconds * 1000)
        return self.now_ms >= self.end_ms


class Bus:
    """A driver on the fake clock: what each device does on its n-th poll."""

    is_up = True

    def __init__(self, clock, behaviour):
        self.clock = clock
        self.behaviour = behaviour
        self.polls = []

    async def read(self, device_id, pace=0):
        self.polls.append((device_id, self.clock.now_ms))
        return self.behaviour(device_id)

    def outcomes(self, device_id):
        return {}


def poller(clock, bus, intervals, taken):
    return BusPoller(
        "b",
        bus,
        PollSchedule({Poll(device): every for device, every in intervals.items()}, 0),
        taken.append,
        ReadTally([]),
        lambda: clock.now_ms,
        clock.pause,
        structlog.get_logger(),
    )


async def test_a_dead_device_costs_its_timeouts_and_nothing_else():
    clock, taken = Clock(10_000), []

    def behave(device):
        if device == "dead":
            clock.now_ms += 300
            raise DeviceTimeoutError(device, "no answer within 300 ms")
        return [Sample(device, "p", clock.now_ms, {"voltage_l1": 230.0})]

    bus = Bus(clock, behave)
    running = poller(clock, bus, {"dead": 1000, "good": 1000}, taken)
    await running.run()
    assert [sample.monotonic_ms for sample in taken] == list(range(500, 10_000, 1000))
    assert running.state.failures == 10
    assert running.state.tried


async def test_a_drivers_mistake_costs_a_poll_and_not_the_bus():
    clock, taken = Clock(5_000), []
    bad = iter([ZeroDivisionError("driver"), BusDownError("m", "port gone"), None, None, None])

    def behave(device):
        error = next(bad)
        if error is not None:
            raise error
        return [Sample(device, "p", clock.now_ms, {"voltage_l1": 1.0})]

    running = poller(clock, Bus(clock, behave), {"m": 1000}, taken)
    await running.run()
    assert len(taken) == 3
    assert running.state.failures == 2
    assert running.state.error is None


async def test_devices_that_report_by_themselves_give_no_sample_here():
    clock, taken = Clock(3_000), []
    running = poller(clock, Bus(clock, lambda device: ()), {"lamp": 1000}, taken)
    await running.run()
    assert taken == []
    assert running.state.polls == 3


async def test_a_bus_without_devices_ends_at_once():
    clock = Clock(1000)
    running = poller(clock, Bus(clock, lambda device: ()), {}, [])
    await running.run()
    assert running.state.tried


async def test_a_day_of_polls_of_odd_lengths_drifts_by_nothing():
    clock, taken = Clock(86_400_000), []
    lengths = itertools.cycle((3, 137, 41, 998, 0, 512))

    def behave(device):
        begun_ms = clock.now_ms
        clock.now_ms += next(lengths)
        return [Sample(device, "p", begun_ms, {"voltage_l1": 230.0})]

    running = poller(clock, Bus(clock, behave), {"m": 60_000}, taken)
    await running.run()
    assert [sample.monotonic_ms for sample in taken] == list(range(0, 86_400_000, 60_000))
    assert running.schedule.cycles() == {"m": (0, 0)}


async def test_an_overloaded_bus_serves_each_device_in_turn_and_never_one_instant_twice():
    clock, devices = Clock(60_000), ("a", "b", "c")

    def behave(device):
        clock.now_ms += 430
        return ()

    bus = Bus(clock, behave)
    running = poller(clock, bus, dict.fromkeys(devices, 1000), [])
    await running.run()
    for device in devices:
        begun = [at_ms for name, at_ms in bus.polls if name == device]
        late, skipped = running.schedule.cycles()[device]
        assert len(begun) + skipped == pytest.approx(60, abs=2)
        assert skipped > 10
        assert late > 10
        phase_ms = 333 * devices.index(device)
        assert len({(at_ms - phase_ms) // 1000 for at_ms in begun}) == len(begun)
    assert running.schedule.load_percent() == pytest.approx(129)
    shares = [sum(name == device for name, _ in bus.polls) for device in devices]
    assert max(shares) - min(shares) <= 1


async def test_after_a_stall_a_bus_polls_at_its_next_instants_and_makes_up_for_nothing():
    clock = Clock(30_000)
    stalls = iter([10_400])

    def behave(device):
        clock.now_ms += next(stalls, 20) if clock.now_ms >= 5_000 else 20
        return ()

    bus = Bus(clock, behave)
    running = poller(clock, bus, {"m": 1000}, [])
    await running.run()
    assert [at_ms for _, at_ms in bus.polls] == [*range(0, 6000, 1000), *range(16_000, 30_000, 1000)]
    assert running.schedule.cycles() == {"m": (0, 10)}


def test_a_stretch_of_lost_instants_has_a_beginning_and_ends_when_the_pace_is_kept():
    schedule, poll = PollSchedule({Poll("m"): 1000}, 0), Poll("m")
    lateness = schedule.lateness[poll]
    for begun_ms, over_ms, lost in (
        (0, 20, None),
        (1000, 3100, LostCycles(2000, 2)),
        (4000, 4020, LostCycles(2000, 2)),
        (5000, 6000, LostCycles(2000, 3)),
        (7000, 7020, LostCycles(2000, 3)),
        (8000, 8020, LostCycles(2000, 3)),
        (9000, 9020, None),
        (10_000, 11_500, LostCycles(11_000, 1)),
    ):
        assert schedule.next_due() == (poll, begun_ms)
        schedule.began(begun_ms)
        schedule.polled(over_ms)
        assert lateness.lost == lost
    assert (lateness.late, lateness.skipped) == (0, 4)


def test_the_load_of_a_bus_follows_what_its_polls_take():
    schedule = PollSchedule({Poll("a"): 1000, Poll("b"): 500}, 0)
    assert schedule.load_percent() == 0
    for _ in range(60):
        poll, due_ms = schedule.next_due()
        schedule.began(due_ms)
        schedule.polled(due_ms + {"a": 300, "b": 50}[poll.device])
    assert schedule.load_percent() == pytest.approx(40)
    for _ in range(60):
        poll, due_ms = schedule.next_due()
        schedule.began(due_ms)
        schedule.polled(due_ms + {"a": 300, "b": 450}[poll.device])
    assert schedule.load_percent() == pytest.approx(120, abs=1)
