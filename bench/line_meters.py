"""One RS-485 line with many meters as a process of its own: the ruler that readers of a line are measured with.

`python -m bench.line_meters OPTIONS.json`. The line is a pseudo-terminal (its path goes to OPTIONS' "port_file"). What
a reader writes arrives at once, as from a UART's buffer, and needs its time on the wire: characters at the baud rate,
3.5 characters of silence by which the unit knows the end, then the unit's turnaround; the reply's bytes are handed over
in groups of 16 characters, each when its last bit would have passed, as an adapter's buffer does. All is reckoned
from absolute instants, so that what a reader loses is the reader's own. What comes while a reply is on the wire
collides with it: both are lost. Each completed transaction is written down on SIGTERM in OPTIONS' "log": unit, when it
was asked and when its last byte was handed over (monotonic s), characters on the wire, silence before it in seconds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import Image
from lentera_sim.wires.crc import crc16

BITS_A_CHARACTER = 10
SILENCE_CHARACTERS = 3.5
_GROUP = 16
_REQUEST = 8
_FRAME = 5
"""Characters of a reply beside its registers: unit, function, length and two of CRC."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A question that was answered whole."""

    unit: int
    asked_s: float
    answered_s: float
    characters: int
    silence_s: float


@dataclass(frozen=True, slots=True)
class Timing:
    """What a transaction must take on the wire."""

    baud: int
    turnaround_s: float

    @property
    def character_s(self) -> float:
        """Time of one character, 8N1."""
        return BITS_A_CHARACTER / self.baud

    @property
    def silence_s(self) -> float:
        """3.5 characters, never less than 1.75 ms (Modbus over serial line V1.02, 2.5.1.1)."""
        return max(SILENCE_CHARACTERS * self.character_s, 0.00175)

    def least_s(self, characters: int) -> float:
        """The physical limit: characters of question and reply, two silences, the unit's turnaround."""
        return characters * self.character_s + 2 * self.silence_s + self.turnaround_s


class Line:
    """The line and its meters."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Build units 1 to `meters`, of which those in `dead` are silent."""
        now_ms = time.time_ns() // 1_000_000
        self.timing = Timing(options["baud"], options["turnaround_ms"] / 1000)
        dead = set(options.get("dead", ()))
        units = (unit for unit in range(1, options["meters"] + 1) if unit not in dead)
        self.images = {unit: Image(f"meter-{unit}", options["values"], now_ms) for unit in units}
        self.done: list[Transaction] = []
        self.collisions = 0
        self.stopping = False
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self._free_at_s = 0.0

    @property
    def port(self) -> str:
        """The path that a reader opens."""
        return os.ttyname(self._slave)

    def run(self) -> None:
        """Answer until told to stop."""
        while not self.stopping:
            first = self._read(0.5)
            if not first:
                continue
            asked_s = time.monotonic()
            frame, at_s = first, asked_s + len(first) * self.timing.character_s
            while more := self._read(max(0.0, at_s + self.timing.silence_s - time.monotonic())):
                frame, at_s = frame + more, max(at_s, time.monotonic()) + len(more) * self.timing.character_s
            self._answer(frame, asked_s, at_s + self.timing.silence_s)

    def _read(self, wait_s: float) -> bytes:
        try:
            readable, _, _ = select.select([self.master], [], [], wait_s)
            return os.read(self.master, 4096) if readable else b""
        except (InterruptedError, BlockingIOError):
            return b""
        except OSError:
            time.sleep(0.01)  # nobody holds the port
            return b""

    def _answer(self, frame: bytes, asked_s: float, heard_s: float) -> None:
        reply = self._reply(frame)
        if reply is None:
            return
        begin_s = answered_s = heard_s + self.timing.turnaround_s
        for end in range(_GROUP, len(reply) + _GROUP, _GROUP):
            group = reply[end - _GROUP : end]
            if self._read(max(0.0, begin_s + (end - _GROUP + len(group)) * self.timing.character_s - time.monotonic())):
                self.collisions += 1
                return
            answered_s = time.monotonic()  # before the reader can have it: what follows is the reader's time
            os.write(self.master, group)
        characters = len(frame) + len(reply)
        self.done.append(Transaction(frame[0], asked_s, answered_s, characters, asked_s - self._free_at_s))
        self._free_at_s = answered_s

    def _reply(self, frame: bytes) -> bytes | None:
        if len(frame) != _REQUEST or crc16(frame[:-2]) != frame[-2:] or (image := self.images.get(frame[0])) is None:
            return None
        address, count = int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big")
        data = image.at(time.time_ns() // 1_000_000)[2 * address : 2 * (address + count)]
        known = len(data) == 2 * count
        body = bytes([frame[0], frame[1], len(data)]) + data if known else bytes([frame[0], frame[1] | 0x80, 2])
        return body + crc16(body)

    def write_log(self, path: Path) -> None:
        """Write the transactions down, the number of collisions first."""
        rows = [f"{t.unit} {t.asked_s:.6f} {t.answered_s:.6f} {t.characters} {t.silence_s:.6f}" for t in self.done]
        path.write_text("\n".join([str(self.collisions), *rows]) + "\n")


def read_log(path: Path) -> tuple[int, list[Transaction]]:
    """Collisions, and the transactions in order."""
    first, *rows = path.read_text().splitlines()
    fields = (row.split() for row in rows)
    return int(first), [Transaction(int(u), float(a), float(b), int(c), float(s)) for u, a, b, c, s in fields]


def main(options: dict[str, Any]) -> None:
    """Run a line until SIGTERM."""
    line = Line(options)

    def stop(*_: object) -> None:
        line.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    draft = Path(options["port_file"] + ".draft")
    draft.write_text(json.dumps(line.port))
    draft.replace(options["port_file"])
    line.run()
    line.write_log(Path(options["log"]))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
