"""A technician's question goes between two polls, and takes no instant from any that could be kept."""

import asyncio

import pytest

from lentera_drivers.modbus.priority_lock import READ, PriorityLock
from lentera_gateway.acquire.turns import PATIENCE_S, between_polls
from lentera_sim.virtual_time import run_in_virtual_time


class Bus:
    """Polls each `every_ms`, each taking `takes_ms`; notes how late they began."""

    def __init__(self, every_ms: float, takes_ms: float) -> None:
        self.turn = PriorityLock()
        self.every_s, self.takes_s = every_ms / 1000, takes_ms / 1000
        self.due = asyncio.get_running_loop().time()
        self.late_ms: list[float] = []
        self.begun = asyncio.Event()

    def free_ms(self) -> float:
        return (self.due - asyncio.get_running_loop().time()) * 1000

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0, self.due - loop.time()))
            async with self.turn.hold(READ):
                self.late_ms.append((loop.time() - self.due) * 1000)
                self.begun.set()
                await asyncio.sleep(self.takes_s)
                self.due = max(self.due + self.every_s, loop.time())

    async def ask(self, takes_ms: float, urgent: bool = False) -> float:
        """Put a question; returns the instant at which it began."""
        async with between_polls(self.turn, self.free_ms, takes_ms, urgent=urgent):
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(takes_ms / 1000)
            return began


def test_no_poll_is_late_for_questions_that_find_a_pause():
    async def work() -> None:
        bus = Bus(every_ms=100, takes_ms=60)
        polls = asyncio.create_task(bus.run())
        await bus.begun.wait()
        await asyncio.gather(*(bus.ask(30) for _ in range(10)))
        polls.cancel()
        assert len(bus.late_ms) >= 10
        assert max(bus.late_ms) < 0.1

    run_in_virtual_time(work())


def test_a_bus_without_a_pause_gives_way_after_the_patience_and_no_sooner():
    async def work() -> None:
        bus = Bus(every_ms=100, takes_ms=90)
        polls = asyncio.create_task(bus.run())
        await bus.begun.wait()
        start = asyncio.get_running_loop().time()
        began = await bus.ask(50)
        polls.cancel()
        assert PATIENCE_S <= began - start < PATIENCE_S + 0.2
        assert sum(late_ms > 1 for late_ms in bus.late_ms) <= 1

    run_in_virtual_time(work())


@pytest.mark.parametrize("every_ms", [100, 200])
def test_what_is_urgent_goes_after_the_running_poll_and_before_all_that_wait(every_ms):
    async def work() -> None:
        bus = Bus(every_ms=every_ms, takes_ms=100)
        polls = asyncio.create_task(bus.run())
        await bus.begun.wait()
        began: dict[str, float] = {}

        async def ask(name: str, urgent: bool) -> None:
            began[name] = await bus.ask(50, urgent)

        waiting = [asyncio.create_task(ask("question", False))]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(ask("write", True)))
        await asyncio.gather(*waiting)
        polls.cancel()
        assert began["write"] == pytest.approx(0.1), "as soon as the first poll is over"
        assert began["question"] > began["write"]

    run_in_virtual_time(work())
