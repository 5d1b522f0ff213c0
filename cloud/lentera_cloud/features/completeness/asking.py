"""From the words of a request to a question of whole hours, each error naming its parameter. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lentera_cloud.domain.completeness import HOUR_MS
from lentera_cloud.kit.moments import moment_ms
from lentera_cloud.kit.problems import Problem, invalid_field
from lentera_cloud.kit.times import MAX_MS

By = Literal["gateway", "device", "quantity"]
Step = Literal["hour", "day", "all"]

MAX_DEVICES: Final = 200
MAX_QUANTITIES: Final = 100
MAX_DEVICE_HOURS: Final = 100_000
"""A thousand devices for four days, or forty for three months."""
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000
MAX_OFFSET: Final = 1_000_000
DAY_MS: Final = 24 * HOUR_MS
_OFFSET: Final = re.compile(r"([+-])(0\d|1[0-4]):00")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, in the words of the request."""

    devices: Sequence[str] = ()
    gateway_id: str | None = None
    quantities: Sequence[str] = ()
    from_: str = "-1d"
    to: str = "now"
    by: By = "device"
    step: Step = "all"
    utc_offset: str = "+00:00"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: whole hours of UTC from `from_ms` to `to_ms`, of which what lies after `now_ms` is not due.

    Attributes:
        devices: these only, all where it is empty. gateway_id, quantities: likewise.
        by: what an item of the answer is. step: into what its time is cut.
        offset_ms: how far local time is ahead of UTC, for days.
    """

    from_ms: int
    to_ms: int
    now_ms: int
    devices: tuple[str, ...] = ()
    gateway_id: str | None = None
    quantities: frozenset[str] = frozenset()
    by: By = "device"
    step: Step = "all"
    offset_ms: int = 0

    @property
    def hours(self) -> range:
        """The starts of the hours."""
        return range(self.from_ms, self.to_ms, HOUR_MS)

    def step_of(self, hour_ms: int) -> int:
        """Return the start of the step that an hour belongs to."""
        if self.step == "hour":
            return hour_ms
        if self.step == "day":
            return (hour_ms + self.offset_ms) // DAY_MS * DAY_MS - self.offset_ms
        return self.from_ms


def question(asked: Request, now_ms: int) -> Question:
    """Put a question together: the range is widened to whole hours, and ends with the running one.

    Raises:
        Problem: invalid_request, naming the parameter.
    """
    from_ms = moment_ms("query.from", asked.from_, now_ms) // HOUR_MS * HOUR_MS
    asked_to_ms = min(moment_ms("query.to", asked.to, now_ms), now_ms, MAX_MS)
    to_ms = -(-asked_to_ms // HOUR_MS) * HOUR_MS
    if to_ms <= from_ms:
        raise invalid_field("query.from", "is not before `to` and now: swap them, or widen the range")
    return Question(
        from_ms,
        to_ms,
        now_ms,
        tuple(dict.fromkeys(asked.devices)),
        asked.gateway_id,
        frozenset(asked.quantities),
        asked.by,
        asked.step,
        _offset_ms(asked.utc_offset),
    )


def _offset_ms(text: str) -> int:
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise invalid_field("query.utc_offset", f"{text[:20]!r} is no offset of whole hours: write it like +07:00")
    return int(match[1] + match[2]) * HOUR_MS


def too_much(devices: int, hours: int) -> Problem:
    """Return the problem of a question that is too large, with what would fit."""
    fit = max(1, MAX_DEVICE_HOURS // max(1, devices))
    text = f"{devices} devices for {hours} hours are too much at once: ask for {fit} hours, or for fewer devices"
    return invalid_field("query.from", text)
