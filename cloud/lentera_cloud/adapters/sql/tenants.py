"""Tenants and API tokens in SQL."""

from dataclasses import asdict

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import token_of
from lentera_cloud.adapters.sql.scope import change_of, rows_of
from lentera_cloud.adapters.sql.tables import api_token
from lentera_cloud.adapters.sql.tables import tenant as tenant_table
from lentera_cloud.ports import AlreadyExistsError, ApiToken


class SqlTenants:
    """Implements :class:`lentera_cloud.ports.Tenants`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def create_tenant(self, tenant: str, name: str, now_ms: int) -> bool:
        """See the port."""
        async with self._database.write() as connection:
            if (await connection.execute(rows_of(tenant, tenant_table))).first():
                return False
            await connection.execute(insert(tenant_table).values(tenant=tenant, name=name, created_at_ms=now_ms))
            return True

    async def add_token(self, token: ApiToken) -> None:
        """See the port."""
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(api_token).values(asdict(token) | {"role": token.role.value}))
        except IntegrityError as error:
            raise AlreadyExistsError(
                f"token id {token.token_id!r} is taken, or there is no tenant {token.tenant!r}: create the tenant first"
            ) from error

    async def token_by_id(self, token_id: str) -> ApiToken | None:
        """See the port."""
        async with self._database.read() as connection:
            statement = select(api_token).where(api_token.c.token_id == token_id)  # any tenant: identity look-up
            row = (await connection.execute(statement)).first()
        return token_of(row) if row else None

    async def list_tokens(self, tenant: str) -> list[ApiToken]:
        """See the port."""
        statement = rows_of(tenant, api_token).order_by(api_token.c.created_at_ms, api_token.c.token_id)
        async with self._database.read() as connection:
            return [token_of(row) for row in await connection.execute(statement)]

    async def revoke_token(self, tenant: str, token_id: str, now_ms: int) -> bool:
        """See the port."""
        statement = change_of(tenant, api_token, api_token.c.token_id == token_id, api_token.c.revoked_at_ms.is_(None))
        async with self._database.write() as connection:
            if not (await connection.execute(rows_of(tenant, api_token, api_token.c.token_id == token_id))).first():
                return False
            await connection.execute(statement.values(revoked_at_ms=now_ms))
            return True
