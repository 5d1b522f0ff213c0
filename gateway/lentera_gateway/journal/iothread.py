"""The one thread that touches the journal's files, so that the event loop never waits for a card.

A daemon thread, unlike those of the standard executors: a card that hangs in the kernel must not keep the program from
ending.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")
_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class IoThread:
    """Runs callables one after the other in a thread of its own."""

    def __init__(self, name: str) -> None:
        """Start the thread; `name` is shown by tools such as top -H."""
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """Run `function(*args)` in the thread and return what it returns or raise what it raises.

        A caller that is cancelled does not stop the job: what was handed over is carried out.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        self._jobs.put((loop, future, lambda: function(*args)))
        return await future

    def stop(self) -> None:
        """End the thread after the jobs that were handed over."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, call = job
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 (handed to the caller, which raises it)
                _hand_back(loop, _fail, future, error)
            else:
                _hand_back(loop, _succeed, future, result)


def _hand_back(loop: asyncio.AbstractEventLoop, settle: Callable[..., None], *args: object) -> None:
    if not loop.is_closed():
        try:
            loop.call_soon_threadsafe(settle, *args)
        except RuntimeError:  # the loop closed in between: nobody waits for the result
            return


def _succeed(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
