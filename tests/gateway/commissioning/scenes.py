"""Lines of meters for scans: at defaults, and as mixed as a street can be, with the truth beside."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import AddressMode, MeterProfile, list_profiles, load_profile
from lentera_gateway.commissioning.found import ScanResult
from lentera_gateway.commissioning.recognise import Outcome
from lentera_gateway.commissioning.scan import Scan, ScanWish
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import PhaseEnergy, PhasePower
from lentera_sim.physics.meter import ThreePhaseMeter
from lentera_sim.virtual_time import run_in_virtual_time
from tests.gateway.commissioning.small_line import Meter, SmallLine, meter_of

NOON_MS = 1_800_000_000_000
UNKNOWN = "unknown"
CLASH = "clash"
Place = tuple[LineSettings | None, int]


@lru_cache
def profiles() -> tuple[MeterProfile, ...]:
    """Every meter that comes with Lentera."""
    loaded = [load_profile(name) for name in list_profiles()]
    return tuple(profile for profile in loaded if isinstance(profile, MeterProfile))


def absolute() -> list[MeterProfile]:
    return [profile for profile in profiles() if profile.address_mode is not AddressMode.RELATIVE]


@dataclass(frozen=True)
class ConstantLoad:
    """The same power all the time; a single-phase meter sees the first phase alone."""

    watts: float
    single_phase: bool

    def power(self, at_ms: int) -> tuple[PhasePower, ...]:
        shares = (1.0, 0.0, 0.0) if self.single_phase else (1.0, 0.8, 1.1)
        return tuple(PhasePower(self.watts * share, 0.3 * self.watts * share) for share in shares)

    def energy(self, at_ms: int) -> tuple[PhaseEnergy, ...]:
        return tuple(PhaseEnergy(0.0, 0.0, 0.0, 0.0) for _ in range(3))


@lru_cache(maxsize=64)
def values(watts: float, counted_kwh: float, single_phase: bool, seed: int = 1) -> Mapping[str, float]:
    """What a meter measures: a load, what it has counted, one phase or three."""
    load = ConstantLoad(watts, single_phase)
    return ThreePhaseMeter(f"meter-{seed}", seed, Grid(seed), load, counted_kwh).values(NOON_MS)


def values_for(profile: MeterProfile, watts: float, counted_kwh: float = 9000.0, seed: int = 1) -> Mapping[str, float]:
    return values(watts, counted_kwh, profile.phases == 1, seed)


@dataclass
class Scene:
    """Meters and what each place on the line truly is: a profile's id, UNKNOWN or CLASH."""

    meters: list[Meter] = field(default_factory=list)
    truth: dict[Place, str] = field(default_factory=dict)

    def add(self, meter: Meter, truth: str) -> None:
        self.meters.append(meter)
        self.truth[meter.settings, meter.unit] = truth


def at_defaults(count: int = 32) -> Scene:
    """Meters of one model at the factory's settings, with unit ids 1 to `count`."""
    scene, profile = Scene(), load_profile("eastron_sdm630")
    assert isinstance(profile, MeterProfile)
    for unit in range(1, count + 1):
        scene.add(meter_of(profile, unit, LineSettings(9600, "N", 1), values_for(profile, 900.0)), profile.id)
    return scene


def at_their_own_defaults(count: int = 32) -> Scene:
    """Meters of every model, each at the settings that its factory gave it."""
    scene = Scene()
    serial = [profile for profile in absolute() if "rtu" in profile.transport]
    for number in range(count):
        profile = serial[number % len(serial)]
        told = profile.serial
        settings = LineSettings(
            (told and told.baud) or 9600, (told and told.parity) or "N", (told and told.stop_bits) or 1
        )
        scene.add(meter_of(profile, number + 1, settings, values_for(profile, 900.0)), profile.id)
    return scene


def mixed(seed: int) -> Scene:
    """32 meters, 2400 to 19200 baud, N and E, ids over 1 to 247, five unknown models, two clashes, zero loads."""
    chance, scene = random.Random(seed), Scene()
    serial = [profile for profile in absolute() if "rtu" in profile.transport]
    while len(scene.truth) < 32:
        settings = LineSettings(chance.choice([2400, 4800, 9600, 19200]), chance.choice(["N", "E"]), 1)
        unit = chance.randint(1, 247)
        if (settings, unit) in scene.truth:
            continue
        profile, number = chance.choice(serial), len(scene.truth)
        measured = values_for(profile, chance.choice([0.0, 0.0, 900.0]), seed=number)
        meter = meter_of(profile, unit, settings, measured)
        meter.turnaround_s = chance.uniform(0.005, 0.15)
        meter.holes = chance.random() < 0.5
        if number < 5:
            offset = 137 + chance.randrange(50)
            meter.words = {
                code: {at + offset: word for at, word in known.items()} for code, known in meter.words.items()
            }
        scene.add(meter, UNKNOWN if number < 5 else CLASH if number < 7 else profile.id)
        if 5 <= number < 7:
            second = chance.choice(serial)
            twin = meter_of(second, unit, settings, values_for(second, 900.0, seed=number + 50))
            twin.turnaround_s = chance.uniform(0.005, 0.15)
            scene.meters.append(twin)
    return scene


def scan(scene: Scene, wish: ScanWish | None = None) -> ScanResult:
    """Scan a scene's line in simulated time."""
    line = SmallLine(scene.meters)

    async def work() -> ScanResult:
        port = RawPort()
        await port.open_serial(line.open, LineSettings())
        return await Scan(port, profiles(), wish).run("memory")

    return run_in_virtual_time(work())


def outcomes(result: ScanResult, scene: Scene) -> Counter[str]:
    """Count how the scan judged, with what it got wrong named as such."""
    found: Counter[str] = Counter()
    for unit in result.units:
        truth = scene.truth.get((unit.settings, unit.unit))
        assert truth is not None, f"nobody lives at {unit.settings} {unit.unit}"
        if unit.best is not None and unit.best.profile != truth:
            found[f"wrong: {truth} taken for {unit.best.profile}"] += 1
        elif truth == CLASH and unit.outcome is not Outcome.CLASH:
            found["clash not seen"] += 1
        elif truth == UNKNOWN and unit.outcome is not Outcome.UNKNOWN:
            found[f"unknown model said to be {unit.outcome}"] += 1
        else:
            found[str(unit.outcome)] += 1
    missed = len(scene.truth) - len(result.units)
    if missed:
        found["missed"] = missed
    return found
