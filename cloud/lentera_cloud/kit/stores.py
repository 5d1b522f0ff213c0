"""Stores that may be away: bringing them up patiently, and knowing how they are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from lentera_cloud.kit.crowding import busy
from lentera_cloud.kit.patience import until_available
from lentera_cloud.ports import (
    HourlyCounts,
    LatestValue,
    SeriesQuery,
    SeriesResult,
    StoreUnavailableError,
    TimeSeries,
)
from lentera_model.readings import Reading

OK = "ok"
AWAY = "unavailable: waiting for it to come back"
FAILED = "failed: it cannot start, see the log"

Result = TypeVar("Result")


@dataclass(slots=True)
class StoreState:
    """What was last heard of a store: ``starting``, ``ok``, or in words what is wrong; ``ready`` once it started."""

    state: str = "starting"
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def bring_up(self, name: str, start: Callable[[], Awaitable[None]]) -> None:
        """Start a store, again and again until it is there; what waiting does not mend is raised."""

        async def attempt() -> None:
            try:
                await start()
            except StoreUnavailableError:
                self.state = AWAY
                raise
            except BaseException:
                self.state = FAILED
                raise

        await until_available(name, attempt)
        self.state = OK
        self.ready.set()


class BoundedReads:
    """The series store for what people ask: so many questions at once, and so many that wait for their turn.

    Long questions must not take every thread of the store from what gateways bring.
    """

    def __init__(self, series: TimeSeries, at_once: int, waiting: int) -> None:
        """Ask this store."""
        self._series = series
        self._places = asyncio.Semaphore(at_once)
        self._limit = at_once + waiting
        self._asked = 0

    async def _in_turn(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        if self._asked >= self._limit:
            raise busy(f"{self._asked} questions to the series store are under way: ask again after Retry-After.")
        self._asked += 1
        try:
            async with self._places:
                return await ask()
        finally:
            self._asked -= 1

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        """See the port.

        Raises:
            Problem: ``busy``.
        """
        return await self._in_turn(lambda: self._series.latest(tenant, devices))

    async def query(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """See the port.

        Raises:
            Problem: ``busy``.
        """
        return await self._in_turn(lambda: self._series.query(tenant, q))

    async def hourly_counts(self, tenant: str, devices: Sequence[str], from_ms: int, to_ms: int) -> HourlyCounts:
        """See the port.

        Raises:
            Problem: ``busy``.
        """
        return await self._in_turn(lambda: self._series.hourly_counts(tenant, devices, from_ms, to_ms))


class WatchedSeries:
    """A series store (the port) that notes in a state whether it can be reached, as its use shows."""

    def __init__(self, series: TimeSeries, state: StoreState) -> None:
        """Watch this store."""
        self._series = series
        self._state = state

    async def _noting(self, work: Awaitable[Result]) -> Result:
        try:
            result = await work
        except StoreUnavailableError:
            self._state.state = AWAY
            raise
        if self._state.ready.is_set():
            self._state.state = OK
        return result

    async def start(self) -> None:
        """See the port."""
        await self._series.start()

    async def close(self) -> None:
        """See the port."""
        await self._series.close()

    async def write(self, tenant: str, readings: Sequence[Reading]) -> None:
        """See the port; before the store has started nothing is written."""
        if not self._state.ready.is_set():
            raise StoreUnavailableError("the series store has not started yet")
        await self._noting(self._series.write(tenant, readings))

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        """See the port."""
        return await self._noting(self._series.latest(tenant, devices))

    async def query(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """See the port."""
        return await self._noting(self._series.query(tenant, q))

    async def count(self, tenant: str, device: str, from_ms: int, to_ms: int) -> dict[str, int]:
        """See the port."""
        return await self._noting(self._series.count(tenant, device, from_ms, to_ms))

    async def hourly_counts(self, tenant: str, devices: Sequence[str], from_ms: int, to_ms: int) -> HourlyCounts:
        """See the port."""
        return await self._noting(self._series.hourly_counts(tenant, devices, from_ms, to_ms))

    def raw(self, tenant: str, device: str, from_ms: int, to_ms: int) -> AsyncIterator[Reading]:
        """See the port."""
        return self._series.raw(tenant, device, from_ms, to_ms)

    async def maintain(self, now_ms: int) -> None:
        """See the port."""
        await self._noting(self._series.maintain(now_ms))
