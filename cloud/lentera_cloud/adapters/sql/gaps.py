"""Known gaps in SQL: a row a report of a gateway."""

import json
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Row, func
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import upsert
from lentera_cloud.adapters.sql.scope import number_of, rows_of
from lentera_cloud.adapters.sql.tables import device, receipt_range
from lentera_cloud.adapters.sql.tables import known_gap as table
from lentera_cloud.domain.gaps import POWER_CUT, KnownGap, sharpened
from lentera_cloud.ports import GapCount, GapQuery, GapRow

_MOST_OF_DEVICES: Final = 10_000
"""Gaps looked at for some devices at once; of more the newest."""


class SqlGaps:
    """Implements :class:`lentera_cloud.ports.Gaps`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def add(self, tenant: str, gap: KnownGap, now_ms: int) -> None:
        """See the port."""
        async with self._database.write() as connection:
            if gap.reason == POWER_CUT:
                gap = sharpened(gap, await _newest_before(connection, tenant, gap))
            await upsert(connection, table, [_values(tenant, gap, now_ms)], ())

    async def find(self, tenant: str, q: GapQuery) -> list[GapRow]:
        """See the port."""
        where = _within(q.from_ms, q.to_ms)
        if q.gateway is not None:
            where.append(table.c.gateway_id == q.gateway)
        newest_first = (table.c.to_ms.desc(), table.c.gateway_id, table.c.epoch.desc(), table.c.number.desc())
        statement = rows_of(tenant, table, *where).order_by(*newest_first).limit(q.limit).offset(q.offset)
        async with self._database.read() as connection:
            return [GapRow(_gap(row), row.noted_at_ms) for row in await connection.execute(statement)]

    async def of_devices(
        self, tenant: str, devices: Collection[str], from_ms: int, to_ms: int
    ) -> dict[str, list[KnownGap]]:
        """See the port."""
        found: dict[str, list[KnownGap]] = {name: [] for name in devices}
        mine = rows_of(tenant, device, device.c.device_id.in_(found))
        async with self._database.read() as connection:
            gateway_of = {row.device_id: row.gateway_id for row in await connection.execute(mine)}
            theirs = (*_within(from_ms, to_ms), table.c.gateway_id.in_(set(gateway_of.values())))
            newest = rows_of(tenant, table, *theirs).order_by(table.c.to_ms.desc()).limit(_MOST_OF_DEVICES)
            gaps = [_gap(row) for row in await connection.execute(newest)]
        for gap in sorted(gaps, key=lambda one: one.from_ms):
            for name, gateway_id in gateway_of.items():
                if gateway_id == gap.gateway and (not gap.devices or name in gap.devices):
                    found[name].append(gap)
        return found

    async def counts(self, tenant: str) -> list[GapCount]:
        """See the port."""
        length_ms = func.sum(table.c.to_ms - table.c.from_ms).label("length_ms")
        by = (table.c.gateway_id, table.c.reason)
        async with self._database.read() as connection:
            rows = await connection.execute(number_of(tenant, table, *by).add_columns(length_ms))
            return [GapCount(row.gateway_id, row.reason, row.number, int(row.length_ms)) for row in rows]


def _within(from_ms: int, to_ms: int) -> list[ColumnElement[bool]]:
    return [table.c.from_ms < to_ms, table.c.to_ms >= from_ms]


async def _newest_before(connection: AsyncConnection, tenant: str, gap: KnownGap) -> int | None:
    """Return the time of the newest reading that a gateway's own batches of earlier epochs had before a gap's end.

    Only batches with a receipt count: another gateway's readings of the same devices prove nothing of this one, nor do
    times that are claimed for readings which the store may not have. None where a batch of the last of these epochs is
    not stored while a later one is: it may have been lost too.
    """
    ranges = rows_of(
        tenant, receipt_range, receipt_range.c.gateway_id == gap.gateway, receipt_range.c.epoch < gap.epoch
    )
    last_two = ranges.order_by(receipt_range.c.epoch.desc(), receipt_range.c.first).limit(2)
    rows = list(await connection.execute(last_two))
    if not rows or rows[0].first > 1 or (len(rows) > 1 and rows[1].epoch == rows[0].epoch):
        return None
    before_its_end = ranges.where(receipt_range.c.newest_ms <= gap.to_ms)
    newest = before_its_end.with_only_columns(func.max(receipt_range.c.newest_ms))
    return (await connection.execute(newest)).scalar_one()


def _values(tenant: str, gap: KnownGap, now_ms: int) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "gateway_id": gap.gateway,
        "epoch": gap.epoch,
        "number": gap.number,
        "reason": gap.reason,
        "from_ms": gap.from_ms,
        "to_ms": gap.to_ms,
        "told_from_ms": gap.told_from_ms,
        "devices": json.dumps(list(gap.devices)),
        "detail_s": gap.detail_s,
        "lost_values": gap.values,
        "uncertainty_ms": gap.uncertainty_ms,
        "noted_at_ms": now_ms,
    }


def _gap(row: Row[Any]) -> KnownGap:
    return KnownGap(
        gateway=row.gateway_id,
        epoch=row.epoch,
        number=row.number,
        reason=row.reason,
        from_ms=row.from_ms,
        to_ms=row.to_ms,
        told_from_ms=row.told_from_ms,
        devices=tuple(json.loads(row.devices)),
        detail_s=row.detail_s,
        values=row.lost_values,
        uncertainty_ms=row.uncertainty_ms,
    )
