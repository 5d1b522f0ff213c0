"""What opens the port or host that a bus names; what it needs is imported only for the kind of bus that there is."""

from __future__ import annotations

from typing import Final

from lentera_drivers.modbus.transport import LineSettings, OpenTransport
from lentera_model.config import ModbusBus

_CONNECT_S: Final = 1.0


def opener_of(bus: ModbusBus, settings: LineSettings) -> OpenTransport:
    """Return what opens a bus's port, in its settings, or its host."""
    if bus.transport != "rtu":
        from lentera_drivers.modbus.tcp_socket import open_tcp

        return open_tcp(str(bus.host), bus.tcp_port, max(_CONNECT_S, bus.timeout_ms / 1000))
    from lentera_drivers.modbus.serial_line import open_line

    return open_line(bus, settings)
