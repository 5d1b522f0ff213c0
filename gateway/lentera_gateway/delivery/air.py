"""The month's bytes on the air: counted by the kernel, kept on tmpfs each minute and on the card each hour.

A power cut costs at most the last hour's count, a killed process the last minute's. A process that starts takes the
larger of the two files' counts of the later day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec

from lentera_gateway.delivery.keptfile import KeptFile
from lentera_gateway.delivery.month import LocalDate, local_date, month_of

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
    """What is kept: the bytes of the quota's month, which day begins it, its first day, the last day known.

    The last day known tells which month it is where months begin on another day from then on, also after a restart.
    """

    bytes: int
    month_day: Annotated[int, msgspec.Meta(ge=1, le=28)]
    month: date | None = None
    today: date | None = None


@dataclass(slots=True)
class AirMeter:
    """Counts the bytes on the air since the quota's month began, across connections and restarts.

    Attributes:
        memory_dir, card_dir: where the count is kept.
        month_day: on which day the month begins, 1 to 28.
        bytes: of this month.
        month: first day of this month; None while no clock was ever trusted: then it is counted on.
        today: the last day known.
        taken: told of every addition, for the rate.
    """

    memory_dir: Path
    card_dir: Path
    month_day: int = 1
    bytes: int = 0
    month: date | None = None
    today: date | None = None
    taken: Callable[[int], None] | None = None
    local_date: LocalDate = local_date
    _memory_ms: int = 0
    _card_ms: int = 0
    _card_count: AirCount | None = None
    _file: KeptFile = field(init=False)

    def __post_init__(self) -> None:
        """Name the file."""
        self._file = KeptFile(FILE_NAME, self.memory_dir, self.card_dir)

    def open(self, now_ms: int) -> None:
        """Take up what earlier processes counted, in months that begin on this one's day."""
        kept = [count for content in self._file.read() if (count := _count_of(content)) is not None]
        if kept:
            last = max(kept, key=lambda count: (count.today or date.min, count.bytes))
            self.bytes += last.bytes
            self.month, self.today = last.month, last.today
            month_day, self.month_day = self.month_day, last.month_day
            self.begin_on(month_day)
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
            self.month = None if self.today is None else month_of(self.today, month_day)

    async def tick(self, now_ms: int, wall_ms: int | None) -> None:
        """Begin a new month if it is one, and keep the count when it is due.

        Args:
            now_ms: CLOCK_BOOTTIME.
            wall_ms: Unix ms; None while the clock is not trusted: then the month stays.
        """
        if wall_ms is not None:
            self._be_on(self.local_date(wall_ms))
        if now_ms - self._memory_ms >= _MEMORY_EVERY_MS:
            self._memory_ms = now_ms
            self._file.keep_in_memory(msgspec.json.encode(self._count()))
        if now_ms - self._card_ms >= _CARD_EVERY_MS:
            await self._file.thread.run(self.keep, now_ms)  # a worn card may take its time

    def _be_on(self, today: date) -> None:
        month = month_of(today, self.month_day)
        if self.month is not None and month > self.month:
            self.bytes = 0
        if self.month is None or month > self.month or self.month - month > _WRONG_BY:
            self.month = month  # a clock set back by a little begins no month twice
        self.today = today

    def keep(self, now_ms: int) -> None:
        """Keep the count on the card now; a folder that refuses costs a part of the count."""
        self._card_ms = now_ms
        count = self._count()
        if count != self._card_count:
            content = msgspec.json.encode(count)
            if self._file.keep_on_card(content):
                self._card_count = count
            self._file.keep_in_memory(content)

    async def close(self, now_ms: int) -> None:
        """Keep the count at the end of the process."""
        try:
            await self._file.thread.run(self.keep, now_ms)
        finally:
            self._file.close()

    def _count(self) -> AirCount:
        return AirCount(self.bytes, self.month_day, self.month, self.today)


def _count_of(content: bytes) -> AirCount | None:
    try:
        return msgspec.json.decode(content, type=AirCount)
    except msgspec.MsgspecError:
        return None
