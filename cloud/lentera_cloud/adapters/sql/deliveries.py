"""How gateways deliver, in SQL: a row a gateway, from the first word about it on."""

from dataclasses import asdict, replace

from sqlalchemy import and_, or_, select

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import upsert
from lentera_cloud.adapters.sql.scope import rows_of
from lentera_cloud.adapters.sql.tables import gateway_delivery as table
from lentera_cloud.adapters.sql.tables import gateway_link as links
from lentera_cloud.ports import DeliveryRow, DeliverySettings

_SETTINGS = ("mode", "rate_bytes_s", "quota_bytes", "month_day")


class SqlDeliveries:
    """Implements :class:`lentera_cloud.ports.Deliveries`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def get(self, tenant: str, gateway_id: str) -> DeliveryRow:
        """See the port."""
        async with self._database.read() as connection:
            row = (await connection.execute(rows_of(tenant, table, table.c.gateway_id == gateway_id))).first()
        return DeliveryRow(**row._asdict()) if row else DeliveryRow(tenant, gateway_id)

    async def set(self, tenant: str, gateway_id: str, settings: DeliverySettings) -> None:
        """See the port."""
        await self._put(replace(DeliveryRow(tenant, gateway_id), **asdict(settings)), _SETTINGS)

    async def watch(self, tenant: str, gateway_id: str, until_ms: int) -> None:
        """See the port."""
        await self._put(DeliveryRow(tenant, gateway_id, watched_until_ms=until_ms), ("watched_until_ms",))

    async def set_at(self, replica: str, now_ms: int) -> list[DeliveryRow]:
        """See the port."""
        here = and_(links.c.tenant == table.c.tenant, links.c.gateway_id == table.c.gateway_id)
        numbers = [table.c[name] > 0 for name in _SETTINGS if name != "mode"]
        found = (
            select(table)  # any tenant: a replica holds links of all
            .join(links, here)
            .where(links.c.replica == replica)
            .where(or_(table.c.mode.is_not(None), *numbers, table.c.watched_until_ms > now_ms))
        )
        async with self._database.read() as connection:
            return [DeliveryRow(**row._asdict()) for row in await connection.execute(found)]

    async def told(self, tenant: str, gateway_id: str, month_bytes: int, detail_s: int) -> None:
        """See the port."""
        row = DeliveryRow(tenant, gateway_id, month_bytes=month_bytes, detail_s=detail_s)
        await self._put(row, ("month_bytes", "detail_s"))

    async def _put(self, row: DeliveryRow, columns: tuple[str, ...]) -> None:
        async with self._database.write() as connection:
            await upsert(connection, table, [asdict(row)], columns)
