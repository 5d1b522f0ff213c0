"""Times on the wire: RFC 3339 in UTC with milliseconds and ``Z``; milliseconds since the epoch inside."""

import time
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_MS = 4_102_444_800_000
"""2100-01-01: later times are typing errors."""


class SystemClock:
    """The computer's clock; implements :class:`lentera_cloud.ports.Clock`."""

    def now_ms(self) -> int:
        """See the port."""
        return time.time_ns() // 1_000_000


def to_wire(at_ms: int) -> str:
    """Write a time, e.g. ``2026-11-25T01:02:03.004Z``."""
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def to_wire_or_none(at_ms: int | None) -> str | None:
    """Write a time that may be missing."""
    return None if at_ms is None else to_wire(at_ms)


def from_wire(text: str) -> int:
    """Read an RFC 3339 time with a zone into milliseconds.

    Raises ValueError saying what is missing.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is no time: write it like 2026-11-25T01:02:03Z") from error
    if moment.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no zone: end it with Z or an offset such as +07:00")
    try:
        at_ms = round(moment.timestamp() * 1000)
    except OverflowError as error:
        raise ValueError(f"{text[:40]!r} is outside the years 1970 to 2100") from error
    if not 0 <= at_ms <= MAX_MS:
        raise ValueError(f"{text[:40]!r} is outside the years 1970 to 2100")
    return at_ms


def _checked(text: str) -> str:
    from_wire(text)
    return text


WireTime = Annotated[
    str,
    AfterValidator(_checked),
    Field(max_length=40, description="RFC 3339 time with a zone.", examples=["2026-11-25T01:02:03.004Z"]),
]
"""A time in a request; read it with :func:`from_wire`."""
