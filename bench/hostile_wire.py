"""A wire that does everything that real wires do to a reader, in simulated time, with values that prove their origin.

Each register pair holds `stamp(unit, place, now)`: whose register it is and when it was read off the dial, so that
whatever a reader believes can be held against whom it asked, for what, and when. The wire is a serial line (`rtu`), a
serial line behind a converter that hands replies over one after the other however late (`rtu_over_tcp`), or a socket
(`tcp`). Faults are drawn for each question by their shares; nothing in here knows the code that it tests.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.line_meters import BITS_A_CHARACTER
from lentera_sim.wires.crc import crc16

BEHIND_FOR = 4
"""Questions that a unit stays behind for."""
TICK_S = 0.05
"""A stamp's resolution in simulated seconds."""
_TICKS = 1 << 21
_PLACES = 1 << 6
LONGEST_S = _TICKS * TICK_S
"""After so many simulated seconds the stamps begin anew."""
_INPUTS = 16
"""Places of input registers are these many further: another register of the same number."""
OnBytes = Callable[[bytes], None]

FAULTS: Mapping[str, float] = {
    "late": 0.02,  # the reply comes after the reader has given up, often into its next question
    "behind": 0.01,  # the unit, or what stands before it, answers its next questions with the replies before them
    "silent": 0.01,
    "exception": 0.01,
    "damaged": 0.02,  # one to three bits, or a burst of up to 16, are wrong: what a CRC is made to find
    "noise": 0.01,  # bytes that mean nothing before the reply
    "cut": 0.01,  # the end of the reply is missing
    "chatter": 0.01,  # a frame of somebody else, whole and with a good check sum, before the reply
    "split": 0.05,  # the reply comes in two pieces
}
"""The mixture of the bench. More faults can be asked for by name: `other_unit`, `other_function` and `other_count`
answer what another unit would have said, or this one to another question; `doubled` says the reply twice; `echo` brings
the question back before it; `panel` is a lighting panel that talks between the frames."""


def stamp(unit: int, place: int, now_s: float) -> int:
    """What the register pair at a place (pair number) says: 32 bits of unit, place and time."""
    return (unit & 0x1F) << 27 | (place % _PLACES) << 21 | int(now_s / TICK_S) % _TICKS


def is_true(value: int, unit: int, place: int, asked_s: float, answered_s: float) -> bool:
    """Whether a value is that of this unit and place at an instant between question and answer."""
    if value >> 21 != (unit & 0x1F) << 6 | place % _PLACES:
        return False
    return int(asked_s / TICK_S) <= value % _TICKS <= int(answered_s / TICK_S)


def damaged(frame: bytes, rng: random.Random) -> bytes:
    """The frame with one to three bits or a burst of at most 16 bits inverted."""
    bits = 8 * len(frame)
    if rng.random() < 0.5:
        wrong = {rng.randrange(bits) for _ in range(rng.randint(1, 3))}
    else:
        begin, length = rng.randrange(bits - 16), rng.randint(2, 16)
        wrong = {begin, *(begin + at for at in range(1, length) if rng.random() < 0.5)}
    found = bytearray(frame)
    for bit in wrong:
        found[bit // 8] ^= 1 << bit % 8
    return bytes(found)


@dataclass(slots=True)
class HostileWire:
    """The wire and its units; each `open` gives a transport, as a port or socket that is opened again would.

    Args:
        kind: rtu, rtu_over_tcp or tcp.
        pairs: the register pairs that a unit has, as first addresses of blocks and their numbers of pairs.
        timeout_s: how long the reader waits.
        seed: of the faults.
        shares: fault -> share of the questions.
        baud: of the line.
        turnaround_s: of the units.
        late_s: from when to when late replies come; up to three times the time-out where it is not given.
        in_turn: a unit answers its questions in their order, however late; else a late reply may come behind others.
    """

    kind: str
    pairs: Mapping[int, int]
    timeout_s: float
    seed: int
    shares: Mapping[str, float] = field(default_factory=lambda: FAULTS)
    baud: int = 115_200
    turnaround_s: float = 0.005
    late_s: tuple[float, float] | None = None
    in_turn: bool = False
    questions: int = 0
    faults: dict[str, int] = field(default_factory=dict[str, int])
    _rng: random.Random = field(init=False)
    _now: HostileTransport | None = field(init=False, default=None)
    _free_at: float = field(init=False, default=0.0)
    _stream_free_at: float = field(init=False, default=0.0)
    _unit_free_at: dict[int, float] = field(init=False, default_factory=dict[int, float])
    _behind: dict[int, list[tuple[bytes, float]]] = field(
        init=False, default_factory=dict[int, list[tuple[bytes, float]]]
    )

    def __post_init__(self) -> None:
        """Seed the faults."""
        self._rng = random.Random(self.seed)

    async def open(self, on_bytes: OnBytes, on_lost: object = None) -> HostileTransport:
        """Open the port or socket; an earlier one hears nothing more."""
        self._now = HostileTransport(self, on_bytes)
        return self._now

    def listener(self) -> HostileTransport | None:
        """Who holds the port now."""
        return self._now

    def ask(self, question: bytes, transport: HostileTransport) -> None:
        """Take a question's bytes, draw its fate, and send what comes of it."""
        self.questions += 1
        loop = asyncio.get_running_loop()
        fault = self._draw()
        asked = self._overdue(question, fault)
        if fault == "silent" or asked is None:
            return
        question, read_s = asked
        wait_s = self.turnaround_s + len(question) * BITS_A_CHARACTER / self.baud
        if fault == "late":
            wait_s = self._rng.uniform(*(self.late_s or (0.9 * self.timeout_s, 3.0 * self.timeout_s)))
        # A socket of its own for each question keeps nothing; a converter has one queue and keeps its order.
        begin = loop.time() + wait_s
        if self.kind == "rtu_over_tcp":
            begin = self._free_at = max(begin, self._free_at)
        elif self.in_turn:
            begin = self._unit_free_at[question[0]] = max(begin, self._unit_free_at.get(question[0], 0.0))
        loop.call_at(begin, self._reply, question, read_s, fault, transport)

    def _overdue(self, question: bytes, fault: str | None) -> tuple[bytes, float] | None:
        """Return what is answered now, and when it was read: this question, or the one before of a unit that is behind.

        A unit that falls behind says nothing to this question, is one behind for a few, and then forgets the last.
        """
        unit, now_s = question[6 if self.kind == "tcp" else 0], asyncio.get_running_loop().time()
        kept = self._behind.get(unit)
        if kept is None:
            if fault != "behind":
                return question, now_s
            self._behind[unit] = [(question, now_s)] * BEHIND_FOR
            return None
        before = kept.pop()
        if not kept:
            del self._behind[unit]
            return before
        kept[-1] = (question, now_s)
        return before

    def _draw(self) -> str | None:
        at = self._rng.random()
        for fault, share in self.shares.items():
            at -= share
            if at < 0:
                self.faults[fault] = self.faults.get(fault, 0) + 1
                return fault
        return None

    def _reply(self, question: bytes, read_s: float, fault: str | None, transport: HostileTransport) -> None:
        loop = asyncio.get_running_loop()
        head, body = (question[:6], question[6:]) if self.kind == "tcp" else (b"", question[:-2])
        unit, function, address, count = struct.unpack(">BBHH", body)
        unit, function, address, count = self._mistaken(fault, unit, function, address, count)
        if fault == "exception":
            pdu = bytes([function | 0x80, self._rng.choice((2, 4, 6))])
        else:
            first = next((begin for begin, pairs in self.pairs.items() if begin <= address < begin + 2 * pairs), None)
            if first is None:
                pdu = bytes([function | 0x80, 2])
            else:
                places = range(address // 2, (address + count) // 2)
                pdu = bytes([function, 2 * count]) + b"".join(
                    struct.pack(">I", stamp(unit, place + _INPUTS * (function == 4), read_s)) for place in places
                )
        frame = self._frame(head, bytes([unit]) + pdu)
        # A stream keeps its order: no byte of another frame comes between two pieces of one.
        wait_s = max(0.0, self._stream_free_at - loop.time())
        for pause_s, piece in self._pieces(question if fault == "echo" else b"", frame, fault):
            wait_s += pause_s + len(piece) * BITS_A_CHARACTER / self.baud
            loop.call_later(wait_s, transport.deliver, piece)
        if self.kind != "rtu":
            self._stream_free_at = loop.time() + wait_s

    def _mistaken(
        self, fault: str | None, unit: int, function: int, address: int, count: int
    ) -> tuple[int, int, int, int]:
        """What is answered instead of what was asked."""
        if fault == "other_unit":
            return unit % 24 + 1, function, address, count
        if fault == "other_function":
            return unit, 7 - function, address, count
        if fault == "other_count" and count > 2:
            return unit, function, address + 2, count - 2
        return unit, function, address, count

    def _frame(self, head: bytes, body: bytes) -> bytes:
        if self.kind == "tcp":
            return head[:4] + len(body).to_bytes(2, "big") + body
        return body + crc16(body)

    def _pieces(self, echo: bytes, frame: bytes, fault: str | None) -> list[tuple[float, bytes]]:
        """What arrives, and how long a pause before it. On TCP bytes arrive as they were sent or not at all."""
        rng = self._rng
        if echo:
            return [(0.0, echo + frame)]
        if fault == "doubled":
            return [(0.0, frame), (0.004, frame)]
        if fault == "split":
            cut = rng.randrange(1, len(frame))
            return [(0.0, frame[:cut]), (0.002, frame[cut:])]
        if self.kind == "tcp":
            return [] if fault in ("damaged", "cut") else [(0.0, frame)]
        if fault == "damaged":
            return [(0.0, damaged(frame, rng))]
        if fault == "cut":
            return [(0.0, frame[: rng.randrange(1, len(frame))])]
        if fault == "noise":
            return [(0.0, rng.randbytes(rng.randint(1, 12))), (0.004, frame)]
        if fault in ("chatter", "panel"):
            body = bytes([rng.randint(200, 240), 3, 4]) + rng.randbytes(4)
            foreign = body + crc16(body)
            return [(0.0, foreign), (0.004, frame)] if fault == "chatter" else [(0.0, frame), (0.004, foreign)]
        return [(0.0, frame)]


class HostileTransport:
    """One opening of the wire."""

    def __init__(self, wire: HostileWire, on_bytes: OnBytes) -> None:
        """Take the wire and who listens."""
        self._wire = wire
        self.on_bytes = on_bytes
        self.is_open = True

    def write(self, data: bytes) -> None:
        """Send a question."""
        self._wire.ask(bytes(data), self)

    def close(self) -> None:
        """Hang up: what is still under way is lost, except on a serial line, whose other opening hears it."""
        self.is_open = False

    def deliver(self, data: bytes) -> None:
        """Bytes have arrived. A serial line's belong to whoever holds the port then."""
        heard = self._wire.listener() if self._wire.kind == "rtu" else self
        if heard is not None and heard.is_open:
            heard.on_bytes(data)
