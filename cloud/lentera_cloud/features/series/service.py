"""Asking the series store for one device of one tenant, in pages where the answer is long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.features.series.asking import DEFAULT_LIMIT, checked_quantities, needs_stored, question
from lentera_cloud.kit.moments import moment_ms
from lentera_cloud.kit.problems import Problem
from lentera_cloud.ports import Aggregate, Clock, DeviceRow, LatestValue, SeriesPoint, SeriesQuery, SeriesResult

PAGE_POINTS: Final = 5_000
"""Points of one page of a stream: what the service holds of an answer at a time."""


class KnownDevices(Protocol):
    """Whether a tenant has a device; the registry's `devices` is one."""

    async def get(self, tenant: str, device_id: str) -> DeviceRow | None:
        """Return the tenant's device of that id, None where it has none."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, in the words of the request; None where it was left out."""

    device: str
    quantities: Sequence[str] = ()
    from_: str = "-1h"
    to: str = "now"
    every: str | None = None
    aggregate: Aggregate | None = None
    limit: int | None = None


class AskedSeries(Protocol):
    """What may be asked of the series store; the port and its bounded form can."""

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        """See the port."""
        ...

    async def query(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """See the port."""
        ...


class SeriesService:
    """Answers `GET /v1/series`. Wire it as `app.state.series = SeriesService(store, registry.devices, clock)`."""

    def __init__(self, store: AskedSeries, devices: KnownDevices, clock: Clock) -> None:
        """Use these."""
        self._store = store
        self._devices = devices
        self._clock = clock

    async def question(self, tenant: str, asked: Request) -> SeriesQuery:
        """Turn a request into a question about a device that the tenant has.

        Raises:
            Problem: `unknown_device`, or `invalid_request` naming the parameter.
        """
        now_ms = self._clock.now_ms()
        bounds_ms = (moment_ms("query.from", asked.from_, now_ms), moment_ms("query.to", asked.to, now_ms))
        limit = DEFAULT_LIMIT if asked.limit is None else asked.limit
        q = question(asked.device, tuple(asked.quantities), bounds_ms, asked.every, asked.aggregate, limit)
        if await self._devices.get(tenant, asked.device) is None:
            raise Problem(
                ProblemCode.UNKNOWN_DEVICE, f"There is no device {asked.device!r}: GET /v1/devices lists yours."
            )
        stored = await self._stored(tenant, asked.device) if needs_stored(asked.quantities) else ()
        return replace(q, quantities=checked_quantities(asked.quantities, stored))

    async def _stored(self, tenant: str, device: str) -> tuple[str, ...]:
        return tuple((await self._store.latest(tenant, [device])).get(device, ()))

    async def answer(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """Return the answer as one, cut at the question's limit."""
        return await self._store.query(tenant, q) if q.quantities else SeriesResult([])

    async def pages(self, tenant: str, q: SeriesQuery, limit: int | None) -> AsyncIterator[list[SeriesPoint]]:
        """Yield the answer page by page in time order, up to `limit` points or to its end."""
        left = limit
        while q.quantities and q.from_ms < q.to_ms and left != 0:
            size = PAGE_POINTS if left is None else min(PAGE_POINTS, left)
            result = await self._store.query(tenant, replace(q, limit=size))
            yield result.points
            if not result.truncated:
                return
            left = None if left is None else left - len(result.points)
            q = replace(q, from_ms=result.points[-1].at_ms + (q.every_ms or 1))
