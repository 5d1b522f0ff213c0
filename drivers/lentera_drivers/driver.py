"""The door to the drivers: the interface's names, and the one function that builds the driver of a bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lentera_drivers.interface import (
    BusDownError,
    Clock,
    Confirmation,
    DeviceRefusedError,
    DeviceReplyError,
    DeviceRestingError,
    DeviceTimeoutError,
    Driver,
    DriverError,
    DriverSetupError,
    OnSample,
    OnStatus,
    Outcome,
    OutcomeKind,
    PlannedRequest,
    Profile,
    WallClock,
)
from lentera_drivers.profiles import LampProfile, MeterProfile, SensorProfile
from lentera_model.config import DeviceConfig, ModbusBus, MqttBus

if TYPE_CHECKING:
    from lentera_drivers.modbus.holes import HoleBook
    from lentera_drivers.modbus.transport import OpenTransport

__all__ = [
    "BusDownError",
    "Clock",
    "Confirmation",
    "DeviceRefusedError",
    "DeviceReplyError",
    "DeviceRestingError",
    "DeviceTimeoutError",
    "Driver",
    "DriverError",
    "DriverSetupError",
    "KeepsMalformed",
    "OnSample",
    "OnStatus",
    "Outcome",
    "OutcomeKind",
    "PlannedRequest",
    "Profile",
    "WallClock",
    "open_driver",
]


@runtime_checkable
class KeepsMalformed(Protocol):
    """A driver whose devices publish by themselves, and which keeps what was of no use."""

    def malformed(self, device_id: str | None = None) -> dict[str, Any]:
        """Return device id -> `count` and `recent` messages with `at_ms` (CLOCK_BOOTTIME), topic, reason, first, size.

        Of one device or of all that have any; under the empty id those on topics that nobody asked for.

        Raises:
            DriverSetupError: the driver has no such device.
        """
        ...


def open_driver(
    bus: ModbusBus | MqttBus,
    devices: Sequence[DeviceConfig],
    profiles: Mapping[str, Profile],
    clock: Clock,
    on_sample: OnSample,
    on_status: OnStatus,
    owner: str = "",
    wall_ms: WallClock | None = None,
    *,
    connect: Callable[[ModbusBus], OpenTransport] | None = None,
    holes: HoleBook | None = None,
) -> Driver:
    """Build the driver of a bus; nothing is opened before `Driver.open`.

    Args:
        bus: the bus.
        devices: the devices on it (those of other buses are left out).
        profiles: profile id -> profile, for every device.
        clock: the boot's monotonic clock in milliseconds, read when an answer arrives.
        on_sample: takes the samples of devices that report by themselves; called in the event loop, must not block.
        on_status: told when a device comes or goes.
        owner: the gateway's id; with the bus id it names the MQTT session that the broker keeps.
        wall_ms: the wall clock, for the age of messages that a broker kept; without it their time is uncertain.
        connect: for a Modbus bus, what opens its port or socket; by the bus's own settings when absent.
        holes: what models of meters refuse, shared by all Modbus buses; a book of its own when absent.

    Raises:
        DriverSetupError: a profile is missing or does not fit the bus.
    """
    mine = [device for device in devices if device.bus == bus.id]
    for device in mine:
        profile = profiles.get(device.profile)
        wanted = MeterProfile if isinstance(bus, ModbusBus) else (LampProfile, SensorProfile)
        if not isinstance(profile, wanted):
            what = "is not loaded" if profile is None else f"does not speak {bus.driver}"
            raise DriverSetupError(
                f"device {device.id!r} on bus {bus.id!r}: profile {device.profile!r} {what}; "
                f"choose a profile of {'a meter' if isinstance(bus, ModbusBus) else 'a lamp or sensor'}"
            )
    # Imported here: a board without a broker never loads the MQTT library, one without a line never pymodbus.
    if isinstance(bus, ModbusBus):
        from lentera_drivers.modbus.driver import ModbusDriver

        return ModbusDriver(
            bus, mine, profiles, clock, on_sample, on_status, connect=connect, wall_ms=wall_ms, holes=holes
        )
    from lentera_drivers.mqtt.driver import MqttDriver

    return MqttDriver(bus, mine, profiles, clock, on_sample, on_status, owner, wall_ms)
