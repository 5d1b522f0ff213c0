"""The first message of a connection: what this gateway speaks, which boot it is in, which devices it carries."""

from __future__ import annotations

from lentera_drivers.profiles import LampProfile
from lentera_gateway.config import LoadedConfig
from lentera_gateway.version import agent_version
from lentera_model.batch import FORMAT_VERSION
from lentera_model.config import DeviceConfig
from lentera_model.protocol import PROTOCOL_VERSIONS, DeviceDeclaration, Hello


def hello_of(loaded: LoadedConfig, boot_id: bytes, epoch: int, monotonic_ms: int, journal_waiting: int) -> Hello:
    """Return the Hello of a connection that begins now."""
    return Hello(
        list(PROTOCOL_VERSIONS),
        [FORMAT_VERSION],
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
    return DeviceDeclaration(device.id, kind, profile.id, device.name or device.id, device.bus, address or "")
