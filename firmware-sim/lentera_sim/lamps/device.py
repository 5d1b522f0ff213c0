"""A device on a network, and a lamp: what its network last heard of it, and how well it behaves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
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


Garble = Callable[[bytes, Mapping[str, float]], tuple[bytes, Mapping[str, float]]]
"""From a payload and its values to what a faulty device makes of them: another payload, and what can be read of it."""


class NetworkDevice:
    """What every device has that an MQTT program speaks for.

    Attributes:
        device: its id.
        state_topic: where it publishes most of what it says. availability_topic: where its network says whether it is
        there.
        every_s: its period of reports, s of wall time.
        behaviour: how it takes commands.
        garble: what a fault does to its payloads.
        counter: of the energy that it counts.
        late_s: how much later than usual it takes orders and questions.
        binding_from_ms: from when on (Unix ms) a gateway must store what it says; later than now after a flood.
    """

    def __init__(
        self,
        device: str,
        state_topic: str | None,
        availability_topic: str | None,
        every_s: float,
        behaviour: Behaviour = Behaviour.NORMAL,
        quantities: Collection[str] | None = None,
    ) -> None:
        """Take what the street's plan says; `quantities` are those that its gateway stores (None: all)."""
        self.device = device
        self.state_topic = state_topic
        self.availability_topic = availability_topic
        self.every_s = every_s
        self.behaviour = behaviour
        self.garble: Garble | None = None
        self.counter = CounterFault()
        self.late_s = 0.0
        self.binding_from_ms = 0.0
        self._wanted = None if quantities is None else frozenset(quantities)

    def behave(self, behaviour: Behaviour) -> None:
        """Take commands so from now on."""
        self.behaviour = behaviour

    def slow_down(self, late_s: float | None) -> None:
        """Take orders and questions so much later; None: as usual."""
        self.late_s = late_s or 0.0

    def wanted(self, values: Mapping[str, float]) -> Mapping[str, float]:
        """Return the values that this device's gateway stores."""
        if self._wanted is None:
            return values
        return {name: value for name, value in values.items() if name in self._wanted}


class CounterFault:
    """What is wrong with a device's energy counter. `reads_zero`: it shows 0, as some do while they start."""

    def __init__(self) -> None:
        """Nothing is."""
        self.reads_zero = False
        self._lost_wh = 0.0
        self._counted_wh = 0.0

    def shown_wh(self, counted_wh: float) -> float:
        """Return what the device shows where a sound one would show `counted_wh`."""
        self._counted_wh = counted_wh
        return 0.0 if self.reads_zero else counted_wh - self._lost_wh

    def reset(self) -> None:
        """Begin to count from zero, as after a change of firmware or of the meter."""
        self._lost_wh = self._counted_wh


class NetworkLamp(NetworkDevice):
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
        self.profile = profile
        self.topics = profile.topics_for(topic)
        self.luminaire = luminaire
        self._own_delay_ms = luminaire.delay_ms
        super().__init__(device, self.topics.state, self.topics.availability, every_s, behaviour, quantities)
        self.cached_level: float | None = None
        self.cached: dict[str, float] = {}
        self.last_seen_ms: int | None = None
        self._grid = grid
        self._clock = clock
        self._key = channel_key(seed, device, "radio")
        self.behave(behaviour)

    def behave(self, behaviour: Behaviour) -> None:
        """Take commands so from now on; a slow lamp acts five seconds late."""
        super().behave(behaviour)
        self.luminaire.delay_ms = SLOW_DELAY_MS if behaviour is Behaviour.SLOW else self._own_delay_ms

    def slow_down(self, late_s: float | None) -> None:
        """Act so much later; its network answers and echoes as ever. None: as usual."""
        self.luminaire.delay_ms = self._own_delay_ms + round(1000 * (late_s or 0.0))

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
            "energy_active_import": self.counter.shown_wh(lamp.counter_wh(at_ms)),
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
