"""status.json: how the gateway is, for a person, a script or a watchdog on the board; replaced whole each second."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lentera_gateway.acquire.devices import DeviceBook
from lentera_gateway.acquire.poller import BusPoller
from lentera_gateway.clock import ClockKeeper
from lentera_gateway.delivery.keeper import DeliveryKeeper
from lentera_gateway.journal.status import JournalStatus
from lentera_gateway.link.client import LinkState


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes, 0 where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGESIZE")


def build_status(
    gateway: str,
    ready: bool,
    now_ms: int,
    wall_ms: int,
    keeper: ClockKeeper,
    link: LinkState,
    delivery: DeliveryKeeper,
    journal: JournalStatus,
    devices: DeviceBook,
    buses: Mapping[str, tuple[bool, BusPoller]],
) -> dict[str, Any]:
    """Return the status as plain data.

    Args:
        gateway: gateway id.
        ready: whether every broker is subscribed and every wire was tried.
        now_ms: CLOCK_BOOTTIME.
        wall_ms: best knowledge of the wall clock; devices' `last_ok` is given in it.
        keeper: what is known of the time: "clock" is "ntp", "link", or None while it is not trusted.
        link: the link's state.
        delivery: the month's count of bytes, and how readings go out.
        journal: the journal's.
        devices: all devices'.
        buses: bus -> (whether it was ever reached or tried, its poller).
    """

    def at(monotonic: int | None) -> int | None:
        return None if monotonic is None else wall_ms - now_ms + monotonic

    cycles: dict[str, tuple[int, int]] = {}
    for _, poller in buses.values():
        cycles |= poller.schedule.cycles()
    return {
        "gateway": gateway,
        "ready": ready,
        "at_ms": wall_ms,
        "pid": os.getpid(),
        "clock": None if keeper.fit is None else keeper.fit.source,
        "clock_disputed_ms": keeper.disputed_ms,
        "link": {"up": link.up, "since_ms": at(link.since_ms), "connections": link.connections, "error": link.error},
        "air": _air(delivery),
        "journal": journal.as_dict(),
        "devices": {
            device: {"online": state.online, "reason": state.reason, "last_ok": at(state.last_ok_ms)}
            | dict(zip(("late", "skipped"), cycles.get(device, (0, 0)), strict=True))
            for device, state in devices.states.items()
        },
        "buses": {bus: _bus(up, poller) for bus, (up, poller) in buses.items()},
        "rss_bytes": resident_bytes(),
    }


def _air(delivery: DeliveryKeeper) -> dict[str, Any]:
    """Say what passed this month, of how much, and what is left out for it."""
    month = delivery.air.month
    return {
        "month_bytes": delivery.air.bytes,
        "month": None if month is None else month.isoformat(),
        "quota_bytes": delivery.quota_bytes,
        "mode": delivery.mode,
        "detail_s": delivery.detail_s,
    }


def _bus(up: bool, poller: BusPoller) -> dict[str, Any]:
    """Say how a bus does: `late` polls began late, `skipped` ones never; `load_percent` is what all would take."""
    cycles = poller.schedule.cycles().values()
    return {
        "up": up and poller.driver.is_up,
        "polls": poller.state.polls,
        "failures": poller.state.failures,
        "late": sum(late for late, _ in cycles),
        "skipped": sum(skipped for _, skipped in cycles),
        "load_percent": round(poller.schedule.load_percent(), 1),
        "error": poller.state.error,
        "driver": poller.driver.status(),
    }


def write_status(path: Path, status: Mapping[str, Any]) -> None:
    """Replace the file as a whole, so that a reader never sees half of it.

    Raises:
        OSError: when the folder refuses.
    """
    temporary = path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(status))
    temporary.replace(path)
