"""The TimeSeries port on InfluxDB 2: asyncio outside, influxdb-client's synchronous client in threads inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from lentera_cloud.adapters.influx_series import flux
from lentera_cloud.adapters.influx_series.answers import Cell
from lentera_cloud.adapters.influx_series.client import Influx
from lentera_cloud.adapters.influx_series.errors import MissingBucketError
from lentera_cloud.adapters.influx_series.lines import QUALITY_FIELD, chunks
from lentera_cloud.adapters.series_common.records import MAX_AT_MS, is_storable_name, to_records
from lentera_cloud.adapters.series_common.windows import window_start
from lentera_cloud.ports import HourlyCounts, LatestValue, SeriesPoint, SeriesQuery, SeriesResult, StoreUnavailableError
from lentera_model.identifiers import check_id
from lentera_model.readings import Quality, Reading

_T = TypeVar("_T")

THREADS: Final = 8
CHUNK_VALUES: Final = 100_000
"""Values in one write request, about 3 MB of lines: what the ingest writes together goes as one."""
_DEVICES_A_QUESTION: Final = 100
_FIRST_SPAN_MS: Final = 3_600_000
_LONGEST_SPAN_MS: Final = 32 * 86_400_000
_PAGE_ROWS: Final = 5_000


class InfluxSeries:
    """Readings in InfluxDB 2, one bucket a tenant (`lentera-TENANT`, made on the first write, kept for ever).

    A write of more than `CHUNK_VALUES` values is several requests. When a later one fails, the earlier ones are stored
    already; the caller, told that nothing is promised, sends all again, which changes nothing of what is there.
    """

    def __init__(self, url: str, token: str, org: str, *, timeout_s: float = 30.0) -> None:
        """Take the server's address, a token that may make, read and write buckets, and the organisation's name."""
        self._url = url
        self._influx = Influx(url, token, org, timeout_s)
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Reach the server and check that the token opens it.

        Raises:
            StoreUnavailableError: it does not answer or does not let us in; may be called again.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "influx")
        await self._run(self._influx.check)

    async def close(self) -> None:
        """Finish the writes that wait and let go of sockets and threads; a second call does nothing."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
            self._influx.close()

    async def write(self, tenant: str, readings: Sequence[Reading]) -> None:
        """Store all readings; return once InfluxDB has them in its log.

        Raises:
            StoreUnavailableError: down, overloaded or not letting us in; try the same again (`retry_after_s` may say
                when).
            StoreRefusedError: a reading that no store may hold, or that InfluxDB refuses.
        """
        bucket = bucket_of(tenant)

        def write() -> None:
            for body in chunks(to_records(readings), CHUNK_VALUES):
                self._influx.write(bucket, body)

        await self._run(write)

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        """Return the newest value of each quantity of each device that has any."""
        found: dict[str, dict[str, LatestValue]] = {}
        for begin in range(0, len(devices), _DEVICES_A_QUESTION):
            found.update(await self._latest(bucket_of(tenant), devices[begin : begin + _DEVICES_A_QUESTION]))
        return found

    async def _latest(self, bucket: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        values = await self._cells(bucket, flux.newest(bucket, devices, MAX_AT_MS))
        newest = await self._cells(bucket, flux.newest_quality(bucket, devices, MAX_AT_MS))
        quality = {(cell.device, cell.at_ms): int(cell.value) for cell in newest}
        older = sorted({(cell.device, cell.at_ms) for cell in values} - quality.keys())
        for begin in range(0, len(older), _DEVICES_A_QUESTION):
            part = await self._cells(bucket, flux.quality_at(bucket, older[begin : begin + _DEVICES_A_QUESTION]))
            quality.update({(cell.device, cell.at_ms): int(cell.value) for cell in part})
        found: dict[str, dict[str, LatestValue]] = {}
        for device, field, at_ms, value in values:
            worth = Quality(quality.get((device, at_ms), Quality.GOOD))
            found.setdefault(device, {})[field] = LatestValue(value, at_ms, worth)
        return found

    async def query(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """Answer one question about one device; an unknown device or quantity has no points."""
        bucket = bucket_of(tenant)
        fields = [name for name in dict.fromkeys(q.quantities) if is_storable_name(name)]
        if not fields or q.to_ms <= q.from_ms:
            return SeriesResult([])
        if q.every_ms is None:
            asked = flux.rows(bucket, q.device, q.from_ms, q.to_ms, fields=fields, limit=q.limit + 1)
            every_ms, until = 1, 1
        else:
            kind = q.aggregate or "mean"
            asked = flux.windows(bucket, q.device, fields, q.from_ms, q.to_ms, q.every_ms, kind, limit=q.limit + 1)
            every_ms, until = q.every_ms, q.every_ms
        points: dict[int, dict[str, float]] = {}
        for cell in await self._cells(bucket, asked):
            points.setdefault(window_start(cell.at_ms, every_ms), {})[cell.field] = cell.value
        starts = sorted(points)
        kept = starts[: q.limit]
        if not kept:
            return SeriesResult([], truncated=bool(starts))
        worst = await self._worst(bucket, q, fields, min(q.to_ms, kept[-1] + until), every_ms)
        return SeriesResult(
            [SeriesPoint(at, {n: points[at].get(n) for n in q.quantities}, Quality(worst.get(at, 0))) for at in kept],
            truncated=len(starts) > q.limit,
        )

    async def _worst(
        self, bucket: str, q: SeriesQuery, fields: Iterable[str], to_ms: int, every_ms: int
    ) -> dict[int, int]:
        """Return the worst quality of each window that has a suspect reading with one of the asked fields."""
        suspects = await self._cells(bucket, flux.suspects(bucket, q.device, q.from_ms, to_ms))
        if not suspects:
            return {}
        quality = {cell.at_ms: int(cell.value) for cell in suspects}
        first, last = min(quality), max(quality)
        worst: dict[int, int] = {}
        for cell in await self._cells(bucket, flux.rows(bucket, q.device, first, last + 1, fields=fields)):
            if cell.at_ms in quality:
                start = window_start(cell.at_ms, every_ms)
                worst[start] = max(worst.get(start, 0), quality[cell.at_ms])
        return worst

    async def count(self, tenant: str, device: str, from_ms: int, to_ms: int) -> dict[str, int]:
        """Return how many values of each quantity are stored in the range; quantities without any are absent."""
        if to_ms <= from_ms:
            return {}
        bucket = bucket_of(tenant)
        found = await self._cells(bucket, flux.counts(bucket, device, from_ms, to_ms))
        return {cell.field: int(cell.value) for cell in found}

    async def hourly_counts(self, tenant: str, devices: Sequence[str], from_ms: int, to_ms: int) -> HourlyCounts:
        """Return how many values of each quantity of these devices each whole hour of UTC in the range holds."""
        found: HourlyCounts = {}
        bucket, devices = bucket_of(tenant), tuple(dict.fromkeys(devices))
        from_ms, to_ms = max(from_ms, 0), min(to_ms, MAX_AT_MS)
        for begin in range(0, len(devices) if from_ms < to_ms else 0, _DEVICES_A_QUESTION):
            part = devices[begin : begin + _DEVICES_A_QUESTION]
            for cell in await self._cells(bucket, flux.hourly_counts(bucket, part, from_ms, to_ms)):
                found.setdefault(cell.device, {}).setdefault(cell.field, {})[cell.at_ms] = int(cell.value)
        return found

    async def raw(self, tenant: str, device: str, from_ms: int, to_ms: int) -> AsyncIterator[Reading]:
        """Yield every instant of the device in time order; the profile is empty, this store does not keep it."""
        bucket, span_ms = bucket_of(tenant), _FIRST_SPAN_MS
        from_ms, to_ms = max(from_ms, 0), min(to_ms, MAX_AT_MS)
        if to_ms <= from_ms:
            return
        instants = [cell.at_ms for cell in await self._cells(bucket, flux.ends(bucket, device, from_ms, to_ms))]
        from_ms, to_ms = min(instants, default=to_ms), max(instants, default=from_ms) + 1
        while from_ms < to_ms:  # in spans, because a limit alone would read the whole range again for each page
            end_ms = min(from_ms + span_ms, to_ms)
            page = await self._cells(bucket, flux.rows(bucket, device, from_ms, end_ms, limit=_PAGE_ROWS))
            found, complete_ms = _readings(device, page, end_ms)
            for reading in found:
                yield reading
            if complete_ms == end_ms:
                span_ms = min(span_ms * 2, _LONGEST_SPAN_MS)
            from_ms = complete_ms

    async def maintain(self, now_ms: int) -> None:
        """Do nothing: InfluxDB compacts by itself."""

    async def _cells(self, bucket: str, asked: str) -> list[Cell]:
        try:
            return await self._run(lambda: self._influx.ask(asked))
        except MissingBucketError:
            self._influx.forget(bucket)
            return []  # nothing was ever written for this tenant

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._threads is None:
            raise StoreUnavailableError(f"the series store at {self._url} is not started: call start() first")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def bucket_of(tenant: str) -> str:
    """Return the name of a tenant's bucket. Raises `InvalidIdError` for a tenant that is no id."""
    return f"lentera-{check_id('tenant', tenant)}"


def _readings(device: str, page: Iterable[Cell], end_ms: int) -> tuple[list[Reading], int]:
    """Join the cells of a page by instant.

    Returns:
        The readings that are complete, and the instant up to which (not included) they are: a field whose rows the
        page's limit cut may have more from its last row on.
    """
    rows: dict[int, dict[str, float]] = {}
    seen: dict[str, tuple[int, int]] = {}
    for cell in page:
        rows.setdefault(cell.at_ms, {})[cell.field] = cell.value
        count, _ = seen.get(cell.field, (0, 0))
        seen[cell.field] = (count + 1, cell.at_ms)
    complete_ms = min([last + 1 for count, last in seen.values() if count >= _PAGE_ROWS], default=end_ms)
    found: list[Reading] = []
    for at_ms in sorted(rows):
        if at_ms < complete_ms:
            values = rows[at_ms]
            quality = Quality(int(values.pop(QUALITY_FIELD, 0)))
            found.append(Reading(device, "", at_ms, values, quality))
    return found, complete_ms
