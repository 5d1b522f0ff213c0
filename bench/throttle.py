"""A proxy on the loopback that lets bytes through at the pace of a slow line, so that a cold set-up can be measured.

It speaks CONNECT only (what pip uses for HTTPS) and sees nothing but encrypted bytes. All connections share one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

CHUNK_BYTES = 16_384


class _Line:
    """One line for all: a chunk may pass when those before it have had their time."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self.passed_bytes = 0

    async def pass_chunk(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        self._free_at = max(self._free_at, loop.time()) + size / self._bytes_per_s
        self.passed_bytes += size
        await asyncio.sleep(self._free_at - loop.time())


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line | None) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            if line is not None:
                await line.pass_chunk(len(chunk))
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def _serve(line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take one CONNECT, then carry bytes both ways; the way down is the slow one."""
    try:
        request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = request.split(" ", 2)
        host, _, port = target.rpartition(":")
        if method != "CONNECT":
            raise ValueError(f"only CONNECT is carried, not {method}")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
    except (ValueError, OSError, asyncio.IncompleteReadError) as error:
        writer.write(f"HTTP/1.1 502 {error}\r\n\r\n".encode("latin-1", "replace"))
        writer.close()
        return
    writer.write(b"HTTP/1.1 200 connected\r\n\r\n")
    await asyncio.gather(_copy(reader, far_writer, None), _copy(far_reader, writer, line))


@contextlib.contextmanager
def slow_line(mbit_per_s: float) -> Iterator[tuple[str, _Line]]:
    """Run the proxy in a thread; yields its address (http://127.0.0.1:PORT) and the line, which counts bytes."""
    line = _Line(mbit_per_s * 1e6 / 8)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(lambda r, w: _serve(line, r, w), "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, name="throttle", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", line
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
