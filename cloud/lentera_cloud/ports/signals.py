"""The port between replicas: each tells the others what concerns their links and their caches."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from lentera_cloud.domain.signals import Signal


class Signals(Protocol):
    """Small events from each replica to all others, at most once: whoever does not listen just then misses them.

    So nothing rests on them but how soon a replica notices; ``missed`` is the time to look up what may have changed.
    """

    async def publish(self, signal: Signal) -> None:
        """Tell every other replica that listens.

        Raises :class:`lentera_cloud.ports.StoreUnavailableError` when it cannot be told now.
        """
        ...

    async def listen(self, heard: Callable[[Signal], Awaitable[None]], missed: Callable[[], Awaitable[None]]) -> None:
        """Hand on what the others tell, one after the other, until cancelled; connects again by itself.

        ``missed`` is called each time listening has begun, and when more came than could be kept: anything may have
        been told in between. What is told from then on is handed on after it. Both deal with their own errors: one that
        they raise ends the listening.
        """
        ...
