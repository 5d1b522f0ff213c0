"""Signals between the replicas of one process: with SQLite there is one, in tests there may be several."""

import asyncio
from collections.abc import Awaitable, Callable

from lentera_cloud.domain.signals import Signal

WAITING = 10_000


class Exchange:
    """Where the replicas of a process hear each other."""

    def __init__(self) -> None:
        """Begin with nobody listening."""
        self.ears: set[asyncio.Queue[tuple[object, Signal]]] = set()


class LocalSignals:
    """Implements :class:`lentera_cloud.ports.Signals` inside one process and event loop."""

    def __init__(self, exchange: Exchange | None = None) -> None:
        """Join an exchange; without one there are no others."""
        self._exchange = exchange or Exchange()

    async def publish(self, signal: Signal) -> None:
        """See the port."""
        for ear in self._exchange.ears:
            if not ear.full():
                ear.put_nowait((self, signal))

    async def listen(self, heard: Callable[[Signal], Awaitable[None]], missed: Callable[[], Awaitable[None]]) -> None:
        """See the port."""
        ear: asyncio.Queue[tuple[object, Signal]] = asyncio.Queue(WAITING)
        self._exchange.ears.add(ear)
        try:
            await missed()
            while True:
                if ear.full():
                    while not ear.empty():
                        ear.get_nowait()
                    await missed()
                sender, signal = await ear.get()
                if sender is not self:
                    await heard(signal)
        finally:
            self._exchange.ears.discard(ear)
