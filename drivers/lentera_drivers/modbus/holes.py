"""What a model of meter refuses: found with few requests, remembered for all devices of the model, never asked again.

A meter answers exception 2 or 3 when a request covers registers that it does not have, or more than it likes. The
search halves the refused request until it knows which: a hole between two values, a number of registers, or a value
that the meter lacks altogether. Holes cost nothing but time, so a hole that was refused twice is believed for good. An
absent value would be lost, so it must be refused again a minute later, and is asked for once more after a month.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple

import msgspec

from lentera_drivers.modbus.blocks import ReadBlock
from lentera_model.errors import LenteraError

REFUSES_REGISTERS: Final = (2, 3)
"""Illegal data address, illegal data value: the exceptions that speak of registers."""
ABSENT_AGAIN_AFTER_MS: Final = 60_000
"""A value is absent once it was refused twice, this far apart: a meter that starts up refuses what it has."""
ABSENT_FOR_MS: Final = 30 * 86_400_000
"""After this long an absent value is asked for once more: meters are replaced and get new firmware."""
SEARCH_REQUESTS: Final = 20
"""Requests that one search may cost; what is still unknown then is found by the next."""
MAX_MODELS: Final = 64
MAX_ENTRIES: Final = 256
MAX_BYTES: Final = 1 << 20
_ILLEGAL_VALUE: Final = 3
_FOR_EVER: Final = 1 << 62
_FRUITLESS_REQUESTS: Final = 8
"""A device that has refused this many refuses everything now."""


class ClosedRange(NamedTuple):
    """Registers `first` to `end` - 1, which no request may contain as a whole; where equal, a place not to cross."""

    function_code: int
    first: int
    end: int


class AbsentValue(NamedTuple):
    """A value, or a power of ten, that the model lacks: its function code and first register."""

    function_code: int
    address: int


@dataclass(frozen=True, slots=True)
class Refusals:
    """What a model refuses.

    Attributes:
        closed: holes that no request may contain.
        absent: values that it lacks.
        limit: registers that it answers at most, None where the profile's limit holds.
    """

    closed: frozenset[ClosedRange] = frozenset()
    absent: frozenset[AbsentValue] = frozenset()
    limit: int | None = None


@dataclass(slots=True)
class Findings:
    """What a search has found so far.

    Attributes:
        accepted: whether any request of the search was answered; if none was, the device refuses everything.
        closed: holes, each refused twice with both sides accepted.
        absent: values refused alone -> the exception.
        limit: number of registers that was accepted where more were refused.
        requests: what the search has cost.
    """

    accepted: bool = False
    closed: set[ClosedRange] = field(default_factory=set)
    absent: dict[AbsentValue, int] = field(default_factory=dict)
    limit: int | None = None
    requests: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the search has cost enough for this time."""
        return self.requests >= (SEARCH_REQUESTS if self.accepted else _FRUITLESS_REQUESTS)


Search = Generator[ReadBlock, int | None, Findings]
"""Yields a request, takes the exception's number or None for an answer, returns what it has found."""


def search(refused: ReadBlock, exception_code: int, *, even: bool = False) -> Search:
    """Find out what a device refuses about a request; `even` as in `ReadBlock.halves`."""
    found = Findings()
    yield from _halve(refused, exception_code, even, found)
    return found


def _halve(
    refused: ReadBlock, exception_code: int, even: bool, found: Findings
) -> Generator[ReadBlock, int | None, None]:
    if not refused.seams():
        for address in (*(register.address for register in refused.registers), *refused.scales):
            found.absent[AbsentValue(refused.function_code, address)] = exception_code
        return
    halves = refused.halves(even=even)
    codes: list[int | None] = []
    for half in halves:
        codes.append((yield from _ask(half, found)))
    for half, code in zip(halves, codes, strict=True):
        if code is not None:
            yield from _halve(half, code, even, found)
    if codes != [None, None] or found.is_over:
        return
    left, right = halves
    code = yield from _ask(refused, found)  # twice, so that a moment's trouble is not remembered
    if code == _ILLEGAL_VALUE:
        found.limit = min(max(left.count, right.count), found.limit or refused.count)
    elif code is not None:
        found.closed.add(ClosedRange(refused.function_code, left.end, right.address))


def _ask(block: ReadBlock, found: Findings) -> Generator[ReadBlock, int | None, int | None]:
    if found.is_over:
        return None
    found.requests += 1
    code = yield block
    found.accepted |= code is None
    return code


class HoleBookError(LenteraError):
    """The remembered refusals cannot be read."""

    code: ClassVar[str] = "hole_book"


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A model in the file."""

    closed: list[tuple[int, int, int]] = []
    absent: list[tuple[int, int, int]] = []
    limit: int | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    models: dict[str, _Entry]


class HoleBook:
    """The refusals of all models, shared by all buses; tells its keeper when there is something new to write down."""

    def __init__(self, data: bytes | None = None, on_change: Callable[[bytes], None] | None = None) -> None:
        """Begin with what was written down before.

        Args:
            data: what `on_change` was given last, None for an empty book.
            on_change: takes the whole book as bytes after each change; must not block.

        Raises:
            HoleBookError: the data is damaged; start with an empty book.
        """
        self._models: dict[str, _Entry] = {} if data is None else _read(data)
        self._made: dict[str, tuple[Refusals, int]] = {}
        self.on_change = on_change
        self.version = 0
        """Counts what was learnt, so that who plans by the book sees at a glance whether there is anything new."""

    def refusals(self, model: str, now_ms: int) -> Refusals:
        """Return what a model refuses; the same object until something is learnt, forgotten or too old.

        Args:
            model: profile id, with the identity of the model where it is known.
            now_ms: Unix milliseconds; absent values older than a month are left out, to be asked for again.
        """
        made, until_ms = self._made.get(model, (None, 0))
        if made is not None and now_ms < until_ms:
            return made
        entry = self._models.get(model, _Entry())
        ends_ms = [since + ABSENT_FOR_MS for _, _, since in entry.absent if now_ms < since + ABSENT_FOR_MS]
        made = Refusals(
            frozenset(ClosedRange(*closed) for closed in entry.closed),
            frozenset(AbsentValue(code, at) for code, at, since in entry.absent if now_ms - since < ABSENT_FOR_MS),
            entry.limit,
        )
        self._made[model] = made, min(ends_ms, default=_FOR_EVER)
        return made

    def learn(self, model: str, found: Findings) -> None:
        """Keep the holes and the limit of a search."""
        entry = self._models.get(model, _Entry())
        known = {ClosedRange(*closed) for closed in entry.closed}
        new = found.closed - known
        limit = found.limit if found.limit is not None and found.limit < (entry.limit or 1 << 16) else None
        if not new and limit is None:
            return
        entry = self._entry(model)
        entry.closed = [(code, first, end) for code, first, end in sorted(_smallest(known | new))][-MAX_ENTRIES:]
        entry.limit = limit or entry.limit
        self._changed(model)

    def learn_absent(self, model: str, value: AbsentValue, now_ms: int) -> None:
        """Keep that a model lacks a value, which was refused twice."""
        entry = self._entry(model)
        others = [kept for kept in entry.absent if kept[:2] != tuple(value)]
        entry.absent = [*others, (value.function_code, value.address, now_ms)][-MAX_ENTRIES:]
        self._changed(model)

    def models(self) -> list[str]:
        """Return the models of which something is known."""
        return sorted(self._models)

    def to_bytes(self) -> bytes:
        """Return the book as JSON."""
        return msgspec.json.format(msgspec.json.encode(_File(1, self._models)), indent=1)

    def _entry(self, model: str) -> _Entry:
        entry = self._models.pop(model, None) or _Entry()
        self._models[model] = entry  # the model that learnt last is the last to be dropped
        while len(self._models) > MAX_MODELS:
            dropped = next(iter(self._models))
            del self._models[dropped]
            self._made.pop(dropped, None)
        return entry

    def _changed(self, model: str) -> None:
        self._made.pop(model, None)
        self.version += 1
        if self.on_change is not None:
            self.on_change(self.to_bytes())


def _smallest(closed: set[ClosedRange]) -> set[ClosedRange]:
    """Leave out ranges that contain another: who may not read a part may not read the whole."""

    def contains(outer: ClosedRange, inner: ClosedRange) -> bool:
        return (
            outer != inner
            and outer.function_code == inner.function_code
            and outer.first <= inner.first
            and inner.end <= outer.end
        )

    return {outer for outer in closed if not any(contains(outer, inner) for inner in closed)}


def _read(data: bytes) -> dict[str, _Entry]:
    if len(data) > MAX_BYTES:
        raise HoleBookError(f"{len(data)} bytes are more than the {MAX_BYTES} that a book of refusals can have")
    try:
        file = msgspec.json.decode(data, type=_File)
    except msgspec.MsgspecError as error:
        raise HoleBookError(f"the remembered refusals cannot be read: {error}") from error
    if file.version != 1:
        raise HoleBookError(f"the remembered refusals have version {file.version}, this program knows 1")
    return file.models
