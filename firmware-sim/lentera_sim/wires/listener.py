"""A simulated device that listens on a TCP port, and can be taken off the network and put back."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod


class Listener(ABC):
    """Listens, and keeps its connections. After `open`, `port` is the port it listens on."""

    def __init__(self, host: str, port: int) -> None:
        """Describe where; port 0 takes a free one."""
        self.host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end; cancelled when the device is taken off the network."""

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end every connection; answers already given are written down."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._server = None

    @property
    def is_plugged(self) -> bool:
        """Whether it is on the network."""
        return self._server is not None

    async def unplug(self) -> None:
        """Take it off the network: connections end and new ones are refused, until `plug`."""
        await self.close()

    async def plug(self) -> None:
        """Put it back on its port."""
        if self._server is None:
            await self.open()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self.serve(reader, writer)
        finally:
            writer.close()
