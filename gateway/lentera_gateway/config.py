"""Load the gateway's configuration: the file, the profiles it names, and whether they fit together.

`lentera_model.config` judges the file by itself; what needs the profiles is judged here. Every problem is reported at
once as `file:line: key: what; remedy`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lentera_drivers.profiles import (
    ConfigFileError,
    LampProfile,
    LocatedYaml,
    MeterProfile,
    Problem,
    ProfileError,
    SensorProfile,
    load_located_yaml,
    load_profile,
    validate_located,
)
from lentera_gateway.journal.limits import JournalLimits
from lentera_model.config import BusConfig, DeviceConfig, GatewayConfig, ModbusBus, MqttBus, Place

Profile = MeterProfile | LampProfile | SensorProfile
_FILE_SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration that can run.

    Attributes:
        path: the file.
        config: as written, with absolute file names.
        profiles: the name a device gives -> its profile.
    """

    path: Path
    config: GatewayConfig
    profiles: dict[str, Profile]

    def profile(self, device: DeviceConfig) -> Profile:
        """Return a device's profile."""
        return self.profiles[device.profile]

    @property
    def status_file(self) -> Path:
        """Where the running gateway says how it is."""
        return self.config.journal.memory_dir / "status.json"

    @property
    def limits(self) -> JournalLimits:
        """The journal's folders and bounds."""
        journal = self.config.journal
        return JournalLimits(
            journal.memory_dir,
            journal.card_dir,
            journal.power_loss_budget_s,
            journal.memory_max_bytes,
            journal.card_max_bytes,
            journal.seal_age_s,
            journal.seal_bytes,
        )


def load_config(path: Path) -> LoadedConfig:
    """Read and check a configuration.

    Raises:
        ConfigFileError: with every problem found.
    """
    located = load_located_yaml(path)
    written = validate_located(GatewayConfig, located)
    profiles: dict[str, Profile] = {}
    problems: list[Problem] = []
    for position, device in enumerate(written.devices):
        problems += _load(position, device, path.parent, located, profiles)
        profile = profiles.get(device.profile)
        if profile is not None:
            problems += _misfits(position, device, written.bus(device.bus), profile, located)
    if problems:
        raise ConfigFileError(problems)
    return LoadedConfig(path, _resolved(written, path.resolve().parent), profiles)


def _load(
    position: int, device: DeviceConfig, folder: Path, located: LocatedYaml, profiles: dict[str, Profile]
) -> Iterator[Problem]:
    if device.profile in profiles:
        return
    own_file = device.profile.endswith(_FILE_SUFFIXES)
    try:
        profiles[device.profile] = load_profile(folder / device.profile if own_file else device.profile)
    except ProfileError as error:
        first = error.problems[0]
        what = f"{device.profile}: {first.what}" if not own_file else str(first)
        yield _problem(located, position, "profile", what, first.remedy)


def _misfits(
    position: int, device: DeviceConfig, bus: BusConfig, profile: Profile, located: LocatedYaml
) -> Iterator[Problem]:
    """Yield what does not fit between a device, its profile and its bus."""
    if isinstance(bus, ModbusBus) and not isinstance(profile, MeterProfile):
        yield _problem(
            located, position, "profile", f"{profile.id} is on MQTT, {bus.id} is a Modbus bus", "name a meter"
        )
        return
    if isinstance(bus, MqttBus) and isinstance(profile, MeterProfile):
        yield _problem(
            located,
            position,
            "profile",
            f"{profile.id} is a Modbus meter, {bus.id} is an MQTT bus",
            "name a lamp or a sensor",
        )
        return
    # A meter with a serial port alone is often behind a converter, so a tcp bus fits every meter.
    transport = bus.transport if isinstance(bus, ModbusBus) else "tcp"
    if transport != "tcp" and isinstance(profile, MeterProfile) and "rtu" not in profile.transport:
        what = f"{bus.id} is a serial line ({transport}), {profile.id} speaks only {', '.join(profile.transport)}"
        yield _problem(located, position, "bus", what, "put it on a tcp bus")
    yield from _unknown_quantities(position, device, profile, located)


def _unknown_quantities(
    position: int, device: DeviceConfig, profile: Profile, located: LocatedYaml
) -> Iterator[Problem]:
    if isinstance(profile, MeterProfile):
        known = [register.quantity for register in profile.registers]
    else:
        known = list(profile.quantities)
    named: list[tuple[Place, str]] = [(("quantities", at), name) for at, name in enumerate(device.quantities or ())]
    named += [
        (("paces", row, "quantities", at), name)
        for row, pace in enumerate(device.paces)
        for at, name in enumerate(pace.quantities)
    ]
    for place, name in named:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
            line = located.line_of(("devices", position, *place))
            key = f"devices[{position}]" + "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in place)
            yield Problem(located.file, line, key, f"profile {profile.id} has no {name}", remedy)


def _problem(located: LocatedYaml, position: int, key: str, what: str, remedy: str) -> Problem:
    line = located.line_of(("devices", position, key))
    return Problem(located.file, line, f"devices[{position}].{key}", what, remedy)


def _resolved(config: GatewayConfig, folder: Path) -> GatewayConfig:
    """Make the file names absolute: they are relative to the folder of the file."""
    buses = [
        bus.model_copy(update={"password_file": folder / bus.password_file})
        if isinstance(bus, MqttBus) and bus.password_file is not None
        else bus.model_copy(update={"port": folder / bus.port})
        if isinstance(bus, ModbusBus) and bus.port is not None
        else bus
        for bus in config.buses
    ]
    journal = config.journal
    folders = {"memory_dir": folder / journal.memory_dir, "card_dir": folder / journal.card_dir}
    return config.model_copy(
        update={
            "buses": buses,
            "cloud": config.cloud.model_copy(update={"key_file": folder / config.cloud.key_file}),
            "journal": journal.model_copy(update=folders),
        }
    )
