"""Packets larger than any device's are passed over as they arrive: ten megabytes cost neither memory nor connection.

An MQTT 5 broker could be told a maximum packet size, but then it drops what is larger without a word, and nobody would
learn which device publishes what is of no use. MQTT 3.1.1 has no such word at all, and paho would collect the whole
packet before anybody could refuse it. Where it reads from the socket, this guard takes the bytes of a packet beyond the
limit itself, keeps the first few kilobytes, and lets paho have those as the packet: it is acknowledged and handed on
like any other, with a payload that is cut short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiomqtt import Client, ProtocolVersion

MAX_PACKET_BYTES: Final = 64 * 1024
_CHUNK: Final = 64 * 1024
_HEAD: Final = 4 * 1024
"""Enough for packet id, the longest topic that is subscribed to, and the beginning of the payload."""
_PUBLISH: Final = 0x30
_QOS: Final = 0x06


class OversizeGuard:
    """Stands between paho and its socket, for one connection."""

    def __init__(self, client: Client, protocol: ProtocolVersion, limit: int = MAX_PACKET_BYTES) -> None:
        """Take a client that has not connected yet, and the protocol that it will speak."""
        self._paho: Any = client._client  # neither library lets a reader say where to stop
        self._recv: Callable[[int], bytes] = self._paho._sock_recv
        self._paho._sock_recv = self._read
        self._protocol = protocol
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
        head = self._head
        if self._protocol is ProtocolVersion.V5:
            head = without_properties(head, has_packet_id=bool(packet["command"] & _QOS))
        packet["packet"] = head[:-1]
        self._size = size
        return bytes(head[-1:])


def without_properties(head: bytearray, *, has_packet_id: bool) -> bytearray:
    """Return the beginning of an MQTT 5 PUBLISH with its properties left out.

    They may be longer than what was kept, and paho would end the connection over properties that are cut short; the
    broker would send the same message again, and so for ever.
    """
    at = 2 + int.from_bytes(head[:2]) + 2 * has_packet_id
    length, shift, first = 0, 0, at
    for byte in head[first : first + 4]:
        length |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            break
    return head[:first] + b"\0" + head[at + length :]
