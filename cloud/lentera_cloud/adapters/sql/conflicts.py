"""Values that contradict stored ones in SQL: a row a value, kept beside whichever store holds the first."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.sql.elements import ColumnElement

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import upsert
from lentera_cloud.adapters.sql.scope import number_of, rows_of
from lentera_cloud.adapters.sql.tables import conflicting_value as table
from lentera_cloud.domain.conflicts import Conflict
from lentera_cloud.ports import ConflictCount, ConflictQuery, ConflictRow
from lentera_model.batch import BatchKey

_ROWS_A_WRITE: Final = 5_000


class SqlConflicts:
    """Implements :class:`lentera_cloud.ports.Conflicts`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def add(self, tenant: str, conflicts: Sequence[Conflict], now_ms: int) -> None:
        """See the port."""
        rows = [_values(tenant, one, now_ms) for one in conflicts]
        for at in range(0, len(rows), _ROWS_A_WRITE):
            async with self._database.write() as connection:
                await upsert(connection, table, rows[at : at + _ROWS_A_WRITE], ())

    async def find(self, tenant: str, q: ConflictQuery) -> list[ConflictRow]:
        """See the port."""
        newest_first = (table.c.at_ms.desc(), table.c.device_id, table.c.quantity, table.c.other_value)
        statement = rows_of(tenant, table, *_where(q)).order_by(*newest_first).limit(q.limit)
        async with self._database.read() as connection:
            return [_row(row) for row in await connection.execute(statement)]

    async def counts(self, tenant: str) -> list[ConflictCount]:
        """See the port."""
        by = (table.c.device_id, table.c.quantity)
        async with self._database.read() as connection:
            rows = await connection.execute(number_of(tenant, table, *by))
            return [ConflictCount(row.device_id, row.quantity, row.number) for row in rows]


def _where(q: ConflictQuery) -> list[ColumnElement[bool]]:
    where = [table.c.at_ms >= q.from_ms, table.c.at_ms < q.to_ms]
    if q.device is not None:
        where.append(table.c.device_id == q.device)
    if q.quantity is not None:
        where.append(table.c.quantity == q.quantity)
    return where


def _values(tenant: str, one: Conflict, now_ms: int) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "device_id": one.device,
        "at_ms": one.at_ms,
        "quantity": one.quantity,
        "other_value": one.other_value,
        "stored_value": one.stored_value,
        "gateway_id": one.key.gateway,
        "epoch": one.key.epoch,
        "sequence": one.key.sequence,
        "noted_at_ms": now_ms,
    }


def _row(row: Row[Any]) -> ConflictRow:
    key = BatchKey(row.gateway_id, row.epoch, row.sequence)
    conflict = Conflict(row.device_id, row.quantity, row.at_ms, row.stored_value, row.other_value, key)
    return ConflictRow(conflict, row.noted_at_ms)
