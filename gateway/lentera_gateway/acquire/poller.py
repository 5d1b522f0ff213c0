"""Polls the devices of one bus, one task a bus: what happens on one bus or device never stops another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from lentera_drivers.driver import BusDownError, Driver, DriverError
from lentera_gateway.acquire.schedule import Poll, PollSchedule
from lentera_model.readings import Sample


@dataclass(slots=True)
class BusState:
    """What is known of a bus, for status.json.

    Attributes:
        tried: whether the first poll is over, well or badly.
        error: why the last poll failed, None after a good one.
        polls, failures: counted since the start.
        late: polls that began later than a tenth of their interval, because the bus was busy.
        skipped: polls that the bus had no time for at all; they are not made up for.
    """

    tried: bool = False
    error: str | None = None
    polls: int = 0
    failures: int = 0
    late: int = 0
    skipped: int = 0


@dataclass(slots=True)
class BusPoller:
    """Asks the devices of a bus when they are due.

    Args:
        bus: bus id.
        driver: of that bus, opened.
        schedule: of that bus's devices.
        take: takes every sample.
        now_ms: CLOCK_BOOTTIME.
        pause: waits so many seconds; returns True when the gateway is stopping.
        log: structured log.
    """

    bus: str
    driver: Driver
    schedule: PollSchedule
    take: Callable[[Sample], None]
    now_ms: Callable[[], int]
    pause: Callable[[float], Awaitable[bool]]
    log: FilteringBoundLogger
    state: BusState = field(default_factory=BusState)

    async def run(self) -> None:
        """Poll until the gateway stops; a poll that runs is finished first."""
        if not self.schedule:
            self.state.tried = True
            return
        while True:
            poll, due_ms = self.schedule.next_due()
            now_ms = self.now_ms()
            if await self.pause(max(0, due_ms - now_ms) / 1000):
                return
            self.state.late += self.schedule.began(max(due_ms, now_ms))
            await self._poll(poll)
            self.state.skipped += self.schedule.polled(self.now_ms())

    async def _poll(self, poll: Poll) -> None:
        self.state.polls += 1
        try:
            samples = await self.driver.read(poll.device, poll.pace)
        except DriverError as error:
            self._failed(poll.device, error)
        except Exception as error:
            self._failed(poll.device, error)
            self.log.exception("poll_broke", bus=self.bus, device=poll.device)
        else:
            self.state.error = None
            for sample in samples:
                self.take(sample)
        self.state.tried = True

    def _failed(self, device: str, error: Exception) -> None:
        self.state.failures += 1
        news = isinstance(error, BusDownError) and self.state.error is None
        self.state.error = str(error)
        if news:
            self.log.warning("bus_down", bus=self.bus, device=device, error=str(error))
