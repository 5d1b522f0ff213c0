"""Why a read brought nothing, in the words of a tally; docs/formats/link.md lists them."""

from __future__ import annotations

from typing import Final

from lentera_drivers.driver import (
    BusDownError,
    DeviceRefusedError,
    DeviceReplyError,
    DeviceRestingError,
    DeviceTimeoutError,
    Driver,
    OutcomeKind,
)
from lentera_gateway.acquire.tally import SILENT

RESTING: Final = "resting"
REFUSED: Final = "refused"
DEVICE_FAULT: Final = "device_fault"
UNREADABLE: Final = "unreadable"
BUS_DOWN: Final = "bus_down"
NO_VALUE: Final = "no_value"
INTERNAL: Final = "internal"
"""The gateway itself failed at it; its log says how."""
_DEVICE_FAILURE: Final = 4
"""The Modbus exception by which a device says that it is at fault itself."""
_HAS_ANSWERED: Final = frozenset({OutcomeKind.NO_VALUE, OutcomeKind.ABSENT})


def reason_of(error: Exception) -> str:
    """Return the word for what a driver raised."""
    match error:
        case DeviceRestingError():
            return RESTING
        case DeviceTimeoutError():
            return SILENT
        case DeviceRefusedError():
            return DEVICE_FAULT if error.exception_code == _DEVICE_FAILURE else REFUSED
        case DeviceReplyError():
            return UNREADABLE
        case BusDownError():
            return BUS_DOWN
        case _:
            return INTERNAL


def why_nothing(driver: Driver, device: str) -> str:
    """Return the word for a device of which no value came though its driver raised nothing."""
    if not driver.is_up:
        return BUS_DOWN
    kinds = {outcome.kind for outcome in driver.outcomes(device).values()}
    return NO_VALUE if kinds and kinds <= _HAS_ANSWERED else SILENT
