"""How many questions of a bus may be unanswered at a time: a mesh carries about fifteen messages a second, for all.

When a whole street is dimmed at once, each lamp's command wants to ask whether its lamp has acted. Asked freely, those
questions would fill the radio's queue for longer than the commands have time. So a few are under way at a time, and an
answer makes place for the next: the radio's own pace becomes the questions' pace, whatever it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

LIMIT: Final = 8
PATIENCE_MS: Final = 1_500
"""A question that is not answered by then holds its place no longer."""


class Questions:
    """The questions under way on one bus. Times are monotonic milliseconds."""

    def __init__(self, limit: int = LIMIT, patience_ms: int = PATIENCE_MS) -> None:
        """Nothing has been asked."""
        self._limit = limit
        self._patience_ms = patience_ms
        self._under_way: deque[tuple[str, int]] = deque()
        self._waiting: deque[tuple[str, Callable[[], None]]] = deque()

    def wait_ms(self, device: str, now_ms: int, wake: Callable[[], None]) -> int:
        """Return 0 and take a place if the device may be asked now; else how long to wait at most until asking again.

        Places are given in the order of waiting; `wake` is called when it may be the device's turn earlier.
        """
        while self._under_way and now_ms - self._under_way[0][1] >= self._patience_ms:
            self._under_way.popleft()
        if all(name != device for name, _ in self._waiting):
            self._waiting.append((device, wake))
        ahead = next(place for place, (name, _) in enumerate(self._waiting) if name == device)
        if ahead < self._limit - len(self._under_way):
            self._leave(device)
            self._under_way.append((device, now_ms))
            return 0
        oldest_ms = self._under_way[0][1] if self._under_way else now_ms
        return max(1, oldest_ms + self._patience_ms - now_ms)

    def heard(self, device: str) -> None:
        """Note that a device has said something: its oldest question is answered, as far as can be told."""
        found = next((entry for entry in self._under_way if entry[0] == device), None)
        if found is not None:
            self._under_way.remove(found)
            self._wake()

    def end(self, device: str) -> None:
        """Note that nobody waits for the device's answers any more."""
        self._leave(device)
        self._under_way = deque(entry for entry in self._under_way if entry[0] != device)
        self._wake()

    def _wake(self) -> None:
        for _, wake in list(self._waiting)[: max(0, self._limit - len(self._under_way))]:
            wake()

    def _leave(self, device: str) -> None:
        self._waiting = deque(entry for entry in self._waiting if entry[0] != device)
