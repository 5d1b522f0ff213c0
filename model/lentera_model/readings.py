"""What a device said at one instant: a sample on the gateway's own clock, a reading on everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Quality(IntEnum):
    """How far a set of values may be trusted. Stored beside them; never changed afterwards."""

    GOOD = 0
    """As the device answered, nothing speaks against it."""
    SUSPECT = 1
    """As the device answered, but something speaks against it: a plausibility rule of its profile failed, it may be the
    echo of a command, or the time that it belongs to is uncertain."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one device, stamped when its answer came, on the boot's own clock.

    Attributes:
        device: device id.
        profile: id of the profile that decoded the answer.
        monotonic_ms: milliseconds of CLOCK_BOOTTIME; a batch's clock fit turns them into wall time.
        values: quantity name -> finite value in the quantity's SI unit. What was not read is absent.
        quality: of all the values together.
    """

    device: str
    profile: str
    monotonic_ms: int
    values: Mapping[str, float]
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True)
class Reading:
    """Values of one device at one instant of wall time.

    Attributes:
        device: device id, unique in its tenant.
        profile: id of the profile that decoded the answer; empty where a store does not keep it.
        at_ms: Unix epoch milliseconds, UTC.
        values: quantity name -> finite value in the quantity's SI unit. What was not read is absent.
        quality: of all the values together.
    """

    device: str
    profile: str
    at_ms: int
    values: Mapping[str, float]
    quality: Quality = Quality.GOOD
