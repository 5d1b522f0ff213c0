"""The dry run of a meter's profile: a simulated meter made from it, read over a real wire by the real driver.

What is compared never comes from the drivers' own arithmetic: the simulated meter writes down in its ledger what it
said, at its registers' resolution, and the driver's values must be the same.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lentera_drivers.driver import Driver, DriverError, open_driver
from lentera_drivers.profiles import AddressMode, MeterProfile, Register, RegisterType
from lentera_drivers.profiles.probe import Finding, probe
from lentera_drivers.profiles.registers import EXPONENTS
from lentera_model.config import DeviceConfig, ModbusBus
from lentera_sim.ledger import Ledger, read_ledger
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.loads import PhaseEnergy, PhasePower
from lentera_sim.physics.meter import ThreePhaseMeter
from lentera_sim.wires.sunspec_map import METER_BASE, sunspec_words
from lentera_sim.wires.tcp_meter import TcpMeter
from lentera_sim.wires.unit import ModbusUnit

_DEVICE = "meter"
_BUS = "wire"
_UNIT = 1
_AT_MS = 1_700_000_000_000
_COMMON_BAUD = 9600
_FINEST = -3
"""Power of ten of the finest scale that a simulated SunSpec device uses."""
_TRIAL_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class TrialValue:
    """One quantity of the dry run, in its SI unit.

    Attributes:
        quantity: its name.
        unit: its unit.
        had: what the simulated device said at its resolution; None where it says that it has no value.
        read: what the driver made of the bytes; None where it made nothing of them.
        resolution: step of the value; None for a float.
    """

    quantity: str
    unit: str
    had: float | None
    read: float | None
    resolution: float | None

    @property
    def agrees(self) -> bool:
        """Whether what was read is what the meter had."""
        return self.had == self.read


@dataclass(frozen=True, slots=True)
class Trial:
    """How a dry run went.

    Attributes:
        values: every quantity of the profile, in its order.
        narrow: quantities whose register cannot carry the simulated load; they were tried with less.
        requests: what the driver asks for in one poll, as text; on MQTT the topics that it listens to.
        line: the line that the wire time is for, such as `9600 8N1`, or `TCP`; `MQTT` for a sensor.
        wire_ms: time of one poll on that line, in milliseconds.
        rules: what the rules of identification say of the values read.
        failure: why nothing was read at all; empty when it was.
    """

    values: tuple[TrialValue, ...] = ()
    narrow: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    line: str = ""
    wire_ms: float = 0.0
    rules: tuple[Finding, ...] = ()
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether every value came back as the meter had it."""
        return not self.failure and all(value.agrees for value in self.values)


@dataclass(slots=True)
class _Load:
    """A steady, slightly inductive load on each phase that the meter has."""

    phases: int
    active_w: tuple[float, ...] = (1850.0, 1420.0, 960.0)

    def power(self, at_ms: int) -> tuple[PhasePower, ...]:
        """Return the power of the three phases."""
        del at_ms
        return tuple(
            PhasePower(watts if phase < self.phases else 0.0, 0.3 * watts if phase < self.phases else 0.0)
            for phase, watts in enumerate(self.active_w)
        )

    def energy(self, at_ms: int) -> tuple[PhaseEnergy, ...]:
        """Return nothing counted since the start: the counters stand where they stood."""
        del at_ms
        return (PhaseEnergy(0.0, 0.0, 0.0, 0.0),) * 3


@dataclass(slots=True)
class _Prepared:
    """A profile with absolute addresses and fixed scales, and values that its registers can carry.

    `fixed` are the words of the map around them: heads of SunSpec models, scale registers.
    """

    profile: MeterProfile
    values: dict[str, float]
    narrow: list[str] = field(default_factory=list[str])
    fixed: dict[int, int] = field(default_factory=dict[int, int])


async def try_profile(profile: MeterProfile) -> Trial:
    """Make a simulated meter of a profile, read it once over TCP and compare.

    The meter of a relative (SunSpec) profile has a whole map, so that the driver must find its model first.
    """
    prepared = prepare(profile)
    with tempfile.TemporaryDirectory(prefix="lentera-profile-") as folder:
        path = Path(folder) / "ledger.jsonl"
        ledger = Ledger(path)
        try:
            read, failure = await _read(profile, prepared, ledger)
        finally:
            ledger.close()
        said = {name: value for entry in read_ledger(path) for name, value in entry.values.items()}
    line, requests, wire_ms = plan_of(prepared.profile)
    if failure:
        return Trial(narrow=tuple(prepared.narrow), requests=requests, line=line, wire_ms=wire_ms, failure=failure)
    values = tuple(
        TrialValue(
            register.quantity, register.unit, said.get(register.quantity), read.get(register.quantity), _step(register)
        )
        for register in prepared.profile.registers
    )
    return Trial(values, tuple(prepared.narrow), requests, line, wire_ms, probe(prepared.profile, read))


def plan_of(profile: MeterProfile) -> tuple[str, tuple[str, ...], float]:
    """Return the line of a profile's serial defaults, the requests of one poll on it, and their time in ms.

    Where the defaults are unknown the commonest line is taken, 9600 8N1; a meter without a serial port has TCP.
    """
    if "rtu" in profile.transport:
        serial = profile.serial
        baud = (serial.baud if serial else None) or _COMMON_BAUD
        parity = (serial.parity if serial else None) or "N"
        stop_bits = (serial.stop_bits if serial else None) or 1
        line = f"{baud} 8{parity}{stop_bits}"
        given = {"transport": "rtu", "port": "/dev/null", "baud": baud, "parity": parity, "stop_bits": stop_bits}
    else:
        line, given = "TCP", {"transport": "tcp", "host": "127.0.0.1"}
    bus = ModbusBus.model_validate({"id": _BUS, "driver": "modbus"} | given)
    plan = _driver(bus, profile).describe_plan()
    return line, tuple(request.target for request in plan), sum(request.wire_ms or 0.0 for request in plan)


async def _read(profile: MeterProfile, prepared: _Prepared, ledger: Ledger) -> tuple[dict[str, float], str]:
    """Poll the simulated meter once; a reason instead of values when nothing came."""
    unit = ModbusUnit(_DEVICE, prepared.profile, lambda: prepared.values, fixed=prepared.fixed)
    meter = TcpMeter({_UNIT: unit}, ledger)
    await meter.open()
    bus = ModbusBus(
        id=_BUS,
        driver="modbus",
        transport="tcp",
        host="127.0.0.1",
        tcp_port=meter.port,
        timeout_ms=_TRIAL_TIMEOUT_MS,
    )
    driver = _driver(bus, profile)
    try:
        await driver.open()
        samples = await driver.read(_DEVICE)
    except DriverError as error:
        return {}, str(error)
    finally:
        await driver.close()
        await meter.close()
    return {name: value for sample in samples for name, value in sample.values.items()}, ""


def _driver(bus: ModbusBus, profile: MeterProfile) -> Driver:
    device = DeviceConfig(id=_DEVICE, profile=profile.id, bus=_BUS, unit=_UNIT)
    return open_driver(
        bus,
        [device],
        {profile.id: profile},
        clock=lambda: time.monotonic_ns() // 1_000_000,
        on_sample=lambda sample: None,
        on_status=lambda device, online, reason: None,
    )


def prepare(profile: MeterProfile) -> _Prepared:
    """Fix addresses and scales, and bring every simulated value within its register.

    A counter beyond its dial has begun again; anything else that does not fit is tried with the largest value that
    does, and told.
    """
    wanted = _simulated(profile)
    prepared = _Prepared(profile, {})
    exponents = _exponents(profile, wanted)
    if profile.address_mode is AddressMode.RELATIVE:
        prepared.fixed = sunspec_words(profile, exponents)
        profile = profile.at(METER_BASE)
        exponents = {METER_BASE + offset: exponent for offset, exponent in exponents.items()}
    prepared.fixed |= {address: exponent % 0x10000 for address, exponent in exponents.items()}
    profile = prepared.profile = profile.with_scales(exponents)
    for register in profile.registers:
        value = wanted[register.quantity]
        dial = register.rolls_over_at
        if dial is not None and value >= dial:
            value %= dial
        elif not _fits(register, value, 0):
            prepared.narrow.append(register.quantity)
            low, high = register.reach()
            value = min(max(value, low), high / 2)
        prepared.values[register.quantity] = _beside_null(register, value)
    return prepared


def _beside_null(register: Register, value: float) -> float:
    """Move a value that its register would show as "no value" by one step, as an accumulator of 0 is."""
    if register.type.is_float or round(value / register.scale) not in register.null_markers:
        return value
    return value + abs(register.scale)


def _simulated(profile: MeterProfile) -> dict[str, float]:
    """Return what the simulated meter measures; 1 for what it has no physics for, such as an input or a tariff."""
    values = simulated_values(profile.phases)
    return {register.quantity: values.get(register.quantity, 1.0) for register in profile.registers}


def simulated_values(phases: int) -> dict[str, float]:
    """Return all that a simulated meter of so many phases measures, quantity to value in SI units."""
    return ThreePhaseMeter(_DEVICE, 1, Grid(1), _Load(phases), counter_kwh=1234.567).values(_AT_MS)


def _exponents(profile: MeterProfile, wanted: Mapping[str, float]) -> dict[int, int]:
    """Choose for each scale register the finest power of ten with which all its values fit."""
    chosen: dict[int, int] = {}
    for _, address in profile.scale_registers:
        users = [register for register in profile.registers if register.scale_register == address]
        fitting = (
            exponent
            for exponent in range(_FINEST, EXPONENTS.stop)
            if all(_fits(register, wanted[register.quantity], exponent) for register in users)
        )
        chosen[address] = next(fitting, 0)
    return chosen


def _fits(register: Register, value: float, exponent: int) -> bool:
    """Whether a register carries a value; a float carries all of a meter's."""
    if register.type.is_float:
        return register.type is RegisterType.FLOAT64 or abs(value / register.scale) < 1e38
    low, high = register.reach()
    factor = 10.0**exponent
    return low * factor <= value <= high * factor


def _step(register: Register) -> float | None:
    return None if register.type.is_float else abs(register.scale)
