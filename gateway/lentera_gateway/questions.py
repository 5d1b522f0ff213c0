"""What may be asked of the running gateway through its control socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lentera_drivers.profiles import MeterProfile
from lentera_gateway.acquire.exception_report import ExceptionReporter
from lentera_gateway.acquire.poller import BusPoller
from lentera_gateway.acquire.schedule import Poll
from lentera_gateway.acquire.why import Facts, judge
from lentera_gateway.by_hand import find_device, hint
from lentera_gateway.config import LoadedConfig
from lentera_gateway.control import Control, ControlRequestError, Request
from lentera_gateway.journal import Journal
from lentera_model.config import DeviceConfig


@dataclass(frozen=True, slots=True)
class Why:
    """Answers `why`: what became of the newest value of a quantity.

    Args:
        loaded: the configuration. pollers: bus id -> poller. reporter: of report by exception. journal: the journal.
        link_up: whether the cloud is there. clock_known: whether the time is. now_ms: CLOCK_BOOTTIME.
    """

    loaded: LoadedConfig
    pollers: Mapping[str, BusPoller]
    reporter: ExceptionReporter
    journal: Journal
    link_up: Callable[[], bool]
    clock_known: Callable[[], bool]
    now_ms: Callable[[], int]

    def register(self, control: Control) -> None:
        """Let the control socket ask."""
        control.register("why", self.answer)

    async def answer(self, request: Request) -> Mapping[str, Any]:
        """Answer `{"do": "why", "device": ..., "quantity": ...}`.

        Raises:
            ControlRequestError: no such device or quantity here; the words name what there is.
        """
        device = find_device(self.loaded, str(request.get("device", "")))
        quantity = str(request.get("quantity", ""))
        self._check_quantity(device, quantity)
        status = await self.journal.status()
        facts = self._facts(device, quantity, status.waiting_batches)
        because = asdict(judge(facts)) | {"device": device.id, "quantity": quantity}
        return because | {"interval_s": facts.interval_ms / 1000}

    def _facts(self, device: DeviceConfig, quantity: str, waiting_batches: int) -> Facts:
        poller = self.pollers[device.bus]
        pace = _pace(device, quantity)
        lateness = poller.schedule.lateness.get(Poll(device.id, pace))
        return Facts(
            now_ms=self.now_ms(),
            interval_ms=round(device.pace_table()[pace].every_s * 1000),
            outcome=poller.driver.outcomes(device.id).get(quantity),
            last_stored=self.reporter.last_stored(device.id, quantity),
            whereabouts=self.journal.whereabouts(device.id, quantity),
            waiting_batches=waiting_batches,
            link_up=self.link_up(),
            clock_known=self.clock_known(),
            lost=None if lateness is None else lateness.lost,
            load_percent=poller.schedule.load_percent(),
        )

    def _check_quantity(self, device: DeviceConfig, quantity: str) -> None:
        profile = self.loaded.profile(device)
        if isinstance(profile, MeterProfile):
            known = [register.quantity for register in profile.registers]
        else:
            known = list(profile.quantities)
        if quantity not in known:
            raise ControlRequestError(f"profile {profile.id} has no {quantity!r}; {hint(quantity, known)}")
        if device.quantities is not None and quantity not in device.quantities:
            raise ControlRequestError(
                f"{quantity} of {device.id} is not read: add it to the device's `quantities` in the configuration"
            )


def _pace(device: DeviceConfig, quantity: str) -> int:
    """Return at which of its device's paces a quantity is read."""
    table = enumerate(device.pace_table())
    return next((pace for pace, row in table if row.quantities is not None and quantity in row.quantities), 0)
