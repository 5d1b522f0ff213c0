"""When the silent units of a bus may be asked again. Pure: the present is an argument (monotonic milliseconds).

While somebody answers, the silent rest longer with each miss and share a small part of the time, see `breaker`. While
nobody does, there is nobody to protect: one short probe after the other goes round, no unit rests longer than the
shortest pause, and nothing is accounted for. Who answers first after such an outage ends it: all who fell with it are
asked again at once, and for as long as meters take to start after the power has come back nothing holds them up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from lentera_drivers.modbus.breaker import Breaker, DeadTime

TOGETHER_MS: Final = 10_000
"""Who fell so long before the last answer on the bus fell with the rest: voltage sags, and capacitors last."""
STARTING_MS: Final = 10_000
"""Meters answer again so long after their power came back."""


@dataclass(slots=True)
class Patience:
    """What is known of the units of a bus, by unit id.

    Attributes:
        last_answer_ms: when anybody answered last; None before the first answer.
    """

    last_answer_ms: int | None = None
    _account: DeadTime = field(default_factory=DeadTime)
    _silent: dict[int, Breaker] = field(default_factory=dict[int, Breaker])
    _alive: set[int] = field(default_factory=set[int])
    _fell_together: set[int] = field(default_factory=set[int])

    @property
    def nobody_answers(self) -> bool:
        """Whether no unit is known to be alive."""
        return not self._alive

    def misses(self, unit: int) -> int:
        """Return how often in a row a unit gave no answer that could be used."""
        breaker = self._silent.get(unit)
        return 0 if breaker is None else breaker.misses

    def rests_for_ms(self, unit: int, now_ms: int) -> int:
        """Return for how long a unit must still not be asked; 0 when it may be."""
        breaker = self._silent.get(unit)
        if breaker is None:
            return 0
        rests_ms = breaker.rests_for_ms(now_ms)
        if self._is_accounted(breaker, now_ms) and not self._account.allows(now_ms):
            rests_ms = max(rests_ms, round(self._account.allows_at_ms() - now_ms), 1)
        return rests_ms

    def spent(self, unit: int, now_ms: int, cost_ms: float) -> None:
        """Draw the time of a question in vain from the account of the silent."""
        if self._is_accounted(self._silent.get(unit), now_ms):
            self._account = self._account.spent(now_ms, cost_ms)

    def _is_accounted(self, breaker: Breaker | None, now_ms: int) -> bool:
        return bool(self._alive) and (breaker is None or now_ms >= breaker.starting_until_ms)

    def missed(self, unit: int, now_ms: int) -> None:
        """A unit gave no answer that could be used."""
        before = self._silent.get(unit, Breaker())
        was_alive = unit in self._alive
        self._alive.discard(unit)
        patient = bool(self._alive) and now_ms >= before.starting_until_ms
        self._silent[unit] = before.missed(now_ms, grows=patient)
        if was_alive and not self._alive:
            self._account = DeadTime(0.0, now_ms)  # what the outage has cost so far was nobody's time
            begin_ms = (now_ms if self.last_answer_ms is None else self.last_answer_ms) - TOGETHER_MS
            self._fell_together = {one for one, breaker in self._silent.items() if breaker.since_ms >= begin_ms}

    def answered(self, unit: int, now_ms: int) -> None:
        """A unit answered, be it with a refusal."""
        outage_ends = not self._alive
        self._alive.add(unit)
        self._silent.pop(unit, None)
        if outage_ends:
            for one in self._fell_together - {unit}:
                self._silent[one] = self._silent[one].prompted(now_ms, now_ms + STARTING_MS)
            self._fell_together = set()
