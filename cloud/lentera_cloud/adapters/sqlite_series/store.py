"""The TimeSeries port on SQLite: asyncio outside, one writer thread and a few reader threads inside."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from lentera_cloud.adapters.series_common.records import to_records
from lentera_cloud.adapters.sqlite_series import reading as questions
from lentera_cloud.adapters.sqlite_series.counting import hourly_counts
from lentera_cloud.adapters.sqlite_series.files import Folder, said_plainly
from lentera_cloud.adapters.sqlite_series.segments import HOUR_MS
from lentera_cloud.ports import HourlyCounts, LatestValue, SeriesQuery, SeriesResult, StoreUnavailableError
from lentera_model.readings import Reading

_T = TypeVar("_T")

READER_THREADS: Final = 4
SETTLE_MS: Final = 300_000
"""An hour is compacted five minutes after its end: what a live link delivers late has come in by then."""
_BLOCKS_A_STEP: Final = 16
_RAW_PAGE: Final = 2_000


class SqliteSeries:
    """Readings in one SQLite file a tenant.

    `start` must have succeeded before anything else; until then, and after `close`, every method raises
    `StoreUnavailableError`. Two processes (API and worker) may use one folder: SQLite's locks keep them apart.
    """

    def __init__(self, folder: Path, *, max_bytes_per_tenant: int | None = None) -> None:
        """Take the folder that holds the files, and how large one tenant's file may grow (None: the disk's bound)."""
        self._files = Folder(Path(folder), max_bytes_per_tenant)
        self._path = Path(folder)
        self._writing: ThreadPoolExecutor | None = None
        self._reading: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Create the folder and check every file in it.

        Raises:
            StoreUnavailableError: the folder cannot be made, or a file is of a newer version.
        """
        await asyncio.to_thread(self._files.prepare)
        if self._writing is None:
            self._writing = ThreadPoolExecutor(1, "series-writer")
            self._reading = ThreadPoolExecutor(READER_THREADS, "series-reader")

    async def close(self) -> None:
        """Finish the writes that wait, then close every file; a second call does nothing."""
        writing, reading, self._writing, self._reading = self._writing, self._reading, None, None
        if reading is not None:
            await asyncio.to_thread(reading.shutdown, cancel_futures=True)
            self._files.close_readers()
        if writing is not None:
            await asyncio.get_running_loop().run_in_executor(writing, self._files.close_writers)
            writing.shutdown()

    async def write(self, tenant: str, readings: Sequence[Reading]) -> None:
        """Store all readings in one durable transaction.

        A value whose (device, quantity, at_ms) is stored already stays as it is: raw data is immutable.

        Raises:
            StoreUnavailableError: disk full, file locked or damaged; nothing is stored, try the same again.
            StoreRefusedError: a reading that no store may hold; nothing is stored.
        """

        def store() -> None:
            if records := to_records(readings):
                self._files.writer(tenant).store(records)

        await self._on_writer(tenant, store)

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        """Return the newest value of each quantity of each device that has any."""

        def ask(connection: sqlite3.Connection) -> dict[str, dict[str, LatestValue]]:
            found = {device: questions.latest(connection, device) for device in devices}
            return {device: values for device, values in found.items() if values}

        return await self._ask(tenant, ask) or {}

    async def query(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """Answer one question about one device; an unknown device or quantity has no points."""
        return await self._ask(tenant, lambda connection: questions.answer(connection, q)) or SeriesResult([])

    async def count(self, tenant: str, device: str, from_ms: int, to_ms: int) -> dict[str, int]:
        """Return how many values of each quantity are stored in the range; quantities without any are absent."""
        return await self._ask(tenant, lambda connection: questions.count(connection, device, from_ms, to_ms)) or {}

    async def hourly_counts(self, tenant: str, devices: Sequence[str], from_ms: int, to_ms: int) -> HourlyCounts:
        """Return how many values of each quantity of these devices each whole hour of UTC in the range holds."""

        def ask(connection: sqlite3.Connection) -> HourlyCounts:
            found = {device: hourly_counts(connection, device, from_ms, to_ms) for device in devices}
            return {device: counts for device, counts in found.items() if counts}

        return await self._ask(tenant, ask) or {}

    async def raw(self, tenant: str, device: str, from_ms: int, to_ms: int) -> AsyncIterator[Reading]:
        """Yield every instant of the device in time order; the profile is empty, this store does not keep it."""
        while True:

            def page(connection: sqlite3.Connection, begin_ms: int = from_ms) -> list[Reading]:
                return list(islice(questions.readings(connection, device, begin_ms, to_ms), _RAW_PAGE))

            found = await self._ask(tenant, page) or []
            for reading in found:
                yield reading
            if len(found) < _RAW_PAGE:
                return
            from_ms = found[-1].at_ms + 1

    async def maintain(self, now_ms: int) -> None:
        """Compact every closed hour of every tenant, a few blocks at a time so that no write waits long.

        Raises:
            StoreUnavailableError: of the first tenant whose file could not be compacted; the others were.
        """
        before_ms = (now_ms - SETTLE_MS) // HOUR_MS * HOUR_MS
        failed: list[StoreUnavailableError] = []
        for tenant in await asyncio.to_thread(self._files.tenants):
            try:
                await self._compact(tenant, before_ms)
            except StoreUnavailableError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    async def _compact(self, tenant: str, before_ms: int) -> None:
        after: tuple[int, int] | None = (0, 0)
        while after is not None:
            after = await self._compact_step(tenant, before_ms, after)

    async def _compact_step(self, tenant: str, before_ms: int, after: tuple[int, int]) -> tuple[int, int] | None:
        return await self._on_writer(
            tenant, lambda: self._files.writer(tenant).compact(before_ms, _BLOCKS_A_STEP, after)
        )

    async def _on_writer(self, tenant: str, work: Callable[[], _T]) -> _T:
        def run() -> _T:
            with said_plainly(self._files.path(tenant)):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._running(self._writing), run)

    async def _ask(self, tenant: str, question: Callable[[sqlite3.Connection], _T]) -> _T | None:
        def run() -> _T | None:
            with self._files.reader(tenant) as connection:
                return None if connection is None else question(connection)

        return await asyncio.get_running_loop().run_in_executor(self._running(self._reading), run)

    def _running(self, executor: ThreadPoolExecutor | None) -> ThreadPoolExecutor:
        if executor is None:
            raise StoreUnavailableError(f"the series store in {self._path} is not started: call start() first")
        return executor
