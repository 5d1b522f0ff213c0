"""How far the values of a message may be trusted, and why not; every value is kept, apart by quality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lentera_drivers.profiles.plausible import counters_of, implausible
from lentera_model.readings import Quality, Sample

ECHO: Final = "it may be the echo of a command"
_OF_TIME: Final[Mapping[Quality, str]] = {
    Quality.SUSPECT: "the broker had kept it, and its time is not sure",
    Quality.STALE: "the broker had kept it for longer than the device may be silent",
}
_FAULTS: Final = ("lamp_failure", "device_fault")
"""Above 0 the device says that it is at fault."""


class MessageQuality:
    """Judges the messages of one device.

    Attributes:
        doubts: quantity -> quality and why, for what last came and is not good.
    """

    def __init__(self, device: str, profile: str) -> None:
        """Begin with nothing heard."""
        self.doubts: dict[str, tuple[Quality, str]] = {}
        self._device = device
        self._profile = profile
        self._counters: dict[str, float] = {}
        self._newest_ms: int | None = None

    def samples(
        self, values: Mapping[str, float], stamp_ms: int, of_time: Quality = Quality.GOOD, *, echo: bool = False
    ) -> list[Sample]:
        """Return what a message gave, apart by quality; nothing for no values.

        Args:
            values: quantity -> value in SI units.
            stamp_ms: of when they are.
            of_time: whether that is sure; STALE for what is too old.
            echo: whether the message may repeat a command instead of what the lamp does.
        """
        is_newest = self._newest_ms is None or stamp_ms >= self._newest_ms
        failed = implausible(values, self._counters if is_newest else {})
        if is_newest:
            self._newest_ms = stamp_ms
            self._counters |= counters_of(values)
        fault = next((name for name in _FAULTS if values.get(name, 0.0) > 0), None)
        parts: dict[Quality, dict[str, float]] = {}
        for name, value in values.items():
            quality, why = self._judge(failed.get(name), fault, of_time, echo=echo)
            parts.setdefault(quality, {})[name] = value
            if quality is Quality.GOOD:
                self.doubts.pop(name, None)
            else:
                self.doubts[name] = quality, why
        return [Sample(self._device, self._profile, stamp_ms, part, quality) for quality, part in sorted(parts.items())]

    @staticmethod
    def _judge(failed: str | None, fault: str | None, of_time: Quality, *, echo: bool) -> tuple[Quality, str]:
        """Return the worst that speaks against a value."""
        if fault is not None:
            return Quality.DEVICE_FAULT, f"the device says that it is at fault ({fault})"
        if failed is not None:
            return Quality.IMPLAUSIBLE, failed
        if of_time is not Quality.GOOD:
            return of_time, _OF_TIME[of_time]
        return (Quality.SUSPECT, ECHO) if echo else (Quality.GOOD, "")
