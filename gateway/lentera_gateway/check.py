"""What a configuration would do, before anything starts: `lentera gateway check` prints it. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lentera_drivers.driver import DriverSetupError, PlannedRequest, open_driver
from lentera_drivers.profiles import ConfigFileError
from lentera_gateway.clock import monotonic_ms
from lentera_gateway.config import LoadedConfig, load_config
from lentera_gateway.journal.limits import JournalLimits
from lentera_model.config import BusConfig, ModbusBus

_FULL: Final = 1.0
_NEARLY_FULL: Final = 0.8


@dataclass(frozen=True, slots=True)
class CheckedDevice:
    """A device as it would be run."""

    id: str
    name: str
    profile: str
    bus: str
    address: str
    every_s: float


@dataclass(frozen=True, slots=True)
class CheckedBus:
    """A bus and what it would carry.

    Attributes:
        id: bus id.
        address: port, host or broker.
        requests: everything planned on it.
        load: share of each second that the wire is busy; 1.3 means that 1.3 s of requests are planned for each second.
    """

    id: str
    address: str
    requests: tuple[PlannedRequest, ...]
    load: float


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The outcome of a check.

    Attributes:
        file: the file.
        errors: `file:line: key: what; remedy`; the gateway does not start while there is one.
        warnings: what will run, but not well.
        gateway, cloud_url: whose configuration it is and where it goes.
        buses, devices, journal: what would be done; empty or None with errors.
    """

    file: Path
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    gateway: str = ""
    cloud_url: str = ""
    buses: tuple[CheckedBus, ...] = ()
    devices: tuple[CheckedDevice, ...] = ()
    journal: JournalLimits | None = field(default=None)

    @property
    def ok(self) -> bool:
        """Whether the gateway would start."""
        return not self.errors


def check_config(path: Path) -> CheckReport:
    """Check a configuration; nothing is opened and nothing is written. Never raises for the file's sake."""
    try:
        loaded = load_config(path)
        buses = tuple(_check_bus(bus, loaded) for bus in loaded.config.buses)
    except ConfigFileError as error:
        return CheckReport(path, errors=tuple(str(problem) for problem in error.problems))
    except DriverSetupError as error:
        return CheckReport(path, errors=(f"{path}:1: devices: {error}",))
    config = loaded.config
    devices = tuple(
        CheckedDevice(
            device.id,
            device.name,
            loaded.profile(device).id,
            device.bus,
            str(device.unit) if device.unit is not None else device.topic or "",
            device.every_s,
        )
        for device in config.devices
    )
    return CheckReport(
        path,
        warnings=tuple(_warnings(loaded, buses)),
        gateway=config.gateway.id,
        cloud_url=config.cloud.url,
        buses=buses,
        devices=devices,
        journal=loaded.limits,
    )


def bus_address(bus: BusConfig) -> str:
    """Return where a bus is, for people."""
    if isinstance(bus, ModbusBus):
        if bus.transport == "rtu":
            return f"{bus.port} {bus.baud} 8{bus.parity}{bus.stop_bits}"
        return f"{bus.transport} {bus.host}:{bus.tcp_port}"
    return f"mqtt {bus.host}:{bus.tcp_port}"


def _check_bus(bus: BusConfig, loaded: LoadedConfig) -> CheckedBus:
    driver = open_driver(
        bus,
        loaded.config.devices,
        loaded.profiles,
        monotonic_ms,
        lambda _sample: None,
        lambda _device, _online, _reason: None,
        loaded.config.gateway.id,
    )
    requests = tuple(driver.describe_plan())
    load = sum((request.wire_ms or 0.0) / 1000 / request.every_s for request in requests)
    return CheckedBus(bus.id, bus_address(bus), requests, load)


def _warnings(loaded: LoadedConfig, buses: tuple[CheckedBus, ...]) -> list[str]:
    found: list[str] = []
    for bus in buses:
        if bus.load > _FULL:
            found.append(
                f"bus {bus.id}: the plan needs {bus.load:.1f} s of each second; polls will be skipped: "
                "raise every_s, the baud rate, or read fewer quantities"
            )
        elif bus.load > _NEARLY_FULL:
            found.append(f"bus {bus.id}: the plan fills {bus.load:.0%} of each second; commands and retries may wait")
        if not bus.requests:
            found.append(f"bus {bus.id}: no device is on it")
    key_file = loaded.config.cloud.key_file
    if not key_file.exists():
        found.append(f"cloud.key_file {key_file} is not there yet; make it with `lentera gateway key {key_file}`")
    return found
