"""Receipts of stored batches and counts of refused readings in SQL."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import and_, case, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import refusal_of, upsert
from lentera_cloud.adapters.sql.scope import change_of, removal_of, rows_of, sums_of
from lentera_cloud.adapters.sql.tables import gateway, receipt_range, refusal
from lentera_cloud.domain.progress import EpochSummary, ReceiptRange
from lentera_cloud.domain.receipts import IntervalSet
from lentera_cloud.ports import RefusalCount
from lentera_model.batch import BatchKey

_EPOCHS_A_WRITE: Final = 100
"""Gateways' epochs in one transaction; bounds the statement."""


class SqlReceipts:
    """Implements :class:`lentera_cloud.ports.Receipts`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def stored(self, tenant: str, gateway_id: str, epoch: int) -> IntervalSet:
        """See the port."""
        statement = rows_of(
            tenant, receipt_range, receipt_range.c.gateway_id == gateway_id, receipt_range.c.epoch == epoch
        )
        async with self._database.read() as connection:
            return IntervalSet((row.first, row.last) for row in await connection.execute(statement))

    async def add(
        self, tenant: str, keys: Iterable[BatchKey], now_ms: int, newest: Mapping[BatchKey, int] | None = None
    ) -> None:
        """See the port."""
        sequences = defaultdict[tuple[str, int], dict[int, int | None]](dict)
        for key in keys:
            sequences[key.gateway, key.epoch][key.sequence] = (newest or {}).get(key)
        where = sorted(sequences)
        for at in range(0, len(where), _EPOCHS_A_WRITE):
            part = {one: sequences[one] for one in where[at : at + _EPOCHS_A_WRITE]}
            async with self._database.write() as connection:
                await _merge(connection, tenant, part, now_ms)

    async def ranges(self, tenant: str, gateway_id: str, epochs: int) -> list[ReceiptRange]:
        """See the port."""
        columns, mine = receipt_range.c, receipt_range.c.gateway_id == gateway_id
        known = sums_of(tenant, receipt_range, [columns.gateway_id, columns.epoch]).where(mine).subquery()
        newest = (
            select(known.c.epoch).order_by(known.c.epoch.desc()).limit(epochs)  # any tenant: of the tenant's own rows
        )
        statement = rows_of(tenant, receipt_range, mine, columns.epoch.in_(newest))
        async with self._database.read() as connection:
            rows = await connection.execute(statement.order_by(columns.epoch.desc(), columns.first))
            return [ReceiptRange(row.epoch, row.first, row.last, row.changed_at_ms) for row in rows]

    async def summary(self, tenant: str, since_ms: int) -> list[EpochSummary]:
        """See the port."""
        columns = receipt_range.c
        changed = func.max(columns.changed_at_ms)
        statement = sums_of(
            tenant,
            receipt_range,
            [columns.gateway_id, columns.epoch],
            func.max(case((columns.first == 1, columns.last), else_=0)),
            func.max(columns.last),
            func.sum(columns.last - columns.first + 1),
            changed,
        ).having(changed >= since_ms)
        async with self._database.read() as connection:
            rows = await connection.execute(statement)
            return [EpochSummary(row[0], *(int(value) for value in row[1:])) for row in rows]

    async def note_refusals(self, tenant: str, refusals: Sequence[RefusalCount]) -> None:
        """See the port."""
        async with self._database.write() as connection:
            for one in sorted(refusals, key=lambda each: (each.gateway_id, each.device_id, each.code)):
                row = asdict(one) | {"tenant": tenant, "readings": 0}
                await upsert(connection, refusal, [row], ("text", "last_at_ms"))
                counted = change_of(
                    tenant,
                    refusal,
                    refusal.c.gateway_id == one.gateway_id,
                    refusal.c.device_id == one.device_id,
                    refusal.c.code == one.code,
                )
                await connection.execute(counted.values(readings=refusal.c.readings + one.readings))

    async def refusals(self, tenant: str, gateway_id: str | None = None) -> list[RefusalCount]:
        """See the port."""
        statement = rows_of(tenant, refusal).order_by(refusal.c.last_at_ms.desc(), refusal.c.device_id)
        if gateway_id is not None:
            statement = statement.where(refusal.c.gateway_id == gateway_id)
        async with self._database.read() as connection:
            return [refusal_of(row) for row in await connection.execute(statement)]

    async def tidy(self, older_than_ms: int) -> int:
        """See the port."""
        old = delete(receipt_range).where(receipt_range.c.changed_at_ms < older_than_ms)  # any tenant: housekeeping
        async with self._database.write() as connection:
            return (await connection.execute(old)).rowcount


async def _merge(
    connection: AsyncConnection, tenant: str, sequences: Mapping[tuple[str, int], Mapping[int, int | None]], now_ms: int
) -> None:
    """Write the ranges that touch these numbers (each with its newest reading's time) anew, merged."""
    names = sorted({gateway_id for gateway_id, _ in sequences})
    # One order for all, so that no two wait for each other.
    locked = rows_of(tenant, gateway, gateway.c.gateway_id.in_(names)).order_by(gateway.c.gateway_id).with_for_update()
    await connection.execute(locked)
    touching = or_(*(_touching(*where, numbers) for where, numbers in sequences.items()))
    before = defaultdict[tuple[str, int], list[tuple[int, int]]](list)
    times = {where: dict(numbers) for where, numbers in sequences.items()}
    for row in await connection.execute(rows_of(tenant, receipt_range, touching)):
        before[row.gateway_id, row.epoch].append((row.first, row.last))
        known = times[row.gateway_id, row.epoch]
        known[row.first] = _newest((row.newest_ms, known.get(row.first)))
    rows: list[dict[str, Any]] = []
    for (gateway_id, epoch), numbers in sequences.items():
        merged = IntervalSet(before[gateway_id, epoch])
        merged.update(numbers)
        common = {"tenant": tenant, "gateway_id": gateway_id, "epoch": epoch, "changed_at_ms": now_ms}
        rows += [common | {"first": first, "last": last} for first, last in merged]
        for row in rows[-len(merged) :]:
            row["newest_ms"] = _newest(
                ms for number, ms in times[gateway_id, epoch].items() if row["first"] <= number <= row["last"]
            )
    kept = {(row["gateway_id"], row["epoch"], row["first"]) for row in rows}
    swallowed = [
        and_(receipt_range.c.gateway_id == one[0], receipt_range.c.epoch == one[1], receipt_range.c.first == first)
        for one, ranges in before.items()
        for first, _ in ranges
        if (*one, first) not in kept
    ]
    for at in range(0, len(swallowed), _EPOCHS_A_WRITE):
        await connection.execute(removal_of(tenant, receipt_range, or_(*swallowed[at : at + _EPOCHS_A_WRITE])))
    await upsert(connection, receipt_range, rows, ("last", "changed_at_ms", "newest_ms"))


def _newest(times: Iterable[int | None]) -> int | None:
    return max((ms for ms in times if ms is not None), default=None)


def _touching(gateway_id: str, epoch: int, numbers: Collection[int]) -> ColumnElement[bool]:
    return and_(
        receipt_range.c.gateway_id == gateway_id,
        receipt_range.c.epoch == epoch,
        receipt_range.c.first <= max(numbers) + 1,
        receipt_range.c.last >= min(numbers) - 1,
    )
