"""A device made from a sensor's profile: it publishes what the profile says that such a device publishes.

It builds its JSON and knows what it said by arithmetic of its own, not by the decoder that gateways use: what is read
from it can then be held against what it had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from lentera_drivers.profiles import SensorProfile
from lentera_drivers.profiles.mapping import MappedField, MappedTime
from lentera_sim.errors import PlanError

_DECIMALS = 3
_LONGEST_LIST = 64


@dataclass(frozen=True, slots=True)
class MappedMessage:
    """One message: where it is published, its bytes, and what it says: quantity to value in SI units."""

    topic: str
    payload: bytes
    said: Mapping[str, float]


class MappedDevice:
    """One device of a profile, called `name` on its broker, that has some values."""

    def __init__(self, profile: SensorProfile, name: str, values: Mapping[str, float]) -> None:
        """Take quantity to value in SI units; what is not there is 1."""
        self._profile = profile
        self._topics = profile.topics_for(name)
        self._values = values

    def message(self, name: str, at_ms: int) -> MappedMessage:
        """Return a message of the profile, with its time (Unix ms, whole seconds) where it carries one.

        Raises:
            PlanError: two parts of the message need the same place.
        """
        kind = self._profile.messages[name]
        places: dict[tuple[str, ...], list[MappedField]] = {}
        for field in self._profile.fields_of(name):
            places.setdefault((*_steps(kind.root), *_steps(field.pointer)), []).append(field)
        document: Any = None
        said: dict[str, float] = {}
        for steps, fields in places.items():
            part, values = self._part(fields)
            document = _placed(document, steps, part)
            said |= values
        time = kind.time or self._profile.time
        if time is not None:
            document = _placed(document, (*_steps(kind.root), *_steps(time.pointer)), _time(time, at_ms))
        payload = str(document) if kind.format == "text" else json.dumps(document)
        return MappedMessage(self._topics.messages[name], payload.encode(), said)

    def availability(self, online: bool) -> tuple[str, bytes] | None:
        """Return topic and payload by which the device is on or off line; None where the profile has none."""
        rules = self._profile.availability
        if rules is None or self._topics.availability is None:
            return None
        word = rules.online if online else rules.offline
        if rules.pointer is None:
            return self._topics.availability, word.encode()
        return self._topics.availability, json.dumps(_placed(None, _steps(rules.pointer), word)).encode()

    def _part(self, fields: Sequence[MappedField]) -> tuple[Any, dict[str, float]]:
        """Return what stands at one place, and what its fields say by it."""
        indexed = [field for field in fields if field.index is not None]
        if not indexed and not any(field.sum for field in fields):
            number = self._number(fields[0])
            return _written(fields[0], number), {field.quantity: _times(number, field) for field in fields}
        length = 1 + max((field.index or 0 for field in indexed), default=1)
        numbers = [self._number(fields[0])] * min(length, _LONGEST_LIST)
        for field in indexed:
            numbers[field.index or 0] = self._number(field)
        said = {
            field.quantity: _times(
                sum(map(_exact, numbers), Decimal(0)) if field.sum else _exact(numbers[field.index or 0]), field
            )
            for field in fields
            if field.sum or field.index is not None
        }
        alone = [field for field in fields if not field.sum and field.index is None]
        return [_written(fields[0], number) for number in numbers], said | {
            field.quantity: _times(numbers[0], field) for field in alone
        }

    def _number(self, field: MappedField) -> float:
        """Return a number as the device writes it: a word's, or one of three decimals that does not mean "none"."""
        if field.words:
            return next(iter(field.words.values()))
        number = round(self._values.get(field.quantity, 1.0) / field.scale, _DECIMALS)
        while number in field.null_values:
            number += 1
        return number


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _times(number: float | Decimal, field: MappedField) -> float:
    exact = number if isinstance(number, Decimal) else _exact(number)
    return float(exact * _exact(field.scale))


def _written(field: MappedField, number: float) -> Any:
    word = next((word for word, meant in field.words.items() if meant == number), None)
    if word is not None:
        return word
    return str(number) if field.text_numbers else number


def _time(time: MappedTime, at_ms: int) -> Any:
    if time.format == "unix_ms":
        return at_ms
    if time.format == "unix_s":
        return at_ms // 1000
    local = datetime.fromtimestamp(at_ms // 1000, UTC) + _offset(time.zone or "UTC")
    return local.strftime("%Y-%m-%dT%H:%M:%S")


def _offset(zone: str) -> timedelta:
    if zone == "UTC":
        return timedelta()
    hours, minutes = zone[1:].split(":")
    return (-1 if zone[0] == "-" else 1) * timedelta(hours=int(hours), minutes=int(minutes))


def _steps(pointer: str) -> tuple[str, ...]:
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def _placed(document: Any, steps: Sequence[str], said: Any) -> Any:
    """Return a document with something at its place; a step that is a small number makes a list."""
    if not steps:
        if document is not None:
            raise PlanError(f"no message can hold {said!r} where it already holds {str(document)[:60]}")
        return said
    step, rest = steps[0], steps[1:]
    if isinstance(document, list) or (document is None and step.isdecimal() and int(step) < _LONGEST_LIST):
        entries: list[Any] = list(document or [])
        if not step.isdecimal():
            raise PlanError(f"no message can hold both a list and an object that has {step!r}")
        entries += [None] * (int(step) + 1 - len(entries))
        entries[int(step)] = _placed(entries[int(step)], rest, said)
        return entries
    if document is not None and not isinstance(document, dict):
        raise PlanError(f"no message can hold {step!r} within {str(document)[:60]}")
    body: dict[str, Any] = document or {}
    return {**body, step: _placed(body.get(step), rest, said)}
