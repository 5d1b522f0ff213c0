"""End tasks for certain."""

from __future__ import annotations

import asyncio

_AGAIN_S = 0.2


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until each has ended.

    Again and again: before Python 3.12 asyncio.wait_for, which aiomqtt uses, can swallow a cancellation that comes
    together with what it waits for.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
