"""Who may do what: the one table of roles and permissions. What is not in it is denied."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """A role of an API token; it holds in the token's own tenant only."""

    ADMIN = "admin"
    TECHNICIAN = "technician"
    OPERATOR = "operator"
    ANALYST = "analyst"


class Permission(StrEnum):
    """One thing a person may be allowed to do."""

    READ = "read"
    """See gateways, devices, commands and series."""
    COMMAND = "command"
    """Send commands to lamps and cancel them; say how gateways deliver, and watch them live."""
    MANAGE_GATEWAYS = "manage_gateways"
    """Register and revoke gateways, decide which gateway a device belongs to."""


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.TECHNICIAN: frozenset({Permission.READ, Permission.MANAGE_GATEWAYS}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.COMMAND}),
    Role.ANALYST: frozenset({Permission.READ}),
}


def is_allowed(role: Role, permission: Permission) -> bool:
    """Say whether a role holds a permission; a role that is not in the table holds none."""
    return permission in PERMISSIONS.get(role, frozenset())


def refusal_text(role: Role, permission: Permission) -> str:
    """Say to somebody with this role why he may not, and who may."""
    return f"This needs one of the roles {', '.join(roles_with(permission))}; this token's role is {role}."


def roles_with(permission: Permission) -> tuple[Role, ...]:
    """Return every role that holds a permission, for messages and documentation."""
    return tuple(role for role in Role if is_allowed(role, permission))
