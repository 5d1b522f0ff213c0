"""Lines as a technician finds them: which meters hang where, as plain data, and the simulated line made from it.

A scene knows the truth about every place on its line, so whatever a scan says of it can be held against that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Literal

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from lentera_drivers.profiles import AddressMode, MeterProfile, list_profiles, load_profile
from lentera_sim.errors import PlanError
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import PhaseEnergy, PhasePower
from lentera_sim.physics.meter import ThreePhaseMeter
from lentera_sim.wires.chatter import Chatterer
from lentera_sim.wires.medium import Medium, WireFaults
from lentera_sim.wires.memory_line import MemoryLine
from lentera_sim.wires.settings import AnySettings, WireSettings
from lentera_sim.wires.station import Station
from lentera_sim.wires.unit import Answer, ModbusUnit

UNKNOWN: Final = "unknown"
"""What a model is called that no catalogue has."""
CLASH: Final = "clash"
"""What a place is called where two meters live."""
LINE_METERS: Final = 32
NOON_MS: Final = 1_800_000_000_000
_USUAL: Final = WireSettings()
_ALL_PHASES: Final = (1.0, 1.0, 1.0)
_READS: Final = (3, 4)
_MIXED_BAUDS: Final = (2400, 4800, 9600, 19200)
_MIXED_PARITIES: Final[tuple[Literal["N", "E"], ...]] = ("N", "E")
_MIXED_UNKNOWN: Final = 5
_MIXED_CLASHES: Final = 2
_FAR: Final = 137
"""Registers by which a map is moved that no catalogue has: nobody takes it for one that is one register off."""

Place = tuple[int, str, int]
"""Baud, parity and unit id: stop bits keep nobody from being heard."""


class Gaps(StrEnum):
    """What a meter gives for registers that its map does not have."""

    ZERO = "zero"
    """0 between two values; before the first and after the last one it refuses."""
    REFUSED = "refused"
    """An illegal-address answer for every question that touches one."""
    OPEN = "open"
    """0, wherever it is asked."""


@dataclass(frozen=True, slots=True)
class SceneMeter:
    """A meter of a scene.

    Attributes:
        profile: as the meter has it.
        unit: its id.
        settings: of its serial port.
        known: whether a catalogue has its profile.
        watts: load of the first phase; the others have about as much.
        counted_kwh: what its counter shows.
        live: which phases have volts, each 1 or 0.
        turnaround_s: how long it thinks.
        gaps: what it gives where its map has nothing.
        seed: of everything random about it.
        powered: whether it is switched on.
        takes_id: whether its unit id can be written.
    """

    profile: MeterProfile
    unit: int
    settings: WireSettings = _USUAL
    known: bool = True
    watts: float = 900.0
    counted_kwh: float = 9000.0
    live: tuple[float, float, float] = _ALL_PHASES
    turnaround_s: float = 0.02
    gaps: Gaps = Gaps.ZERO
    seed: int = 1
    powered: bool = True
    takes_id: bool = False

    @property
    def place(self) -> Place:
        """Where it is heard."""
        return place_of(self.settings, self.unit)


@dataclass(frozen=True, slots=True)
class Chatter:
    """Somebody who speaks on the line without being asked: another master, a panel."""

    frame: bytes
    every_s: float = 0.4
    settings: WireSettings = _USUAL


@dataclass(frozen=True, slots=True)
class Scene:
    """Meters on a line, what is wrong with its copper, and who else talks on it."""

    meters: tuple[SceneMeter, ...] = ()
    faults: WireFaults = field(default_factory=WireFaults)
    chatter: Chatter | None = None

    @property
    def truth(self) -> dict[Place, str]:
        """What each place is: the id of a profile, `UNKNOWN` or `CLASH`."""
        found: dict[Place, str] = {}
        for meter in self.meters:
            name = meter.profile.id if meter.known else UNKNOWN
            found[meter.place] = CLASH if meter.place in found else name
        return found

    def with_meters(self, *more: SceneMeter) -> Scene:
        """Return the scene with more meters on its line."""
        return replace(self, meters=(*self.meters, *more))

    def changed(self, units: Iterable[int] = (), **changes: Any) -> Scene:
        """Return the scene with something different about the meters of some unit ids; of all where none is named."""
        chosen = set(units)
        meters = (replace(one, **changes) if not chosen or one.unit in chosen else one for one in self.meters)
        return replace(self, meters=tuple(meters))


def place_of(settings: AnySettings | None, unit: int) -> Place:
    """Return where a unit id is heard; on a network host there are no settings."""
    return (0, "", unit) if settings is None else (settings.baud, settings.parity, unit)


# -- what meters measure ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ConstantLoad:
    """The same power all the time; a phase that is not live has none."""

    watts: float
    live: tuple[float, float, float]

    def power(self, at_ms: int) -> tuple[PhasePower, ...]:
        """Return the power of the three phases: about the same."""
        del at_ms
        watts = [self.watts * share * live for share, live in zip((1.0, 0.8, 1.1), self.live, strict=True)]
        return tuple(PhasePower(one, 0.3 * one) for one in watts)

    def energy(self, at_ms: int) -> tuple[PhaseEnergy, ...]:
        """Nothing is counted beyond what the meter has counted before."""
        del at_ms
        return tuple(PhaseEnergy(0.0, 0.0, 0.0, 0.0) for _ in range(3))


def measured(meter: SceneMeter) -> Mapping[str, float]:
    """Return all that a meter of a scene measures."""
    live = (1.0, 0.0, 0.0) if meter.profile.phases == 1 else meter.live
    return _measured(meter.watts, meter.counted_kwh, live, meter.live, meter.seed)


@lru_cache(maxsize=128)
def _measured(
    watts: float,
    counted_kwh: float,
    loaded: tuple[float, float, float],
    live: tuple[float, float, float],
    seed: int,
) -> Mapping[str, float]:
    load = ConstantLoad(watts, loaded)
    found = ThreePhaseMeter(f"meter-{seed}", seed, Grid(seed), load, counted_kwh).values(NOON_MS)
    if live == _ALL_PHASES:
        return found
    volts = [found[f"voltage_l{phase}"] * live[phase - 1] for phase in (1, 2, 3)]
    found |= {f"voltage_l{phase}": volts[phase - 1] for phase in (1, 2, 3)}
    between = [(a * a + b * b + a * b) ** 0.5 for a, b in zip(volts, (*volts[1:], volts[0]), strict=True)]
    found |= dict(zip(("voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1"), between, strict=True))
    found |= {"voltage_ll_avg": sum(between) / 3, "voltage_ln_avg": sum(volts) / 3, "voltage_avg": sum(volts) / 3}
    return found


# -- from data to a line ---------------------------------------------------------------------------------------------


class OpenUnit(ModbusUnit):
    """A unit that refuses no address: what its map does not have reads 0."""

    def answer(self, request: ModbusPDU) -> Answer | None:
        """Return the reply to a request."""
        found = super().answer(request)
        if found is None or not _is_refused_address(found.pdu) or request.function_code not in _READS:
            return found
        first = request.address
        words = [self._one(request, place) for place in range(first, first + request.count)]
        # A reply of the same kind as that to a register that it has.
        has = min(register.address for register in self.profile.registers)
        reply = super().answer(_like(request, has, 2))
        if reply is None or _is_refused_address(reply.pdu):
            return found
        reply.pdu.registers = words
        return Answer(reply.pdu, self.device)

    def _one(self, request: ModbusPDU, place: int) -> int:
        found = super().answer(_like(request, place, 1))
        return 0 if found is None or isinstance(found.pdu, ExceptionResponse) else found.pdu.registers[0]


def _like(request: ModbusPDU, address: int, count: int) -> ModbusPDU:
    return type(request)(address=address, count=count, dev_id=request.dev_id)


def _is_refused_address(pdu: ModbusPDU) -> bool:
    return isinstance(pdu, ExceptionResponse) and pdu.exception_code == ExcCodes.ILLEGAL_ADDRESS


def unit_of(meter: SceneMeter) -> ModbusUnit:
    """Build a meter of a scene, without its wire.

    Raises:
        RegisterMapError: its registers cannot carry what it measures.
    """
    profile = meter.profile
    if not meter.takes_id:
        profile = profile.model_copy(update={"unit_id_register": None})
    known = measured(meter)
    values = {register.quantity: known.get(register.quantity, 0.0) for register in profile.registers}
    kind = OpenUnit if meter.gaps is Gaps.OPEN else ModbusUnit
    unit = kind(f"meter-{meter.unit}-{meter.seed}", profile, lambda: values)
    unit.unit_id = meter.unit
    if meter.gaps is Gaps.REFUSED:
        unit.faults.holes = _holes(profile)
    return unit


def _holes(profile: MeterProfile) -> frozenset[int]:
    """Return the addresses between a profile's first and last value at which it has nothing."""
    known = {place for one in (*profile.registers, *profile.identity) for place in range(one.address, one.end)}
    return frozenset(range(min(known), max(known))) - known


def station_of(meter: SceneMeter) -> Station:
    """Build a meter of a scene as it hangs on a line. Raises RegisterMapError, see `unit_of`."""
    station = Station(
        unit_of(meter), meter.unit, meter.settings, turnaround_s=meter.turnaround_s, jitter=0.02, seed=meter.seed
    )
    station.powered = meter.powered
    return station


def lay(scene: Scene, *, seed: int = 0) -> MemoryLine:
    """Build a scene's line in memory; `chatterer_of` is who talks on it unasked."""
    line = MemoryLine([station_of(meter) for meter in scene.meters], seed=seed)
    line.medium.faults = replace(scene.faults)
    return line


def chatterer_of(scene: Scene, medium: Medium) -> Chatterer | None:
    """Let whoever chatters in a scene begin, on its line; None where nobody does."""
    who = scene.chatter
    return None if who is None else Chatterer(medium, who.settings, who.every_s, (who.frame,))


# -- the scenes ------------------------------------------------------------------------------------------------------


def profile_of(name: str) -> MeterProfile:
    """Return a meter's profile of the catalogue. Raises PlanError for one that is of no meter."""
    profile = load_profile(name)
    if not isinstance(profile, MeterProfile):
        raise PlanError(f"{name} is no meter; `lentera profile list` names the meters")
    return profile


@lru_cache
def catalogue() -> tuple[MeterProfile, ...]:
    """Every meter of the catalogue."""
    loaded = (load_profile(name) for name in list_profiles())
    return tuple(profile for profile in loaded if isinstance(profile, MeterProfile))


@lru_cache
def serial_meters() -> tuple[MeterProfile, ...]:
    """Every meter of the catalogue that hangs on a serial line, but for those whose place a walk must find."""
    fixed = (one for one in catalogue() if one.address_mode is not AddressMode.RELATIVE)
    return tuple(profile for profile in fixed if "rtu" in profile.transport)


def strange(profile: MeterProfile, by: int = _FAR) -> MeterProfile:
    """Return a profile that no catalogue has: the same values, far from where they were."""
    moved = tuple(one.model_copy(update={"address": one.address + by}) for one in profile.registers)
    return profile.model_copy(
        update={"id": f"strange_{by}", "registers": moved, "identity": (), "even_addresses": False}
    )


def factory_settings(profile: MeterProfile) -> WireSettings:
    """Return what a meter comes with; 9600 8N1 where no source says."""
    told = profile.serial
    if told is None:
        return WireSettings()
    return WireSettings(told.baud or 9600, told.parity or "N", told.stop_bits or 1)


def defaults(count: int = LINE_METERS, *, model: str = "eastron_sdm630") -> Scene:
    """Meters of one model at 9600 8N1 with unit ids 1 to `count`."""
    profile = profile_of(model)
    return Scene(tuple(SceneMeter(profile, unit) for unit in range(1, count + 1)))


def own_defaults(count: int = LINE_METERS) -> Scene:
    """Meters of every model, each with the settings that its factory gave it."""
    serial = serial_meters()
    chosen = [serial[number % len(serial)] for number in range(count)]
    return Scene(tuple(SceneMeter(one, unit, factory_settings(one)) for unit, one in enumerate(chosen, start=1)))


def mixed(seed: int = 0) -> Scene:
    """32 places at 2400 to 19200 baud, N and E, ids over 1 to 247: five strange models, two clashes, most without load.

    Meters think for 5 to 150 ms.
    """
    chance, serial = random.Random(seed), serial_meters()
    taken: dict[Place, SceneMeter] = {}
    while len(taken) < LINE_METERS:
        settings = WireSettings(chance.choice(_MIXED_BAUDS), chance.choice(_MIXED_PARITIES))
        number = len(taken)
        is_strange = number < _MIXED_UNKNOWN
        profile = chance.choice(serial)
        meter = SceneMeter(
            strange(profile, _FAR + chance.randrange(50)) if is_strange else profile,
            chance.randint(1, 247),
            settings,
            known=not is_strange,
            watts=chance.choice((0.0, 0.0, 900.0)),
            turnaround_s=chance.uniform(0.005, 0.15),
            gaps=chance.choice((Gaps.ZERO, Gaps.REFUSED)),
            seed=number,
        )
        taken.setdefault(meter.place, meter)
    doubled = list(taken.values())[_MIXED_UNKNOWN : _MIXED_UNKNOWN + _MIXED_CLASHES]
    twins = [
        replace(
            one,
            profile=chance.choice(serial),
            watts=900.0,
            turnaround_s=chance.uniform(0.005, 0.15),
            seed=one.seed + 50,
        )
        for one in doubled
    ]
    return Scene((*taken.values(), *twins))


def clash(first_s: float = 0.02, second_s: float = 0.02, unit: int = 2) -> Scene:
    """Three meters at defaults, and a fourth on the id of one of them; they answer after so many seconds."""
    scene = defaults(3).changed([unit], turnaround_s=first_s)
    return scene.with_meters(SceneMeter(profile_of("eastron_sdm630"), unit, turnaround_s=second_s, seed=2))


def fresh(count: int = 12, *, model: str = "eastron_sdm630") -> Scene:
    """New meters from the box, all at id 1, switched off, without load or counts."""
    meter = SceneMeter(profile_of(model), 1, watts=0.0, counted_kwh=0.0, powered=False, takes_id=True)
    return Scene(tuple(replace(meter, seed=number) for number in range(1, count + 1)))


SCENES: Final[Mapping[str, Callable[[], Scene]]] = {
    "defaults": defaults,
    "own-defaults": own_defaults,
    "mixed": mixed,
    "clash": clash,
    "fresh": fresh,
}
"""Scenes by the names that a command can call them."""
