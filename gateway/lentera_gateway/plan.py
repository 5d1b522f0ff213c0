"""What each bus would carry, whether it can, and what would make it fit: `check`, `plan` and `run` all judge by this.

Nothing is opened. A bus whose requests need more than a second of each second is refused before it starts: polls would
be skipped for ever, and nobody would know which values are missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lentera_drivers.driver import PlannedRequest, open_driver
from lentera_drivers.profiles import ConfigFileError, MeterProfile, Problem, load_located_yaml
from lentera_gateway.clock import monotonic_ms
from lentera_gateway.config import LoadedConfig
from lentera_model.config import BusConfig, DeviceConfig, ModbusBus, Pace

FULL: Final = 1.0
NEARLY_FULL: Final = 0.8
_COUNTERS_EVERY_S: Final = 60.0
_BAUDS: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


class RemedyKind(StrEnum):
    """What would make a bus fit; `Remedy.value` is its figure."""

    INTERVAL = "interval"
    """Read less often: seconds, for what is read most often now; everything else in proportion."""
    COUNTERS = "counters"
    """Read the counters at a pace of their own: seconds."""
    BAUD = "baud"
    """A faster line: bits per second."""
    LINES = "lines"
    """More lines: how many, with the meters divided among them."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change that makes a bus fit, and the share of each second that it then needs."""

    kind: RemedyKind
    value: float
    load: float

    def __str__(self) -> str:
        """In words."""
        texts = {
            RemedyKind.INTERVAL: f"every_s {self.value:g} where it is shortest, the others in proportion",
            RemedyKind.COUNTERS: f"`paces` that read the energy counters each {self.value:g} s",
            RemedyKind.BAUD: f"baud {self.value:.0f}",
            RemedyKind.LINES: f"the meters on {self.value:.0f} lines instead of one",
        }
        return f"{texts[self.kind]} ({self.load:.0%})"


@dataclass(frozen=True, slots=True)
class BusPlan:
    """A bus and what it would carry.

    Attributes:
        id: bus id.
        address: port, host or broker.
        requests: everything planned on it.
        load: share of each second that the wire is busy, with gaps and turnarounds; 1.3 means that 1.3 s of requests
            are planned for each second.
        remedies: with a load above 1, each change that alone makes it fit.
    """

    id: str
    address: str
    requests: tuple[PlannedRequest, ...]
    load: float
    remedies: tuple[Remedy, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the bus can keep what the configuration promises."""
        return self.load <= FULL

    def refusal(self) -> str:
        """What is wrong and what would fit, in one sentence."""
        fitting = "; or ".join(str(remedy) for remedy in self.remedies) or "fewer quantities or meters"
        return f"the requests on it need {self.load:.2f} s of each second; it fits with {fitting}"


def bus_address(bus: BusConfig) -> str:
    """Return where a bus is, for people."""
    if isinstance(bus, ModbusBus):
        if bus.transport == "rtu":
            return f"{bus.port} {bus.baud} 8{bus.parity}{bus.stop_bits}"
        return f"{bus.transport} {bus.host}:{bus.tcp_port}"
    return f"mqtt {bus.host}:{bus.tcp_port}"


def plan_buses(loaded: LoadedConfig) -> tuple[BusPlan, ...]:
    """Plan every bus of a configuration.

    Raises:
        DriverSetupError: a device does not fit its bus.
    """
    return tuple(_plan_bus(bus, loaded) for bus in loaded.config.buses)


def refuse_overload(loaded: LoadedConfig) -> None:
    """Refuse a configuration with a bus that cannot keep its promises.

    Raises:
        ConfigFileError: with each bus that is overloaded, its line in the file, and what would fit.
        DriverSetupError: a device does not fit its bus.
    """
    problems = overload_problems(loaded, plan_buses(loaded))
    if problems:
        raise ConfigFileError(problems)


def overload_problems(loaded: LoadedConfig, plans: Sequence[BusPlan]) -> list[Problem]:
    """Return a problem for each bus that is overloaded."""
    late = [(position, plan) for position, plan in enumerate(plans) if not plan.fits]
    if not late:
        return []
    located = load_located_yaml(loaded.path)
    return [
        Problem(
            located.file,
            located.line_of(("buses", position)),
            f"buses[{position}]",
            f"bus {plan.id!r} cannot keep its promises",
            plan.refusal(),
        )
        for position, plan in late
    ]


def _plan_bus(bus: BusConfig, loaded: LoadedConfig) -> BusPlan:
    devices = [device for device in loaded.config.devices if device.bus == bus.id]
    requests = _requests(bus, devices, loaded)
    load = _load(requests)
    remedies = tuple(_remedies(bus, devices, requests, loaded)) if load > FULL else ()
    return BusPlan(bus.id, bus_address(bus), requests, load, remedies)


def _requests(bus: BusConfig, devices: Sequence[DeviceConfig], loaded: LoadedConfig) -> tuple[PlannedRequest, ...]:
    driver = open_driver(
        bus,
        devices,
        loaded.profiles,
        monotonic_ms,
        lambda _sample: None,
        lambda _device, _online, _reason: None,
        loaded.config.gateway.id,
    )
    return tuple(driver.describe_plan())


def _load(requests: Sequence[PlannedRequest]) -> float:
    return sum((request.wire_ms or 0.0) / 1000 / request.every_s for request in requests)


def _remedies(
    bus: BusConfig, devices: Sequence[DeviceConfig], requests: Sequence[PlannedRequest], loaded: LoadedConfig
) -> Iterator[Remedy]:
    """Yield each change that alone brings the load down to where retries and commands find room."""
    load = _load(requests)
    shortest = min(request.every_s for request in requests)
    longer = math.ceil(shortest * load / NEARLY_FULL * 10) / 10
    longer = math.ceil(longer) if longer > 1 else longer
    yield Remedy(RemedyKind.INTERVAL, longer, load * shortest / longer)
    slowed = [_with_slow_counters(device, loaded) for device in devices]
    with_paces = _load(_requests(bus, slowed, loaded))
    if with_paces <= NEARLY_FULL:
        yield Remedy(RemedyKind.COUNTERS, _COUNTERS_EVERY_S, with_paces)
    if isinstance(bus, ModbusBus) and bus.transport != "tcp":
        yield from _faster_line(bus, devices, loaded)
    for lines in range(2, len(devices) + 1):
        each = load * math.ceil(len(devices) / lines) / len(devices)
        if each <= NEARLY_FULL:
            yield Remedy(RemedyKind.LINES, lines, each)
            return


def _faster_line(bus: ModbusBus, devices: Sequence[DeviceConfig], loaded: LoadedConfig) -> Iterator[Remedy]:
    """Yield the slowest baud that fits and that every meter on the line can be set to."""
    profiles = [profile for one in devices if isinstance(profile := loaded.profile(one), MeterProfile)]
    allowed = [profile.serial.allowed_baud for profile in profiles if profile.serial and profile.serial.allowed_baud]
    for baud in _BAUDS:
        if baud <= bus.baud or any(baud not in bauds for bauds in allowed):
            continue
        load = _load(_requests(bus.model_copy(update={"baud": baud}), devices, loaded))
        if load <= NEARLY_FULL:
            yield Remedy(RemedyKind.BAUD, baud, load)
            return


def _with_slow_counters(device: DeviceConfig, loaded: LoadedConfig) -> DeviceConfig:
    """Return a device whose energy counters, as far as they have no pace of their own, are read each minute."""
    profile = loaded.profile(device)
    if not isinstance(profile, MeterProfile) or device.every_s >= _COUNTERS_EVERY_S:
        return device
    paced = {name for pace in device.paces for name in pace.quantities}
    wanted = None if device.quantities is None else frozenset(device.quantities)
    counters = [
        one.quantity
        for one in profile.registers
        if one.is_counter and one.quantity not in paced and (wanted is None or one.quantity in wanted)
    ]
    if not counters:
        return device
    slow = Pace(quantities=counters, every_s=_COUNTERS_EVERY_S)
    return device.model_copy(update={"paces": [*device.paces, slow]})
