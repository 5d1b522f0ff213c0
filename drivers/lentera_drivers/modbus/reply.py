"""What an answer to a read is, before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """Registers of an answer, big-endian as on the wire, and the instant at which it came (monotonic milliseconds)."""

    data: bytes
    monotonic_ms: int

    @property
    def words(self) -> tuple[int, ...]:
        """The registers as numbers."""
        data = self.data
        return tuple(data[at] << 8 | data[at + 1] for at in range(0, len(data), 2))
