"""One value of a meter: where it stands, how its bits are read, and what it may be."""

from __future__ import annotations

import difflib
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from lentera_drivers.profiles.fields import LAST_ADDRESS, Finite, FunctionCode, Integers, StrictModel, Text
from lentera_drivers.profiles.registers import Endianness, RegisterType, exact_scale, shift_of
from lentera_drivers.profiles.validation import Found, located_errors
from lentera_model.quantities import CATALOGUE, Kind

_SCALES = (1e-12, 1e12)


def _is_no_text(value: Any) -> Any:
    if value == "string":
        raise ValueError("a quantity is a number, text is none; put a serial number or model code under `identity`")
    return value


class Register(BaseModel):
    """One value of a meter.

    Attributes:
        quantity: name in the catalogue.
        address: zero-based address on the wire of the first register.
        count: how many 16-bit registers; must be what `type` needs.
        scale: value in `unit` = raw number * scale.
        unit: the quantity's SI unit.
        scale_register: address of a signed power of ten: value = raw number * scale * 10**(that register).
        bit: of a type bits16 or bits32, the one bit that is the value; 0 is the least significant.
        mask: of a type bits16 or bits32, the neighbouring bits that are the value.
        byte_order: where this register differs from the meter.
        word_order: where this register differs from the meter.
        function_code: where this register is read with another function than the meter's.
        write_function_code: the function that sets this value: 6 (one register) or 16; None for what is only read.
        null_markers: raw numbers (unsigned, most significant word first) that mean "no value".
        minimum: smallest plausible value in `unit`; a value outside makes a sample suspect, it is never dropped.
        maximum: largest plausible value in `unit`.
        dial_limit: value in `unit` at which a counter begins again at 0, where it is not what the type can hold.
        mandatory: False when some models of the family lack it.
    """

    model_config = StrictModel
    quantity: str
    address: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1, le=4)]
    type: Annotated[RegisterType, Field(strict=False), BeforeValidator(_is_no_text)]
    scale: Finite = 1.0
    unit: str
    scale_register: Annotated[int, Field(ge=0, le=LAST_ADDRESS)] | None = None
    bit: Annotated[int, Field(ge=0, le=31)] | None = None
    mask: Annotated[int, Field(ge=1)] | None = None
    byte_order: Annotated[Endianness, Field(strict=False)] | None = None
    word_order: Annotated[Endianness, Field(strict=False)] | None = None
    function_code: FunctionCode | None = None
    write_function_code: Literal[6, 16] | None = None
    null_markers: Integers = ()
    minimum: Finite | None = None
    maximum: Finite | None = None
    dial_limit: Finite | None = None
    mandatory: bool = True
    note: Text | None = None

    @property
    def end(self) -> int:
        """Address after the last register."""
        return self.address + self.count

    @property
    def bit_mask(self) -> int | None:
        """Which bits of the raw number are the value; None for all."""
        return self.mask if self.bit is None else 1 << self.bit

    @property
    def is_counter(self) -> bool:
        """Whether the quantity only rises until it is reset or begins again at its dial limit."""
        return CATALOGUE[self.quantity].kind is Kind.COUNTER

    @property
    def rolls_over_at(self) -> float | None:
        """Value in `unit` at which a counter begins again at 0.

        It is `dial_limit`, else what an integer type can hold; None for what is no counter, for a float without a
        `dial_limit` and for a register whose scale stands in another register.
        """
        if not self.is_counter:
            return None
        if self.dial_limit is not None:
            return self.dial_limit
        if self.type.is_float or self.type.is_bits or self.scale_register is not None:
            return None
        return float((self.type.raw_range[1] + 1) * abs(exact_scale(self.scale)))

    def is_plausible(self, value: float) -> bool:
        """Whether a value lies within the profile's limits."""
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return low <= value <= high

    def reach(self) -> tuple[float, float]:
        """Smallest and largest value in `unit` that an integer type can carry."""
        low, high = self.type.raw_range
        if self.bit_mask is not None:
            high = self.bit_mask >> shift_of(self.bit_mask)
        ends = sorted(float(raw * exact_scale(self.scale)) for raw in (low, high))
        return ends[0], ends[1]

    @model_validator(mode="after")
    def _possible(self) -> Register:
        found = [*self._catalogue_problems(), *self._layout_problems(), *self._bit_problems(), *self._write_problems()]
        if not found:
            found = [*self._limit_problems(), *self._dial_problems()]
        if found:
            raise located_errors(found)
        return self

    def _catalogue_problems(self) -> list[Found]:
        known = CATALOGUE.get(self.quantity)
        if known is None:
            close = difflib.get_close_matches(self.quantity[:70], CATALOGUE, n=1)
            remedy = f"did you mean {close[0]}?" if close else "take a name of the catalogue"
            return [(("quantity",), f"{self.quantity[:70]!r} is not in the catalogue of quantities", remedy)]
        if self.unit != known.unit:
            remedy = f"write {known.unit} and put the factor into `scale`"
            return [(("unit",), f"{self.quantity} is kept in {known.unit}, not in {self.unit[:20]}", remedy)]
        return []

    def _layout_problems(self) -> list[Found]:
        found: list[Found] = []
        if self.count != self.type.words:
            found.append((("count",), f"{self.type} takes {self.type.words} registers, not {self.count}", "correct it"))
        if self.end - 1 > LAST_ADDRESS:
            last = self.end - 1 if self.end < 1 << 80 else _shown(self.end)
            what = f"the last register would be {last}, beyond {LAST_ADDRESS}"
            found.append((("address",), what, "check the address"))
        if self.scale == 0:
            found.append((("scale",), "a scale of 0 makes every value 0", "write the factor from raw number to unit"))
        elif not _SCALES[0] <= abs(self.scale) <= _SCALES[1]:
            what = f"{self.scale} is no factor between a register and {self.unit[:20]}"
            found.append((("scale",), what, f"write one between {_SCALES[0]} and {_SCALES[1]}"))
        for marker in self.null_markers:
            if marker >= 1 << 16 * self.type.words:
                what = f"{_shown(marker)} does not fit {self.type}"
                found.append((("null_markers",), what, "write the marker as the unsigned raw number"))
        if self.scale_register is not None and self.address <= self.scale_register < self.end:
            what = f"register {self.scale_register} cannot be both value and scale"
            found.append((("scale_register",), what, "give the address of the scale factor"))
        return found

    def _bit_problems(self) -> list[Found]:
        if not self.type.is_bits:
            key = "mask" if self.bit is None else "bit"
            remedy = "write type bits16 or bits32"
            return [((key,), f"{self.type} has no bits to choose", remedy)] if self.bit_mask is not None else []
        if (self.bit is None) == (self.mask is None):
            return [(("type",), f"{self.type} needs either `bit` or `mask`", "say which bits are the value")]
        mask = self.bit_mask or 1
        key = "mask" if self.bit is None else "bit"
        if mask >= 1 << 16 * self.type.words:
            return [((key,), f"{_shown(mask)} does not fit {self.type}", f"count from 0 to {16 * self.type.words - 1}")]
        ones = mask >> shift_of(mask)
        if ones & (ones + 1):
            return [(("mask",), f"the bits of {mask:#x} are no neighbours", "describe one quantity for each group")]
        return []

    def _write_problems(self) -> list[Found]:
        """Only what is one number by itself can be written without touching anything else."""
        if self.write_function_code is None:
            return []
        key = ("write_function_code",)
        if self.is_counter:
            return [(key, f"{self.quantity} is a counter", "counters are only read: remove it")]
        if self.type.is_bits or self.scale_register is not None:
            return [
                (key, "a part of a register, or a value scaled by another one, cannot be written alone", "remove it")
            ]
        if self.write_function_code == 6 and self.count != 1:
            return [(key, f"function 6 writes one register, this value has {self.count}", "write 16, or remove it")]
        return []

    def _limit_problems(self) -> list[Found]:
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low >= high:
            return [(("minimum",), f"the minimum {low} is not below the maximum {high}", "correct the limits")]
        if self.type.is_float or self.scale_register is not None:
            return []
        ends = self.reach()
        for key, limit in (("minimum", low), ("maximum", high)):
            if limit is not None and not ends[0] <= limit <= ends[1]:
                what = f"{limit} cannot be reached: {self.type} at scale {self.scale} spans {ends[0]} to {ends[1]}"
                return [((key,), what, "correct the limit or the scale")]
        return []

    def _dial_problems(self) -> list[Found]:
        if self.dial_limit is None:
            return []
        if not self.is_counter:
            return [(("dial_limit",), f"{self.quantity} is no counter", "remove it")]
        if self.dial_limit <= 0:
            return [(("dial_limit",), f"{self.dial_limit} is no size of a dial", "write the value after the last one")]
        if self.type.is_float or self.scale_register is not None:
            return []
        step = float(abs(exact_scale(self.scale)))
        if self.dial_limit > max(abs(end) for end in self.reach()) + step:
            what = f"{self.type} at scale {self.scale} ends at {self.reach()[1]}, before {self.dial_limit}"
            return [(("dial_limit",), what, "correct the limit or the scale")]
        return []


def _shown(number: int) -> str:
    """Write a number in a message; one of a hundred digits is told by its size."""
    return hex(number) if number < 1 << 80 else f"a number of {number.bit_length()} bits"
