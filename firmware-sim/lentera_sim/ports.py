"""TCP ports of the loopback for servers that start later: held, so that no other program is given them meanwhile."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def hold_port(port: int = 0) -> socket.socket:
    """Return a socket bound to `port` of the loopback (0: one that is free now); its name holds the number.

    While it is open the system gives the port to nobody who asks for just any, neither to listen nor to connect from,
    but a server that asks for this very one with SO_REUSEADDR (they all do) may listen on it, again and again: a bound
    socket that never listens is in nobody's way (socket(7)). A number that was only looked up is another program's a
    moment later.

    Raises:
        OSError: another program listens on this port.
    """
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        raise
    return holder


def port_of(holder: socket.socket) -> int:
    """The number of the port that `holder` holds."""
    return holder.getsockname()[1]
