"""The cheapest spans of registers, read at the cheapest paces, that bring every wanted value in its time. Pure.

The wanted values of one function code, in order of address, each with a pace; a pace is an interval. A span is read at
a pace and serves every value inside it whose own pace is not faster, so a slow value may ride in a fast span, and a
slow span may run across fast values that another span reads. The search goes through the values once and keeps, after
each, every state that could still turn out cheapest: what has been spent, and for each pace the span that could still
grow. A state is dropped only when another, even after opening one more span for each that it lacks, is not dearer; so
the result is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class Item:
    """A value to be read: its registers `address` to `end` - 1, at least at pace `pace`."""

    address: int
    end: int
    pace: int


class Span(NamedTuple):
    """Registers `address` to `end` - 1, read in one request."""

    address: int
    end: int


Closed = tuple[int, int]
"""Registers first to last + 1 that no span may contain as a whole; an empty range is a place that none may cross."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a span costs and may be.

    Attributes:
        rates: pace -> reads per second, the fastest pace first.
        request_ms: fixed cost of a request with its answer, turnaround and gap included.
        register_ms: cost of a register in the answer.
        limit: registers that one answer carries at most.
        even: whether spans start and end on even addresses.
        closed: what no span may contain or cross.
    """

    rates: tuple[float, ...]
    request_ms: float
    register_ms: float
    limit: int
    even: bool = False
    closed: tuple[Closed, ...] = ()

    def around(self, address: int, end: int) -> Span:
        """Return the smallest span that may be asked for around registers."""
        if self.even:
            return Span(address - address % 2, end + end % 2)
        return Span(address, end)

    def allows(self, span: Span) -> bool:
        """Whether a span is within the limit and clear of what is closed."""
        if span.end - span.address > self.limit:
            return False
        return not any(
            span.address <= first and last <= span.end if first < last else span.address < first < span.end
            for first, last in self.closed
        )


@dataclass(slots=True)
class _State:
    """A way to serve the values so far: what it costs in ms per second, and what could still grow."""

    cost: float
    requests: int
    spans: tuple[Span | None, ...]
    before: _State | None
    pace: int
    opened: bool


@dataclass(frozen=True, slots=True)
class Covering:
    """A span, the pace at which it is read, and the positions of the items that it serves."""

    span: Span
    pace: int
    items: tuple[int, ...]


_TOLERANCE: Final = 1e-9
_MOST_STATES: Final = 300
"""Beyond it the dearest go. Only many paces, thoroughly mixed, come near it; the plan then may cost a little more."""


def cover(items: Sequence[Item], rules: Rules) -> list[Covering]:
    """Return the cheapest spans that serve all items, by bus time per second; of equal ones the fewest.

    Args:
        items: sorted by address; `Item.pace` is an index into `rules.rates`. Each must fit the limit alone.
        rules: costs and limits. What is closed may not lie within an item: such an item cannot be read at all.
    """
    states = [_State(0.0, 0, (None,) * len(rules.rates), None, 0, opened=False)]
    for position, item in enumerate(items):
        grown = [new for state in states for new in _serve(state, item, rules)]
        upcoming = items[position + 1] if position + 1 < len(items) else None
        states = _undominated(grown, upcoming, rules)
    best = min(states, key=lambda state: (state.cost, state.requests))
    return _walk_back(best, items, rules)


def _serve(state: _State, item: Item, rules: Rules) -> list[_State]:
    """Return every way to serve one more item from a state."""
    alone = rules.around(item.address, item.end)
    found: list[_State] = []
    for pace in range(item.pace + 1):
        rate = rules.rates[pace]
        spans = list(state.spans)
        spans[pace] = alone
        price = rate * (rules.request_ms + (alone.end - alone.address) * rules.register_ms)
        found.append(_State(state.cost + price, state.requests + 1, tuple(spans), state, pace, opened=True))
        growing = state.spans[pace]
        if growing is None:
            continue
        longer = Span(growing.address, max(growing.end, alone.end))
        if rules.allows(longer):
            spans[pace] = longer
            price = rate * (longer.end - growing.end) * rules.register_ms
            found.append(_State(state.cost + price, state.requests, tuple(spans), state, pace, opened=False))
    return found


def _undominated(states: list[_State], upcoming: Item | None, rules: Rules) -> list[_State]:
    """Keep the states that could still end cheapest."""
    for state in states:
        state.spans = tuple(_if_it_can_grow(span, upcoming, rules) for span in state.spans)
    states.sort(key=lambda state: (state.cost, state.requests))
    kept: list[_State] = []
    for state in states:
        if not any(_dominates(other, state, rules) for other in kept):
            kept.append(state)
            if len(kept) == _MOST_STATES:
                break
    return kept


def _if_it_can_grow(span: Span | None, upcoming: Item | None, rules: Rules) -> Span | None:
    if span is None or upcoming is None or max(span.end, upcoming.end) - span.address > rules.limit:
        return None
    return span


def _dominates(better: _State, worse: _State, rules: Rules) -> bool:
    """Whether `better`, after opening a span where `worse` has the better one to grow, is still not dearer."""
    cost = better.cost
    for pace, (mine, theirs) in enumerate(zip(better.spans, worse.spans, strict=True)):
        if theirs is None or (mine is not None and mine.address >= theirs.address and mine.end >= theirs.end):
            continue
        cost += rules.rates[pace] * rules.request_ms
    return cost <= worse.cost + _TOLERANCE


def _walk_back(best: _State, items: Sequence[Item], rules: Rules) -> list[Covering]:
    """Read the choices off a final state, the last item first."""
    found: list[Covering] = []
    growing: dict[int, list[int]] = {}
    state: _State | None = best
    for position in range(len(items) - 1, -1, -1):
        if state is None:
            break
        served = growing.setdefault(state.pace, [])
        served.append(position)
        if state.opened:
            members = tuple(reversed(served))
            address = min(items[member].address for member in members)
            span = rules.around(address, max(items[member].end for member in members))
            found.append(Covering(span, state.pace, members))
            growing[state.pace] = []
        state = state.before
    return sorted(found, key=lambda covering: (covering.span.address, covering.pace))
