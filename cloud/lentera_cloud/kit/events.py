"""A domain event goes to whoever ``app.py`` subscribed: the features need not know each other."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

EventT = TypeVar("EventT")
Handler = Callable[[Any], Awaitable[None]]


class EventBus:
    """Deliver events of a class to its handlers, in this process, in the order of subscription.

    ``publish`` returns when every handler has; an error of a handler is the publisher's to deal with, as if it had
    called the handler itself.
    """

    def __init__(self) -> None:
        """Begin without subscribers."""
        self._handlers: dict[type, list[Handler]] = {}

    def subscribe(self, event: type[EventT], handler: Callable[[EventT], Awaitable[None]]) -> None:
        """Call the handler for every event of exactly this class."""
        self._handlers.setdefault(event, []).append(handler)

    async def publish(self, event: object) -> None:
        """Hand the event to its handlers, one after the other."""
        for handler in self._handlers.get(type(event), ()):
            await handler(event)
