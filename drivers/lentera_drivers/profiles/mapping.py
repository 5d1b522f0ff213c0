"""How a JSON message maps to quantities: pointers (RFC 6901), words, lists, nulls, times; data and pure functions.

Lamps and sensors on MQTT share it, so that a new dialect is a data file. What a message does not carry, or carries as
null, is no value and no fault; what it carries in a wrong type is a complaint and costs nothing but itself.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from lentera_drivers.profiles.fields import Finite, StrictModel, list_to_tuple
from lentera_drivers.profiles.registers import exact_scale
from lentera_drivers.profiles.validation import Found, located_errors
from lentera_model.quantities import CATALOGUE

MAX_PAYLOAD_BYTES: Final = 16 * 1024
ABSENT: Final[Any] = object()
"""What a pointer finds where there is nothing."""
_MOST_STEPS: Final = 16
_ESCAPE: Final = re.compile(r"~(?![01])")
_INDEX: Final = re.compile(r"\A(0|[1-9][0-9]{0,4})\Z")
_ZONE: Final = re.compile(r"\A([+-])([01][0-9]):([0-5][0-9])\Z")
_LATEST_MS: Final = 253_402_300_799_000
_SHOWN: Final = 60


@lru_cache(maxsize=1024)
def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the steps of a JSON pointer (RFC 6901); the empty pointer is the whole document.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return ()
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer; begin it with /, as in /ENERGY/Power")
    if _ESCAPE.search(text):
        raise ValueError(f"{text!r} has a lone ~; write ~0 for ~ and ~1 for /")
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))
    if len(steps) > _MOST_STEPS:
        raise ValueError(f"{text!r} is more than {_MOST_STEPS} steps deep; no message is")
    return steps


def _checked_pointer(text: str) -> str:
    parse_pointer(text)
    return text


Pointer = Annotated[str, Field(max_length=200), AfterValidator(_checked_pointer)]
Quantity = Annotated[str, Field(min_length=1, max_length=70)]


def resolve(document: Any, pointer: str) -> Any:
    """Return what a pointer finds in a document, `ABSENT` where that has no such part."""
    for step in parse_pointer(pointer):
        if isinstance(document, dict):
            document = document.get(step, ABSENT)
        elif isinstance(document, list):
            number = int(step) if _INDEX.match(step) else len(document)
            document = document[number] if number < len(document) else ABSENT
        else:
            return ABSENT
    return document


def quantity_problems(quantity: str, unit: str, scale: float) -> list[Found]:
    """Return what is wrong with the quantity, unit and scale of a field of any kind of message."""
    known = CATALOGUE.get(quantity)
    found: list[Found] = []
    if known is None:
        close = difflib.get_close_matches(quantity, CATALOGUE, n=1)
        remedy = f"did you mean {close[0]}?" if close else "take a name of the catalogue"
        found.append((("quantity",), f"{quantity!r} is not in the catalogue of quantities", remedy))
    elif unit != known.unit:
        what = f"{quantity} is kept in {known.unit}, not in {unit}"
        found.append((("unit",), what, f"write {known.unit} and put the factor into `scale`"))
    if scale == 0:
        found.append((("scale",), "a scale of 0 makes every value 0", "write the factor from number to unit"))
    return found


class MappedField(BaseModel):
    """One value of a message: value in `unit` = number * scale.

    Attributes:
        quantity: name of the catalogue.
        pointer: where the number is (JSON pointer, from the message's `root`).
        message: the message that carries it; any of them when absent.
        index: which entry of a list, counted from 0; a lone number is a list of one.
        sum: whether the entries of a list are added up.
        words: texts that stand for a number, such as ON for 1.
        text_numbers: whether a number may be written as text ("230.1").
        null_values: numbers that mean "no value".
    """

    model_config = StrictModel
    quantity: Quantity
    pointer: Pointer
    unit: str
    scale: Finite = 1.0
    message: str | None = None
    index: Annotated[int, Field(ge=0, le=63)] | None = None
    sum: bool = False
    words: dict[str, Finite] = {}
    text_numbers: bool = False
    null_values: Annotated[tuple[Finite, ...], BeforeValidator(list_to_tuple)] = ()

    @model_validator(mode="after")
    def _possible(self) -> MappedField:
        found = quantity_problems(self.quantity, self.unit, self.scale)
        if self.index is not None and self.sum:
            found.append((("sum",), "a field is one entry of a list or the sum of all", "keep `index` or `sum`"))
        if found:
            raise located_errors(found)
        return self

    def read(self, document: Any, complaints: list[str]) -> float | None:
        """Return the value in the quantity's unit; None where there is none. What is wrong goes to `complaints`."""
        said = resolve(document, self.pointer)
        if said is ABSENT or said is None:
            return None
        numbers = self._numbers(said, complaints)
        if not numbers:
            return None
        scale = exact_scale(self.scale)
        value = math.fsum(numbers) * scale.numerator / scale.denominator
        if not math.isfinite(value):
            complaints.append(f"{self.quantity} at {self.pointer!r} is too large")
            return None
        return value

    def _numbers(self, said: Any, complaints: list[str]) -> list[float]:
        """Return the number, or those to be added up: all of a list or none, for half a sum is a wrong value."""
        entries: Sequence[Any] = said if isinstance(said, list) else (said,)
        if isinstance(said, list) and self.index is None and not self.sum:
            complaints.append(f"{self.quantity} at {self.pointer!r} is a list; say `index` or `sum` in the profile")
            return []
        if self.index is not None:
            entries = entries[self.index : self.index + 1]
        numbers: list[float] = []
        for entry in entries:
            number = self._number(entry)
            if number is None and entry is not None:
                complaints.append(f"{self.quantity} at {self.pointer!r} is {shown(entry)}, not a number")
            if number is None or number in self.null_values:
                return []
            numbers.append(number)
        return numbers

    def _number(self, entry: Any) -> float | None:
        if isinstance(entry, str):
            if entry in self.words:
                return self.words[entry]
            return number_of_text(entry) if self.text_numbers else None
        if isinstance(entry, bool) and self.unit != "1":
            return None
        return finite_number(entry)


class MappedTime(BaseModel):
    """Where a message says when its values are of.

    Attributes:
        pointer: where the time is, from the message's root.
        format: `iso8601` text, or the Unix time in seconds or milliseconds as a number.
        zone: of a text without one, `UTC` or as in `+07:00`. When absent, such a text is local time of unknown zone,
            which the driver learns from messages that come live.
    """

    model_config = StrictModel
    pointer: Pointer
    format: Literal["iso8601", "unix_s", "unix_ms"] = "iso8601"
    zone: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> MappedTime:
        if self.zone is not None and self.zone != "UTC" and not _ZONE.match(self.zone):
            raise located_errors([(("zone",), f"{self.zone!r} is no zone", "write UTC or an offset such as +07:00")])
        return self

    def read(self, document: Any) -> tuple[int | None, int | None]:
        """Return (Unix ms, None), or (None, ms of local time read as if it were UTC), or (None, None)."""
        said = resolve(document, self.pointer)
        if self.format == "iso8601":
            return self._read_text(said)
        number = finite_number(said) if not isinstance(said, bool) else None
        if number is None:
            return None, None
        unix_ms = int(number * 1000 if self.format == "unix_s" else number)
        return (unix_ms, None) if 0 < unix_ms <= _LATEST_MS else (None, None)

    def _read_text(self, said: Any) -> tuple[int | None, int | None]:
        if not isinstance(said, str) or len(said) > _SHOWN:
            return None, None
        try:
            at = datetime.fromisoformat(said)
            if at.tzinfo is None and self.zone is None:
                return None, round(at.replace(tzinfo=UTC).timestamp() * 1000)
            aware = at if at.tzinfo is not None else at.replace(tzinfo=_zone(self.zone or "UTC"))
            return round(aware.timestamp() * 1000), None
        except (ValueError, OverflowError):
            return None, None


def _zone(text: str) -> timezone:
    found = _ZONE.match(text)
    if found is None:
        return UTC
    sign, hours, minutes = found.groups()
    return timezone((1 if sign == "+" else -1) * timedelta(hours=int(hours), minutes=int(minutes)))


def decode_json(payload: bytes) -> Any:
    """Read a message's JSON.

    Raises:
        ValueError: larger than 16 KiB, no JSON (NaN and Infinity are none, nor is 1e999), or nested without end.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"message of {len(payload)} bytes; a device sends at most {MAX_PAYLOAD_BYTES}")
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no JSON: {str(error)[:120]}: {shown(payload)}") from error


def finite_number(value: Any) -> float | None:
    """Read a JSON number or boolean; None when it is something else, not finite, or beyond a float."""
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def number_of_text(text: str) -> float | None:
    """Read a decimal number that is written as text; None for all else, `nan` and `1_000` among it."""
    if len(text) > _SHOWN or "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def shown(value: Any) -> str:
    """Return a value as a complaint shows it, never more than 60 characters."""
    # A message of 16 KiB is not written out whole to keep 60 characters of it.
    text = repr(value[: _SHOWN + 1]) if isinstance(value, str | bytes) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
