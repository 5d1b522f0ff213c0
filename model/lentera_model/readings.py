"""What a device said at one instant: a sample on the gateway's own clock, a reading on everybody's.

Both are made by the hundred thousand a second in a cloud that catches up: a struct takes a tenth of the time that a
frozen dataclass does to be made, and the search for objects in circles passes it by.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, Literal, get_args

import msgspec

QualityWord = Literal["good", "suspect", "stale", "implausible", "device_fault"]
"""How a quality is written in the API, the command line's JSON and files."""


class Quality(IntEnum):
    """How far a set of values may be trusted, the worse the higher. Stored beside them; never changed afterwards.

    A code that this version does not know (a newer gateway's) reads as SUSPECT.
    """

    GOOD = 0
    """As the device answered, nothing speaks against it."""
    SUSPECT = 1
    """As the device answered, but uncertain: a limit of its profile is passed, it may be the echo of a command, or the
    time that it belongs to is not sure."""
    STALE = 2
    """True once: kept by a broker or a device for longer than the device's own limit of silence."""
    IMPLAUSIBLE = 3
    """A rule of its profile's probe failed: volts that no grid has, a sum that is none, a counter that fell."""
    DEVICE_FAULT = 4
    """The device says of itself that it is at fault."""

    @classmethod
    def _missing_(cls, value: object) -> Quality | None:
        return cls.SUSPECT if isinstance(value, int) and value > 0 else None

    @property
    def word(self) -> QualityWord:
        """How it is written."""
        return _WORDS[self]


_WORDS: Final[tuple[QualityWord, ...]] = get_args(QualityWord)


class Sample(msgspec.Struct, frozen=True, gc=False):
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


class Reading(msgspec.Struct, frozen=True, gc=False):
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
