"""What a device published that is of no use: set aside in a small ring, counted, and shown on request."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

_KEPT: Final = 8
_FIRST_BYTES: Final = 64
_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class SetAside:
    """One message of no use.

    Attributes:
        at_ms: when it came, on the boot's monotonic clock.
        topic: where.
        reason: what is wrong with it.
        first: its first 64 bytes. size: how many it had.
    """

    at_ms: int
    topic: str
    reason: str
    first: bytes
    size: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data; bytes that are no text are shown as escapes."""
        return {
            "at_ms": self.at_ms,
            "topic": self.topic,
            "reason": self.reason,
            "first": self.first.decode("utf-8", "backslashreplace"),
            "size": self.size,
        }


class Malformed:
    """The last eight messages of no use, and how many there were."""

    def __init__(self) -> None:
        """Nothing is wrong yet."""
        self.count = 0
        self._recent: deque[SetAside] = deque(maxlen=_KEPT)

    def add(self, at_ms: int, topic: str, reason: str, payload: bytes, size: int | None = None) -> None:
        """Set a message aside; `size` where `payload` is only its beginning."""
        self.count += 1
        size = len(payload) if size is None else size
        self._recent.append(SetAside(at_ms, topic[:_REASON], reason[:_REASON], payload[:_FIRST_BYTES], size))

    @property
    def recent(self) -> tuple[SetAside, ...]:
        """The last ones, the newest last."""
        return tuple(self._recent)
