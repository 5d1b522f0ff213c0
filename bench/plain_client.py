"""pymodbus's own asynchronous client on a simulated wire: what a reader gets who relies on the library alone."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from bench.hostile_wire import HostileTransport, HostileWire


class _Port(asyncio.Transport):
    """The wire as asyncio's transports are."""

    def __init__(self, under: HostileTransport) -> None:
        super().__init__()
        self._under = under

    def write(self, data: Any) -> None:
        """Send."""
        self._under.write(bytes(data))

    def close(self) -> None:
        """Hang up."""
        self._under.close()

    abort = close

    def is_closing(self) -> bool:
        """Whether it was hung up."""
        return not self._under.is_open


class PlainClient:
    """A client that is opened again whenever the library has closed it."""

    def __init__(self, kind: str, wire: HostileWire, timeout_s: float) -> None:
        """Take the wire; RTU framing is the same on a port and through a converter."""
        self._wire = wire
        self._timeout_s = timeout_s
        self._framer = FramerType.SOCKET if kind == "tcp" else FramerType.RTU
        self._client: AsyncModbusTcpClient | None = None

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is None or not self._client.connected:
            client = AsyncModbusTcpClient(
                "127.0.0.1", framer=self._framer, timeout=cast(Any, self._timeout_s), retries=0, reconnect_delay=0
            )
            under = await self._wire.open(client.ctx.data_received)
            client.ctx.connection_made(_Port(under))
            self._client = client
        return self._client

    async def read(self, unit: int, address: int, count: int) -> list[int] | None:
        """The registers, None where the library says that it failed."""
        client = await self._connected()
        try:
            answer = await client.read_holding_registers(address, count=count, device_id=unit)
        except ModbusException:
            return None
        return None if answer.isError() else list(answer.registers)
