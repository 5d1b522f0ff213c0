"""Polls on a grid: no drift, phases spread, a slow or dead bus skips and never catches up in a burst."""

import asyncio

import structlog

from lentera_drivers.driver import BusDownError, DeviceTimeoutError
from lentera_gateway.acquire import BusPoller, PollSchedule
from lentera_model.readings import Sample


def test_instants_never_drift_however_long_a_poll_takes():
    schedule = PollSchedule({"m": 1000}, 500)
    instants = []
    now = 500
    for _ in range(1000):
        device, due = schedule.next_due()
        now = max(now, due)
        instants.append(due)
        now += 137
        schedule.polled(device, now)
    assert instants == list(range(500, 1_000_500, 1000))
    assert schedule.skipped == {"m": 0}


def test_phases_spread_the_devices_over_their_interval():
    schedule = PollSchedule({f"m{i}": 8000 for i in range(4)}, 0)
    order = []
    for _ in range(8):
        device, due = schedule.next_due()
        order.append((due, device))
        schedule.polled(device, due)
    assert order == [(2000 * i, f"m{i % 4}") for i in range(8)]


def test_instants_missed_while_the_bus_was_busy_are_skipped_and_counted():
    schedule = PollSchedule({"m": 1000}, 0)
    schedule.polled("m", 4500)
    assert schedule.next_due() == ("m", 5000)
    assert schedule.skipped == {"m": 4}


def test_different_intervals_keep_their_own_grids():
    schedule = PollSchedule({"fast": 1000, "slow": 5000}, 0)
    seen = {"fast": [], "slow": []}
    for _ in range(24):
        device, due = schedule.next_due()
        seen[device].append(due)
        schedule.polled(device, due + 10)
    assert seen["fast"][:4] == [0, 1000, 2000, 3000]
    assert seen["slow"][:4] == [2500, 7500, 12500, 17500]


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

    def __init__(self, clock, behaviour):
        self.clock = clock
        self.behaviour = behaviour
        self.polls = []

    async def read(self, device, pace=0):
        self.polls.append((device, self.clock.now_ms))
        return self.behaviour(device)


def poller(clock, bus, intervals, taken):
    return BusPoller(
        "b", bus, PollSchedule(intervals, 0), taken.append, lambda: clock.now_ms, clock.pause, structlog.get_logger()
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
