"""Report by exception: what is within the deadband of the last value stored is left out, exactly, and never for ever.

The comparison is with the last value that was stored, not with the last one that was read: a slow drift would otherwise
never be stored. Pure.

While means are stored in the place of instantaneous values, those are not left out here: a mean is of all that was
read. Nothing is then known to be stored as it was read, so the first value after that is stored again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from lentera_model.config import DeviceConfig, ReportByException
from lentera_model.quantities import Kind, names_of
from lentera_model.readings import Quality, Sample

_AVERAGED: Final = names_of(Kind.INSTANTANEOUS)


@dataclass(slots=True)
class LastStored:
    """The last value of a quantity that was stored, and what was read since.

    Attributes:
        value, at_ms, quality: as stored; `at_ms` is monotonic.
        read, read_ms: the newest value that was left out, and when; None if none was.
        left_out: how many were left out since.
    """

    value: float
    at_ms: int
    quality: Quality
    read: float | None = None
    read_ms: int | None = None
    left_out: int = 0


class ExceptionReporter:
    """Remembers what was stored of each quantity, for the devices that report by exception."""

    def __init__(self, devices: Iterable[DeviceConfig], means: Callable[[], bool] = lambda: False) -> None:
        """Begin with nothing stored: the first value of everything is.

        Args:
            devices: some report by exception.
            means: whether instantaneous quantities are reduced to means now, after this.
        """
        self._means = means
        self._rules = {device.id: device.report for device in devices if device.report is not None}
        self._stored: dict[str, dict[str, LastStored]] = {device: {} for device in self._rules}
        self.left_out = 0

    def rule(self, device: str) -> ReportByException | None:
        """Return the rule of a device; None where every value is stored."""
        return self._rules.get(device)

    def last_stored(self, device: str, quantity: str) -> LastStored | None:
        """Return what was stored last of a quantity of a device with a rule."""
        return self._stored.get(device, {}).get(quantity)

    def reduce(self, sample: Sample) -> Sample | None:
        """Return the part of a sample that is to be stored, None if all of it may be left out.

        What is older than the last value stored (a broker had kept it) is stored whole: it is no part of the sequence
        that the deadband is about.
        """
        rule = self._rules.get(sample.device)
        if rule is None:
            return sample
        stored = self._stored[sample.device]
        averaged = _AVERAGED if self._means() else frozenset[str]()
        for name in averaged & sample.values.keys():
            stored.pop(name, None)
        kept = {
            name: value
            for name, value in sample.values.items()
            if name in averaged or self._is_news(sample, rule, stored, name, value)
        }
        if len(kept) == len(sample.values):
            return sample
        self.left_out += len(sample.values) - len(kept)
        return replace(sample, values=kept) if kept else None

    @staticmethod
    def _is_news(
        sample: Sample, rule: ReportByException, stored: dict[str, LastStored], name: str, value: float
    ) -> bool:
        last, at_ms = stored.get(name), sample.monotonic_ms
        if last is not None:
            if at_ms < last.at_ms:
                return True
            same = sample.quality == last.quality and abs(value - last.value) <= rule.deadband_of(name)
            if same and at_ms - last.at_ms < rule.heartbeat_s * 1000:
                last.read, last.read_ms = value, at_ms
                last.left_out += 1
                return False
        stored[name] = LastStored(value, at_ms, sample.quality)
        return True
