"""Wires for the tests: two joined pseudo-terminals, and Modbus devices that answer as a script says."""

import asyncio
import os
import pty
import struct
import termios
import tty
from collections.abc import Callable, Coroutine
from typing import Any

from pymodbus.framer import FramerRTU

FRAME_S = 8 * 10 / 19200
"""Time of a request on a line of 19200 baud 8N1."""
Send = Callable[[bytes], None]
Answer = Callable[[bytes, Send], Coroutine[Any, Any, None]]


class PtyCable:
    """Two serial ports joined by a cable: what is written to one is read from the other."""

    def __init__(self) -> None:
        self._pairs = [pty.openpty() for _ in range(2)]
        for _, slave in self._pairs:
            tty.setraw(slave, termios.TCSANOW)
        self.ports = [os.ttyname(slave) for _, slave in self._pairs]

    def __enter__(self) -> "PtyCable":
        loop = asyncio.get_running_loop()
        masters = [master for master, _ in self._pairs]
        for source, target in (masters, masters[::-1]):
            os.set_blocking(source, False)
            loop.add_reader(source, self._copy, source, target)
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Pull the cable and both adapters out."""
        loop = asyncio.get_running_loop()
        for master, slave in self._pairs:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)
        self._pairs = []

    @staticmethod
    def _copy(source: int, target: int) -> None:
        os.write(target, os.read(source, 4096))


def rtu_frame(unit: int, function: int, words: list[int]) -> bytes:
    """Build an RTU reply."""
    body = bytes([unit, function, 2 * len(words)]) + b"".join(struct.pack(">H", word) for word in words)
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def rtu_exception(unit: int, function: int, code: int) -> bytes:
    """Build an RTU exception reply."""
    body = bytes([unit, function | 0x80, code])
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def parse_request(frame: bytes) -> tuple[int, int, int, int]:
    """Return unit, function, address, count of an RTU read request."""
    return struct.unpack(">BBHH", frame[:6])


class ScriptedRtuServer:
    """RTU over TCP: one frame per request, answered by a coroutine that may be late, wrong or silent."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.requests: list[tuple[int, int, int, int]] = []

    async def __aenter__(self) -> "ScriptedRtuServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1

        def send(data: bytes) -> None:
            if not writer.is_closing():
                writer.write(data)

        try:
            while True:
                frame = await reader.readexactly(8)
                if frame[1] == 16:
                    frame += await reader.readexactly(frame[6] + 1)
                self.requests.append(parse_request(frame))
                task = asyncio.create_task(self._answer(frame, send))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def serve_on_port(path: str, answer: Answer, requests: list[tuple[int, int, int, int]]) -> Callable[[], None]:
    """Answer RTU requests on a serial port of 19200 baud, each once its last bit has come; returns how to stop."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    loop, buffer, tasks = asyncio.get_running_loop(), bytearray(), set()

    def send(data: bytes) -> None:
        os.write(descriptor, data)

    async def serve(frame: bytes) -> None:
        # A pseudo-terminal hands bytes over at once; no device answers a question that is not yet asked.
        await asyncio.sleep(FRAME_S)
        await answer(frame, send)

    def readable() -> None:
        buffer.extend(os.read(descriptor, 4096))
        while len(buffer) >= 8:
            frame = bytes(buffer[:8])
            del buffer[:8]
            requests.append(parse_request(frame))
            task = loop.create_task(serve(frame))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    loop.add_reader(descriptor, readable)

    def stop() -> None:
        loop.remove_reader(descriptor)
        for task in tasks:
            task.cancel()
        os.close(descriptor)

    return stop
