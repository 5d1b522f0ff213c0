"""A lock that serves the most urgent waiter first: on a bus, writes go before reads."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

WRITE: Final = 0
READ: Final = 1


class PriorityLock:
    """Held by at most `limit` tasks at a time; the lowest priority number, then the first come, is next."""

    def __init__(self, limit: int = 1) -> None:
        """Start free."""
        self._limit = limit
        self._held = 0
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @property
    def limit(self) -> int:
        """How many may hold it at a time. Lowered, it takes effect as holders give it back."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._serve()

    @property
    def held(self) -> int:
        """How many hold it now."""
        return self._held

    @asynccontextmanager
    async def hold(self, priority: int) -> AsyncIterator[None]:
        """Wait for the lock, hold it for the length of the block."""
        if not self.try_take():
            await self.take(priority)
        try:
            yield
        finally:
            self.give_back()

    def try_take(self) -> bool:
        """Take it if it is free at once. Whoever got True must `give_back`."""
        # Nobody waits while there is room: giving back and raising the limit serve the waiting first.
        if self._held < self._limit:
            self._held += 1
            return True
        return False

    async def take(self, priority: int) -> None:
        """Wait for it; then `give_back`."""
        if self.try_take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the turn had come at the moment of the cancellation: pass it on
                self.give_back()
            raise

    def give_back(self) -> None:
        """Let the next one have it."""
        self._held -= 1
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._held < self._limit:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._held += 1
                turn.set_result(None)
