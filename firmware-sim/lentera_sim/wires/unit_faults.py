"""What can be wrong with a Modbus unit itself, whatever wire it hangs on: silence, slowness, refusals, counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pymodbus.constants import ExcCodes

from lentera_drivers.profiles import MeterProfile, Register


@dataclass(slots=True)
class UnitFaults:
    """The faults of a unit now; all may be changed while it answers.

    Attributes:
        dead: nothing is ever answered.
        delay_s: every answer takes so much longer. A unit answers in the order in which it was asked, so that with a
            delay beyond its reader's timeout each answer meets a later question.
        exception: the code with which every question is refused; None answers.
        holes: addresses that the unit does not have: a question that touches one is refused as an illegal address.
        zero_counters: counters read 0 for as long as this stands (a meter that wakes up).
        no_values: values read as the profile's null marker, or NaN, where there is one.
    """

    dead: bool = False
    delay_s: float = 0.0
    exception: int | None = None
    holes: frozenset[int] = frozenset()
    zero_counters: bool = False
    no_values: bool = False
    _offsets: dict[str, float] = field(default_factory=dict[str, float])
    """What is added to a counter's true value since it was reset, moved or its meter exchanged."""

    def refusal(self, address: int, end: int) -> ExcCodes | int | None:
        """Return the exception code for a question about [address, end), None where no fault refuses it."""
        if self.exception is not None:
            return self.exception
        return ExcCodes.ILLEGAL_ADDRESS if any(address <= hole < end for hole in self.holes) else None

    def applied(self, profile: MeterProfile, values: Mapping[str, float]) -> Mapping[str, float]:
        """Return what the unit's registers say for what its meter measures (quantity to value in SI units)."""
        if not self._offsets and not self.zero_counters:
            return values
        said = dict(values)
        for register in _counters(profile):
            name = register.quantity
            if self.zero_counters:
                said[name] = 0.0
            elif name in self._offsets:
                said[name] = _on_dial(register, values[name] + self._offsets[name])
        return said

    def reset_counters(self, profile: MeterProfile, values: Mapping[str, float]) -> None:
        """Let every counter begin again at 0; `values` are the meter's own now."""
        self._offsets = {register.quantity: -values[register.quantity] for register in _counters(profile)}

    def exchange_meter(self, profile: MeterProfile, values: Mapping[str, float], start: float) -> None:
        """Let another meter hang in this one's place, whose counters begin at `start` (SI unit)."""
        self._offsets = {register.quantity: start - values[register.quantity] for register in _counters(profile)}

    def near_dial_limit(self, profile: MeterProfile, values: Mapping[str, float], left: float) -> list[str]:
        """Put every counter `left` (SI unit) before the end of its dial; return those that have one."""
        found: list[str] = []
        for register in _counters(profile):
            limit = register.rolls_over_at
            if limit is not None and values[register.quantity] > 0:
                self._offsets[register.quantity] = limit - left - values[register.quantity]
                found.append(register.quantity)
        return found


def _on_dial(register: Register, value: float) -> float:
    """Return what a counter's dial shows: past its limit it begins again at 0."""
    limit = register.rolls_over_at
    if limit is None:
        return value
    shown = value % limit
    # Less than half a step before the end is rounded to the end, which is 0 on the dial.
    return 0.0 if limit - shown <= abs(register.scale) / 2 else shown


def _counters(profile: MeterProfile) -> list[Register]:
    return [register for register in profile.registers if register.is_counter]
