"""A TCP connection as a `ByteTransport`: no waiting for more bytes to send, and a dead peer is noticed."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final, cast

from lentera_drivers.modbus.transport import OnBytes, OnLost, OpenTransport

_KEEPALIVE: Final = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds, seconds, times: a peer that lost its power is noticed after 35 s without a question."""


class TcpSocket(asyncio.Protocol):
    """An opened connection; made by `open_tcp`."""

    def __init__(self, where: str, on_bytes: OnBytes, on_lost: OnLost) -> None:
        """Take what the event loop will report."""
        self._where = where
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be written."""
        return self._transport is not None and not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send bytes; raises OSError when the connection is gone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise OSError(errno.ENOTCONN, f"the connection to {self._where} is closed")
        transport.write(data)

    def close(self) -> None:
        """Close at once: what is still to be sent is of no use to anybody."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket's options."""
        self._transport = cast(asyncio.Transport, transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):
                    raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        """Hand the bytes on."""
        self._on_bytes(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end, unless it was ours."""
        if self._transport is not None:
            self._transport = None
            self._on_lost(exc)


def open_tcp(host: str, port: int, timeout_s: float) -> OpenTransport:
    """Return a function that connects to a host.

    Args:
        host: name or address.
        port: TCP port.
        timeout_s: how long the host may take to accept the connection, the look-up of its name included.
    """

    async def connect(on_bytes: OnBytes, on_lost: OnLost) -> TcpSocket:
        where = f"{host}:{port}"
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                _, protocol = await loop.create_connection(lambda: TcpSocket(where, on_bytes, on_lost), host, port)
        except TimeoutError as error:
            words = f"{where} does not take the connection within {timeout_s:g} s"
            raise TimeoutError(errno.ETIMEDOUT, words) from error
        except ConnectionRefusedError as error:
            words = f"{where} refuses the connection: nothing listens there"
            raise ConnectionRefusedError(errno.ECONNREFUSED, words) from error
        return protocol

    return connect
