"""One address before several servers: each new connection goes to the next of them that takes it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


class Forwarder:
    """A round-robin forwarder of TCP; frozen, it carries nothing more and closes nothing, as a NAT that forgot."""

    def __init__(self, ports: Sequence[int]) -> None:
        """Forward to these ports of 127.0.0.1."""
        self.ports = list(ports)
        self.port = 0
        self.carried = dict.fromkeys(ports, 0)
        """Connections given to each."""
        self._turn = 0
        self._flowing = asyncio.Event()
        self._flowing.set()

    def freeze(self) -> None:
        """Carry nothing more on what is open now, without a word; new connections are carried."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self.ports:
            port = self.ports[self._turn % len(self.ports)]
            self._turn += 1
            try:
                streams = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self.carried[port] += 1
            return streams
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end closes it."""
        flowing, streams = self._flowing, await self._connect()
        if streams is None:
            writer.close()
            return
        ways = [(reader, streams[1]), (streams[0], writer)]
        pumps = [asyncio.create_task(_pump(source, sink, flowing)) for source, sink in ways]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for _, sink in ways:
                sink.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
    try:
        while data := await source.read(64 << 10):
            await flowing.wait()
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        return


@asynccontextmanager
async def open_forwarder(ports: Sequence[int]) -> AsyncIterator[Forwarder]:
    """Listen on a free port; `port` is it."""
    forwarder = Forwarder(ports)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(forwarder.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=1024)
    forwarder.port = server.sockets[0].getsockname()[1]
    try:
        yield forwarder
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
