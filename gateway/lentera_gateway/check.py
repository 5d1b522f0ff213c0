"""What a configuration would do, before anything starts: `lentera gateway check` prints it. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lentera_drivers.driver import DriverSetupError
from lentera_drivers.profiles import ConfigFileError
from lentera_gateway.config import LoadedConfig, load_config
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.plan import NEARLY_FULL, BusPlan, overload_problems, plan_buses


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
class CheckReport:
    """The outcome of a check.

    Attributes:
        file: the file.
        errors: `file:line: key: what; remedy`; the gateway does not start while there is one.
        warnings: what will run, but not well.
        gateway, cloud_url: whose configuration it is and where it goes.
        buses, devices, journal: what would be done; devices and journal are empty or None with errors.
    """

    file: Path
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    gateway: str = ""
    cloud_url: str = ""
    buses: tuple[BusPlan, ...] = ()
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
        buses = plan_buses(loaded)
        problems = overload_problems(loaded, buses)
    except ConfigFileError as error:
        return CheckReport(path, errors=tuple(str(problem) for problem in error.problems))
    except DriverSetupError as error:
        return CheckReport(path, errors=(f"{path}:1: devices: {error}",))
    if problems:
        return CheckReport(path, errors=tuple(str(problem) for problem in problems), buses=buses)
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


def _warnings(loaded: LoadedConfig, buses: tuple[BusPlan, ...]) -> list[str]:
    found: list[str] = []
    for bus in buses:
        if bus.load > NEARLY_FULL:
            found.append(f"bus {bus.id}: the plan fills {bus.load:.0%} of each second; commands and retries may wait")
        if not bus.requests:
            found.append(f"bus {bus.id}: no device is on it")
    key_file = loaded.config.cloud.key_file
    if not key_file.exists():
        found.append(f"cloud.key_file {key_file} is not there yet; make it with `lentera gateway key {key_file}`")
    return found
