"""The *cabinet* load: one meter (30 values each 10 s) and 40 lamps (6 values each 60 s, dimmed once an hour).

The street's simulated devices are read through their profiles in accelerated time. Noise of the data, from one reading
to the next: volts and amperes 0.14 %, frequency 0.015 %, power as steady as LED drivers hold it; float32 registers,
lamps in tenths of a watt.
"""

from __future__ import annotations

from collections.abc import Iterator

from lentera_drivers.profiles import MeterProfile, decode_lamp_payload, encode_registers, encode_state, load_profile
from lentera_model.protocol import DeviceDeclaration, PaceDeclaration
from lentera_model.readings import Sample
from lentera_sim.clock import SimClock
from lentera_sim.lamps.device import NetworkLamp
from lentera_sim.street import StreetPlan, build_street

METER = "meter-cabinet"
METER_VALUES = 30
METER_EVERY_S = 10
LAMPS = 40
LAMP_EVERY_S = 60
LAMP_QUANTITIES = (
    "power_active_total",
    "energy_active_import",
    "voltage_l1",
    "current_l1",
    "power_factor_total",
)
"""With level_percent, the six values of a lamp."""
START_MS = 1_760_000_000_000


def read_lamp(name: str, lamp: NetworkLamp, at_ms: int) -> Sample:
    """What a lamp says of itself, through its profile."""
    measured = {key: value for key, value in lamp.measure().items() if key in LAMP_QUANTITIES}
    payload = encode_state(lamp.profile, lamp.level_percent(), measured)
    return Sample(name, lamp.profile.id, at_ms, decode_lamp_payload(lamp.profile, payload).values)


class Cabinet:
    """Its devices at an instant that passes when told to.

    Attributes:
        now_s: CLOCK_BOOTTIME of the simulated board.
    """

    def __init__(self) -> None:
        """Light every lamp."""
        self.now_s = 1000.0
        self._street = build_street(StreetPlan(meters=1, lamps=LAMPS), SimClock(1.0, START_MS, lambda: self.now_s))
        for lamp in self._street.lamps.values():
            lamp.luminaire.energise(self._street.clock.now_ms())
        profile = load_profile("eastron_sdm630")
        assert isinstance(profile, MeterProfile)
        self._profile = profile

    def ms(self) -> int:
        """The present of the simulated board."""
        return round(self.now_s * 1000)

    def second(self) -> Iterator[Sample]:
        """Let a second pass; yield everything that is answered in it: lamps are spread over their minute."""
        self.now_s += 1
        second = int(self.now_s)
        if second % METER_EVERY_S == 0:
            yield self._read_meter(self.ms() + 3)
        for number, name in enumerate(self._street.lamps):
            if second % 3600 == number * 90 % 3600:
                level = 40.0 if second // 3600 % 2 == 0 else 100.0
                self._street.lamps[name].luminaire.command(level, self._street.clock.now_ms(), None)
            if second % LAMP_EVERY_S == number * LAMP_EVERY_S // LAMPS:
                yield read_lamp(name, self._street.lamps[name], self.ms() + 10 + number)

    def _read_meter(self, at_ms: int) -> Sample:
        values = self._street.meters[METER].values(self._street.clock.now_ms())
        words: dict[int, int] = {}
        for register in self._profile.registers[:METER_VALUES]:
            encoded = encode_registers(register, values[register.quantity], self._profile.order)
            words |= dict(zip(range(register.address, register.end), encoded, strict=True))
        return Sample(METER, self._profile.id, at_ms, self._profile.decode(words))

    @property
    def lamps(self) -> list[str]:
        """The lamps' ids."""
        return list(self._street.lamps)

    def declarations(self) -> list[DeviceDeclaration]:
        """What a gateway says of these devices in its Hello."""
        found = [
            DeviceDeclaration(
                METER, "meter", self._profile.id, "Meter", "rs485-0", "1", [PaceDeclaration(METER_EVERY_S * 1000)]
            )
        ]
        for number, (name, lamp) in enumerate(self._street.lamps.items(), 1):
            pace = [PaceDeclaration(LAMP_EVERY_S * 1000)]
            found.append(DeviceDeclaration(name, "luminaire", lamp.profile.id, f"Lamp {number}", "lamps", name, pace))
        return found
