"""Which gateway speaks for which device: the first to declare it, until a person decides otherwise.

A gateway is a path, not a container, and a device keeps its history when it moves. But a second gateway that
declares the same device is only flagged: were it believed, any gateway could take any meter over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar


class DeclaredDevice(Protocol):
    """What the rule needs of a device's row (a frozen dataclass)."""

    @property
    def device_id(self) -> str:  # noqa: D102 - the type says it
        ...

    @property
    def gateway_id(self) -> str:  # noqa: D102
        ...

    @property
    def declared(self) -> bool:  # noqa: D102
        ...

    @property
    def contested_by(self) -> str | None:  # noqa: D102
        ...

    @property
    def declared_at_ms(self) -> int:  # noqa: D102
        ...


Row = TypeVar("Row", bound=DeclaredDevice)

DESCRIPTION = ("name", "kind", "profile", "bus", "address")
"""The fields of a row that a declaration describes the device with."""


@dataclass(frozen=True, slots=True)
class Declaration(Generic[Row]):
    """What follows from a gateway's list: rows to write, and the devices it may not speak for."""

    changed: tuple[Row, ...]
    contested: tuple[str, ...]


def declare(existing: Mapping[str, Row], declared: Iterable[Row], gateway_id: str) -> Declaration[Row]:
    """Work out what a gateway's list of devices changes.

    Args:
        existing: the tenant's rows by device id: those in the list, and all of this gateway.
        declared: the rows that the list would make, with this gateway as owner.
        gateway_id: who declares.

    Returns:
        New devices and changed descriptions; devices of this gateway that the list no longer holds, marked so;
        devices of another gateway, flagged and otherwise left alone. An unchanged list changes nothing.
    """
    changed: list[Row] = []
    contested: list[str] = []
    listed: set[str] = set()
    for row in declared:
        listed.add(row.device_id)
        known = existing.get(row.device_id)
        if known is None:
            changed.append(row)
        elif known.gateway_id != gateway_id:
            contested.append(row.device_id)
            if known.contested_by != gateway_id:
                changed.append(replace(known, contested_by=gateway_id))  # type: ignore[type-var]
        elif not known.declared or any(getattr(known, name) != getattr(row, name) for name in DESCRIPTION):
            changed.append(replace(row, contested_by=known.contested_by))  # type: ignore[type-var]
    for known in existing.values():
        if known.gateway_id == gateway_id and known.declared and known.device_id not in listed:
            changed.append(replace(known, declared=False))  # type: ignore[type-var]
        elif known.contested_by == gateway_id and known.device_id not in listed:
            changed.append(replace(known, contested_by=None))  # type: ignore[type-var]
    return Declaration(tuple(changed), tuple(contested))
