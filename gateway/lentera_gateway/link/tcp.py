"""What the kernel counts of one TCP connection (Linux, TCP_INFO): all that a SIM is charged for, but its very end."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final, Protocol

_BYTES: Final = 232
_TIMESTAMPS: Final = 1
_OPTIONS_AT: Final = 5
_UNACKNOWLEDGED_AT: Final = 24
_LAST_ACK_AT: Final = 56
_RECEIVED_AT: Final = 128
_SEGMENTS_AT: Final = 136
_SENT_AT: Final = 200
_TCP_HEADER: Final = 20
_TIMESTAMP_OPTION: Final = 12
_IPV4_HEADER: Final = 20
_IPV6_HEADER: Final = 40


class Socket(Protocol):
    """What is used of a socket; an event loop hands out one with less than all methods."""

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        ...

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """As of a socket."""
        ...


@dataclass(frozen=True, slots=True)
class TcpCount:
    """A look at one connection.

    Attributes:
        air_bytes: everything that passed both ways until now: content with repeats, and the headers of every packet.
        unacknowledged: packets sent that the other end's TCP has not acknowledged.
        last_ack_ago_ms: how long ago its last acknowledgement came.
    """

    air_bytes: int
    unacknowledged: int
    last_ack_ago_ms: int


def tcp_count(connected: Socket) -> TcpCount | None:
    """Look at a connection; None where the kernel does not say (an old one, no Linux, a socket that is closed)."""
    try:
        info = connected.getsockopt(socket.IPPROTO_TCP, getattr(socket, "TCP_INFO", 11), _BYTES)
    except (OSError, ValueError):
        return None
    return read_tcp_info(info, _IPV6_HEADER if connected.family == socket.AF_INET6 else _IPV4_HEADER)


def read_tcp_info(info: bytes, ip_header: int) -> TcpCount | None:
    """Read the kernel's `struct tcp_info`; None where an old kernel's ends before what is needed. Pure."""
    if len(info) < _SENT_AT + 8:
        return None
    (unacknowledged,) = struct.unpack_from("=I", info, _UNACKNOWLEDGED_AT)
    (last_ack_ago_ms,) = struct.unpack_from("=I", info, _LAST_ACK_AT)
    (received,) = struct.unpack_from("=Q", info, _RECEIVED_AT)
    out, into = struct.unpack_from("=II", info, _SEGMENTS_AT)
    (sent,) = struct.unpack_from("=Q", info, _SENT_AT)
    header = ip_header + _TCP_HEADER + (_TIMESTAMP_OPTION if info[_OPTIONS_AT] & _TIMESTAMPS else 0)
    return TcpCount(sent + received + (out + into) * header, unacknowledged, last_ack_ago_ms)
