"""A wire that goes wrong on demand: a proxy on the loopback between one gateway and one cloud.

It carries the link frame by frame, so that a fault can be put at a chosen byte of a chosen message. TCP hides the loss
of a packet: what is seen of it is the time that the repeat takes, with everything behind it waiting too. So here loss
is such a delay, never a gap in the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from lentera_sim.ports import LOOPBACK, hold_port, port_of
from tests.faults.network.frames import Cutter, Piece

Direction = Literal["up", "down"]
"""Up: from the gateway to the cloud."""
BOTH: Final[frozenset[Direction]] = frozenset({"up", "down"})
PACKET_BYTES: Final = 1400
_ATTACH_FILTER: Final = 26
"""Linux, SO_ATTACH_FILTER: a program of the kernel judges each packet before TCP sees it."""
REPEAT_S: Final = 0.6
"""About what a lost packet's repeat takes on such a link: its round trip, twice."""
MODEM_BUFFER_S: Final = 2.0
"""A modem takes so much ahead of what its air carries; then its sender must wait."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How slow one direction is. Times in seconds; `loss` is the share of packets that are repeated."""

    bits_a_second: float
    latency_s: float
    jitter_s: float = 0.0
    loss: float = 0.0


@dataclass(frozen=True, slots=True)
class Cut:
    """End the connection within a message: after `at` (0 to 1) of its bytes, by a reset or by an orderly end."""

    direction: Direction
    kind: str
    at: float
    reset: bool = False


class Lane:
    """One direction of one connection: writes whole parts at the pace that the wire has now."""

    def __init__(self, wire: Wire, direction: Direction, writer: asyncio.StreamWriter) -> None:
        """Write to `writer`."""
        self._wire = wire
        self.direction: Direction = direction
        self.putr = writer
        self._free_s = 0.0
        self._due_s = 0.0

    async def write(self, data: bytes) -> None:
        """Hand bytes on, now or as late as the wire's shape says; waits while the modem's buffer is full."""
        shape = self._wire.shapes.get(self.direction)
        loop = asyncio.get_running_loop()
        if shape is None and loop.time() >= self._due_s:
            self.put(data)
            await self.putr.drain()
            return
        shape = shape or Shape(1e9, 0)  # healed, but what is under way still comes first
        for start in range(0, len(data), PACKET_BYTES):
            packet = data[start : start + PACKET_BYTES]
            self._free_s = max(self._free_s, loop.time()) + 8 * len(packet) / shape.bits_a_second
            late_s = shape.latency_s + self._wire.dice.uniform(-shape.jitter_s, shape.jitter_s)
            if self._wire.dice.random() < shape.loss:
                late_s += REPEAT_S
                self._wire.seen[self.direction, "lost"] += 1
            self._due_s = max(self._due_s + 1e-6, self._free_s + late_s)
            loop.call_at(self._due_s, self.put, packet)
            await asyncio.sleep(max(0.0, self._free_s - loop.time() - MODEM_BUFFER_S))

    def put(self, data: bytes) -> None:
        """Write bytes now, unless the connection is over."""
        if not self.putr.is_closing():
            self.putr.write(data)


@dataclass(eq=False)
class Passage:
    """One connection through the wire."""

    wire: Wire
    near: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    hung: frozenset[Direction] = frozenset()
    said: list[Piece] = field(default_factory=list)
    """What the gateway said, part by part, as it reached the cloud."""

    async def run(self) -> None:
        """Carry both ways until either side ends or a fault ends it."""
        if self.wire.swallows:
            while await self.near[0].read(65_536):
                self.wire.saw("up", "swallowed")
            return
        self.far = await asyncio.open_connection(LOOPBACK, self.wire.upstream_port)
        lanes = (
            asyncio.create_task(self._carry(self.near[0], Lane(self.wire, "up", self.far[1]))),
            asyncio.create_task(self._carry(self.far[0], Lane(self.wire, "down", self.near[1]))),
        )
        try:
            await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, lane: Lane) -> None:
        cutter = Cutter()
        while data := await reader.read(65_536):
            for piece in cutter.feed(data):
                if lane.direction in self.hung:
                    await asyncio.Event().wait()  # nothing is carried any more, and nothing is said of it
                await self._pass(piece, lane)

    async def _pass(self, piece: Piece, lane: Lane) -> None:
        wire, cut = self.wire, self.wire.cut
        if cut is not None and (cut.direction, cut.kind) == (lane.direction, piece.kind):
            wire.cut = None
            await lane.write(piece.raw[: round(cut.at * len(piece.raw))])
            self.end(reset=cut.reset)
            wire.saw(lane.direction, "cut")
            return
        wire.saw(lane.direction, piece.kind)
        if lane.direction == "up":
            self.said.append(piece)
        elif piece.kind == "A" and wire.acknowledgements == "never":
            wire.saw("down", "withheld")
            return
        elif piece.kind == "A" and wire.acknowledgements == "late":
            wire.saw("down", "delayed")
            asyncio.get_running_loop().call_later(wire.late_s, lane.put, piece.raw)
            return
        await lane.write(piece.raw)

    def end(self, *, reset: bool) -> None:
        """End both sides: as a router does that resets, or with an orderly end."""
        for _, writer in filter(None, (self.near, self.far)):
            if reset:
                writer.transport.abort()
            else:
                writer.close()


class Wire:
    """The wire: a port that the gateway dials instead of the cloud's. Its faults may be changed while it carries."""

    def __init__(self, upstream_port: int, dice: random.Random) -> None:
        """Hold a port; nothing listens before `mend`."""
        self.upstream_port = upstream_port
        self.dice = dice
        self._held = hold_port()
        self.port = port_of(self._held)
        self.shapes: dict[Direction, Shape] = {}
        self.cut: Cut | None = None
        self.swallows = False
        self.acknowledgements: Literal["at once", "late", "never"] = "at once"
        self.late_s = 4.0
        self.seen: Counter[tuple[Direction, str]] = Counter()
        self.passages: list[Passage] = []
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    def saw(self, direction: Direction, kind: str) -> None:
        """Count what passed or was kept back, and wake who waits for it."""
        self.seen[direction, kind] += 1
        self._news.set()

    async def until(self, condition: Callable[[], object], within_s: float = 60.0) -> None:
        """Wait until a condition on what was seen holds."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_more(self, direction: Direction, kind: str, count: int = 1) -> None:
        """Wait until so many more of a kind have passed."""
        before = self.seen[direction, kind]
        await self.until(lambda: self.seen[direction, kind] >= before + count)

    async def refuse(self) -> None:
        """Refuse new connections and cut those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut_all()
        await asyncio.sleep(0)

    async def mend(self) -> None:
        """Carry again: no fault is left but in connections that hang."""
        self.shapes, self.cut, self.swallows, self.acknowledgements = {}, None, False, "at once"
        if self._server is None:
            self._server = await asyncio.start_server(self._admit, LOOPBACK, self.port)

    def cut_all(self, *, reset: bool = True) -> None:
        """End every connection that carries."""
        for passage in self.passages:
            if not passage.hung:
                passage.end(reset=reset)

    def hang(self, directions: frozenset[Direction] = BOTH) -> None:
        """Let the open connections carry nothing more, without a word to either side, as a NAT that forgot them."""
        for passage in self.passages:
            passage.hung = directions

    def forget(self) -> None:
        """Let every packet that comes on the open connections vanish, TCP's acknowledgements too: a NAT forgot them."""
        drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
        program = struct.pack("HL", 1, ctypes.addressof(drop))
        for passage in self.passages:
            passage.hung = BOTH
            for _, writer in filter(None, (passage.near, passage.far)):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)

    def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passage = Passage(self, (reader, writer))
        self.passages.append(passage)
        self.saw("up", "connection")
        task = asyncio.create_task(self._run(passage))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, passage: Passage) -> None:
        try:
            with contextlib.suppress(OSError):
                await passage.run()
        finally:
            passage.end(reset=False)
            if passage in self.passages:
                self.passages.remove(passage)

    async def close(self) -> None:
        """End everything."""
        for passage in self.passages:
            passage.end(reset=True)
        await self.refuse()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._held.close()


@asynccontextmanager
async def open_wire(upstream_port: int, dice: random.Random) -> AsyncIterator[Wire]:
    """Run a wire that carries well at first."""
    wire = Wire(upstream_port, dice)
    await wire.mend()
    try:
        yield wire
    finally:
        await wire.close()
