"""The month's bytes on the air: counted by the kernel, kept on tmpfs each minute and on the card each hour.

A power cut costs at most the last hour's count, a killed process the last minute's. A process that starts takes the
larger of the two files' counts of the later month.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import msgspec

from lentera_gateway.delivery.month import LocalDate, local_date, month_of
from lentera_gateway.journal.segments import write_durably

FILE_NAME: Final = "air.json"
FAILED_ATTEMPT_BYTES: Final = 400
"""An attempt without a connection that could be counted: a name asked for, some SYNs without an answer."""
FAILED_TLS_BYTES: Final = 6_000
"""The same where the certificates were exchanged first."""
_MEMORY_EVERY_MS: Final = 60_000
_CARD_EVERY_MS: Final = 3_600_000
_WRONG_BY: Final = timedelta(days=40)
"""A month that lies further ahead came from a clock that was wrong."""


class AirCount(msgspec.Struct, frozen=True):
    """What is kept: the first day of the quota's month, and the bytes since then."""

    month: str
    bytes: int


@dataclass(slots=True)
class AirMeter:
    """Counts the bytes on the air since the quota's month began, across connections and restarts.

    Attributes:
        memory_dir, card_dir: where the count is kept.
        month_day: on which day the month begins, 1 to 28.
        bytes: of this month.
        month: first day of this month; None while no clock was ever trusted: then it is counted on.
        taken: told of every addition, for the rate.
    """

    memory_dir: Path
    card_dir: Path
    month_day: int = 1
    bytes: int = 0
    month: date | None = None
    taken: Callable[[int], None] | None = None
    local_date: LocalDate = local_date
    _memory_ms: int = 0
    _card_ms: int = 0
    _card_count: AirCount | None = None

    def open(self, now_ms: int) -> None:
        """Take up what earlier processes counted."""
        kept = [found for folder in (self.memory_dir, self.card_dir) if (found := _read(folder)) is not None]
        if kept:
            last = max(kept, key=lambda count: (count.month, count.bytes))
            self.bytes += last.bytes
            self.month = date.fromisoformat(last.month) if last.month else None
        self._memory_ms = self._card_ms = now_ms

    def add(self, count: int) -> None:
        """Count bytes that passed."""
        self.bytes += count
        if self.taken is not None:
            self.taken(count)

    def begin_on(self, month_day: int) -> None:
        """Let the months begin on another day; what was counted in this one stays in it."""
        if month_day != self.month_day:
            self.month_day = month_day
            self.month = None

    async def tick(self, now_ms: int, wall_ms: int | None) -> None:
        """Begin a new month if it is one, and keep the count when it is due.

        Args:
            now_ms: CLOCK_BOOTTIME.
            wall_ms: Unix ms; None while the clock is not trusted: then the month stays.
        """
        if wall_ms is not None:
            self._be_in(month_of(self.local_date(wall_ms), self.month_day))
        if now_ms - self._memory_ms >= _MEMORY_EVERY_MS:
            self._memory_ms = now_ms
            self._keep(self.memory_dir, durable=False)
        if now_ms - self._card_ms >= _CARD_EVERY_MS:
            await asyncio.to_thread(self.keep, now_ms)  # a worn card may take its time

    def _be_in(self, month: date) -> None:
        if self.month is not None and month > self.month:
            self.bytes = 0
        if self.month is None or month > self.month or self.month - month > _WRONG_BY:
            self.month = month  # a clock set back by a little begins no month twice

    def keep(self, now_ms: int) -> None:
        """Keep the count on the card now, and at the end of the process."""
        self._card_ms = now_ms
        if self._count() != self._card_count:
            self._card_count = self._count()
            self._keep(self.card_dir, durable=True)
            self._keep(self.memory_dir, durable=False)

    def _count(self) -> AirCount:
        return AirCount("" if self.month is None else self.month.isoformat(), self.bytes)

    def _keep(self, folder: Path, durable: bool) -> None:
        """A folder that refuses costs a part of the count; what ails it, the journal says already."""
        with contextlib.suppress(OSError):
            content = msgspec.json.encode(self._count())
            temporary = folder / f"{FILE_NAME}.new"
            if durable:
                write_durably(temporary, content)
            else:
                temporary.write_bytes(content)
            temporary.replace(folder / FILE_NAME)


def _read(folder: Path) -> AirCount | None:
    try:
        found = msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=AirCount)
        if found.month:
            date.fromisoformat(found.month)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    return found
