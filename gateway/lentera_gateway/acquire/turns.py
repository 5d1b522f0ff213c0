"""Who may ask on a bus: its polls, and between two of them whoever has a question of his own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from lentera_drivers.modbus.priority_lock import READ, WRITE, PriorityLock

PATIENCE_S: Final = 2.0
"""On a bus that has no pause long enough, a question waits so long and then costs a poll its instant."""
_LEAST_PAUSE_MS: Final = 1.0


@asynccontextmanager
async def between_polls(
    turn: PriorityLock, free_ms: Callable[[], float], needs_ms: float, *, urgent: bool
) -> AsyncIterator[None]:
    """Hold the polls of a bus off for one question.

    Args:
        turn: a poll holds it from its first request to its last.
        free_ms: for how long no poll is due, in milliseconds.
        needs_ms: how long the question takes.
        urgent: go after the poll that runs, before all that wait. Any other question waits for a pause between two
            polls that is long enough, so that none is late for it.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + PATIENCE_S
    while True:
        async with turn.hold(WRITE if urgent else READ):
            free = free_ms()
            if urgent or free >= needs_ms or loop.time() >= give_up_at:
                yield
                return
        # The poll that is due next takes its turn; then there may be a longer pause.
        await asyncio.sleep(min(max(free, _LEAST_PAUSE_MS), PATIENCE_S * 1000) / 1000)
