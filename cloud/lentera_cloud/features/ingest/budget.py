"""A bound on the memory that waiting batches take: who would go over it waits, and his socket is not read meanwhile."""

import asyncio
from collections import deque
from typing import Any

from lentera_model.batch import Header

COST_A_VALUE = 72
COST_A_ROW = 600
"""Bytes that a decoded value and a decoded row take, about, as Python objects (measured with tracemalloc)."""


def cost_bytes(header: Header) -> int:
    """Estimate the memory of a decoded batch from its header."""
    return header.unpacked_bytes + COST_A_VALUE * header.values + COST_A_ROW * header.rows


class ByteBudget:
    """A counter of bytes in use with a limit; waiters are served in order of arrival.

    A single request above the limit is let through when nothing else is in use, so that it cannot wait for ever.
    """

    def __init__(self, limit_bytes: int) -> None:
        """Begin with nothing in use."""
        self._limit = limit_bytes
        self._used = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used_bytes(self) -> int:
        """Bytes in use now."""
        return self._used

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._limit

    def hold(self, size: int) -> "Held | None":
        """Take bytes for somebody who does not wait; None where they do not fit now, or others wait for some."""
        if self._waiters or not self._fits(size):
            return None
        self._used += size
        return Held(self, size)

    def exchange(self, held: int, size: int) -> bool:
        """Take other bytes for some that were taken, if they fit now."""
        if self._waiters or not (self._used == held or self._used - held + size <= self._limit):
            return False
        self._used += size - held
        return True

    async def acquire(self, size: int) -> None:
        """Take bytes, waiting until they fit."""
        if not self._waiters and self._fits(size):
            self._used += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(size)
            else:
                self._waiters.remove((size, turn))
                self._serve()
            raise

    def release(self, size: int) -> None:
        """Give bytes back."""
        self._used -= size
        self._serve()

    def _serve(self) -> None:
        while self._waiters and self._fits(self._waiters[0][0]):
            size, turn = self._waiters.popleft()
            if not turn.cancelled():
                self._used += size
                turn.set_result(None)


class Held:
    """Bytes of a budget that one request holds, given back exactly once."""

    def __init__(self, budget: ByteBudget, size: int) -> None:
        """Hold bytes that were taken."""
        self._budget = budget
        self._size = size
        self._is_lent = False

    def grow(self, size: int) -> bool:
        """Hold so many bytes more; False, and as many as before, where they do not fit now."""
        if not self._budget.exchange(self._size, self._size + size):
            return False
        self._size += size
        return True

    def lend(self, until: "asyncio.Future[Any]") -> None:
        """Hold the bytes until something is done, whatever :meth:`release` says before."""
        self._is_lent = True
        until.add_done_callback(lambda _: self._give_back())

    def release(self) -> None:
        """Give the bytes back, unless they are lent; a second call does nothing."""
        if not self._is_lent:
            self._give_back()

    def _give_back(self) -> None:
        size, self._size = self._size, 0
        self._budget.release(size)
