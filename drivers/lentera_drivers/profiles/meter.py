"""What a profile says about a meter that speaks Modbus: its registers, their types, and the limits of a request."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lentera_drivers.profiles.registers import Endianness, RegisterOrder, RegisterType, decode_registers, exact_scale
from lentera_drivers.profiles.validation import Found, located_errors
from lentera_model.identifiers import ID_PATTERN
from lentera_model.quantities import CATALOGUE

LAST_ADDRESS: Final = 65535
PROTOCOL_MAX_REGISTERS: Final = 125
"""Registers that one reply can carry at most (Modbus Application Protocol V1.1b3, 6.3)."""


def list_to_tuple(value: object) -> object:
    """Let YAML's lists pass for tuples, which a frozen model keeps."""
    return tuple(value) if isinstance(value, list) else value


StrictModel = ConfigDict(extra="forbid", frozen=True, strict=True)
Texts = Annotated[tuple[str, ...], BeforeValidator(list_to_tuple)]
Integers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(list_to_tuple)]


class Source(BaseModel):
    """Where a fact comes from: a repository and path, or an address on the web."""

    model_config = StrictModel
    repo: str | None = None
    path: str | None = None
    url: str | None = None
    what: str | None = None


class Conflict(BaseModel):
    """Two sources that disagree; the profile follows `a`."""

    model_config = StrictModel
    about: str
    a: str
    b: str


class SerialDefaults(BaseModel):
    """The line settings a meter leaves the factory with; None where no source was found."""

    model_config = StrictModel
    baud: Annotated[int, Field(ge=300, le=1_000_000)] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Literal[1, 2] | None = None
    allowed_baud: Integers = ()
    allowed_parity: Texts = ()


class Register(BaseModel):
    """One value of a meter.

    Attributes:
        quantity: name in the catalogue.
        address: zero-based address on the wire of the first register.
        count: how many 16-bit registers; must be what `type` needs.
        scale: value in `unit` = raw number * scale.
        unit: the quantity's SI unit.
        null_markers: raw numbers (unsigned, most significant word first) that mean "no value".
        minimum: smallest plausible value in `unit`; a value outside makes a sample suspect, it is never dropped.
        maximum: largest plausible value in `unit`.
        mandatory: False when some models of the family lack it.
    """

    model_config = StrictModel
    quantity: str
    address: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1, le=4)]
    type: Annotated[RegisterType, Field(strict=False)]
    scale: Annotated[float, Field(allow_inf_nan=False, strict=False)] = 1.0
    unit: str
    null_markers: Integers = ()
    minimum: Annotated[float, Field(allow_inf_nan=False, strict=False)] | None = None
    maximum: Annotated[float, Field(allow_inf_nan=False, strict=False)] | None = None
    mandatory: bool = True
    note: str | None = None

    @property
    def end(self) -> int:
        """Address after the last register."""
        return self.address + self.count

    def is_plausible(self, value: float) -> bool:
        """Whether a value lies within the profile's limits."""
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return low <= value <= high

    @model_validator(mode="after")
    def _possible(self) -> Register:
        found = [*self._catalogue_problems(), *self._layout_problems(), *self._limit_problems()]
        if found:
            raise located_errors(found)
        return self

    def _catalogue_problems(self) -> list[Found]:
        known = CATALOGUE.get(self.quantity)
        if known is None:
            close = difflib.get_close_matches(self.quantity, CATALOGUE, n=1)
            remedy = f"did you mean {close[0]}?" if close else "take a name of the catalogue"
            return [(("quantity",), f"{self.quantity!r} is not in the catalogue of quantities", remedy)]
        if self.unit != known.unit:
            remedy = f"write {known.unit} and put the factor into `scale`"
            return [(("unit",), f"{self.quantity} is kept in {known.unit}, not in {self.unit}", remedy)]
        return []

    def _layout_problems(self) -> list[Found]:
        found: list[Found] = []
        if self.count != self.type.words:
            found.append((("count",), f"{self.type} takes {self.type.words} registers, not {self.count}", "correct it"))
        if self.end - 1 > LAST_ADDRESS:
            what = f"the last register would be {self.end - 1}, beyond {LAST_ADDRESS}"
            found.append((("address",), what, "check the address"))
        if self.scale == 0:
            found.append((("scale",), "a scale of 0 makes every value 0", "write the factor from raw number to unit"))
        for marker in self.null_markers:
            if marker >= 1 << 16 * self.type.words:
                what = f"{marker:#x} does not fit {self.type}"
                found.append((("null_markers",), what, "write the marker as the unsigned raw number"))
        return found

    def _limit_problems(self) -> list[Found]:
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low >= high:
            return [(("minimum",), f"the minimum {low} is not below the maximum {high}", "correct the limits")]
        if self.type.is_float or self.scale == 0:
            return []
        ends = sorted(float(raw * exact_scale(self.scale)) for raw in self.type.raw_range)
        for key, limit in (("minimum", low), ("maximum", high)):
            if limit is not None and not ends[0] <= limit <= ends[1]:
                what = f"{limit} cannot be reached: {self.type} at scale {self.scale} spans {ends[0]} to {ends[1]}"
                return [((key,), what, "correct the limit or the scale")]
        return []


class MeterProfile(BaseModel):
    """Everything that the Modbus driver knows about a kind of meter.

    Attributes:
        unit_id: factory setting, None when unknown.
        function_code: 3 (holding registers) or 4 (input registers).
        max_registers_per_read: what the meter answers at most in one reply.
        even_addresses: whether start address and count of a request must be even.
        turnaround_ms: time a meter takes before it answers, for planning.
        gap_ms: extra silence that the meter wants between frames, beyond 3.5 characters.
    """

    model_config = StrictModel
    kind: Literal["meter"]
    id: Annotated[str, Field(pattern=ID_PATTERN)]
    manufacturer: str
    model: str
    phases: Literal[1, 3]
    serial: SerialDefaults | None = None
    unit_id: Annotated[int, Field(ge=0, le=255)] | None = None
    transport: Texts
    function_code: Literal[3, 4]
    function_code_alternatives: Integers = ()
    byte_order: Annotated[Endianness, Field(strict=False)] = Endianness.BIG
    word_order: Annotated[Endianness, Field(strict=False)] = Endianness.BIG
    max_registers_per_read: Annotated[int, Field(ge=1, le=PROTOCOL_MAX_REGISTERS)] = PROTOCOL_MAX_REGISTERS
    even_addresses: bool = False
    turnaround_ms: Annotated[int, Field(ge=0, le=10_000)] = 20
    gap_ms: Annotated[int, Field(ge=0, le=1_000)] = 0
    registers: Annotated[tuple[Register, ...], BeforeValidator(list_to_tuple)]
    sources: Annotated[tuple[Source, ...], BeforeValidator(list_to_tuple)]
    conflicts: Annotated[tuple[Conflict, ...], BeforeValidator(list_to_tuple)] = ()
    notes: Texts = ()

    @property
    def order(self) -> RegisterOrder:
        """Byte and word order, as the codec wants them."""
        return RegisterOrder(self.byte_order, self.word_order)

    def decode(self, image: Mapping[int, int]) -> dict[str, float]:
        """Decode every register whose words are all in `image` (address -> word); nulls are left out."""
        values: dict[str, float] = {}
        for register in self.registers:
            words = [image[address] for address in range(register.address, register.end) if address in image]
            if len(words) == register.count:
                value = decode_registers(register, words, self.order)
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

    @model_validator(mode="after")
    def _possible(self) -> MeterProfile:
        found = [*_overlaps(self.registers), *_repeats(self.registers), *self._request_problems()]
        found += nothing_in("registers", self.registers) + nothing_in("sources", self.sources)
        found += _outside("transport", self.transport, ("rtu", "tcp", "rtu_over_tcp"))
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
            if self.even_addresses and register.address % 2:
                found.append((path, f"{register.address} is odd, this meter answers even addresses only", "check it"))
        return found


def _overlaps(registers: Sequence[Register]) -> list[Found]:
    """Two values must not share a register."""
    found: list[Found] = []
    ordered = sorted(enumerate(registers), key=lambda item: item[1].address)
    furthest: Register | None = None
    for position, register in ordered:
        if furthest is not None and register.address < furthest.end:
            what = (
                f"{register.quantity} ({register.address}..{register.end - 1}) overlaps "
                f"{furthest.quantity} ({furthest.address}..{furthest.end - 1})"
            )
            found.append((("registers", position, "address"), what, "correct one of the two addresses or counts"))
        if furthest is None or register.end > furthest.end:
            furthest = register
    return found


def _repeats(registers: Sequence[Register]) -> list[Found]:
    """One quantity has one register."""
    seen: set[str] = set()
    found: list[Found] = []
    for position, register in enumerate(registers):
        if register.quantity in seen:
            path = ("registers", position, "quantity")
            found.append((path, f"{register.quantity} is given twice", "keep the register that is to be read"))
        seen.add(register.quantity)
    return found


def _outside(key: str, given: Sequence[str], allowed: Sequence[str]) -> list[Found]:
    return [
        ((key, position), f"{value!r} is not known", f"use {', '.join(allowed)}")
        for position, value in enumerate(given)
        if value not in allowed
    ]


def nothing_in(key: str, items: Sequence[object]) -> list[Found]:
    """Complain about a list that is needed and empty (pydantic would also complain when an item is wrong)."""
    return [] if items else [((key,), "is empty", "write at least one")]
