"""How far the values of a meter may be trusted, and why not: what its profile's rules say, and what it says of itself.

Every value that came is kept, apart by quality. A meter that is at fault answers with exception 4 instead of values;
so that this is no silent gap, `device_fault` is a value of its own: 1 with each poll that ended so, 0 when it is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lentera_drivers.profiles import MeterProfile
from lentera_drivers.profiles.counting import CountersOf
from lentera_drivers.profiles.probe import failed_quantities
from lentera_model.readings import Quality, Sample

DEVICE_FAILURE: Final = 4
"""The Modbus exception "server device failure"."""
FAULT: Final = "device_fault"
"""Above 0 the device is at fault: a bit of a profile, or what an exception tells."""
_SAYS_SO: Final = "the device says that it is at fault"


class QualityOf:
    """Judges the values of one device, poll by poll.

    Attributes:
        doubts: quantity -> quality and why, for what last came and is not good.
        fault: what the device said of itself instead of values; empty while it gives them.
    """

    def __init__(self, device: str, profile: MeterProfile) -> None:
        """Begin with nothing read and nothing said."""
        self.doubts: dict[str, tuple[Quality, str]] = {}
        self.fault = ""
        self._device = device
        self._counters = CountersOf(profile)
        self.use_profile(profile)

    def use_profile(self, profile: MeterProfile) -> None:
        """Take the profile that the device has."""
        self._profile = profile
        self._limited = _limited(profile)
        self._counters.use_profile(profile)

    def samples(self, values: dict[str, float], stamp_ms: int, *, over: bool = True) -> list[Sample]:
        """Return what a poll gave, apart by quality, and remember its counters for the next one.

        Args:
            values: what was decoded.
            stamp_ms: when it came, by a clock that never goes back.
            over: whether a fault that the device spoke of is over; else the values are those of a device at fault.
        """
        profile = self._profile
        if self.fault and over:
            self.fault = ""
            values = {FAULT: 0.0} | values
        failed = failed_quantities(profile, values)
        uncertain = [name for name, low, high in self._limited if name in values and not low <= values[name] <= high]
        said = self.fault or (_SAYS_SO if values.get(FAULT, 0.0) > 0 else "")
        if not said:
            self._counters.judge(values, stamp_ms, failed)
        if not failed and not uncertain and not said:
            if self.doubts:
                self._believe(values)
            return [Sample(self._device, profile.id, stamp_ms, values)]
        self._believe(values)
        self._doubt(values, failed, uncertain, said)
        parts: dict[Quality, dict[str, float]] = {}
        for name, value in values.items():
            quality = self.doubts[name][0] if name in self.doubts else Quality.GOOD
            parts.setdefault(quality, {})[name] = value
        return [Sample(self._device, profile.id, stamp_ms, part, quality) for quality, part in sorted(parts.items())]

    def _believe(self, values: Mapping[str, float]) -> None:
        for name in values:
            self.doubts.pop(name, None)

    def _doubt(self, values: Mapping[str, float], failed: Mapping[str, str], uncertain: list[str], said: str) -> None:
        """Note the worst that speaks against each value."""
        if said:
            self.doubts |= dict.fromkeys(values, (Quality.DEVICE_FAULT, said))
            return
        limits = {name: (low, high) for name, low, high in self._limited}
        for name in uncertain:
            low, high = limits[name]
            self.doubts[name] = Quality.SUSPECT, f"{values[name]:.6g} is beyond its limits, {low:g} to {high:g}"
        for name, why in failed.items():
            self.doubts[name] = Quality.IMPLAUSIBLE, why


def _limited(profile: MeterProfile) -> list[tuple[str, float, float]]:
    """Return the quantities for which the profile gives limits."""
    infinite = float("inf")
    return [
        (
            one.quantity,
            -infinite if one.minimum is None else one.minimum,
            infinite if one.maximum is None else one.maximum,
        )
        for one in profile.registers
        if one.minimum is not None or one.maximum is not None
    ]
