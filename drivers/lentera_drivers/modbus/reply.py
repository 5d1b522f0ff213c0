"""What an answer to a read is, before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a read.

    Attributes:
        data: its registers, big-endian as on the wire.
        monotonic_ms: the instant at which it came.
        is_in_step: whether it is the answer to its question for certain; else a canary's that proves half.
    """

    data: bytes
    monotonic_ms: int
    is_in_step: bool = True

    @property
    def words(self) -> tuple[int, ...]:
        """The registers as numbers."""
        data = self.data
        return tuple(data[at] << 8 | data[at + 1] for at in range(0, len(data), 2))
