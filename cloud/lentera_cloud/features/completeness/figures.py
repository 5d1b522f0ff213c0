"""The last full hour for Prometheus: what was due, is there and is missing of each device."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lentera_cloud.domain.completeness import HOUR_MS
from lentera_cloud.features.completeness.asking import Question
from lentera_cloud.features.completeness.facts import SETTLE_MS, Facts, Sources, gather
from lentera_cloud.features.completeness.service import Item, reckon
from lentera_cloud.kit.figures import Figure
from lentera_cloud.ports import Clock

MAX_DEVICES: Final = 5_000
"""A tenant with more has figures of whole gateways only (device="*"): Prometheus must not carry a city's lamps."""
GOOD_FOR_MS: Final = 60_000
"""Figures are worked out once a minute, however often they are scraped."""
_TOLD_BY_MS: Final = SETTLE_MS + 4 * 60_000
"""So long after its end an hour is taken to be told and delivered, where nothing is wrong."""
EVERY: Final = "*"


@dataclass(slots=True)
class _Kept:
    at_ms: int
    figures: Sequence[Figure]


class LastHour:
    """Gives the figures of the newest hour that a healthy gateway has told and delivered."""

    def __init__(self, sources: Sources, clock: Clock) -> None:
        """Use these."""
        self._sources = sources
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._busy = asyncio.Lock()

    async def figures(self, tenant: str) -> Sequence[Figure]:
        """Return the figures of a tenant, not older than a minute.

        Raises:
            StoreUnavailableError: of whichever store cannot be reached.
        """
        async with self._busy:
            now_ms = self._clock.now_ms()
            kept = self._kept.get(tenant)
            if kept is None or not kept.at_ms <= now_ms < kept.at_ms + GOOD_FOR_MS:
                kept = self._kept[tenant] = _Kept(now_ms, await self._work_out(tenant, now_ms))
            return kept.figures

    async def _work_out(self, tenant: str, now_ms: int) -> Sequence[Figure]:
        hour_ms = (now_ms - _TOLD_BY_MS) // HOUR_MS * HOUR_MS - HOUR_MS
        registry = self._sources.registry
        devices = await registry.devices.of_tenant(tenant)
        by = "device" if len(devices) <= MAX_DEVICES else "gateway"
        q = Question(hour_ms, hour_ms + HOUR_MS, now_ms, by=by)
        facts = await gather(self._sources, tenant, devices, q.hours, now_ms)
        answer = await asyncio.to_thread(reckon, q, facts)
        return [*_of_hour(hour_ms, answer.items), _newest(facts)]


def _of_hour(hour_ms: int, items: Iterable[Item]) -> list[Figure]:
    declared = [item for item in items if item.total.declared]

    def each(name: str) -> list[tuple[Mapping[str, str], int]]:
        return [(_labels(item), getattr(item.total, name)) for item in declared]

    missing = [
        (_labels(item) | {"reason": reason}, count) for item in declared for reason, count in item.total.reasons.items()
    ]
    start = [(dict[str, str](), hour_ms // 1000)] if declared else []
    return [
        Figure("lentera_hour_start_seconds", "Which hour the figures lentera_hour_* are of.", start, "gauge"),
        Figure("lentera_hour_expected_values", "Values that were due in the hour.", each("expected"), "gauge"),
        Figure("lentera_hour_received_values", "Of these, stored as read.", each("received"), "gauge"),
        Figure("lentera_hour_estimated_values", "Of these, stored as means.", each("estimated"), "gauge"),
        Figure("lentera_hour_unchanged_values", "Of these, left out as unchanged.", each("unchanged"), "gauge"),
        Figure("lentera_hour_missing_values", "Of these, missing, by reason.", missing, "gauge"),
    ]


def _labels(item: Item) -> dict[str, str]:
    gateway, device, _ = item.subject
    return {"gateway": gateway, "device": device or EVERY}


def _newest(facts: Facts) -> Figure:
    newest: dict[str, int] = {}
    for device in facts.devices:
        at_s = facts.newest_ms.get(device.device_id, 0) // 1000
        if at_s > newest.get(device.gateway_id, 0):
            newest[device.gateway_id] = at_s
    samples = [({"gateway": gateway}, at_s) for gateway, at_s in sorted(newest.items())]
    name, meaning = "lentera_gateway_newest_reading_seconds", "Time of the newest stored reading of its devices."
    return Figure(name, meaning, samples, "gauge")
