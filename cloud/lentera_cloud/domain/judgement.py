"""What of a batch may be stored: readings of the gateway's own devices, from times that can be true."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from lentera_model.readings import Reading

EARLIEST_MS: Final = 1_577_836_800_000
"""2020-01-01T00:00:00Z. No gateway of ours ran before it: an older stamp is a board whose clock was not set yet."""


class RefusalCode(StrEnum):
    """Why a batch or the rows of a device are refused; the words travel on the link."""

    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    OVERSIZED = "oversized"
    UNSUPPORTED_VERSION = "unsupported_version"
    CLOCK_UNKNOWN = "clock_unknown"
    FROM_FUTURE = "from_future"
    FROM_PAST = "from_past"
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


def _stranger(device: str, readings: int, owner: str | None, gateway_id: str) -> DeviceRefusal | None:
    """Refuse all rows of a device that is not the gateway's own."""
    if owner is None:
        text = f"device {device} was never declared by gateway {gateway_id}: add it to the gateway's configuration"
        return DeviceRefusal(device, RefusalCode.UNDECLARED_DEVICE, text, readings)
    if owner != gateway_id:
        text = f"device {device} belongs to another gateway: give it to {gateway_id} in the cloud if it has moved"
        return DeviceRefusal(device, RefusalCode.FOREIGN_DEVICE, text, readings)
    return None


def _mistimed(device: str, stamps_ms: Sequence[int], latest_ms: int) -> list[DeviceRefusal]:
    """Refuse those of a device's rows whose stamps cannot be true: one refusal for each side."""
    refused: list[DeviceRefusal] = []
    if future := [at_ms for at_ms in stamps_ms if at_ms > latest_ms]:
        text = (
            f"{len(future)} readings of {device} are stamped in the future, up to {_said(max(future))}: "
            "check the gateway's clock"
        )
        refused.append(DeviceRefusal(device, RefusalCode.FROM_FUTURE, text, len(future)))
    if past := [at_ms for at_ms in stamps_ms if at_ms < EARLIEST_MS]:
        text = (
            f"{len(past)} readings of {device} are stamped before 2020, from {_said(min(past))} on: the gateway's "
            "clock was not set when it fitted them; set its time (NTP, or a clock with a battery)"
        )
        refused.append(DeviceRefusal(device, RefusalCode.FROM_PAST, text, len(past)))
    return refused


def _said(at_ms: int) -> str:
    """Write a stamp for people; one beyond the calendar stays a number."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"


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
        What is accepted, in the order given, and at most one refusal a device and cause. One device's fault never
        costs another device a reading, and a stamp that cannot be true costs a device only the rows that bear it.
    """
    by_device: dict[str, list[Reading]] = {}
    for reading in readings:
        by_device.setdefault(reading.device, []).append(reading)
    latest_ms = now_ms + tolerance_ms
    accepted: list[Reading] = []
    refused: list[DeviceRefusal] = []
    for device, rows in by_device.items():
        if (stranger := _stranger(device, len(rows), owners.get(device), gateway_id)) is not None:
            refused.append(stranger)
            continue
        stamps_ms = [row.at_ms for row in rows]
        if min(stamps_ms) < EARLIEST_MS or max(stamps_ms) > latest_ms:
            refused.extend(_mistimed(device, stamps_ms, latest_ms))
            rows = [row for row in rows if EARLIEST_MS <= row.at_ms <= latest_ms]
        accepted.extend(rows)
    return Judgement(tuple(accepted), tuple(refused))
