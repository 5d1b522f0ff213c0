"""How many links there may be, and how many may be opening; the rest are told when to come."""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from lentera_cloud.kit.crowding import busy
from lentera_cloud.kit.problems import Problem

AT_ONCE = 8
"""Links whose token is being checked, or whose Hello is being worked off, at the same time: each needs the registry,
and half of its connections stay for what is stored and asked meanwhile."""
LONGEST_WAIT_S = 60.0
USUAL_RATE = 20.0
"""Links opened a second, as long as nothing is known of this process."""
MEASURED = 64
FULL_S = (30.0, 90.0)


class Ticket:
    """The place of one link that is opening; given back once, when it is open or gone."""

    def __init__(self, give_back: Callable[[bool], None]) -> None:
        """Keep what gives it back."""
        self._give_back: Callable[[bool], None] | None = give_back

    def leave(self, opened: bool = False) -> None:
        """Give the place back; a second call does nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(opened)


class Door:
    """Lets links in as fast as the process opens them, and never more than it can hold.

    Who finds no place is given a moment of its own: the next free one at the pace at which links have been opening.
    So a thousand gateways that return at once come in one after the other, and each is asked to wait about once.
    """

    def __init__(
        self,
        max_links: int,
        opening: int,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Hold at most ``max_links`` links, ``opening`` of them on their way from the request to the answered Hello."""
        self._max_links = max_links
        self._limit = opening
        self._clock = clock
        self._chance = chance
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._opened: deque[float] = deque(maxlen=MEASURED)
        self._next_s = 0.0
        self.opening = 0
        self.refused = 0

    def enter(self, links: int) -> Ticket:
        """Take a place for a link that opens; ``links`` are open already.

        Raises:
            Problem: ``busy``, with when to come again.
        """
        if links + self.opening >= self._max_links:
            self.refused += 1
            raise busy(f"This process holds its {self._max_links} links: come again, to another replica.", *FULL_S)
        if self.opening >= self._limit:
            self.refused += 1
            raise self._later()
        if self.opening == 0:
            self._opened.clear()  # a pace is measured while links are waiting, not over the quiet before
        self.opening += 1
        return Ticket(self._left)

    def _left(self, opened: bool) -> None:
        self.opening -= 1
        if opened:
            self._opened.append(self._clock())

    @property
    def rate(self) -> float:
        """Links opened a second, lately."""
        if len(self._opened) < MEASURED // 4:
            return USUAL_RATE
        return (len(self._opened) - 1) / max(self._opened[-1] - self._opened[0], 0.001)

    def _later(self) -> Problem:
        now_s = self._clock()
        self._next_s = min(max(now_s, self._next_s) + 1 / self.rate, now_s + LONGEST_WAIT_S)
        wait_s = math.ceil(self._next_s - now_s + self._chance())
        return busy(f"{self._limit} links are opening already: come again after Retry-After.", wait_s, wait_s)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one of the few places beside the registry."""
        async with self._turns:
            yield
