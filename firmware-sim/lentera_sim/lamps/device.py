"""A lamp on a network: its luminaire, what its network last heard of it, and how well it behaves."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from lentera_drivers.profiles import LampProfile, brightness_of
from lentera_sim.clock import SimClock
from lentera_sim.lamps.said import percent_of
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.luminaire import Luminaire
from lentera_sim.physics.noise import channel_key, smooth

SLOW_DELAY_MS = 5_000


class Behaviour(StrEnum):
    """How a lamp takes its commands."""

    NORMAL = "normal"
    IGNORES = "ignores"
    """The network echoes the command, the lamp never acts."""
    SLOW = "slow"
    """The lamp acts five seconds late."""
    OFFLINE = "offline"
    """The network reports it offline and passes nothing on."""


class NetworkLamp:
    """One lamp as its bridge knows it. `cached` are the values of the last messages, as SI numbers."""

    def __init__(
        self,
        device: str,
        topic: str,
        profile: LampProfile,
        luminaire: Luminaire,
        grid: Grid,
        clock: SimClock,
        *,
        seed: int = 0,
        every_s: float = 10.0,
        behaviour: Behaviour = Behaviour.NORMAL,
        quantities: Collection[str] | None = None,
    ) -> None:
        """Take the device id, its topic, what it is, and the quantities its gateway stores (None: all)."""
        self.device = device
        self.profile = profile
        self.topics = profile.topics_for(topic)
        self.luminaire = luminaire
        self.every_s = every_s
        self.behaviour = behaviour
        self.cached_level: float | None = None
        self.cached: dict[str, float] = {}
        self.last_seen_ms: int | None = None
        self._grid = grid
        self._clock = clock
        self._key = channel_key(seed, device, "radio")
        self._wanted = None if quantities is None else frozenset(quantities)
        if behaviour is Behaviour.SLOW:
            luminaire.delay_ms = SLOW_DELAY_MS

    @property
    def now_ms(self) -> int:
        """Simulated time in milliseconds."""
        return self._clock.now_ms()

    def level_percent(self) -> float:
        """Return the level that the lamp really gives, as its network's whole number of brightness steps."""
        # Encoding is the drivers' (their tests' fixed vectors watch it); what it means is this simulator's.
        brightness = brightness_of(self.profile, self.luminaire.level_percent(self.now_ms))
        return percent_of(self.profile.dialect, brightness)

    def measure(self) -> dict[str, float]:
        """Return what the lamp measures of itself now, in SI units and with the resolution of its chip."""
        at_ms, lamp = self.now_ms, self.luminaire
        volts = self._grid.voltage_v(lamp.phase, at_ms)
        active = lamp.power_w(at_ms)
        apparent = (active**2 + lamp.reactive_var(at_ms) ** 2) ** 0.5
        found = {
            "power_active_total": round(active, 1),
            "energy_active_import": lamp.counter_wh(at_ms),
            "voltage_l1": round(volts, 1),
            "current_l1": round(apparent / volts, 3),
            "power_factor_total": round(lamp.power_factor(at_ms), 2),
            "temperature": round(lamp.temperature_c(at_ms), 1),
            "operating_time": float(int(lamp.operating_s(at_ms))),
            "lamp_failure": 1.0 if lamp.failed else 0.0,
            "link_quality": float(round(150 + 60 * smooth(self._key, at_ms, 60_000))),
        }
        self.cached.update(found)
        return found

    def wanted(self, values: dict[str, float]) -> dict[str, float]:
        """Return the values that this lamp's gateway stores."""
        if self._wanted is None:
            return values
        return {name: value for name, value in values.items() if name in self._wanted}
