"""The first tenant and the first token: made on the machine itself, because nobody can ask the API for them yet."""

import secrets

from lentera_cloud.app import open_registry
from lentera_cloud.domain.roles import Role
from lentera_cloud.domain.tokens import ID_BYTES, SECRET_BYTES, make_token
from lentera_cloud.kit.times import SystemClock
from lentera_cloud.ports import ApiToken, Registry
from lentera_cloud.settings import Settings
from lentera_model.identifiers import check_id


async def create_tenant_and_token(
    settings: Settings, tenant: str, role: Role | str, label: str, lifetime_s: int | None = None
) -> str:
    """Make a tenant, if there is none of that id yet, and a token in it; return the token, which is shown only once.

    The service may run meanwhile or not. A new database is given its tables.

    Args:
        settings: names the registry.
        tenant: id of the tenant.
        role: of the token.
        label: for people: who or what the token is for; commands show it as their author.
        lifetime_s: the token expires after that many seconds; None: it does not.

    Raises:
        InvalidIdError: the tenant's id.
        ValueError: there is no such role.
        StoreUnavailableError: the registry cannot be reached.
    """
    registry = open_registry(settings)
    try:
        await registry.start()
        return await add_token(registry, tenant, Role(role), label, lifetime_s)
    finally:
        await registry.close()


async def add_token(registry: Registry, tenant: str, role: Role, label: str, lifetime_s: int | None = None) -> str:
    """Do the same on a registry that has started."""
    now_ms = SystemClock().now_ms()
    check_id("tenant", tenant)
    await registry.tenants.create_tenant(tenant, tenant, now_ms)
    token, parts = make_token(secrets.token_bytes(ID_BYTES), secrets.token_bytes(SECRET_BYTES))
    expires_at_ms = None if lifetime_s is None else now_ms + lifetime_s * 1000
    await registry.tenants.add_token(
        ApiToken(parts.token_id, tenant, role, label, parts.secret_sha256, now_ms, expires_at_ms)
    )
    return token
