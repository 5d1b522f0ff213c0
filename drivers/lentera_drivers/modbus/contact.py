"""First contact with a device: where it keeps its SunSpec model, and what it calls itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from lentera_drivers.interface import DeviceRefusedError, DeviceReplyError, DriverError
from lentera_drivers.modbus.blocks import ReadBlock
from lentera_drivers.modbus.reply import Reply
from lentera_drivers.modbus.unit import Unit
from lentera_drivers.profiles.identity import Identity, IdentityKind
from lentera_drivers.profiles.meter import AddressMode
from lentera_drivers.profiles.sunspec import SunSpecError, discover

Ask = Callable[[Unit, ReadBlock], Awaitable[Reply]]

_TELLS_THE_MODEL: Final = (IdentityKind.MODEL_CODE, IdentityKind.MODEL_NAME, IdentityKind.FIRMWARE)
_LONGEST_IDENTITY: Final = 80


async def place(unit: Unit, ask: Ask, wall_ms: int) -> None:
    """Put a relative profile where this device has its SunSpec model; walked once, and again after a loss.

    Raises:
        DeviceReplyError: the device has no such model, or no SunSpec map.
        DriverError: as `Driver.read`.
    """
    if unit.written.address_mode is AddressMode.ABSOLUTE:
        unit.resolved = True
        return

    async def read(address: int, count: int) -> Sequence[int]:
        return (await ask(unit, ReadBlock(3, address, count, ()))).words

    try:
        models = await discover(read)
        profile = models.place(unit.written)
    except SunSpecError as error:
        raise DeviceReplyError(unit.device.id, str(error)) from error
    unit.use_profile(profile, wall_ms)


async def identify(unit: Unit, ask: Ask) -> None:
    """Ask a device once what model it is, so that what its model refuses is shared with its like and nobody else."""
    told: list[str] = []
    for entry in unit.profile.identity:
        if entry.what not in _TELLS_THE_MODEL:
            continue
        try:
            answer = await _read(unit, entry, ask)
        except DeviceRefusedError:
            continue
        except DriverError:
            return  # silent now; asked again after the next good poll
        if answer:
            told.append(answer)
    # An empty identity is one too: the device does not say what it is, and it is not asked again.
    unit.identity = " ".join(told)[:_LONGEST_IDENTITY]


async def _read(unit: Unit, entry: Identity, ask: Ask) -> str | None:
    function_code = entry.function_code or unit.profile.function_code
    reply = await ask(unit, ReadBlock(function_code, entry.address, entry.count, ()))
    return entry.read(reply.words, unit.profile.order)
