"""Stored spans in SQL: claimed in one transaction, a tenant's claims one by one whichever replica makes them."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, Text, and_, cast, func, insert, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import upsert
from lentera_cloud.adapters.sql.scope import removal_of, rows_of
from lentera_cloud.adapters.sql.tables import stored_span as table
from lentera_cloud.adapters.sql.tables import tenant as tenant_table
from lentera_cloud.domain.spans import SPANS_AN_EPOCH, Range, StoredSpan, claim, joined

_SPANS_A_DEVICE: Final = 4 * SPANS_AN_EPOCH
"""Spans of a device from which on its silent epochs are folded into one."""
_DEVICES_A_FOLD: Final = 1_000


class SqlSpans:
    """Implements :class:`lentera_cloud.ports.Spans`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def claim(self, tenant: str, spans: Sequence[StoredSpan], now_ms: int) -> dict[str, list[Range]]:
        """See the port."""
        if not spans:
            return {}
        async with self._database.write() as connection:
            # Claims of two replicas must see each other; foreign keys to the tenant are not kept waiting by this lock.
            await connection.execute(rows_of(tenant, tenant_table).with_for_update(key_share=True))
            outcome = claim(await _near(connection, tenant, spans), spans)
            for one in outcome.gone:
                await connection.execute(removal_of(tenant, table, *_is(one)))
            await upsert(connection, table, [_row(tenant, one, now_ms) for one in outcome.changed], _EXTENDED)
        return outcome.met

    async def of_device(self, tenant: str, device_id: str) -> list[StoredSpan]:
        """See the port."""
        mine = rows_of(tenant, table, table.c.device_id == device_id).order_by(table.c.from_ms, table.c.epoch)
        async with self._database.read() as connection:
            return [_span(row) for row in await connection.execute(mine)]

    async def fold(self, older_than_ms: int) -> int:
        """See the port."""
        silent = or_(table.c.changed_at_ms < older_than_ms, table.c.epoch == 0)
        many = (
            select(table.c.tenant, table.c.device_id)  # any tenant: housekeeping
            .where(silent)
            .group_by(table.c.tenant, table.c.device_id)
            .having(func.count() > _SPANS_A_DEVICE)
            .limit(_DEVICES_A_FOLD)
        )
        folded = 0
        async with self._database.read() as connection:
            found = [(row.tenant, row.device_id) for row in await connection.execute(many)]
        for tenant, device_id in found:
            folded += await self._fold(tenant, device_id, older_than_ms)
        return folded

    async def _fold(self, tenant: str, device_id: str, older_than_ms: int) -> int:
        """Fold one device in a transaction of its own, so that no claim waits long; return how many rows went."""
        old = and_(table.c.device_id == device_id, or_(table.c.changed_at_ms < older_than_ms, table.c.epoch == 0))
        async with self._database.write() as connection:
            await connection.execute(rows_of(tenant, tenant_table).with_for_update(key_share=True))
            before = [_span(row) for row in await connection.execute(rows_of(tenant, table, old))]
            after = [StoredSpan(device_id, 0, *one) for one in joined((one.from_ms, one.to_ms) for one in before)]
            await connection.execute(removal_of(tenant, table, old))
            if after:
                await connection.execute(insert(table), [_row(tenant, one, older_than_ms - 1) for one in after])
        return len(before) - len(after)


_EXTENDED: Final = ("to_ms", "changed_at_ms")


async def _near(connection: AsyncConnection, tenant: str, spans: Sequence[StoredSpan]) -> list[StoredSpan]:
    """Read the rows of the spans' devices that are of their epochs or may overlap them."""
    first, last = min(one.from_ms for one in spans), max(one.to_ms for one in spans)
    epochs = sorted({one.epoch for one in spans})
    near = or_(table.c.epoch.in_(epochs), and_(table.c.from_ms <= last, table.c.to_ms >= first))
    mine = table.c.device_id.in_(_listed(connection, sorted({one.device for one in spans})))
    wanted = rows_of(tenant, table, mine, near)
    if connection.dialect.name != "sqlite":
        return [_span(row) for row in await connection.execute(wanted)]
    # All in one row: each row that SQLite steps to gives Python's lock away and has to win it back.
    columns = (wanted.selected_columns[name] for name in ("device_id", "epoch", "from_ms", "to_ms"))
    as_json = wanted.with_only_columns(func.json_group_array(func.json_array(*columns)))
    found = (await connection.execute(as_json)).scalar_one()
    return [StoredSpan(*row) for row in json.loads(found)]


def _listed(connection: AsyncConnection, names: Sequence[str]) -> Select[Any]:
    """Select names that come as one parameter.

    PostgreSQL holds each row against each name of a list of parameters; these it joins.
    """
    if connection.dialect.name == "sqlite":
        return select(func.json_each(json.dumps(names)).table_valued("value").c.value)  # any tenant: no table is read
    return select(func.unnest(cast(names, ARRAY(Text))).column_valued("name"))  # any tenant: no table is read


def _is(one: StoredSpan) -> tuple[Any, ...]:
    return table.c.device_id == one.device, table.c.epoch == one.epoch, table.c.from_ms == one.from_ms


def _row(tenant: str, one: StoredSpan, now_ms: int) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "device_id": one.device,
        "epoch": one.epoch,
        "from_ms": one.from_ms,
        "to_ms": one.to_ms,
        "changed_at_ms": now_ms,
    }


def _span(row: Row[Any]) -> StoredSpan:
    return StoredSpan(row.device_id, row.epoch, row.from_ms, row.to_ms)
