"""The port to a clock."""

from typing import Protocol


class Clock(Protocol):
    """Where "now" comes from."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        ...
