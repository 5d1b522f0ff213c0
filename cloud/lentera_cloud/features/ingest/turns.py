"""Who may go at the same time: groups of batches whose times overlap, device by device, go one after the other."""

import asyncio
from collections.abc import Mapping, Sequence

from lentera_cloud.domain.spans import Range


class Turn:
    """One group's place in the order: it waits for those older ones alone that it overlaps."""

    def __init__(self, turns: "Turns", ranges: Mapping[str, Sequence[Range]], before: "Sequence[Turn]") -> None:
        """Wait for ``before``."""
        self._turns = turns
        self._before = before
        self._ended = asyncio.Event()
        self.ranges = ranges

    async def come(self) -> None:
        """Wait until no older group that this one overlaps is under way."""
        for older in self._before:
            await older._ended.wait()
        self._before = ()

    def end(self) -> None:
        """Let those go that wait for this one."""
        self._ended.set()
        self._turns.under_way.discard(self)


class Turns:
    """A tenant's groups that are under way. Each waits for older ones only, so that none can wait for ever."""

    def __init__(self) -> None:
        """Begin with none."""
        self.under_way: set[Turn] = set()

    def take(self, ranges: Mapping[str, Sequence[Range]]) -> Turn:
        """Join the order as the newest, with the times of each device that the group covers (ends included)."""
        turn = Turn(self, ranges, [older for older in self.under_way if _overlap(older.ranges, ranges)])
        self.under_way.add(turn)
        return turn


def _overlap(some: Mapping[str, Sequence[Range]], others: Mapping[str, Sequence[Range]]) -> bool:
    return any(
        one[0] <= other[1] and other[0] <= one[1]
        for device in some.keys() & others.keys()
        for one in some[device]
        for other in others[device]
    )
