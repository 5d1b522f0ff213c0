"""Opens the serial port that a bus names."""

from __future__ import annotations

from pathlib import Path

from lentera_drivers.modbus.rs485 import Rs485
from lentera_drivers.modbus.serial_port import open_serial
from lentera_drivers.modbus.transport import ByteTransport, LineSettings, OnBytes, OnLost, OpenTransport
from lentera_model.config import ModbusBus


def open_line(bus: ModbusBus, settings: LineSettings) -> OpenTransport:
    """Return a function that opens the bus's port in its settings."""
    rs485 = Rs485(bus.rs485, bus.rs485_before_ms, bus.rs485_after_ms)
    open_port = open_serial(Path(str(bus.port)), rs485, low_latency=bus.low_latency)

    async def connect(on_bytes: OnBytes, on_lost: OnLost) -> ByteTransport:
        return await open_port(settings, on_bytes, on_lost)

    return connect
