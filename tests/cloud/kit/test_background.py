"""Background jobs share themselves out by leases; a worker of its own waits for its stores and stops when told."""

import asyncio

import pytest

from lentera_cloud.kit import patience
from lentera_cloud.kit.background import LEASE_MS, BackgroundJobs, Job
from lentera_cloud.kit.events import EventBus
from lentera_cloud.kit.times import SystemClock
from lentera_cloud.ports import StoreUnavailableError
from lentera_cloud.worker import work
from tests.cloud.support import settings_in


class Leases:
    """Leases in memory that may be held by somebody else or away."""

    def __init__(self) -> None:
        self.holders: dict[str, tuple[str, int]] = {}
        self.asked = 0
        self.away = False

    async def acquire(self, job, holder, now_ms, lease_ms) -> bool:
        self.asked += 1
        if self.away:
            raise StoreUnavailableError("away")
        other, until_ms = self.holders.get(job, (holder, 0))
        if other != holder and until_ms > now_ms:
            return False
        self.holders[job] = holder, now_ms + lease_ms
        return True

    async def release(self, job, holder) -> None:
        if self.holders.get(job, ("", 0))[0] == holder:
            del self.holders[job]


class Clock:
    def __init__(self) -> None:
        self.at_ms = 1_000_000

    def now_ms(self) -> int:
        return self.at_ms


async def run_until(jobs: BackgroundJobs, reached: asyncio.Event) -> None:
    task = asyncio.create_task(jobs.run())
    await asyncio.wait_for(reached.wait(), 5)
    task.cancel()
    await asyncio.wait([task])


async def test_a_job_runs_on_and_takes_its_lease_once():
    leases, reached, runs = Leases(), asyncio.Event(), 0

    async def job() -> None:
        nonlocal runs
        runs += 1
        if runs == 5:
            reached.set()

    await run_until(BackgroundJobs([Job("beat", 0.001, job)], leases, "me", Clock()), reached)
    assert (runs, leases.asked, leases.holders) == (5, 1, {})


async def test_what_somebody_else_holds_is_left_to_him_until_his_lease_is_over():
    leases, clock, ran = Leases(), Clock(), asyncio.Event()
    leases.holders["beat"] = "other", clock.at_ms + LEASE_MS

    async def job() -> None:
        assert clock.at_ms > 1_000_000
        ran.set()

    jobs = BackgroundJobs([Job("beat", 0.001, job)], leases, "me", clock)
    task = asyncio.create_task(jobs.run())
    while leases.asked < 3:
        await asyncio.sleep(0.001)
    assert not ran.is_set()
    clock.at_ms += LEASE_MS + 1
    await asyncio.wait_for(ran.wait(), 5)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("error", [ZeroDivisionError("a fault"), StoreUnavailableError("away")])
async def test_a_jobs_fault_ends_neither_it_nor_the_others(error):
    leases, reached = Leases(), asyncio.Event()
    counts = {"bad": 0, "good": 0}

    async def bad() -> None:
        counts["bad"] += 1
        raise error

    async def good() -> None:
        counts["good"] += 1
        if counts["good"] > 3 and counts["bad"] > 3:
            reached.set()

    await run_until(BackgroundJobs([Job("bad", 0.001, bad), Job("good", 0.001, good)], leases, "me", Clock()), reached)


async def test_a_worker_of_its_own_stops_when_told(tmp_path):
    stop = asyncio.Event()
    task = asyncio.create_task(work(settings_in(tmp_path), stop))
    while not (tmp_path / "registry.db").exists():
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_waiting_times_grow_to_a_bound_and_differ():
    waits = patience.waits_s(1.0, 8.0)
    found = [next(waits) for _ in range(50)]
    assert all(0.5 <= wait <= 8 for wait in found)
    assert all(wait >= 4 for wait in found[3:])
    assert len(set(found)) > 40


async def test_only_an_absence_is_waited_for():
    async def attempt() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await patience.until_available("it", attempt)


async def test_events_go_to_the_handlers_of_their_class():
    bus, heard = EventBus(), []

    async def note(event) -> None:
        heard.append(event)

    bus.subscribe(int, note)
    bus.subscribe(int, note)
    await bus.publish(1)
    await bus.publish("nobody listens")
    assert heard == [1, 1]
    assert SystemClock().now_ms() > 1_700_000_000_000
