"""Polls the devices of one bus, one task a bus: what happens on one bus or device never stops another."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from lentera_drivers.driver import BusDownError, DeviceRestingError, Driver, DriverError
from lentera_drivers.modbus.priority_lock import READ, PriorityLock
from lentera_gateway.acquire.reasons import reason_of, why_nothing
from lentera_gateway.acquire.schedule import Poll, PollSchedule
from lentera_gateway.acquire.tally import ReadTally
from lentera_gateway.acquire.turns import between_polls
from lentera_model.readings import Sample


@dataclass(slots=True)
class BusState:
    """What is known of a bus, for status.json; the schedule counts what came late or not at all.

    Attributes:
        tried: whether the first poll is over, well or badly.
        error: why the last poll failed, None after a good one.
        polls, failures: counted since the start.
    """

    tried: bool = False
    error: str | None = None
    polls: int = 0
    failures: int = 0


@dataclass(slots=True)
class BusPoller:
    """Asks the devices of a bus when they are due.

    Args:
        bus: bus id.
        driver: of that bus, opened.
        schedule: of that bus's devices.
        take: takes every sample.
        tally: counts what becomes of each read.
        now_ms: CLOCK_BOOTTIME.
        pause: waits so many seconds; returns True when the gateway is stopping.
        log: structured log.
    """

    bus: str
    driver: Driver
    schedule: PollSchedule
    take: Callable[[Sample], None]
    tally: ReadTally
    now_ms: Callable[[], int]
    pause: Callable[[float], Awaitable[bool]]
    log: FilteringBoundLogger
    state: BusState = field(default_factory=BusState)
    _down: bool = field(init=False, default=False)
    _turn: PriorityLock = field(init=False, default_factory=PriorityLock)

    async def run(self) -> None:
        """Poll until the gateway stops; a poll that runs is finished first."""
        if not self.schedule:
            self.state.tried = True
            return
        while True:
            poll, due_ms = self.schedule.next_due()
            if await self.pause(max(0, due_ms - self.now_ms()) / 1000):
                return
            async with self._turn.hold(READ):
                self.schedule.began(self.now_ms())
                failure = await self._poll(poll)
                self._conclude(poll, due_ms, failure)

    def between(self, needs_ms: float, urgent: bool) -> AbstractAsyncContextManager[None]:
        """Hold the polls off for a question of so many milliseconds; see `between_polls`."""
        return between_polls(self._turn, self._free_ms, needs_ms, urgent=urgent)

    def _free_ms(self) -> float:
        return self.schedule.next_due()[1] - self.now_ms() if self.schedule else math.inf

    def _conclude(self, poll: Poll, due_ms: int, failure: str | None) -> None:
        now_ms = self.now_ms()
        self.tally.concluded(poll, now_ms, failure, lambda: why_nothing(self.driver, poll.device))
        skipped = self.schedule.polled(now_ms)
        if skipped:
            self.tally.skipped(poll, due_ms + self.schedule.interval_ms(poll), skipped)

    async def _poll(self, poll: Poll) -> str | None:
        """Ask a device; returns why it gave nothing, None where nothing went wrong."""
        failure: str | None = None
        self.state.polls += 1
        try:
            samples = await self.driver.read(poll.device, poll.pace)
        except DriverError as error:
            failure = reason_of(error)
            self._failed(poll.device, error)
        except Exception as error:
            failure = reason_of(error)
            self._failed(poll.device, error)
            self.log.exception("poll_broke", bus=self.bus, device=poll.device)
        else:
            self.state.error, self._down = None, False
            for sample in samples:
                self.take(sample)
        self.state.tried = True
        return failure

    def _failed(self, device: str, error: Exception) -> None:
        self.state.failures += 1
        news = isinstance(error, BusDownError) and not self._down
        self.state.error = str(error)
        if not isinstance(error, DeviceRestingError):  # one that rests is not asked, which tells nothing of the bus
            self._down = isinstance(error, BusDownError)
        if news:
            self.log.warning("bus_down", bus=self.bus, device=device, error=str(error))
