"""Receipts of stored batches and counts of refused readings in SQL."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from sqlalchemy import and_, delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import refusal_of, upsert
from lentera_cloud.adapters.sql.scope import change_of, removal_of, rows_of
from lentera_cloud.adapters.sql.tables import gateway, receipt_range, refusal
from lentera_cloud.domain.receipts import IntervalSet
from lentera_cloud.ports import RefusalCount
from lentera_model.batch import BatchKey


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

    async def add(self, tenant: str, keys: Iterable[BatchKey], now_ms: int) -> None:
        """See the port."""
        sequences = defaultdict[tuple[str, int], list[int]](list)
        for key in keys:
            sequences[key.gateway, key.epoch].append(key.sequence)
        async with self._database.write() as connection:
            for gateway_id, epoch in sorted(sequences):  # one order for all, so that no two wait for each other
                await _merge(connection, tenant, gateway_id, epoch, sequences[gateway_id, epoch], now_ms)

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
    connection: AsyncConnection, tenant: str, gateway_id: str, epoch: int, sequences: list[int], now_ms: int
) -> None:
    """Write the ranges that touch these numbers anew, merged."""
    await connection.execute(rows_of(tenant, gateway, gateway.c.gateway_id == gateway_id).with_for_update())
    touching = and_(
        receipt_range.c.gateway_id == gateway_id,
        receipt_range.c.epoch == epoch,
        receipt_range.c.first <= max(sequences) + 1,
        receipt_range.c.last >= min(sequences) - 1,
    )
    rows = await connection.execute(rows_of(tenant, receipt_range, touching))
    merged = IntervalSet((row.first, row.last) for row in rows)
    merged.update(sequences)
    await connection.execute(removal_of(tenant, receipt_range, touching))
    common = {"tenant": tenant, "gateway_id": gateway_id, "epoch": epoch, "changed_at_ms": now_ms}
    new = [common | {"first": first, "last": last} for first, last in merged]
    await connection.execute(insert(receipt_range), new)
