"""Devices in SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from sqlalchemy import Update

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import device_of, upsert
from lentera_cloud.adapters.sql.scope import change_of, rows_of
from lentera_cloud.adapters.sql.tables import device
from lentera_cloud.ports import DeviceRow

DECLARED_COLUMNS = (
    "name",
    "kind",
    "profile",
    "gateway_id",
    "bus",
    "address",
    "declared_at_ms",
    "declared",
    "contested_by",
)
"""What a declaration writes; the rest is state that others write."""

_NAMES_A_QUERY = 500


class SqlDevices:
    """Implements :class:`lentera_cloud.ports.Devices`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def get(self, tenant: str, device_id: str) -> DeviceRow | None:
        """See the port."""
        return (await self.get_many(tenant, [device_id])).get(device_id)

    async def get_many(self, tenant: str, device_ids: Iterable[str]) -> dict[str, DeviceRow]:
        """See the port."""
        found: dict[str, DeviceRow] = {}
        async with self._database.read() as connection:
            for some in _chunks(sorted(set(device_ids))):
                for row in await connection.execute(rows_of(tenant, device, device.c.device_id.in_(some))):
                    found[row.device_id] = device_of(row)
        return found

    async def of_tenant(self, tenant: str, kind: str | None = None, gateway_id: str | None = None) -> list[DeviceRow]:
        """See the port."""
        statement = rows_of(tenant, device).order_by(device.c.device_id)
        if kind is not None:
            statement = statement.where(device.c.kind == kind)
        if gateway_id is not None:
            statement = statement.where(device.c.gateway_id == gateway_id)
        async with self._database.read() as connection:
            return [device_of(row) for row in await connection.execute(statement)]

    async def upsert(self, tenant: str, rows: Sequence[DeviceRow]) -> None:
        """See the port."""
        if strangers := [row.device_id for row in rows if row.tenant != tenant]:
            raise ValueError(f"devices {strangers[:3]} are not of tenant {tenant!r}")
        async with self._database.write() as connection:
            await upsert(connection, device, [asdict(row) for row in rows], DECLARED_COLUMNS)

    async def set_status(self, tenant: str, device_id: str, online: bool, reason: str, now_ms: int) -> bool:
        """See the port."""
        statement = change_of(tenant, device, device.c.device_id == device_id)
        return await self._change(statement.values(online=online, online_reason=reason, online_changed_at_ms=now_ms))

    async def move(self, tenant: str, device_id: str, gateway_id: str) -> bool:
        """See the port."""
        statement = change_of(tenant, device, device.c.device_id == device_id)
        return await self._change(statement.values(gateway_id=gateway_id, contested_by=None))

    async def _change(self, statement: Update) -> bool:
        async with self._database.write() as connection:
            return bool((await connection.execute(statement)).rowcount)


def _chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[at : at + _NAMES_A_QUERY] for at in range(0, len(names), _NAMES_A_QUERY))
