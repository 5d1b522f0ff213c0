"""Which replica holds which gateway's link, in SQL."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import execution_of, upsert
from lentera_cloud.adapters.sql.scope import removal_of, rows_of
from lentera_cloud.adapters.sql.tables import execution, gateway
from lentera_cloud.adapters.sql.tables import gateway_link as table
from lentera_cloud.adapters.sql.tables import replica as replicas
from lentera_cloud.ports import LinkRow, Renewal
from lentera_model.commands import Execution, ExecutionState

HEARD_EVERY_MS = 10_000
"""A link's last word is written anew only when it is this much newer: other replicas need no more."""
AT_ONCE = 500


class SqlLinks:
    """Implements :class:`lentera_cloud.ports.Links`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def take(self, link: LinkRow) -> None:
        """See the port."""
        async with self._database.write() as connection:
            await upsert(
                connection, table, [asdict(link)], ("tenant", "replica", "claim", "opened_at_ms", "heard_at_ms")
            )

    async def release(self, tenant: str, gateway_id: str, claim: str) -> bool:
        """See the port."""
        gone = removal_of(tenant, table, table.c.gateway_id == gateway_id, table.c.claim == claim)
        async with self._database.write() as connection:
            return bool((await connection.execute(gone)).rowcount)

    async def holder(self, tenant: str, gateway_id: str) -> LinkRow | None:
        """See the port."""
        async with self._database.read() as connection:
            row = (await connection.execute(rows_of(tenant, table, table.c.gateway_id == gateway_id))).first()
        return _link_of(row) if row else None

    async def of_tenant(self, tenant: str, now_ms: int) -> list[LinkRow]:
        """See the port."""
        alive = select(replicas.c.replica).where(replicas.c.until_ms > now_ms)  # any tenant: replicas belong to none
        async with self._database.read() as connection:
            rows = await connection.execute(rows_of(tenant, table, table.c.replica.in_(alive)))
            return [_link_of(row) for row in rows]

    async def renew(self, replica: str, links: Sequence[LinkRow], now_ms: int, lease_ms: int) -> Renewal:
        """See the port."""
        lease = {"replica": replica, "until_ms": now_ms + lease_ms}
        mine = select(table).where(table.c.replica == replica)  # any tenant: a replica holds links of all
        others = select(replicas).where(  # any tenant: replicas belong to none
            replicas.c.replica != replica, replicas.c.until_ms > now_ms
        )
        async with self._database.write() as connection:
            await upsert(connection, replicas, [lease], ("until_ms",))
            known = {row.claim: row.heard_at_ms for row in await connection.execute(mine)}
            lost = await _restore(connection, [link for link in links if link.claim not in known])
            newer = [
                link for link in links if link.heard_at_ms - known.get(link.claim, link.heard_at_ms) >= HEARD_EVERY_MS
            ]
            for link in newer:
                heard = update(table).where(  # any tenant: the claim is this replica's own
                    table.c.gateway_id == link.gateway_id, table.c.claim == link.claim
                )
                await connection.execute(heard.values(heard_at_ms=link.heard_at_ms))
            alone = (await connection.execute(others.limit(1))).first() is None
        return Renewal(lost, alone)

    async def waiting(self, replica: str) -> list[Execution]:
        """See the port."""
        here = and_(table.c.tenant == execution.c.tenant, table.c.gateway_id == execution.c.gateway)
        queued = (
            select(execution)  # any tenant: a replica holds links of all
            .join(table, here)
            .where(
                table.c.replica == replica,
                execution.c.due_at_ms.is_not(None),
                execution.c.state == ExecutionState.QUEUED.value,
            )
            .order_by(execution.c.created_at_ms, execution.c.sequence)
            .limit(AT_ONCE)
        )
        async with self._database.read() as connection:
            return [execution_of(row) for row in await connection.execute(queued)]

    async def revoked(self, replica: str) -> list[str]:
        """See the port."""
        found = (
            select(table.c.gateway_id)  # any tenant: a replica holds links of all
            .join(gateway, gateway.c.gateway_id == table.c.gateway_id)
            .where(table.c.replica == replica, gateway.c.revoked_at_ms.is_not(None))
        )
        async with self._database.read() as connection:
            return list((await connection.execute(found)).scalars())

    async def bury(self, before_ms: int) -> list[LinkRow]:
        """See the port."""
        dead = replicas.c.until_ms < before_ms
        async with self._database.write() as connection:
            names = select(replicas.c.replica).where(dead).with_for_update()  # any tenant: replicas belong to none
            gone = list((await connection.execute(names)).scalars())
            if not gone:
                return []
            links = delete(table).where(table.c.replica.in_(gone)).returning(table)  # any tenant: all of the dead's
            rows = [_link_of(row) for row in await connection.execute(links)]
            await connection.execute(delete(replicas).where(replicas.c.replica.in_(gone)))  # any tenant: of none
        return rows

    async def leave(self, replica: str) -> None:
        """See the port."""
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(table.c.replica == replica))  # any tenant: its own
            await connection.execute(delete(replicas).where(replicas.c.replica == replica))  # any tenant: itself


async def _restore(connection: AsyncConnection, links: Sequence[LinkRow]) -> frozenset[str]:
    """Write the rows of links that have none; return the claims whose gateway has another link."""
    lost: set[str] = set()
    for at in range(0, len(links), AT_ONCE):
        some = links[at : at + AT_ONCE]
        await upsert(connection, table, [asdict(link) for link in some], ())
        ids = [link.gateway_id for link in some]
        current = select(table.c.gateway_id, table.c.claim).where(  # any tenant: a replica holds links of all
            table.c.gateway_id.in_(ids)
        )
        claims = {row.gateway_id: row.claim for row in await connection.execute(current)}
        lost |= {link.claim for link in some if claims.get(link.gateway_id) != link.claim}
    return frozenset(lost)


def _link_of(row: Row[Any]) -> LinkRow:
    return LinkRow(**row._mapping)
