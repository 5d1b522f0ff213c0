"""Many Modbus TCP meters in one small process: the ruler that readers are measured with.

`python -m bench.tcp_meters OPTIONS.json`. It answers as fast as it can (or after `turnaround_ms`), reckons each meter's
values at the instant of the question, and writes down every question: on SIGTERM `questions` (OPTIONS' "log") gets one
line a question, meter number and monotonic seconds. `ports` (OPTIONS' "ports_file") holds the ports once all listen.
"""

from __future__ import annotations

import asyncio
import json
import signal
import struct
import sys
import time
from array import array
from pathlib import Path
from typing import Any, cast

from bench.load import Image

_HEADER = struct.Struct(">HHHBBHH")
_REPLY = struct.Struct(">HHHBBB")
_MIN_LENGTH = 6
_ILLEGAL_ADDRESS = 2


class Meters:
    """All meters and the questions that they were asked."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Build `meters` meters of `values` values each."""
        now_ms = time.time_ns() // 1_000_000
        self.turnaround_s = options.get("turnaround_ms", 0) / 1000
        self.images = [Image(f"meter-{number}", options["values"], now_ms) for number in range(options["meters"])]
        self.asked_meter = array("H")
        self.asked_at = array("d")

    def reply(self, meter: int, question: bytes) -> bytes:
        """Answer one whole question."""
        self.asked_meter.append(meter)
        self.asked_at.append(time.monotonic())
        transaction, _, _, unit, function, address, count = _HEADER.unpack_from(question)
        image = self.images[meter].at(time.time_ns() // 1_000_000)
        wanted = image[2 * address : 2 * (address + count)]
        if len(wanted) < 2 * count:
            return struct.pack(">HHHBBB", transaction, 0, 3, unit, function | 0x80, _ILLEGAL_ADDRESS)
        return _REPLY.pack(transaction, 0, 3 + len(wanted), unit, function, len(wanted)) + wanted

    def write_log(self, path: Path) -> None:
        """Write the questions down."""
        lines = (f"{meter} {at:.6f}\n" for meter, at in zip(self.asked_meter, self.asked_at, strict=True))
        path.write_text("".join(lines))


class Connection(asyncio.Protocol):
    """One reader's connection to one meter."""

    def __init__(self, meters: Meters, meter: int) -> None:
        """Take the meter's number."""
        self._meters = meters
        self._meter = meter
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole question; each has its own turnaround, so that several can be under way."""
        self._received += data
        while len(self._received) >= _MIN_LENGTH:
            end = _MIN_LENGTH + int.from_bytes(self._received[4:6], "big")
            if len(self._received) < end:
                return
            reply, self._received = self._meters.reply(self._meter, self._received[:end]), self._received[end:]
            if self._meters.turnaround_s:
                asyncio.get_running_loop().call_later(self._meters.turnaround_s, self._send, reply)
            else:
                self._send(reply)

    def _send(self, reply: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)


async def _run(options: dict[str, Any]) -> None:
    meters = Meters(options)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    servers = [
        await loop.create_server(lambda number=number: Connection(meters, number), "127.0.0.1", 0)
        for number in range(options["meters"])
    ]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    draft = Path(options["ports_file"] + ".draft")
    draft.write_text(json.dumps(ports))
    draft.replace(options["ports_file"])
    await stop.wait()
    meters.write_log(Path(options["log"]))


def read_log(path: Path, begin_s: float, end_s: float) -> dict[int, list[float]]:
    """Meter number -> the instants at which it was asked within a span."""
    found: dict[int, list[float]] = {}
    for line in path.read_text().splitlines():
        meter, at = line.split()
        if begin_s <= float(at) < end_s:
            found.setdefault(int(meter), []).append(float(at))
    return found


if __name__ == "__main__":
    import contextlib

    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(_run(json.loads(Path(sys.argv[1]).read_text())))
