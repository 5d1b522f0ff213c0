"""The end of the gateway, as an event that every part waits for beside its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from structlog.typing import FilteringBoundLogger


class StopEvent(asyncio.Event):
    """An event with a pause that ends early when it is set.

    A hundred buses pause each second: a future and a timer each, where `wait_for` would make a task as well.
    """

    def __init__(self) -> None:
        """Start unset."""
        super().__init__()
        self._pausing: set[asyncio.Future[None]] = set()

    def set(self) -> None:
        """End every pause, now and from now on."""
        super().set()
        for waiting in self._pausing:
            _wake(waiting)

    async def pause(self, seconds: float) -> bool:
        """Wait; True as soon as the event is set."""
        if self.is_set():
            return True
        if seconds <= 0:
            await asyncio.sleep(0)
            return self.is_set()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, waiting)
        self._pausing.add(waiting)
        try:
            await waiting
        finally:
            timer.cancel()
            self._pausing.discard(waiting)
        return self.is_set()


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


async def end_within(log: FilteringBoundLogger, part: str, limit_s: float, *ends: Coroutine[Any, Any, None]) -> None:
    """Bring parts to their end, for so long; what hangs (a card, a bus) is left behind and named in the log."""
    tasks = [asyncio.ensure_future(end) for end in ends]
    if not tasks:
        return
    done, late = await asyncio.wait(tasks, timeout=limit_s)
    for task in late:
        task.cancel()
    failed = [str(task.exception()) for task in done if task.exception() is not None]
    if late or failed:
        log.error("end_not_clean", part=part, late=len(late), failed=failed)


async def either(*events: asyncio.Event, within_s: float | None = None) -> None:
    """Wait until one of the events is set, at most so long."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
