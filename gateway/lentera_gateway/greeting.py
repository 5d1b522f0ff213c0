"""The first message of a connection: what this gateway speaks, which boot it is in, which devices it carries."""

from __future__ import annotations

from lentera_drivers.profiles import LampProfile
from lentera_gateway.config import LoadedConfig
from lentera_gateway.version import agent_version
from lentera_model.batch import FORMAT_VERSIONS
from lentera_model.config import DeviceConfig
from lentera_model.protocol import PROTOCOL_VERSIONS, DeviceDeclaration, Hello, PaceDeclaration


def hello_of(loaded: LoadedConfig, boot_id: bytes, epoch: int, monotonic_ms: int, journal_waiting: int) -> Hello:
    """Return the Hello of a connection that begins now."""
    return Hello(
        list(PROTOCOL_VERSIONS),
        list(FORMAT_VERSIONS),
        agent_version(),
        boot_id,
        epoch,
        monotonic_ms,
        [declaration_of(loaded, device) for device in loaded.config.devices],
        journal_waiting,
    )


def declaration_of(loaded: LoadedConfig, device: DeviceConfig) -> DeviceDeclaration:
    """Return what the cloud is told of a device."""
    profile = loaded.profile(device)
    kind = "luminaire" if isinstance(profile, LampProfile) else "meter"
    address = device.topic if device.unit is None else str(device.unit)
    name = device.name or device.id
    return DeviceDeclaration(device.id, kind, profile.id, name, device.bus, address or "", paces_of(device))


def paces_of(device: DeviceConfig) -> list[PaceDeclaration]:
    """Return how often a device's values are due; quantities of one interval make one pace."""
    heartbeat_ms = 0 if device.report is None else round(device.report.heartbeat_s * 1000)
    found: dict[int, list[str] | None] = {}
    for pace in device.pace_table():
        if pace.quantities == ():
            continue
        every_ms = round(pace.every_s * 1000)
        before = found.get(every_ms, [])
        found[every_ms] = None if pace.quantities is None or before is None else [*before, *pace.quantities]
    return [PaceDeclaration(every_ms, names or [], heartbeat_ms) for every_ms, names in found.items()]
