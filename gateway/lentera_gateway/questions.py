"""What may be asked of the running gateway through its control socket."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lentera_drivers.driver import Driver
from lentera_drivers.profiles import MeterProfile
from lentera_gateway.acquire.exception_report import ExceptionReporter
from lentera_gateway.acquire.why import Facts, judge
from lentera_gateway.config import LoadedConfig
from lentera_gateway.control import Control, ControlRequestError, Request
from lentera_gateway.journal.status import JournalStatus
from lentera_model.config import DeviceConfig


@dataclass(frozen=True, slots=True)
class Why:
    """Answers `why`: what became of the newest value of a quantity.

    Args:
        loaded: the configuration. drivers: bus id -> driver. reporter: of report by exception.
        journal: its status. link_up: whether the cloud is there. now_ms: CLOCK_BOOTTIME.
    """

    loaded: LoadedConfig
    drivers: Mapping[str, Driver]
    reporter: ExceptionReporter
    journal: Callable[[], Awaitable[JournalStatus]]
    link_up: Callable[[], bool]
    now_ms: Callable[[], int]

    def register(self, control: Control) -> None:
        """Let the control socket ask."""
        control.register("why", self.answer)

    async def answer(self, request: Request) -> Mapping[str, Any]:
        """Answer `{"do": "why", "device": ..., "quantity": ...}`.

        Raises:
            ControlRequestError: no such device or quantity here; the words name what there is.
        """
        device = self._device(str(request.get("device", "")))
        quantity = str(request.get("quantity", ""))
        self._check_quantity(device, quantity)
        facts = Facts(
            now_ms=self.now_ms(),
            interval_ms=_interval_ms(device, quantity),
            outcome=self.drivers[device.bus].outcomes(device.id).get(quantity),
            last_stored=self.reporter.last_stored(device.id, quantity),
            waiting_batches=(await self.journal()).waiting_batches,
            link_up=self.link_up(),
        )
        because = asdict(judge(facts)) | {"device": device.id, "quantity": quantity}
        return because | {"link_up": facts.link_up, "interval_s": facts.interval_ms / 1000}

    def _device(self, name: str) -> DeviceConfig:
        devices = {device.id: device for device in self.loaded.config.devices}
        if name not in devices:
            raise ControlRequestError(f"this gateway has no device {name!r}; {_hint(name, list(devices))}")
        return devices[name]

    def _check_quantity(self, device: DeviceConfig, quantity: str) -> None:
        profile = self.loaded.profile(device)
        if isinstance(profile, MeterProfile):
            known = [register.quantity for register in profile.registers]
        else:
            known = list(profile.quantities)
        if quantity not in known:
            raise ControlRequestError(f"profile {profile.id} has no {quantity!r}; {_hint(quantity, known)}")
        if device.quantities is not None and quantity not in device.quantities:
            raise ControlRequestError(
                f"{quantity} of {device.id} is not read: add it to the device's `quantities` in the configuration"
            )


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"it has {', '.join(known[:20])}"


def _interval_ms(device: DeviceConfig, quantity: str) -> int:
    rows = [row for row in device.pace_table() if row.quantities is not None and quantity in row.quantities]
    return round((rows[0].every_s if rows else device.every_s) * 1000)
