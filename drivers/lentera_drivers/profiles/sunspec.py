"""Finding the models of a SunSpec device: the marker "SunS", then a chain of models up to the id 0xFFFF.

A device puts its map at one of three places, and each model says how long it is, so no address is ever assumed
(SunSpec Device Information Model Specification; models: https://github.com/sunspec/models). A broken chain is refused
with words: a length that was misread would make values of something else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from lentera_drivers.profiles.fields import LAST_ADDRESS
from lentera_drivers.profiles.identity import Identity, IdentityKind, IdentityType
from lentera_drivers.profiles.meter import MeterProfile
from lentera_model.errors import LenteraError

Read = Callable[[int, int], Awaitable[Sequence[int]]]
"""`await read(address, count)` gives that many holding registers, or raises what its bus raises."""

BASES: Final = (40000, 50000, 0)
"""Where the marker may stand, in the order of the specification's recommendation."""
MARKER: Final = (0x5375, 0x6E53)
"""The letters SunS."""
_END: Final = 0xFFFF
_COMMON: Final = 1
_MAX_MODELS: Final = 128
"""A chain longer than any device's is a loop or noise."""

COMMON_IDENTITY: Final = (
    Identity(what=IdentityKind.MANUFACTURER, address=2, count=16, type=IdentityType.STRING),
    Identity(what=IdentityKind.MODEL_NAME, address=18, count=16, type=IdentityType.STRING),
    Identity(what=IdentityKind.FIRMWARE, address=42, count=8, type=IdentityType.STRING),
    Identity(what=IdentityKind.SERIAL_NUMBER, address=50, count=16, type=IdentityType.STRING),
)
"""What the common model (id 1) tells; addresses count from the register of its id."""


class SunSpecError(LenteraError):
    """A device has no SunSpec map, or a chain of models that cannot be."""

    code: ClassVar[str] = "sunspec"


@dataclass(frozen=True, slots=True)
class SunSpecModel:
    """A model that a device has.

    Attributes:
        id: such as 203, a three-phase meter.
        base_address: of the register that holds the id.
        length: registers after id and length.
    """

    id: int
    base_address: int
    length: int


@dataclass(frozen=True, slots=True)
class SunSpecMap:
    """Where the marker stands, and every model of the device in the order of the chain."""

    base_address: int
    models: tuple[SunSpecModel, ...]

    def find(self, model_id: int) -> SunSpecModel | None:
        """Return the first model with an id; a device may have several of a kind."""
        return next((model for model in self.models if model.id == model_id), None)

    @property
    def common(self) -> SunSpecModel:
        """The common model, which comes first: `COMMON_IDENTITY` tells what stands in it."""
        return self.models[0]

    def place(self, profile: MeterProfile) -> MeterProfile:
        """Return a relative profile at the address where this device has its model.

        Raises:
            SunSpecError: the device has no such model, or one too short for the profile.
        """
        known = ", ".join(str(model.id) for model in self.models)
        model = None if profile.sunspec_model is None else self.find(profile.sunspec_model)
        if model is None:
            raise SunSpecError(
                f"profile {profile.id} needs SunSpec model {profile.sunspec_model}, the device has {known}; "
                "take a profile of one of these"
            )
        last = max(max(register.end - 1, register.scale_register or 0) for register in profile.registers)
        if last >= model.length + 2:
            raise SunSpecError(
                f"profile {profile.id} reads {last + 1} registers of SunSpec model {model.id}, the device's has "
                f"{model.length + 2}; it is another version of the model"
            )
        return profile.at(model.base_address)


async def discover(read: Read) -> SunSpecMap:
    """Find the marker and walk the chain of models.

    Args:
        read: reads holding registers; what it raises for an address that the device refuses is taken for "not here",
            as long as it is a LenteraError and another place may have the marker.

    Raises:
        SunSpecError: no marker at any of the three places, or a broken chain.
        LenteraError: of `read`, once the marker has been found, or at the last place.
    """
    seen: list[str] = []
    for base in BASES:
        try:
            marker = tuple(await read(base, len(MARKER)))
        except LenteraError:
            if base == BASES[-1] and not seen:
                raise
            continue
        if marker == MARKER:
            return SunSpecMap(base, await _walk(read, base))
        seen.append(f"{base}: {' '.join(f'{word:#06x}' for word in marker)}")
    found = f"; found {', '.join(seen)}" if seen else ""
    places = ", ".join(str(base) for base in BASES)
    raise SunSpecError(
        f"no SunSpec marker (0x5375 0x6e53) at {places}{found}; switch SunSpec on in the device's settings, or take a "
        "profile with fixed addresses"
    )


async def _walk(read: Read, base: int) -> tuple[SunSpecModel, ...]:
    """Follow the lengths from model to model; at most _MAX_MODELS, and each further on than the one before."""
    models: list[SunSpecModel] = []
    address = base + len(MARKER)
    while len(models) < _MAX_MODELS:
        if address + 1 > LAST_ADDRESS:
            raise _broken(models, f"the next model would begin at {address}, beyond the last register")
        model_id, length = await _head(read, address, models)
        if model_id == _END:
            if not models:
                raise _broken(models, "the device has no model at all")
            return tuple(models)
        _check(models, SunSpecModel(model_id, address, length))
        models.append(SunSpecModel(model_id, address, length))
        address += 2 + length
    raise _broken(models, f"no end after {_MAX_MODELS} models")


async def _head(read: Read, address: int, models: Sequence[SunSpecModel]) -> tuple[int, int]:
    """Read id and length; some devices end with the id alone and refuse to be read beyond it."""
    try:
        head = await read(address, 2)
    except LenteraError:
        last = await read(address, 1)
        if list(last) != [_END]:
            raise
        return _END, 0
    if len(head) != 2:
        raise _broken(models, f"{len(head)} registers instead of 2 at {address}")
    return head[0], head[1]


def _check(models: Sequence[SunSpecModel], model: SunSpecModel) -> None:
    """Refuse what no device can mean."""
    if not models and model.id != _COMMON:
        raise _broken(models, f"the first model has id {model.id}, the common model 1 must come first")
    if model.id == 0:
        raise _broken(models, f"model id 0 at {model.base_address}")
    if model.length == 0:
        raise _broken(models, f"model {model.id} at {model.base_address} has length 0")
    if model.base_address + 1 + model.length > LAST_ADDRESS:
        raise _broken(models, f"model {model.id} at {model.base_address} has length {model.length}")


def _broken(models: Sequence[SunSpecModel], what: str) -> SunSpecError:
    after = f" after model {models[-1].id} at {models[-1].base_address}" if models else " after the marker"
    return SunSpecError(f"the chain of SunSpec models is broken{after}: {what}; read again, or update the device")
