"""Does a counter count? What it may do between two readings, and when one that did something else begins anew.

A counter that fell, or that rose faster than any load makes it, is held against the last value that was believed until
it fits that again: so a meter that says 0 for a while is doubted for all that while. Only what counts on from its new
level by itself is believed there, after a reset or an exchange of the meter; a constant 0 counts nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lentera_drivers.profiles.meter import MeterProfile
from lentera_drivers.profiles.register import Register
from lentera_model.quantities import CATALOGUE

_DIAL_SHARE: Final = 0.05
"""A counter that passed its dial limit was in the last twentieth of the dial and is in the first one now."""
_FLOAT_STEP: Final = 2.0**-22
"""Two steps of a float32, as a share of the value."""
_UNKNOWN_STEP: Final = 1e6
"""A scale that stands in another register may make steps of a MWh."""
RISES: Final = 3
RISING_MS: Final = 60_000
"""A new level is believed once it has risen in `RISES` polls, and for so long."""
STEADY_MS: Final = 900_000
"""The same without a rise, as by day without a load; never at 0."""

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast counters of a unit may rise: per millisecond, what comes on top at once, and both in words.

    What comes on top is for meters that bring their registers up to date only now and then.
    """

    per_ms: float
    at_once: float
    words: str


_ENERGY: Final = (1e7 / 3_600_000, 50_000.0)  # 10 MW is beyond every feeder of a street; 3 MW for a minute at once
_RATES: Final[Mapping[str, Rate]] = {
    "Wh": Rate(*_ENERGY, "10 MW"),
    "varh": Rate(*_ENERGY, "10 Mvar"),
    "VAh": Rate(*_ENERGY, "10 MVA"),
    "s": Rate(0.0015, 7200.0, "the time that passed"),  # many count whole hours
    "m3": Rate(5000 / 3_600_000, 100.0, "5000 m3/h"),
}
_NO_RATE: Final = Rate(math.inf, math.inf, "")


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of a profile, prepared.

    Attributes:
        quantity: its name.
        unit: its unit.
        rate: how fast it may rise.
        at_once: what it may rise by in no time, with the steps of its register.
        is_float: whether its steps grow with its value.
        rolls_over_at: where it begins again at 0.
    """

    quantity: str
    unit: str
    rate: Rate
    at_once: float
    is_float: bool
    rolls_over_at: float | None

    def why_not(self, before: float, now: float, elapsed_ms: float) -> str:
        """Return why it cannot have gone from one value to the other in that time; empty if it can have."""
        most = self.rate.per_ms * max(elapsed_ms, 0) + self.at_once + (abs(now) * _FLOAT_STEP if self.is_float else 0.0)
        rise = now - before
        if rise < 0:
            over = self.rolls_over_at
            if over is not None and rolled(before, now, over) and rise + over <= most:
                return ""
            return f"the counter fell from {before:.9g} to {now:.9g}"
        if rise > most:
            seconds = max(elapsed_ms, 0) / 1000
            return (
                f"the counter rose from {before:.9g} to {now:.9g} {self.unit} in {seconds:.3g} s, "
                f"faster than {self.rate.words}"
            )
        return ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a counter has done at a level where it is not believed yet."""

    since_ms: int
    value: float
    at_ms: int
    polls: int = 1
    rises: int = 0

    def followed_by(self, counter: Counter, value: float, at_ms: int) -> Trial:
        """Return the trial with one more value; one that does not follow begins another, as does the first beyond 0."""
        left_zero = self.value == 0 and value != 0
        if left_zero or counter.why_not(self.value, value, at_ms - self.at_ms):
            return Trial(at_ms, value, at_ms)
        return Trial(self.since_ms, value, at_ms, self.polls + 1, self.rises + (value > self.value))

    @property
    def is_passed(self) -> bool:
        """Whether it counts on from here: by itself, without another counter's word."""
        lasted_ms = self.at_ms - self.since_ms
        if self.value == 0 or self.polls <= RISES:
            return False
        return lasted_ms >= STEADY_MS or (self.rises >= RISES and lasted_ms >= RISING_MS)

    @property
    def is_zero_long_enough(self) -> bool:
        """Whether it has stood at 0 for so long that it may begin anew together with one that counts."""
        return self.value == 0 and self.polls > RISES and self.at_ms - self.since_ms >= RISING_MS


@dataclass(slots=True)
class Level:
    """The last value of a counter that was believed, and its trial elsewhere since."""

    value: float
    at_ms: int
    trial: Trial | None = None

    def take(self, counter: Counter, value: float, at_ms: int) -> str:
        """Take one more reading, and return why it cannot be believed; empty if it is."""
        why = counter.why_not(self.value, value, at_ms - self.at_ms)
        if why:
            trial = self.trial
            self.trial = Trial(at_ms, value, at_ms) if trial is None else trial.followed_by(counter, value, at_ms)
            if not self.trial.is_passed:
                return why
        self.value, self.at_ms, self.trial = value, at_ms, None
        return ""


class CountersOf:
    """Judges the counters of one device, poll by poll."""

    def __init__(self, profile: MeterProfile) -> None:
        """Begin with nothing read."""
        self._levels: dict[str, Level] = {}
        self.use_profile(profile)

    def use_profile(self, profile: MeterProfile) -> None:
        """Take another profile; what was believed stays so."""
        self._counters = tuple((one.quantity, one.at_once, one) for one in counters_of(profile))

    def judge(self, values: Values, at_ms: int, failed: dict[str, str]) -> None:
        """Add to `failed` the counters that cannot be believed, each with why; what failed already is no reading."""
        get, level_of = values.get, self._levels.get
        reset = False
        for name, at_once, counter in self._counters:
            value = get(name)
            if value is None or (failed and name in failed):
                continue
            level = level_of(name)
            if level is None:
                self._levels[name] = Level(value, at_ms)
            elif level.trial is None and 0.0 <= value - level.value <= at_once:  # as nearly always
                level.value, level.at_ms = value, at_ms
            else:
                before = level.value
                why = level.take(counter, value, at_ms)
                if why:
                    failed[name] = why
                elif value < before and not rolled(before, value, counter.rolls_over_at):
                    reset = True
        if reset:
            self._begin_zeros(at_ms, failed)

    def _begin_zeros(self, at_ms: int, failed: dict[str, str]) -> None:
        """Believe the counters that stand at 0 since their meter was reset or exchanged, as another one counts on."""
        for name, level in self._levels.items():
            if level.trial is not None and level.trial.is_zero_long_enough:
                level.value, level.at_ms, level.trial = 0.0, at_ms, None
                failed.pop(name, None)


def counters_of(profile: MeterProfile) -> Iterator[Counter]:
    """Yield the counters that cannot fall: a net one may, and one that anybody may reset."""
    if "counters" in profile.probe.skip:
        return
    for register in profile.registers:
        name = register.quantity
        if register.is_counter and "_net" not in name and "resettable" not in name:
            unit = CATALOGUE[name].unit
            rate = _RATES.get(unit, _NO_RATE)
            at_once = rate.at_once + 2 * _step_of(register)
            yield Counter(name, unit, rate, at_once, register.type.is_float, register.rolls_over_at)


def rolled(before: float, now: float, limit: float | None) -> bool:
    """Whether a counter passed its dial limit: it was near the end, and is near 0 now."""
    return limit is not None and before >= limit * (1 - _DIAL_SHARE) and now <= limit * _DIAL_SHARE


def _step_of(register: Register) -> float:
    if register.scale_register is not None:
        return _UNKNOWN_STEP
    return 0.0 if register.type.is_float else abs(register.scale)
