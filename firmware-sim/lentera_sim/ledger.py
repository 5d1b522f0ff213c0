"""The ledger: what each simulated device answered and did, one JSON object a line, in order.

Kinds of line (`k`): `answered` is what a perfect gateway must have stored; `unsure` is an answer of which the device
cannot know whether it arrived (the reader went away before reading it), which may be stored or not; `acted` is what a
lamp did; `fault` is a fault that was put on a device or bus, or lifted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from lentera_sim.errors import LedgerError

_FLUSH_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line: kind, device, wall time in Unix ms, the answered values (SI), and for `acted` what was done."""

    kind: str
    device: str
    at_ms: int
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    what: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Ledger:
    """Appends lines to a file; holds at most 64 KiB back, until `flush` or `close`."""

    def __init__(self, path: Path) -> None:
        """Open the file for appending; its folder must exist."""
        self._file = path.open("ab", buffering=0)
        self._held = bytearray()
        self.answered_values = 0

    def answered(self, device: str, values: Mapping[str, float], at_ms: int) -> None:
        """Write down an answer that arrived: quantity to value in SI units, as the device knows it."""
        if values:
            self.answered_values += len(values)
            self._line({"k": "answered", "device": device, "at_ms": at_ms, "values": dict(values)})

    def unsure(self, device: str, values: Mapping[str, float], at_ms: int) -> None:
        """Write down an answer that may or may not have arrived."""
        if values:
            self._line({"k": "unsure", "device": device, "at_ms": at_ms, "values": dict(values)})

    def acted(self, device: str, what: Mapping[str, Any], at_ms: int) -> None:
        """Write down what a device did, such as {"level_percent": 40.0}."""
        self._line({"k": "acted", "device": device, "at_ms": at_ms, **what})

    def fault(self, target: str, name: str, on: bool, value: float | None, at_ms: int) -> None:
        """Write down a fault that was put, or lifted."""
        self._line({"k": "fault", "device": target, "at_ms": at_ms, "fault": name, "on": on, "value": value})

    def flush(self) -> None:
        """Hand what is held to the operating system."""
        if self._held:
            self._file.write(self._held)
            self._held.clear()

    def close(self) -> None:
        """Flush and close; further lines are an error."""
        self.flush()
        self._file.close()

    def _line(self, entry: Mapping[str, Any]) -> None:
        self._held += msgspec.json.encode(entry)
        self._held += b"\n"
        if len(self._held) >= _FLUSH_BYTES:
            self.flush()


def read_ledger(path: Path) -> Iterator[LedgerEntry]:
    """Yield a ledger's entries in order; a last line without its end (a killed writer) is left out.

    Raises:
        LedgerError: a line is not what a ledger holds.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            yield _entry(path, number, line)


def _entry(path: Path, number: int, line: bytes) -> LedgerEntry:
    try:
        raw = json.loads(line)
        kind, device, at_ms = raw.pop("k"), raw.pop("device"), raw.pop("at_ms")
        values = {name: float(value) for name, value in raw.pop("values", {}).items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise LedgerError(
            f"{path}:{number}: not a ledger line ({error!r}); the file was written by something else or damaged"
        ) from error
    return LedgerEntry(kind, device, at_ms, values, raw)
