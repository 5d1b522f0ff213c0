"""Luminaires of dialect `generic_json`: where the level is in their JSON, and the payloads that set and ask it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, model_validator

from lentera_drivers.profiles.fields import StrictModel
from lentera_drivers.profiles.mapping import ABSENT, MappedTime, Pointer, finite_number, resolve, shown
from lentera_drivers.profiles.validation import Found, located_errors

_BRIGHTNESS: Final = "{brightness}"
_LEVEL: Final = "{level_percent}"
Word = bool | int | str
PayloadTemplate = Annotated[str, Field(min_length=1, max_length=1024)]


class GenericLight(BaseModel):
    """What a profile of dialect `generic_json` says beyond the topics.

    Attributes:
        brightness: JSON pointer to the brightness, of 0 to `brightness_scale`; absent for a lamp that is only switched.
        state: JSON pointer to on/off; absent where brightness 0 is off.
        on, off: what stands at `state`.
        set_on: payload that sets a level above 0, with `{brightness}` (a whole number of `brightness_scale`) or
            `{level_percent}` in it; for a switched lamp the payload that switches on.
        set_off: payload that switches off.
        ask: payload on topics.get that makes the lamp publish its state, when readback is claimed.
        time: where messages say when the lamp was last heard.
    """

    model_config = StrictModel
    brightness: Pointer | None = None
    state: Pointer | None = None
    on: Word = "ON"
    off: Word = "OFF"
    set_on: PayloadTemplate
    set_off: PayloadTemplate
    ask: Annotated[str, Field(max_length=1024)] = ""
    time: MappedTime | None = None

    @property
    def dims(self) -> bool:
        """Whether the lamp takes levels between off and full."""
        return self.brightness is not None

    def read_level(self, document: Any, scale: int, complaints: list[str]) -> float | None:
        """Return the level in percent that a message shows; None where it shows none."""
        state = None if self.state is None else resolve(document, self.state)
        if state is ABSENT:
            state = None
        if state is not None:
            if not _same(state, self.on) and not _same(state, self.off):
                complaints.append(f"state is {shown(state)}, not {self.on!r} or {self.off!r}")
                return None
            if _same(state, self.off):
                return 0.0
        if self.brightness is None:
            return None if state is None else 100.0
        said = resolve(document, self.brightness)
        if said is ABSENT or said is None:
            return None
        number = None if isinstance(said, bool) else finite_number(said)
        if number is None or not 0 <= number <= scale:
            complaints.append(f"brightness is {shown(said)}, not 0..{scale}")
            return None
        return number * 100 / scale

    def order(self, brightness: int, scale: int) -> bytes:
        """Return the payload that asks for a brightness; 0 switches off."""
        if brightness <= 0:
            return self.set_off.encode()
        level = f"{brightness * 100 / scale:.6g}"
        return self.set_on.replace(_BRIGHTNESS, str(brightness)).replace(_LEVEL, level).encode()

    def write(self, brightness: int, others: dict[str, Any]) -> dict[str, Any]:
        """Return a lamp's own message (the simulator's side) beside other parts of it."""
        parts: list[tuple[str | None, Any]] = [(self.state, self.on if brightness else self.off)]
        parts.append((self.brightness, brightness))
        for pointer, said in parts:
            if pointer:
                *steps, last = pointer[1:].replace("~1", "/").replace("~0", "~").split("/")
                place = others
                for step in steps:
                    place = place.setdefault(step, {})
                place[last] = said
        return others

    @model_validator(mode="after")
    def _possible(self) -> GenericLight:
        found: list[Found] = []
        if self.brightness is None and self.state is None:
            found.append((("state",), "nothing in a message would show the level", "add `brightness` or `state`"))
        if self.dims and _BRIGHTNESS not in self.set_on and _LEVEL not in self.set_on:
            found.append((("set_on",), "names no level", "put {brightness} or {level_percent} into it"))
        if not self.dims and (_BRIGHTNESS in self.set_on or _LEVEL in self.set_on):
            found.append((("set_on",), "sets a level that no message shows", "add `brightness`"))
        if _same(self.on, self.off):
            found.append((("off",), "is the same as on", "give the two different words"))
        found += [
            ((key,), f"is JSON that does not close: {error}", "correct the braces")
            for key in ("set_on", "set_off")
            if (error := _unreadable(getattr(self, key)))
        ]
        if found:
            raise located_errors(found)
        return self


def _unreadable(template: str) -> str | None:
    """Return why a payload that means to be JSON is none; what does not begin as JSON may be any text."""
    if not template.lstrip().startswith(("{", "[")) or template in (_BRIGHTNESS, _LEVEL):
        return None
    try:
        json.loads(template.replace(_BRIGHTNESS, "1").replace(_LEVEL, "1"))
    except ValueError as error:
        return str(error)
    return None


def _same(said: Any, word: Word) -> bool:
    """Compare without taking true for 1."""
    return type(said) is type(word) and said == word
