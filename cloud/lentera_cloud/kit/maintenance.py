"""Jobs that need no link: the series store's housekeeping and old receipts. In process, or in a worker of its own."""

from lentera_cloud.kit.background import Job
from lentera_cloud.ports import Clock, Registry, TimeSeries

KEEP_RECEIPTS_MS = 400 * 86_400_000
"""Receipts of a boot epoch that has been silent for this long go; a replay of it would only be written again."""
KEEP_EPOCHS_MS = 30 * 86_400_000
"""Spans of a device that restarts often are told apart by epoch for this long, then joined."""


def maintenance_jobs(registry: Registry, series: TimeSeries, clock: Clock) -> list[Job]:
    """Return the jobs for these stores."""

    async def maintain() -> None:
        await series.maintain(clock.now_ms())

    async def tidy() -> None:
        await registry.receipts.tidy(clock.now_ms() - KEEP_RECEIPTS_MS)

    async def fold() -> None:
        await registry.spans.fold(clock.now_ms() - KEEP_EPOCHS_MS)

    return [Job("series", 60.0, maintain), Job("receipts", 3600.0, tidy), Job("spans", 3600.0, fold)]
