"""Packets larger than any device's are passed over as they arrive: ten megabytes cost neither memory nor connection.

An MQTT 5 broker is told a maximum packet size and keeps such messages to itself. MQTT 3.1.1 has no such word, and paho
would collect the whole packet before anybody could refuse it. Where it reads from the socket, this guard takes the
bytes of a packet beyond the limit itself, keeps the first few kilobytes, and lets paho have those as the packet: it is
acknowledged and handed on like any other, with a payload that is cut short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiomqtt import Client

MAX_PACKET_BYTES: Final = 64 * 1024
_CHUNK: Final = 64 * 1024
_HEAD: Final = 4 * 1024
"""Enough for packet id, the longest topic that is subscribed to, and the beginning of the payload."""
_PUBLISH: Final = 0x30


class OversizeGuard:
    """Stands between paho and its socket, for one connection."""

    def __init__(self, client: Client, limit: int = MAX_PACKET_BYTES) -> None:
        """Take a client that has not connected yet."""
        self._paho: Any = client._client  # neither library lets a reader say where to stop
        self._recv: Callable[[int], bytes] = self._paho._sock_recv
        self._paho._sock_recv = self._read
        self._limit = limit
        self._head = bytearray()
        self._size: int | None = None

    def take_size(self) -> int | None:
        """Return the size in bytes of the packet whose message is handed on now, if it was cut short."""
        size, self._size = self._size, None
        return size

    def _read(self, count: int) -> bytes:
        packet = self._paho._in_packet
        size, left = packet["remaining_length"], packet["to_process"]
        if not packet["have_remaining"] or size <= self._limit or packet["command"] & 0xF0 != _PUBLISH:
            return self._recv(count)
        data = self._recv(min(left, _CHUNK))
        if not data:
            return data
        if left == size:
            self._head.clear()
        self._head += data[: _HEAD - len(self._head)]
        packet["to_process"] = left - len(data) + 1  # paho takes off one for the byte that it is given
        if len(data) < left:
            return b"\0"
        packet["packet"] = self._head[:-1]
        self._size = size
        return bytes(self._head[-1:])
