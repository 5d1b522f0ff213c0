"""The one connection of a bus: opened when needed, opened again with a bounded back-off, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lentera_drivers.interface import BusDownError
from lentera_drivers.modbus.transport import ByteTransport, OnBytes, OpenTransport

_FIRST_BACKOFF_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
PORT_LONGEST_PAUSE_S: Final = 2.0
"""To look for a port costs nobody anything, and who plugs an adapter in stands beside it."""


class Connection:
    """Keeps a transport open. A request finds the bus down at once instead of waiting for it."""

    def __init__(
        self,
        where: str,
        connect: OpenTransport,
        on_bytes: OnBytes,
        on_gone: Callable[[str], None],
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            where: the port or host, for messages.
            connect: opens the transport.
            on_bytes: takes what is heard.
            on_gone: told why the transport ended, when it was not closed by us.
            longest_pause_s: between two tries.
        """
        self.where = where
        self.openings = 0
        self.is_down = False
        self._connect = connect
        self._on_bytes = on_bytes
        self._on_gone = on_gone
        self._longest_pause_s = longest_pause_s
        self._transport: ByteTransport | None = None
        self._backoff_s = _FIRST_BACKOFF_S
        self._next_try_at = 0.0
        self._down_because = ""
        self._opening = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether bytes can be written."""
        return self._transport is not None and self._transport.is_open

    async def get(self, device: str) -> ByteTransport:
        """Return the open transport, opening it when its time has come.

        Raises:
            BusDownError: it cannot be opened, or was tried a moment ago; `device` is named in it.
        """
        if self._transport is not None and self._transport.is_open:
            return self._transport
        async with self._opening:
            transport = self._transport
            if transport is None or not transport.is_open:  # nobody else has opened it meanwhile
                transport = await self._open(device)
            return transport

    async def _open(self, device: str) -> ByteTransport:
        self.drop()
        if asyncio.get_running_loop().time() < self._next_try_at:
            raise BusDownError(device, f"{self.where} is down ({self._down_because}); tried again shortly")
        try:
            transport = self._transport = await self._connect(self._on_bytes, self._lost)
        except (OSError, ValueError) as error:
            raise self.failed(device, getattr(error, "strerror", None) or str(error)) from error
        self.openings += 1
        self.is_down = False
        return transport

    def proved(self) -> None:
        """An answer came: the next failure begins with a short pause again."""
        self._backoff_s = _FIRST_BACKOFF_S

    def failed(self, device: str, reason: str) -> BusDownError:
        """Close, set the time of the next try, and return the error to raise."""
        self.drop()
        self._down_because, self.is_down = reason, True
        now = asyncio.get_running_loop().time()
        if now >= self._next_try_at:  # of several questions that a lost connection ends, the first sets the pause
            self._next_try_at = now + self._backoff_s
            self._backoff_s = min(2 * self._backoff_s, self._longest_pause_s)
        return BusDownError(device, f"{self.where} cannot be reached: {reason}; check cable, power and address")

    def drop(self) -> None:
        """Close what is open; the next request opens it again at once."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _lost(self, error: Exception | None) -> None:
        self._transport = None
        self._on_gone(str(error) if error is not None else "the connection was closed by the other side")
