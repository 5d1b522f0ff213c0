"""A meter on MQTT as its program knows it: its load, its topics, and how well it behaves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from lentera_drivers.profiles import SensorProfile
from lentera_sim.clock import SimClock
from lentera_sim.lamps.device import NetworkDevice
from lentera_sim.physics.noise import channel_key, smooth
from lentera_sim.plugs.appliance import Appliance, Draw


class NetworkPlug(NetworkDevice):
    """One metering plug, energy module or meter of one's own. `last_measured` is what its network has cached of it."""

    def __init__(
        self,
        device: str,
        profile: SensorProfile,
        appliance: Appliance,
        clock: SimClock,
        *,
        seed: int = 0,
        every_s: float = 10.0,
        quantities: Collection[str] | None = None,
    ) -> None:
        """Take its id, which is its topic too, its profile (for the topics alone), and what hangs behind it."""
        self.profile = profile
        self.topics = profile.topics_for(device)
        state = next(iter(self.topics.messages.values()))
        super().__init__(device, state, self.topics.availability, every_s, quantities=quantities)
        self.appliance = appliance
        self.last_measured: dict[str, Any] = {}
        self._clock = clock
        self._key = channel_key(seed, device, "radio")

    def draw(self) -> Draw:
        """Return what its load draws now."""
        return self.appliance.draw(self._clock.now_ms())

    def counter_kwh(self) -> float:
        """Return its counter as it shows it, in kWh."""
        return self.counter.shown_wh(self.draw().energy_wh) / 1000

    def switch(self, on: bool) -> None:
        """Close or open its relay."""
        self.appliance.switch(on, self._clock.now_ms())

    def link_quality(self) -> int:
        """Return the link quality of its radio, 0 to 255."""
        return round(150 + 60 * smooth(self._key, self._clock.now_ms(), 60_000))
