"""uvicorn's websocket, but its end is told to whoever waits, and a peer that is silent or reads nothing is cut off."""

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from lentera_model.protocol import SILENT_S

CLOSED = "lentera.closed"
"""ASGI extension of a websocket's scope: its ``event`` is set when the connection is gone."""
SILENT_AFTER_S = SILENT_S
"""A peer that says nothing for so long is gone. Nobody asks it: a question and its answer cost more than a Beat."""
ABORT_AFTER_S = 2.0
"""A connection that is done with, but whose peer does not take the last bytes, is cut after this time."""


def closed_event(extensions: dict[str, dict[str, asyncio.Event]] | None) -> asyncio.Event:
    """Return the event of a scope's extensions; one that is never set where the server knows none."""
    return (extensions or {}).get(CLOSED, {}).get("event") or asyncio.Event()


class LinkProtocol(WebSocketsSansIOProtocol):
    """uvicorn closes a transport only once everything is written, which a peer can put off for ever."""

    closed: asyncio.Event
    abort_timer: asyncio.TimerHandle | None = None
    silence_timer: asyncio.TimerHandle | None = None
    heard_s: float = 0.0

    def data_received(self, data: bytes) -> None:
        """Note that the peer lives; parts of a long message on a slow link count as well."""
        self.heard_s = self.loop.time()
        super().data_received(data)

    def start_keepalive(self) -> None:
        """Begin to look for silence, once the websocket is open."""
        self.heard_s = self.loop.time()
        self._look_for_silence()

    def stop_keepalive(self) -> None:
        """Look no more."""
        super().stop_keepalive()
        if self.silence_timer is not None:
            self.silence_timer.cancel()
            self.silence_timer = None

    def _look_for_silence(self) -> None:
        if self.read_paused:  # we do not listen: it may well speak
            self.heard_s = self.loop.time()
        left_s = self.heard_s + SILENT_AFTER_S - self.loop.time()
        if left_s > 0:
            self.silence_timer = self.loop.call_later(left_s, self._look_for_silence)
        else:
            self.transport.abort()  # an orderly close would wait for a peer that is gone

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

    async def run_asgi(self) -> None:
        """Run the application; what is not written soon after its end is not waited for."""
        try:
            await super().run_asgi()
        finally:
            self._abort_soon()

    def _abort_soon(self) -> None:
        if self.abort_timer is None and not self.disconnected:
            self.abort_timer = self.loop.call_later(ABORT_AFTER_S, self.transport.abort)
