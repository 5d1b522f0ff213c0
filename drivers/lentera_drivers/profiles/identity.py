"""What a meter tells about itself: a serial number, a model code, read once to recognise it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from lentera_drivers.profiles.fields import LAST_ADDRESS, FunctionCode, Integers, StrictModel, Text
from lentera_drivers.profiles.registers import Endianness, RegisterOrder
from lentera_drivers.profiles.validation import Found, located_errors

_LONGEST: Final = 64
_NOTHING_WRITTEN: Final = (0x00, 0xFF)


class IdentityKind(StrEnum):
    """What an entry tells."""

    SERIAL_NUMBER = "serial_number"
    MODEL_CODE = "model_code"
    MODEL_NAME = "model_name"
    MANUFACTURER = "manufacturer"
    FIRMWARE = "firmware"


class IdentityType(StrEnum):
    """How an entry's registers are to be read."""

    STRING = "string"
    """Text of one byte a character, two characters a register; what follows a zero byte is no part of it."""
    NUMBER = "number"
    """An unsigned whole number of all its registers."""


def _texts_of_numbers(value: Any) -> Any:
    """Let `expected: [71, 0x53]` stand for the numbers' texts: an answer is compared as text."""
    if isinstance(value, list):
        return tuple(str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in value)
    return value


class Identity(BaseModel):
    """One thing that a meter tells about itself.

    Attributes:
        what: serial number, model code, ...
        address: zero-based address of its first register.
        count: how many registers.
        type: text or number.
        function_code: where it is read with another function than the meter's.
        expected: the answers that this model gives, any of them; empty for what differs from meter to meter. A text
            matches when the answer begins with it, in capitals or not, a number when it is equal.
        word_order: of a number, where it is not the meter's.
        null_markers: numbers that mean "not given".
    """

    model_config = StrictModel
    what: Annotated[IdentityKind, Field(strict=False)]
    address: Annotated[int, Field(ge=0, le=LAST_ADDRESS)]
    count: Annotated[int, Field(ge=1, le=_LONGEST)]
    type: Annotated[IdentityType, Field(strict=False)]
    function_code: FunctionCode | None = None
    expected: Annotated[tuple[Text, ...], Field(max_length=64), BeforeValidator(_texts_of_numbers)] = ()
    word_order: Annotated[Endianness, Field(strict=False)] | None = None
    null_markers: Integers = ()
    note: Text | None = None

    @property
    def end(self) -> int:
        """Address after the last register."""
        return self.address + self.count

    def read(self, words: Sequence[int], order: RegisterOrder) -> str | None:
        """Return what the registers say, as text; None where nothing is written in them.

        Args:
            words: exactly `count` registers, lowest address first.
            order: the meter's.
        """
        if self.type is IdentityType.STRING:
            return _text_of(words, order.byte_order)
        word_order = self.word_order or order.word_order
        ordered = words if word_order is Endianness.BIG else list(reversed(words))
        number = int.from_bytes(b"".join(word.to_bytes(2, order.byte_order.value) for word in ordered))
        return None if number in self.null_markers else str(number)

    def fits(self, answer: str | None) -> bool | None:
        """Whether an answer is one of this model's; None where the profile expects nothing or nothing is written."""
        if not self.expected or answer is None:
            return None
        if self.type is IdentityType.NUMBER:
            return answer in self.expected
        return answer.lower().startswith(tuple(text.lower() for text in self.expected))

    @model_validator(mode="after")
    def _possible(self) -> Identity:
        found: list[Found] = []
        if self.end - 1 > LAST_ADDRESS:
            found.append((("address",), f"the last register would be {self.end - 1}", "check the address"))
        if self.type is IdentityType.NUMBER and self.count > 4:
            found.append((("count",), f"a number of {self.count} registers is none", "write at most 4, or type string"))
        for position, text in enumerate(self.expected):
            if self.type is IdentityType.NUMBER and not text.isdecimal():
                found.append((("expected", position), f"{text[:40]!r} is no number", "write the number that is read"))
            elif self.type is IdentityType.STRING and len(text) > 2 * self.count:
                what = f"{text[:40]!r} does not fit {self.count} registers"
                found.append((("expected", position), what, "correct `count` or the text"))
        if found:
            raise located_errors(found)
        return self


class UnitIdRegister(BaseModel):
    """The holding register in which a meter keeps its own unit id; written with function 16.

    Attributes:
        address: zero-based address of its first register.
        type: how the id stands there.
        source: who says so; without a sure source a profile has no such entry.
    """

    model_config = StrictModel
    address: Annotated[int, Field(ge=0, le=LAST_ADDRESS)]
    type: Literal["uint16", "float32"]
    source: Text


def _text_of(words: Sequence[int], byte_order: Endianness) -> str | None:
    data = b"".join(word.to_bytes(2, byte_order.value) for word in words)
    if all(byte in _NOTHING_WRITTEN for byte in data):
        return None
    text = data.split(b"\0", 1)[0].decode("latin-1").strip()
    return "".join(character if character.isprintable() else "?" for character in text) or None
