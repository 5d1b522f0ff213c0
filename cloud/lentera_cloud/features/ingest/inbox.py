"""What a link's socket brought and nobody has handled yet: read a little ahead, to see the end while one waits.

A session may wait long for one message (a store is away, the budget is full). A socket that is not read meanwhile
shows neither its close nor the answers to pings; so it is read on, up to a bound.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LOOK_AHEAD_BYTES = 128 << 10
"""Twice what a gateway may have on the way unacknowledged (docs/formats/link.md): only a strange peer fills it."""
FRAME_COST_BYTES = 256
"""About what a waiting frame takes beside its content."""

Frame = MutableMapping[str, Any]


class Inbox:
    """Frames of one websocket in order, at most :data:`LOOK_AHEAD_BYTES` and one frame of them."""

    def __init__(self, receive: Callable[[], Awaitable[Frame]]) -> None:
        """Read by ``receive``, an ASGI websocket's."""
        self._receive = receive
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()
        self._ended = False

    async def run(self) -> None:
        """Read ahead; return when the socket's end is seen (which stays the last frame)."""
        try:
            while not self._ended:
                frame = await self._receive()
                async with self._changed:
                    self._ended = frame["type"] == "websocket.disconnect"
                    self._frames.append(frame)
                    self._bytes += _cost(frame)
                    self._changed.notify_all()
                    await self._changed.wait_for(lambda: self._ended or self._bytes <= LOOK_AHEAD_BYTES)
        finally:
            self._ended = True

    async def next(self) -> Frame:
        """Return the next frame, waiting for it."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._frames))
            frame = self._frames.popleft()
            self._bytes -= _cost(frame)
            self._changed.notify_all()
            return frame


def _cost(frame: Frame) -> int:
    return FRAME_COST_BYTES + len(frame.get("bytes") or frame.get("text") or b"")
