"""uvicorn's websocket, but its end is told to whoever waits, and a peer that reads nothing is cut off."""

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

CLOSED = "lentera.closed"
"""ASGI extension of a websocket's scope: its ``event`` is set when the connection is gone."""
ABORT_AFTER_S = 2.0
"""A connection that is done with, but whose peer does not take the last bytes, is cut after this time."""


def closed_event(extensions: dict[str, dict[str, asyncio.Event]] | None) -> asyncio.Event:
    """Return the event of a scope's extensions; one that is never set where the server knows none."""
    return (extensions or {}).get(CLOSED, {}).get("event") or asyncio.Event()


class LinkProtocol(WebSocketsSansIOProtocol):
    """uvicorn closes a transport only once everything is written, which a peer can put off for ever."""

    closed: asyncio.Event
    abort_timer: asyncio.TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        """Add the extension to the scope before the application sees it."""
        self.closed = asyncio.Event()
        super().handle_connect(event)
        if hasattr(self, "scope"):  # no scope: the handshake was refused
            self.scope["extensions"][CLOSED] = {"event": self.closed}  # type: ignore[index]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application's waiters."""
        super().connection_lost(exc)
        if self.abort_timer is not None:
            self.abort_timer.cancel()
        if hasattr(self, "closed"):
            self.closed.set()

    def keepalive_timeout(self) -> None:
        """Cut a peer that answers no ping."""
        super().keepalive_timeout()
        self._abort_soon()

    async def run_asgi(self) -> None:
        """Run the application; what is not written soon after its end is not waited for."""
        try:
            await super().run_asgi()
        finally:
            self._abort_soon()

    def _abort_soon(self) -> None:
        if self.abort_timer is None and not self.disconnected:
            self.abort_timer = self.loop.call_later(ABORT_AFTER_S, self.transport.abort)
