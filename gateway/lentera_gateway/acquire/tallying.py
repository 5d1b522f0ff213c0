"""Hands each hour's tally to the journal's reports once it is over and the time is known; keeps the running one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from lentera_gateway.acquire.tally import HOUR_MS, ReadTally
from lentera_gateway.acquire.tally_file import TallyFile
from lentera_gateway.acquire.tally_rows import rows_of
from lentera_model.config import DeviceConfig
from lentera_model.protocol import TallyRow

SAVE_EVERY_MS: Final = 60_000

Report = Callable[[int, Sequence[TallyRow]], Awaitable[None]]


class Tallying:
    """The thin rim of a `ReadTally`: its clock, its file and the way to the cloud."""

    def __init__(self, tally: ReadTally, file: TallyFile, report: Report, log: FilteringBoundLogger) -> None:
        """Count with `tally`; `report` keeps (start of the hour in Unix ms, rows) until the cloud has noted them."""
        self.tally = tally
        self._file = file
        self._report = report
        self._log = log
        self._saved_ms = 0
        self._is_broken = False

    @classmethod
    def of(
        cls, devices: Iterable[DeviceConfig], folder: Path, boot_id: bytes, report: Report, log: FilteringBoundLogger
    ) -> Tallying:
        """Count the reads of some devices, with the file in a folder on tmpfs."""
        return cls(ReadTally(devices), TallyFile(folder, boot_id), report, log)

    def open(self) -> None:
        """Go on with what a killed process had counted."""
        self._file.load(self.tally)

    async def tick(self, now_ms: int, offset_ms: int | None) -> None:
        """Once a second: report the hours that are over, save the running one each minute.

        Args:
            now_ms: the boot's monotonic clock.
            offset_ms: how far Unix time is ahead of it, None while the time is not trusted.
        """
        self.tally.clock_known(offset_ms)
        if offset_ms is not None:
            await self._report_until(now_ms + offset_ms - self.tally.wait_ms)
        if now_ms - self._saved_ms >= SAVE_EVERY_MS:
            self._saved_ms = now_ms
            self._save()

    async def close(self, now_ms: int, offset_ms: int | None) -> None:
        """Report what is counted of the running hour too; without a known time it stays in the file."""
        self.tally.flush()
        self.tally.clock_known(offset_ms)
        if offset_ms is None:
            self._save()
        else:
            await self._report_until(now_ms + offset_ms + HOUR_MS)
            self._file.forget()

    async def _report_until(self, before_ms: int) -> None:
        hours = self.tally.take_hours(before_ms)
        if not hours:
            return
        # Out of the file first: a kill just now loses an hour's count, which the paces make good; the other way round
        # it would be told twice.
        self._save()
        for hour_ms, counts in hours.items():
            rows = rows_of(counts, self.tally.intervals_ms)
            if rows:
                await self._report(hour_ms, rows)

    def _save(self) -> None:
        try:
            self._file.save(self.tally)
        except OSError as error:
            if not self._is_broken:
                self._log.warning("tally_not_saved", error=str(error))
            self._is_broken = True
        else:
            self._is_broken = False
