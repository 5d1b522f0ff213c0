"""The lightest reader of Modbus TCP meters that keeps time: what a simulator's cost is measured with.

`python -m bench.light_reader OPTIONS.json`. It asks each of OPTIONS' "ports" for each of "requests" (function code,
address, count) every `every_s`, one request of a meter after the other and the meters spread over the interval; it
decodes nothing. On SIGTERM `Reader.figures` goes to OPTIONS' "log" as JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

HEADER_BYTES = 6
_EXCEPTION = 0x80


def question(transaction: int, unit: int, function: int, address: int, count: int) -> bytes:
    """A read of registers as Modbus TCP carries it."""
    body = bytes([unit, function]) + address.to_bytes(2) + count.to_bytes(2)
    return transaction.to_bytes(2) + bytes(2) + len(body).to_bytes(2) + body


def whole_replies(heard: bytes) -> tuple[list[bytes], bytes]:
    """Cut what was heard into whole frames, and what is left of the next."""
    frames: list[bytes] = []
    while len(heard) >= HEADER_BYTES:
        end = HEADER_BYTES + int.from_bytes(heard[4:6])
        if len(heard) < end:
            break
        frames.append(heard[:end])
        heard = heard[end:]
    return frames, heard


class Reader(asyncio.Protocol):
    """One meter's connection."""

    def __init__(self, requests: Sequence[Sequence[int]], every_s: float) -> None:
        """Take the requests of a poll and its interval."""
        self._questions = [question(at, 1, *request) for at, request in enumerate(requests)]
        self._every_s = every_s
        self._heard = b""
        self._next = len(self._questions)
        self._transport: asyncio.Transport | None = None
        self.polls = self.missed = self.refused = 0
        self.slowest_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)

    def poll(self, due_s: float) -> None:
        """Begin a poll that is due, unless the one before is still under way: that is one missed."""
        loop = asyncio.get_running_loop()
        loop.call_at(due_s + self._every_s, self.poll, due_s + self._every_s)
        if self._next < len(self._questions):
            self.missed += 1
            return
        self._next = 0
        self._began_s = loop.time()
        self._ask()

    def _ask(self) -> None:
        if self._transport is not None:
            self._transport.write(self._questions[self._next])

    def data_received(self, data: bytes) -> None:
        """Ask the next request of the poll after each answer."""
        frames, self._heard = whole_replies(self._heard + data)
        for frame in frames:
            self.refused += bool(frame[7] & _EXCEPTION)
            self._next += 1
            if self._next < len(self._questions):
                self._ask()
            else:
                self.polls += 1
                self.slowest_s = max(self.slowest_s, asyncio.get_running_loop().time() - self._began_s)


def figures(readers: Sequence[Reader]) -> dict[str, Any]:
    """What all readers made of their meters."""
    return {
        "polls": sum(one.polls for one in readers),
        "missed": sum(one.missed for one in readers),
        "refused": sum(one.refused for one in readers),
        "slowest_ms": round(1000 * max((one.slowest_s for one in readers), default=0.0), 1),
    }


async def _run(options: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    every_s: float = options["every_s"]
    readers = [Reader(options["requests"], every_s) for _ in options["ports"]]
    for reader, port in zip(readers, options["ports"], strict=True):
        await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)
    begin_s = loop.time()
    for at, reader in enumerate(readers):
        loop.call_at(due_s := begin_s + every_s * at / len(readers), reader.poll, due_s)
    await stop.wait()
    Path(options["log"]).write_text(json.dumps(figures(readers)))


if __name__ == "__main__":
    asyncio.run(_run(json.loads(Path(sys.argv[1]).read_text())))
