"""A street: its plan, and the devices with their physics that the plan describes.

The default is a street of Stabat, Langkat (North Sumatra): a lighting cabinet and an office on one RS-485 line, a
market on Modbus TCP, and lamps on both MQTT dialects that hang behind the cabinet's meter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lentera_drivers.profiles import LampProfile, MeterProfile, load_profile
from lentera_model.config import ReportByException
from lentera_sim.clock import SimClock
from lentera_sim.errors import PlanError
from lentera_sim.lamps.device import Behaviour, NetworkLamp
from lentera_sim.lamps.mesh import ignoring
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import MARKET, OFFICE, BuildingLoad, CabinetLoad, Load
from lentera_sim.physics.luminaire import Luminaire
from lentera_sim.physics.meter import ThreePhaseMeter, check_quantities
from lentera_sim.physics.noise import channel_key, draw
from lentera_sim.plugs.fleet import JSON_METER, PLUG, TASMOTA, PlugPlan, build_plug, plug_plans
from lentera_sim.plugs.plug import NetworkPlug
from lentera_sim.wires.unit import ModbusUnit

_MOST_SMALL_METERS = 200
RATED_POWERS_W = (40.0, 60.0, 80.0, 100.0, 120.0, 150.0)
_STREETS = (
    "Jalan KH Zainul Arifin",
    "Jalan Proklamasi",
    "Jalan Perniagaan",
    "Jalan Diponegoro",
    "Jalan Imam Bonjol",
    "Jalan Sudirman",
    "Jalan Kartini",
    "Jalan Merdeka",
)
_TRANSPORTS: Mapping[str, Literal["rtu", "tcp"]] = {"eastron_sdm630": "rtu", "abb_b23": "rtu", "siemens_pac3200": "tcp"}


OFFICE_REPORTS: Mapping[str, ReportByException] = {
    # An office's volts and hertz hardly change: what lies within these bands of the last value stored is left out.
    "meter-office": ReportByException(
        heartbeat_s=10, deadband={"voltage_l1": 0.2, "voltage_l2": 0.2, "voltage_l3": 0.2, "frequency": 0.005}
    )
}


@dataclass(frozen=True, slots=True)
class StreetPlan:
    """How many of what. Everything random follows from `seed`.

    Attributes:
        meters: at least 1; the first is the cabinet's.
        lamps: luminaires behind the cabinet; two of three speak Zigbee2MQTT, the others Home Assistant's JSON.
        plugs: metering plugs behind Zigbee2MQTT. tasmota: energy modules with Tasmota. json_meters: meters that publish
        one JSON object of the catalogue's names.
        speed: simulated seconds a second.
        epoch_ms: simulated time of the start (Unix ms); None is now.
        serial_every_s: how often a meter of the serial line is read. tcp_every_s: a TCP meter. lamp_every_s: lamps'
        reports. plug_every_s: of plugs, modules and JSON meters. baud: of the serial line.
        converter: whether the serial line is behind an Ethernet converter (Modbus RTU over TCP).
        mesh: whether the Zigbee lamps' radio has a mesh's manners (lentera_sim.lamps.mesh).
        behaviours: lamp id to how it takes commands, where not normally.
        quantities: device id to the only quantities that its gateway is configured for.
        reports: device id to its rule of report by exception.
        gateway: id of the gateway in the configuration written for this street.
    """

    meters: int = 3
    lamps: int = 12
    plugs: int = 0
    tasmota: int = 0
    json_meters: int = 0
    seed: int = 1
    speed: float = 1.0
    epoch_ms: int | None = None
    serial_every_s: float = 2.0
    tcp_every_s: float = 1.0
    lamp_every_s: float = 10.0
    plug_every_s: float = 10.0
    baud: int = 9600
    converter: bool = False
    mesh: bool = False
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict[str, Behaviour])
    quantities: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    reports: Mapping[str, ReportByException] = field(default_factory=lambda: OFFICE_REPORTS)
    gateway: str = "gw-stabat-01"

    def __post_init__(self) -> None:
        """Raise PlanError for numbers that make no street and for names that it does not have."""
        if not 1 <= self.meters <= 200 or not 0 <= self.lamps <= 1000:
            raise PlanError(f"a street has 1 to 200 meters and 0 to 1000 lamps, not {self.meters} and {self.lamps}")
        small = (self.plugs, self.tasmota, self.json_meters)
        if min(small) < 0 or max(small) > _MOST_SMALL_METERS:
            raise PlanError(f"a street has 0 to {_MOST_SMALL_METERS} plugs, modules and JSON meters each, not {small}")
        intervals = (self.serial_every_s, self.tcp_every_s, self.lamp_every_s, self.plug_every_s, self.speed)
        if min(intervals) <= 0:
            raise PlanError(f"intervals and speed must be above 0: {intervals}")
        known = {one.device for one in (*self.meter_plans(), *self.lamp_plans(), *self.plug_plans())}
        unknown = sorted((set(self.behaviours) | set(self.quantities)) - known)
        if unknown:
            raise PlanError(
                f"the street has no device {', '.join(unknown)}; it has {', '.join(sorted(known)[:20])} ..."
            )

    def meter_plans(self) -> tuple[MeterPlan, ...]:
        """Return the meters: cabinet, office, market, then more markets on TCP."""
        cabinet = MeterPlan("meter-cabinet", "Panel PJU Jalan Merdeka", "eastron_sdm630", 1, self.serial_every_s)
        office = MeterPlan("meter-office", "Kantor Lurah Stabat Baru", "abb_b23", 2, self.serial_every_s)
        market = MeterPlan("meter-market", "Pasar Baru Stabat", "siemens_pac3200", 1, self.tcp_every_s)
        more = tuple(
            MeterPlan(f"meter-{number:03d}", f"Ruko {number} Jalan Perniagaan", "siemens_pac3200", 1, self.tcp_every_s)
            for number in range(4, self.meters + 1)
        )
        return ((cabinet, office, market)[: self.meters]) + more

    def lamp_plans(self) -> tuple[LampPlan, ...]:
        """Return the lamps, lamp-001 onwards."""
        power_key = channel_key(self.seed, "rated power")
        zigbee = [f"lamp-{number:03d}" for number in range(1, self.lamps + 1) if number % 3]
        behaviours = dict.fromkeys(ignoring(self.seed, zigbee) if self.mesh else (), Behaviour.IGNORES)
        behaviours |= self.behaviours
        return tuple(
            LampPlan(
                device=f"lamp-{number:03d}",
                name=f"{_STREETS[(number - 1) // 6 % len(_STREETS)]} {number}, Stabat",
                profile="homeassistant_json_light" if number % 3 == 0 else "zigbee2mqtt_light",
                rated_w=RATED_POWERS_W[int((draw(power_key, number) + 1) / 2 * len(RATED_POWERS_W))],
                phase=(number - 1) % 3,
                every_s=self.lamp_every_s,
                behaviour=behaviours.get(f"lamp-{number:03d}", Behaviour.NORMAL),
            )
            for number in range(1, self.lamps + 1)
        )

    def plug_plans(self) -> tuple[PlugPlan, ...]:
        """Return the small meters on MQTT: plugs, Tasmota modules, JSON meters."""
        counts = {PLUG: self.plugs, TASMOTA: self.tasmota, JSON_METER: self.json_meters}
        return plug_plans(counts, self.seed, self.plug_every_s)


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """One meter: id, name, profile, unit id on its bus, interval of reads in seconds."""

    device: str
    name: str
    profile: str
    unit: int
    every_s: float

    @property
    def transport(self) -> Literal["rtu", "tcp"]:
        """The wire that the street puts this profile on."""
        return _TRANSPORTS[self.profile]


@dataclass(frozen=True, slots=True)
class LampPlan:
    """One lamp: id (and MQTT topic), name, profile, rated power in W, phase 0 to 2, interval of reports in s."""

    device: str
    name: str
    profile: str
    rated_w: float
    phase: int
    every_s: float
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Street:
    """The devices, ready to be put on wires and radio."""

    plan: StreetPlan
    clock: SimClock
    grid: Grid
    units: Mapping[str, ModbusUnit]
    """Meter id to its Modbus unit."""
    meters: Mapping[str, ThreePhaseMeter]
    lamps: Mapping[str, NetworkLamp]
    plugs: Mapping[str, NetworkPlug]
    """Id to device of all small meters on MQTT."""


def build_street(plan: StreetPlan, clock: SimClock | None = None) -> Street:
    """Build a plan's devices.

    Raises:
        PlanError: a profile asks for what the simulated meters do not measure.
        RegisterMapError: a value does not fit a profile's register.
    """
    clock = SimClock(plan.speed, plan.epoch_ms) if clock is None else clock
    grid = Grid(plan.seed)
    lamps = {lamp.device: _build_lamp(plan, lamp, grid, clock) for lamp in plan.lamp_plans()}
    luminaires = [lamp.luminaire for lamp in lamps.values()]
    meters: dict[str, ThreePhaseMeter] = {}
    units: dict[str, ModbusUnit] = {}
    for meter_plan in plan.meter_plans():
        meter = ThreePhaseMeter(meter_plan.device, plan.seed, grid, _build_load(plan, meter_plan, luminaires, clock))
        meters[meter_plan.device] = meter
        units[meter_plan.device] = _build_unit(plan, meter_plan, meter, clock)
    plugs = {
        plug.device: build_plug(plug, plan.seed, grid, clock, plan.quantities.get(plug.device))
        for plug in plan.plug_plans()
    }
    return Street(plan, clock, grid, units, meters, lamps, plugs)


def _build_lamp(plan: StreetPlan, lamp: LampPlan, grid: Grid, clock: SimClock) -> NetworkLamp:
    profile = load_profile(lamp.profile)
    if not isinstance(profile, LampProfile):
        raise PlanError(f"{lamp.device}: profile {lamp.profile} is no lamp's")
    key = channel_key(plan.seed, lamp.device)
    luminaire = Luminaire(
        lamp.device,
        lamp.rated_w,
        lamp.phase,
        delay_ms=int(150 + 50 * draw(key, 1)),
        energy_wh=round(250_000 * (draw(key, 2) + 1)),
    )
    return NetworkLamp(
        lamp.device,
        lamp.device,
        profile,
        luminaire,
        grid,
        clock,
        seed=plan.seed,
        every_s=lamp.every_s,
        behaviour=lamp.behaviour,
        quantities=plan.quantities.get(lamp.device),
    )


def _build_load(plan: StreetPlan, meter: MeterPlan, luminaires: list[Luminaire], clock: SimClock) -> Load:
    if meter.device == "meter-cabinet":
        return CabinetLoad(luminaires, clock.epoch_ms)
    if meter.device == "meter-office":
        return BuildingLoad(plan.seed, meter.device, 22_000.0, OFFICE, clock.epoch_ms)
    return BuildingLoad(plan.seed, meter.device, 64_000.0, MARKET, clock.epoch_ms)


def _build_unit(plan: StreetPlan, meter_plan: MeterPlan, meter: ThreePhaseMeter, clock: SimClock) -> ModbusUnit:
    profile = load_profile(meter_plan.profile)
    if not isinstance(profile, MeterProfile):
        raise PlanError(f"{meter_plan.device}: profile {meter_plan.profile} is no meter's")
    check_quantities(meter, clock.now_ms(), (register.quantity for register in profile.registers), profile.id)
    return ModbusUnit(
        meter_plan.device,
        profile,
        lambda: meter.values(clock.now_ms()),
        plan.quantities.get(meter_plan.device),
    )
