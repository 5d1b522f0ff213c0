"""What devices published that is of no use, as it may be asked of the running gateway through its control socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lentera_drivers.driver import Driver, KeepsMalformed
from lentera_gateway.by_hand import find_device
from lentera_gateway.config import LoadedConfig
from lentera_gateway.control import Control, Request


@dataclass(frozen=True, slots=True)
class MalformedMessages:
    """Answers `malformed`: the messages that were set aside, device by device.

    Args:
        loaded: the configuration. drivers: bus id -> driver. now_ms: CLOCK_BOOTTIME.
    """

    loaded: LoadedConfig
    drivers: Mapping[str, Driver]
    now_ms: Callable[[], int]

    def register(self, control: Control) -> None:
        """Let the control socket ask."""
        control.register("malformed", self.answer)

    async def answer(self, request: Request) -> Mapping[str, Any]:
        """Answer `{"do": "malformed"}`, with `"device"` for one alone.

        Raises:
            ControlRequestError: no such device here.
        """
        wanted = request.get("device")
        device = None if wanted is None else find_device(self.loaded, str(wanted))
        found: dict[str, Any] = {}
        for bus, driver in self.drivers.items():
            if isinstance(driver, KeepsMalformed) and (device is None or device.bus == bus):
                kept = driver.malformed(None if device is None else device.id)
                found |= {name: self._aged(ring) for name, ring in kept.items() if name or device is None}
        return {"devices": found}

    def _aged(self, ring: Mapping[str, Any]) -> dict[str, Any]:
        """Say how old each message is instead of when it came on a clock that nobody else has."""
        now_ms = self.now_ms()
        recent = [
            {"age_s": (now_ms - entry["at_ms"]) / 1000, **{key: said for key, said in entry.items() if key != "at_ms"}}
            for entry in ring["recent"]
        ]
        return {"count": ring["count"], "recent": recent}
