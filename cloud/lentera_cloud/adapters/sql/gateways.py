"""Gateways in SQL."""

from dataclasses import asdict

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import gateway_of
from lentera_cloud.adapters.sql.scope import change_of, rows_of
from lentera_cloud.adapters.sql.tables import gateway as table
from lentera_cloud.ports import AlreadyExistsError, GatewayRow


class SqlGateways:
    """Implements :class:`lentera_cloud.ports.Gateways`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def add(self, gateway: GatewayRow) -> None:
        """See the port."""
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(table).values(asdict(gateway)))
        except IntegrityError as error:
            raise AlreadyExistsError(
                f"gateway id {gateway.gateway_id!r} is taken: choose another, or revoke the gateway that has it"
            ) from error

    async def by_id(self, gateway_id: str) -> GatewayRow | None:
        """See the port."""
        async with self._database.read() as connection:
            statement = select(table).where(table.c.gateway_id == gateway_id)  # any tenant: identity look-up
            row = (await connection.execute(statement)).first()
        return gateway_of(row) if row else None

    async def get(self, tenant: str, gateway_id: str) -> GatewayRow | None:
        """See the port."""
        async with self._database.read() as connection:
            row = (await connection.execute(rows_of(tenant, table, table.c.gateway_id == gateway_id))).first()
        return gateway_of(row) if row else None

    async def of_tenant(self, tenant: str) -> list[GatewayRow]:
        """See the port."""
        async with self._database.read() as connection:
            rows = await connection.execute(rows_of(tenant, table).order_by(table.c.gateway_id))
            return [gateway_of(row) for row in rows]

    async def revoke(self, tenant: str, gateway_id: str, now_ms: int) -> bool:
        """See the port; the first revocation's time is kept."""
        mine = table.c.gateway_id == gateway_id
        async with self._database.write() as connection:
            if not (await connection.execute(rows_of(tenant, table, mine))).first():
                return False
            first = change_of(tenant, table, mine, table.c.revoked_at_ms.is_(None))
            await connection.execute(first.values(revoked_at_ms=now_ms))
            return True

    async def seen(
        self,
        tenant: str,
        gateway_id: str,
        now_ms: int,
        *,
        agent_version: str | None = None,
        journal_waiting: int | None = None,
        journal_bytes: int | None = None,
        mode: str | None = None,
    ) -> None:
        """See the port."""
        told = {
            "agent_version": agent_version,
            "journal_waiting": journal_waiting,
            "journal_bytes": journal_bytes,
            "mode": mode,
        }
        values = {name: value for name, value in told.items() if value is not None} | {"last_seen_at_ms": now_ms}
        async with self._database.write() as connection:
            await connection.execute(change_of(tenant, table, table.c.gateway_id == gateway_id).values(values))
