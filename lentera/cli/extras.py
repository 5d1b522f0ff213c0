"""Which rooms can run here: an extra is there if the modules that only it brings are there."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from lentera.errors import MissingExtraError

# The modules whose absence shows that an extra was not installed (the room's package itself is always in the wheel).
MARKERS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("pymodbus", "aiomqtt", "websockets", "structlog", "yaml", "jwt"),
    "cloud": ("fastapi", "uvicorn", "sqlalchemy", "alembic", "influxdb_client", "structlog"),
    "sim": ("amqtt", "aiomqtt", "pymodbus", "yaml", "psutil"),
}
CLIENT_MARKERS = ("httpx",)


def missing_modules(extra: str) -> list[str]:
    """The marker modules of an extra that cannot be imported here."""
    return [name for name in MARKERS[extra] if find_spec(name) is None]


def require(*extras: str) -> None:
    """Raise MissingExtraError, naming all `extras` that the command needs, if one of them is not installed."""
    missing = dict.fromkeys(name for extra in extras for name in missing_modules(extra))
    if missing:
        raise MissingExtraError(",".join(extras), list(missing))


def require_client() -> None:
    """Raise MissingExtraError if the API client's httpx is not installed: a board does not need it."""
    if missing := [name for name in CLIENT_MARKERS if find_spec(name) is None]:
        raise MissingExtraError("cloud", missing)
