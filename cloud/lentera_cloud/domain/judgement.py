"""What of a batch may be stored: readings of the gateway's own devices, from times that can be true."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lentera_model.readings import Reading


class RefusalCode(StrEnum):
    """Why a batch or the rows of a device are refused; the words travel on the link."""

    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    OVERSIZED = "oversized"
    UNSUPPORTED_VERSION = "unsupported_version"
    CLOCK_UNKNOWN = "clock_unknown"
    FROM_FUTURE = "from_future"
    WRONG_GATEWAY = "wrong_gateway"
    FOREIGN_DEVICE = "foreign_device"
    UNDECLARED_DEVICE = "undeclared_device"
    STORE_REFUSED = "store_refused"
    """The store will not take the content, whoever sends it."""


@dataclass(frozen=True, slots=True)
class DeviceRefusal:
    """The rows of one device that were not taken, and why."""

    device: str
    code: RefusalCode
    text: str
    readings: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """The readings to store and what was refused beside them."""

    accepted: tuple[Reading, ...]
    refused: tuple[DeviceRefusal, ...]


def _refusal(
    device: str, readings: Sequence[Reading], owner: str | None, gateway_id: str, latest_ms: int
) -> DeviceRefusal | None:
    """Judge a device as a whole, or those of its rows that are from the future."""
    if owner is None:
        text = f"device {device} was never declared by gateway {gateway_id}: add it to the gateway's configuration"
        return DeviceRefusal(device, RefusalCode.UNDECLARED_DEVICE, text, len(readings))
    if owner != gateway_id:
        text = f"device {device} belongs to another gateway: give it to {gateway_id} in the cloud if it has moved"
        return DeviceRefusal(device, RefusalCode.FOREIGN_DEVICE, text, len(readings))
    early = sum(reading.at_ms > latest_ms for reading in readings)
    if early:
        text = f"{early} readings of {device} are stamped in the future: check the gateway's clock"
        return DeviceRefusal(device, RefusalCode.FROM_FUTURE, text, early)
    return None


def judge(
    readings: Iterable[Reading], owners: Mapping[str, str], gateway_id: str, now_ms: int, tolerance_ms: int
) -> Judgement:
    """Decide which readings of a batch may be stored.

    Args:
        readings: of one batch.
        owners: device id -> gateway id, for the tenant's devices among them; a device that is not in it is unknown.
        gateway_id: who sent the batch.
        now_ms: the cloud's clock.
        tolerance_ms: how far ahead of it a stamp may be.

    Returns:
        What is accepted, in the order given, and one refusal a device at most. One device's fault never costs
        another device a reading, and a stamp in the future costs a device only the rows that bear it.
    """
    by_device: dict[str, list[Reading]] = {}
    for reading in readings:
        by_device.setdefault(reading.device, []).append(reading)
    latest_ms = now_ms + tolerance_ms
    accepted: list[Reading] = []
    refused: list[DeviceRefusal] = []
    for device, rows in by_device.items():
        refusal = _refusal(device, rows, owners.get(device), gateway_id, latest_ms)
        if refusal is None:
            accepted.extend(rows)
            continue
        refused.append(refusal)
        if refusal.code is RefusalCode.FROM_FUTURE:
            accepted.extend(row for row in rows if row.at_ms <= latest_ms)
    return Judgement(tuple(accepted), tuple(refused))
