"""What a profile says about a meter that speaks Modbus: its registers, their types, and the limits of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from lentera_drivers.profiles.fields import (
    LAST_ADDRESS,
    PROTOCOL_MAX_REGISTERS,
    Conflict,
    FunctionCode,
    Integers,
    SerialDefaults,
    Source,
    StrictModel,
    Text,
    Texts,
    list_to_tuple,
    nothing_in,
)
from lentera_drivers.profiles.identity import Identity, UnitIdRegister
from lentera_drivers.profiles.layout import layout_problems
from lentera_drivers.profiles.register import Register
from lentera_drivers.profiles.registers import (
    Endianness,
    RegisterOrder,
    decode_registers,
    exact_scale,
    exponent_of,
)
from lentera_drivers.profiles.rules import ProbeRules
from lentera_drivers.profiles.validation import Found, located_errors
from lentera_model.errors import LenteraError
from lentera_model.identifiers import ID_PATTERN

__all__ = [
    "LAST_ADDRESS",
    "PROTOCOL_MAX_REGISTERS",
    "AddressMode",
    "MeterProfile",
    "PowerFactorSign",
    "PowerSign",
    "Register",
    "SerialDefaults",
    "Signs",
    "Source",
    "StrictModel",
    "Texts",
    "list_to_tuple",
    "nothing_in",
]

MAX_REGISTERS: Final = 512
"""Values that one profile may describe."""


class AddressMode(StrEnum):
    """What a register's address counts from."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    """From the start of a SunSpec model, which each device puts elsewhere: see `MeterProfile.at`."""


class PowerSign(StrEnum):
    """What a positive active power means in the meter's own registers."""

    IMPORT_POSITIVE = "import_positive"
    EXPORT_POSITIVE = "export_positive"
    """The registers carry a negative scale, so that import is positive in our values."""
    UNSIGNED = "unsigned"
    UNKNOWN = "unknown"


class PowerFactorSign(StrEnum):
    """What the sign of a power factor means; it is stored as the meter gives it."""

    UNSIGNED = "unsigned"
    DIRECTION = "direction"
    """Positive for import, negative for export."""
    CAPACITIVE_POSITIVE = "capacitive_positive"
    INDUCTIVE_POSITIVE = "inductive_positive"
    QUADRANT = "quadrant"
    """A four-quadrant value: beyond -1 and 1 it carries the quadrant."""
    UNKNOWN = "unknown"


class Signs(BaseModel):
    """The meter's conventions, where a source tells them."""

    model_config = StrictModel
    active_power: Annotated[PowerSign, Field(strict=False)] = PowerSign.UNKNOWN
    power_factor: Annotated[PowerFactorSign, Field(strict=False)] = PowerFactorSign.UNKNOWN


class ProfileAddressError(LenteraError):
    """A relative profile cannot be put at an address, or an absolute one is to be moved."""


class MeterProfile(BaseModel):
    """Everything that the Modbus driver knows about a kind of meter.

    Attributes:
        unit_id: factory setting, None when unknown.
        unit_id_register: where the meter keeps its unit id, if a source tells.
        function_code: 3 (holding registers) or 4 (input registers), where a register does not say otherwise.
        function_code_alternatives: functions that give the same registers too.
        byte_order: of the bytes in a register, where a register does not say otherwise.
        word_order: of the registers of a value, where a register does not say otherwise.
        max_registers_per_read: what the meter answers at most in one reply.
        even_addresses: whether start address and count of a request must be even.
        turnaround_ms: time a meter takes before it answers, for planning.
        gap_ms: extra silence that the meter wants between frames, beyond 3.5 characters.
        window: requests that the meter takes on one TCP connection before it has answered the first.
        address_mode: relative for a SunSpec model: addresses count from the register that holds the model's id.
        sunspec_model: id of the SunSpec model that a relative profile describes.
        model_length: registers of that model after its id and length.
        signs: conventions of signs.
        identity: what the meter tells about itself.
        probe: limits of the rules that its readings must pass.
    """

    model_config = StrictModel
    kind: Literal["meter"]
    id: Annotated[str, Field(pattern=ID_PATTERN)]
    manufacturer: Text
    model: Text
    phases: Literal[1, 3]
    serial: SerialDefaults | None = None
    unit_id: Annotated[int, Field(ge=0, le=255)] | None = None
    unit_id_register: UnitIdRegister | None = None
    transport: Texts
    function_code: FunctionCode
    function_code_alternatives: Integers = ()
    byte_order: Annotated[Endianness, Field(strict=False)] = Endianness.BIG
    word_order: Annotated[Endianness, Field(strict=False)] = Endianness.BIG
    max_registers_per_read: Annotated[int, Field(ge=1, le=PROTOCOL_MAX_REGISTERS)] = PROTOCOL_MAX_REGISTERS
    even_addresses: bool = False
    turnaround_ms: Annotated[int, Field(ge=0, le=10_000)] = 20
    gap_ms: Annotated[int, Field(ge=0, le=1_000)] = 0
    window: Annotated[int, Field(ge=1, le=32)] = 1
    address_mode: Annotated[AddressMode, Field(strict=False)] = AddressMode.ABSOLUTE
    sunspec_model: Annotated[int, Field(ge=1, le=65534)] | None = None
    model_length: Annotated[int, Field(ge=1, le=LAST_ADDRESS)] | None = None
    signs: Signs = Signs()
    identity: Annotated[tuple[Identity, ...], Field(max_length=16), BeforeValidator(list_to_tuple)] = ()
    probe: ProbeRules = ProbeRules()
    registers: Annotated[tuple[Register, ...], Field(max_length=MAX_REGISTERS), BeforeValidator(list_to_tuple)]
    sources: Annotated[tuple[Source, ...], Field(max_length=64), BeforeValidator(list_to_tuple)]
    conflicts: Annotated[tuple[Conflict, ...], Field(max_length=64), BeforeValidator(list_to_tuple)] = ()
    notes: Texts = ()

    @property
    def order(self) -> RegisterOrder:
        """Byte and word order, as the codec wants them; a register's own comes first there."""
        return RegisterOrder(self.byte_order, self.word_order)

    @property
    def scale_registers(self) -> tuple[tuple[int, int], ...]:
        """(function code, address) of every register that holds a power of ten, in order."""
        return tuple(
            sorted(
                {
                    (self.function_code_of(register), register.scale_register)
                    for register in self.registers
                    if register.scale_register is not None
                }
            )
        )

    def function_code_of(self, register: Register) -> int:
        """Return the function that reads a register."""
        return register.function_code or self.function_code

    def decode(self, image: Mapping[int, int], function_code: int | None = None) -> dict[str, float]:
        """Decode every register whose words are all in `image`; nulls are left out.

        Args:
            image: address to word, scale registers included.
            function_code: the function that the image was read with; None takes every register.
        """
        values: dict[str, float] = {}
        for register in self.registers:
            if function_code not in (None, self.function_code_of(register)):
                continue
            words = [image[address] for address in range(register.address, register.end) if address in image]
            exponent: int | None = 0
            if register.scale_register is not None:
                exponent = exponent_of(image[register.scale_register]) if register.scale_register in image else None
            if len(words) == register.count and exponent is not None:
                value = decode_registers(register, words, self.order, exponent)
                if value is not None:
                    values[register.quantity] = value
        return values

    def implausible(self, values: Mapping[str, float]) -> list[str]:
        """Return the quantities whose values lie outside the profile's limits."""
        return [
            register.quantity
            for register in self.registers
            if register.quantity in values and not register.is_plausible(values[register.quantity])
        ]

    def at(self, base_address: int) -> MeterProfile:
        """Return this relative profile with absolute addresses.

        Args:
            base_address: of the register that holds the model's id.

        Raises:
            ProfileAddressError: the profile is absolute already, or a register would lie beyond 65535.
        """
        if self.address_mode is AddressMode.ABSOLUTE:
            raise ProfileAddressError(f"profile {self.id} has absolute addresses: it needs no base address")
        last = base_address + max(entry.end for entry in (*self.registers, *self.identity)) - 1
        if base_address < 0 or last > LAST_ADDRESS:
            raise ProfileAddressError(f"profile {self.id} at {base_address}: its last register would be {last}")
        moved = [
            register.model_copy(
                update={
                    "address": register.address + base_address,
                    "scale_register": None
                    if register.scale_register is None
                    else register.scale_register + base_address,
                }
            )
            for register in self.registers
        ]
        told = [entry.model_copy(update={"address": entry.address + base_address}) for entry in self.identity]
        update = {"registers": tuple(moved), "identity": tuple(told), "address_mode": AddressMode.ABSOLUTE}
        return self.model_copy(update=update)

    def with_scales(self, exponents: Mapping[int, int | None]) -> MeterProfile:
        """Return the profile with the powers of ten that were read put into each `scale`.

        Args:
            exponents: address of a scale register to its power of ten (`exponent_of` its word). A register whose power
                is None, or absent, is left out: the device says that it has no such value.
        """
        fixed: list[Register] = []
        for register in self.registers:
            if register.scale_register is None:
                fixed.append(register)
                continue
            exponent = exponents.get(register.scale_register)
            if exponent is not None:
                scale = float(exact_scale(register.scale, exponent))
                fixed.append(register.model_copy(update={"scale": scale, "scale_register": None}))
        return self.model_copy(update={"registers": tuple(fixed)})

    @model_validator(mode="after")
    def _possible(self) -> MeterProfile:
        found = [*layout_problems(self.registers, self.function_code), *self._request_problems()]
        found += nothing_in("registers", self.registers) + nothing_in("sources", self.sources)
        found += _outside("transport", self.transport, ("rtu", "tcp", "rtu_over_tcp"))
        found += nothing_in("transport", self.transport)
        found += [*self._sunspec_problems(), *self._sign_problems()]
        if found:
            raise located_errors(found)
        return self

    def _request_problems(self) -> list[Found]:
        found: list[Found] = []
        for position, register in enumerate(self.registers):
            path = ("registers", position, "address")
            needed = register.count + (register.count % 2 if self.even_addresses else 0)
            if needed > self.max_registers_per_read:
                what = f"{register.quantity} needs {needed} registers, one read carries {self.max_registers_per_read}"
                found.append((path, what, "raise max_registers_per_read"))
            if register.write_function_code is not None and self.function_code_of(register) != 3:
                what = f"{register.quantity} is an input register (function 4), which nobody can write"
                found.append((("registers", position, "write_function_code"), what, "give function_code 3, or remove"))
            if self.even_addresses and register.address % 2:
                found.append((path, f"{register.address} is odd, this meter answers even addresses only", "check it"))
        for position, entry in enumerate(self.identity):
            if entry.count > self.max_registers_per_read:
                what = f"{entry.what} needs {entry.count} registers, one read carries {self.max_registers_per_read}"
                found.append((("identity", position, "count"), what, "raise max_registers_per_read"))
        for position, code in enumerate(self.function_code_alternatives):
            if code not in (3, 4):
                path = ("function_code_alternatives", position)
                found.append((path, "no function but 3 and 4 reads registers", "write 3 or 4"))
        return found

    def _sunspec_problems(self) -> list[Found]:
        if self.address_mode is AddressMode.ABSOLUTE:
            return []
        found: list[Found] = []
        if self.sunspec_model is None:
            found.append((("sunspec_model",), "is missing: relative addresses count from a model", "write its id"))
        end = (self.model_length or LAST_ADDRESS) + 2
        for position, register in enumerate(self.registers):
            last = max(register.end - 1, register.scale_register or 0)
            if register.address < 2 or last >= end:
                what = f"{register.quantity} lies outside the model's points, 2 to {end - 1}"
                found.append((("registers", position, "address"), what, "count from the register of the model's id"))
        return found

    def _sign_problems(self) -> list[Found]:
        """Hold the scales of active power against the convention: our values are positive for import."""
        sign = self.signs.active_power
        if sign in (PowerSign.UNKNOWN, PowerSign.UNSIGNED):
            return []
        wanted = sign is PowerSign.IMPORT_POSITIVE
        names = ("power_active_total", "power_active_l1", "power_active_l2", "power_active_l3")
        return [
            (
                ("registers", position, "scale"),
                f"{register.quantity} would have the wrong sign: signs.active_power says {sign}",
                f"write a {'positive' if wanted else 'negative'} scale, import is positive here",
            )
            for position, register in enumerate(self.registers)
            if register.quantity in names and (register.scale > 0) is not wanted
        ]


def _outside(key: str, given: Sequence[str], allowed: Sequence[str]) -> list[Found]:
    return [
        ((key, position), f"{value[:40]!r} is not known", f"use {', '.join(allowed)}")
        for position, value in enumerate(given)
        if value not in allowed
    ]
