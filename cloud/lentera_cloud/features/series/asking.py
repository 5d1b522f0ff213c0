"""From the words of a request to a question: moments, spans and quantities, each error naming its parameter. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from lentera_cloud.kit.moments import span_ms
from lentera_cloud.kit.problems import invalid_field
from lentera_cloud.kit.times import MAX_MS
from lentera_cloud.ports import Aggregate, SeriesQuery
from lentera_model.quantities import CATALOGUE

DEFAULT_LIMIT: Final = 10_000
MAX_LIMIT: Final = 100_000
MAX_QUANTITIES: Final = 100
SHORTEST_EVERY_MS: Final = 1_000
LONGEST_EVERY_MS: Final = 366 * 86_400_000


def every_ms(text: str) -> int:
    """Return a window's length in milliseconds.

    Raises:
        Problem: invalid_request, naming `every`.
    """
    span = span_ms(text)
    if span is None:
        raise invalid_field("query.every", f"{text[:40]!r} is no window: write it like 10s, 15m, 1h or 1d")
    if not SHORTEST_EVERY_MS <= span <= LONGEST_EVERY_MS:
        raise invalid_field(
            "query.every", f"{text[:40]!r} is not between 1s and 366d; leave it out for stored readings"
        )
    return span


def needs_stored(asked: Sequence[str]) -> bool:
    """Return whether only the store can tell if these quantities exist (or, with none asked, which do)."""
    return not asked or any(name not in CATALOGUE for name in asked)


def checked_quantities(asked: Iterable[str], stored: Sequence[str]) -> tuple[str, ...]:
    """Return the asked quantities once each, or all that the device has where none is asked.

    Args:
        asked: as the request has them.
        stored: what the device has ever stored: these may be names that the catalogue does not know.

    Raises:
        Problem: invalid_request, naming `quantity`, with the nearest name that exists.
    """
    names = tuple(dict.fromkeys(asked)) or tuple(sorted(stored))
    for name in names:
        if name not in CATALOGUE and name not in stored:
            near = get_close_matches(name[:70], [*stored, *CATALOGUE], 1)
            hint = f"did you mean {near[0]}?" if near else "the device's `latest` in GET /v1/devices shows what it has"
            raise invalid_field("query.quantity", f"there is no quantity {name[:70]!r}; {hint}")
    return names


def question(
    device: str,
    quantities: tuple[str, ...],
    bounds_ms: tuple[int, int],
    every: str | None,
    aggregate: Aggregate | None,
    limit: int,
) -> SeriesQuery:
    """Put a question together.

    Raises:
        Problem: invalid_request, naming the parameter that does not fit the others.
    """
    from_ms, to_ms = bounds_ms
    if to_ms <= from_ms:
        raise invalid_field("query.from", "is not before `to`: swap them, or widen the range")
    if every is None:
        if aggregate is not None:
            raise invalid_field("query.aggregate", f"{aggregate} needs windows: add `every`, for example every=15m")
        return SeriesQuery(device, quantities, from_ms, min(to_ms, MAX_MS), None, None, limit)
    return SeriesQuery(device, quantities, from_ms, min(to_ms, MAX_MS), every_ms(every), aggregate or "mean", limit)
