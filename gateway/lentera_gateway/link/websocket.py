"""The link's websocket: what is due together goes out in one write, and the kernel's count of its bytes is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection

from lentera_gateway.link.tcp import Socket, TcpCount, tcp_count

END_BYTES: Final = 4 * 52
"""An orderly end's four packets, which pass after the last look."""


class LinkWebSocket(ClientConnection):
    """A websocket that gathers what is written within one turn of the event loop: one TLS record, one packet."""

    meter: Callable[[int], None]
    """Told of every byte that passed since it was told last."""
    _socket: Socket | None = None
    _counted = 0
    _due = False

    def send_data(self) -> None:
        """Write soon what waits; the end of the stream at once, in order after it."""
        if not self._due:
            self._due = True
            self.loop.call_soon(self._write)

    def _write(self) -> None:
        self._due = False
        writes = self.protocol.data_to_send()
        content = b"".join(writes)
        if content and not self.transport.is_closing():
            self.transport.write(content)
        if b"" in writes:  # the end of the stream
            self.transport.close()

    async def flush(self) -> None:
        """Write now what waits; return once the send buffer has room again."""
        self._write()
        await self.drain()

    def look(self) -> TcpCount | None:
        """Ask the kernel how this connection does, and count what passed since the last look."""
        seen = None if self._socket is None else tcp_count(self._socket)
        if seen is not None and seen.air_bytes > self._counted:
            self.meter(seen.air_bytes - self._counted)
            self._counted = seen.air_bytes
        return seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to count: the handshake of TLS is over by now and stands in the kernel's count."""
        super().connection_made(transport)
        found: Any = transport.get_extra_info("socket")  # kept: a TLS transport that is lost no longer has it
        self._socket = cast(Socket | None, found)
        self.look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what passed last."""
        self.look()
        self.meter(END_BYTES)
        super().connection_lost(exc)


def metered(meter: Callable[[int], None]) -> type[LinkWebSocket]:
    """Return the kind of websocket that tells this meter of its bytes; also of connections that never open."""

    class Metered(LinkWebSocket):
        pass

    Metered.meter = staticmethod(meter)
    return Metered
