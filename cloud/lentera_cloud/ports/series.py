"""The port to a store of series: readings in, answers about one device out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lentera_model.readings import Quality, Reading

Aggregate = Literal["mean", "min", "max", "last"]
HourlyCounts = dict[str, dict[str, dict[int, int]]]
"""Device -> quantity -> start of an hour of UTC in ms -> how many values are stored; what has none is absent."""


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The newest stored value of one quantity of one device, in the quantity's SI unit."""

    value: float
    at_ms: int
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """A question to a series store about one device.

    ``from_ms`` is included, ``to_ms`` is not. ``quantities`` names what to answer, in that order. With ``every_ms``
    the time is cut into windows that are multiples of ``every_ms`` since the epoch (UTC), each answered by
    ``aggregate`` (``mean`` where it is None); the point carries the window's start. Without it every stored row in
    the range is a point. ``limit`` bounds the points; the result says whether there were more.
    """

    device: str
    quantities: tuple[str, ...]
    from_ms: int
    to_ms: int
    every_ms: int | None = None
    aggregate: Aggregate | None = None
    limit: int = 10_000


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One moment (or window start): a value for each asked quantity, None where none is stored; the worst quality."""

    at_ms: int
    values: dict[str, float | None]
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """The points in time order; ``truncated`` when the limit cut some off (the newest ones)."""

    points: list[SeriesPoint]
    truncated: bool = False


class TimeSeries(Protocol):
    """A store of readings. A series belongs to (tenant, device, quantity); the gateway is no part of it.

    Every method raises :class:`StoreUnavailableError` when the store cannot be reached.
    """

    async def start(self) -> None:
        """Connect and prepare (create files, schema, buckets). May be called again after it failed."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of every file, thread and socket; may be called twice."""
        ...

    async def write(self, tenant: str, readings: Sequence[Reading]) -> None:
        """Store all readings or none, and return only when they are durable.

        Idempotent: the same (device, quantity, at_ms) again leaves one value. Raises
        :class:`StoreUnavailableError` (retry the same later) or :class:`StoreRefusedError` (content; bisect).
        """
        ...

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, dict[str, LatestValue]]:
        """Return the newest value of each quantity of each device; a device without any is absent."""
        ...

    async def query(self, tenant: str, q: SeriesQuery) -> SeriesResult:
        """Answer one question about one device."""
        ...

    async def count(self, tenant: str, device: str, from_ms: int, to_ms: int) -> dict[str, int]:
        """Return how many values of each quantity are stored from ``from_ms`` (included) to ``to_ms`` (not)."""
        ...

    async def hourly_counts(self, tenant: str, devices: Sequence[str], from_ms: int, to_ms: int) -> HourlyCounts:
        """Return how many values of each quantity of these devices each hour holds.

        ``from_ms`` (included) and ``to_ms`` (not) are whole hours since the epoch, UTC.
        """
        ...

    def raw(self, tenant: str, device: str, from_ms: int, to_ms: int) -> AsyncIterator[Reading]:
        """Yield every stored row of a device in time order (exports and the ledger check use it).

        The profile of a yielded reading may be empty where a store does not keep it.
        """
        ...

    async def maintain(self, now_ms: int) -> None:
        """Do the store's housekeeping for the time up to ``now_ms`` (SQLite compacts closed hours)."""
        ...
