"""A technician's questions where no gateway runs: the ports are opened with the configuration's settings."""

from __future__ import annotations

import os
import syslog
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from lentera_drivers.driver import Driver, open_driver
from lentera_gateway.by_hand import ByHand, find_device, polled_profile, who
from lentera_gateway.clock import monotonic_ms, system_wall_ms
from lentera_gateway.config import LoadedConfig
from lentera_gateway.control import Peer
from lentera_model.readings import Sample


class Direct:
    """Asks devices on ports of its own; they are opened by the first question and given back at the end."""

    def __init__(self, loaded: LoadedConfig, devices: Iterable[str]) -> None:
        """Prepare the buses of these devices.

        Raises:
            ControlRequestError: a device that is not there, or that cannot be asked.
            DriverSetupError: a device does not fit its bus.
        """
        config = loaded.config
        asked = [find_device(loaded, name) for name in devices]
        for device in asked:
            polled_profile(loaded, device)
        self._drivers: dict[str, Driver] = {
            bus.id: open_driver(bus, config.devices, loaded.profiles, monotonic_ms, _unused, _unheard)
            for bus in config.buses
            if bus.id in {device.bus for device in asked}
        }
        self._answers = ByHand(loaded, self._drivers, _unused, _wall_of, note_in_syslog)

    async def __aenter__(self) -> Self:
        for driver in self._drivers.values():
            await driver.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for driver in self._drivers.values():
            await driver.close()

    async def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer as the running gateway does.

        Raises:
            ControlRequestError, DriverError: see `ByHand`.
        """
        own = dict(request) | {"peer": _own_peer()}
        return await (self._answers.write(own) if own["do"] == "write" else self._answers.read(own))


def _own_peer() -> Peer:
    return Peer(os.getpid(), os.getuid(), os.getgid())


def note_in_syslog(event: str, facts: Mapping[str, Any]) -> None:
    """Keep a record of a write and of who runs this process, where no gateway's log does.

    A system without a log takes it and keeps nothing.
    """
    syslog.openlog("lentera", 0, syslog.LOG_USER)
    syslog.syslog(syslog.LOG_NOTICE, msgspec.json.encode({"event": event, **facts, **who(_own_peer())}).decode())


def _wall_of(stamp_ms: int) -> int:
    return system_wall_ms() - monotonic_ms() + stamp_ms


def _unused(sample: Sample) -> None:
    """Nobody stores what is asked without a gateway."""


def _unheard(device: str, online: bool, reason: str) -> None:
    """The answer itself says whether a device is there."""
