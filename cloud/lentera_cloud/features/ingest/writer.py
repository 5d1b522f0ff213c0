"""Group commit: what the links of a tenant bring at the same time is written together, then answered together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog

from lentera_cloud.domain.conflicts import Conflict
from lentera_cloud.domain.events import ReadingsStored
from lentera_cloud.domain.judgement import DeviceRefusal, RefusalCode
from lentera_cloud.domain.spans import Range
from lentera_cloud.features.ingest.second_values import DeviceRows, sift, spans_of
from lentera_cloud.features.ingest.turns import Turn, Turns
from lentera_cloud.kit.patience import until_available, waits_s
from lentera_cloud.kit.texts import without_controls
from lentera_cloud.ports import Clock, RefusalCount, Registry, StoreRefusedError, StoreUnavailableError, TimeSeries
from lentera_model.batch import BatchKey
from lentera_model.readings import Reading

MAX_GROUP_BATCHES = 500
MAX_GROUP_VALUES = 100_000
GROUPS_AT_ONCE = 3
"""One that is claimed, one that the store writes, one that is noted."""
LARGE_GROUP_VALUES = MAX_GROUP_VALUES // 4
"""What waits is written beside a group under way if it has so many values; less of it waits to be written together."""

_Result = TypeVar("_Result")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a batch.

    Stored, but for the devices in ``refused``; or, with a ``code``, not stored at all. ``key`` is None when not even
    the header could be read.
    """

    key: BatchKey | None
    refused: tuple[DeviceRefusal, ...] = ()
    code: RefusalCode | None = None
    text: str = ""
    replayed: bool = False


@dataclass(slots=True)
class Pending:
    """A judged batch on its way into the store; ``done`` is set once it is durable and noted."""

    key: BatchKey
    readings: Sequence[Reading]
    refused: tuple[DeviceRefusal, ...]
    done: asyncio.Future[Verdict]
    store_refused: list[DeviceRefusal] = field(default_factory=list)
    values: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the values."""
        self.values = sum([len(reading.values) for reading in self.readings])


@dataclass(frozen=True, slots=True)
class _Parcel:
    """The rows of one device of one batch: the smallest thing that the store's refusal is narrowed down to."""

    batch: Pending
    device: str
    readings: Sequence[Reading]


def refusal_counts(key: BatchKey, refused: Sequence[DeviceRefusal], now_ms: int) -> list[RefusalCount]:
    """Return the counts that a batch's refusals add up to."""
    return [
        RefusalCount(key.gateway, one.device, one.code.value, without_controls(one.text), one.readings, now_ms)
        for one in refused
    ]


class GroupWriter:
    """Writes one tenant's batches: claim their times, store, note, then answer.

    A few groups are written at a time, so that the registry, the store and this process work at once; a group whose
    times overlap those of an older one, device by device, waits for it, because it looks for what that one stores.
    While a store is away the groups in hand are tried again and again; nothing is answered and nothing is dropped.
    """

    def __init__(
        self,
        tenant: str,
        series: TimeSeries,
        registry: Registry,
        clock: Clock,
        publish: Callable[[object], Awaitable[None]],
    ) -> None:
        """Begin without a task; :meth:`run` is the task."""
        self._tenant = tenant
        self._series = series
        self._registry = registry
        self._clock = clock
        self._publish = publish
        self._waiting: deque[Pending] = deque()
        self._waiting_values = 0
        self._under_way = 0
        self._changed = asyncio.Event()
        self._turns = Turns()
        self._stuck: dict[asyncio.Task[Any] | None, str] = {}

    @property
    def trouble(self) -> str | None:
        """What a group in hand is stuck on while it is (for the health answer), else None."""
        return next(iter(self._stuck.values()), None)

    def submit(self, pending: Pending) -> None:
        """Queue a batch; the caller's byte budget bounds how many there can be."""
        self._waiting.append(pending)
        self._waiting_values += pending.values
        self._changed.set()

    async def run(self) -> None:
        """Write groups until cancelled; a group that fails is tried again, whatever it failed with."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                while not self._may_begin():
                    self._changed.clear()
                    await self._changed.wait()
                group = self._next_group()
                self._under_way += 1
                tasks.create_task(self._write(group, self._turns.take(_ranges(group))))

    def _may_begin(self) -> bool:
        """Say whether a group is to be written now: what is little waits while another is under way."""
        if not self._waiting or self._under_way >= GROUPS_AT_ONCE:
            return False
        return self._under_way == 0 or self._waiting_values >= LARGE_GROUP_VALUES

    def _next_group(self) -> list[Pending]:
        group: list[Pending] = []
        values = 0
        while self._waiting and len(group) < MAX_GROUP_BATCHES and values < MAX_GROUP_VALUES:
            group.append(self._waiting.popleft())
            values += group[-1].values
        self._waiting_values -= values
        return group

    async def _write(self, group: Sequence[Pending], turn: Turn) -> None:
        try:
            await turn.come()
            for wait_s in waits_s():
                try:
                    await self._commit(group)
                except Exception as error:  # noqa: BLE001 - the supervised boundary: a dead writer stores nothing more
                    self._stuck[asyncio.current_task()] = "ingest"
                    _log.error("writer_crashed", tenant=self._tenant, batches=len(group), exc_info=error)
                    await asyncio.sleep(wait_s)
                else:
                    break
        finally:
            self._stuck.pop(asyncio.current_task(), None)
            turn.end()
            self._under_way -= 1
            self._changed.set()

    async def _commit(self, group: Sequence[Pending]) -> None:
        for pending in group:
            pending.store_refused.clear()  # of an attempt that failed later on
        parcels = [parcel for pending in group for parcel in _parcels(pending)]
        stored, conflicts = await self._keep(parcels)
        refused = {one.device for pending in group for one in pending.store_refused}
        if left := [parcel for parcel in parcels if parcel.device in refused and not _is_refused(parcel)]:
            # Some of it may have been left out as a repeat of what was refused then: now it can be seen.
            more, others = await self._keep(left)
            stored += more
            conflicts = [one for one in conflicts if one.device not in refused] + others
        kept = [pending for pending in group if len(pending.store_refused) < _devices(pending)]
        await self._patiently("registry", lambda: self._note(group, kept, conflicts))
        if stored:
            await self._tell(stored)
        for pending in group:
            if not pending.done.done():
                pending.done.set_result(_verdict(pending))

    async def _keep(self, parcels: Sequence[_Parcel]) -> tuple[list[Reading], list[Conflict]]:
        """Store what is new of the parcels; return the readings stored and the values that differ from stored ones."""
        fresh, conflicts = await self._first_values(parcels)
        return await self._store(fresh), conflicts

    async def _first_values(self, parcels: Sequence[_Parcel]) -> tuple[list[_Parcel], list[Conflict]]:
        """Claim the times of the parcels; return them without what is stored already, and the values that differ."""
        rows = [DeviceRows(parcel.batch.key, parcel.device, parcel.readings) for parcel in parcels]
        spans, now_ms = spans_of(rows), self._clock.now_ms()
        met = await self._patiently("registry", lambda: self._registry.spans.claim(self._tenant, spans, now_ms))
        kept, conflicts = await self._patiently("series", lambda: sift(self._series, self._tenant, rows, met))
        if conflicts:
            first = conflicts[0]
            _log.warning(
                "conflicting_values",
                tenant=self._tenant,
                values=len(conflicts),
                device=first.device,
                key=str(first.key),
            )
        fresh = [replace(one, readings=readings) for one, readings in zip(parcels, kept, strict=True) if readings]
        return fresh, conflicts

    async def _store(self, parcels: Sequence[_Parcel]) -> list[Reading]:
        """Write all parcels, or narrow down which of them the store refuses; return the readings stored."""
        readings = [reading for parcel in parcels for reading in parcel.readings]
        if not readings:
            return []
        try:
            await self._patiently("series", lambda: self._series.write(self._tenant, readings))
        except StoreRefusedError as error:
            if len(parcels) > 1:
                half = len(parcels) // 2
                return await self._store(parcels[:half]) + await self._store(parcels[half:])
            (parcel,) = parcels
            text = f"the store refuses the readings of {parcel.device}: {error}"[:500]
            _log.warning(
                "store_refused", tenant=self._tenant, key=str(parcel.batch.key), device=parcel.device, text=text
            )
            refusal = DeviceRefusal(parcel.device, RefusalCode.STORE_REFUSED, text, len(parcel.readings))
            parcel.batch.store_refused.append(refusal)
            return []
        return readings

    async def _patiently(self, store: str, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Do something with a store until it succeeds; StoreRefusedError alone is raised.

        An error that no adapter foresaw counts as "not now": it is logged with its traceback and tried again, for
        what is in hand is acknowledged to nobody yet and must not be dropped.
        """

        async def attempt() -> _Result:
            try:
                result = await work()
            except StoreRefusedError:
                raise
            except StoreUnavailableError:
                self._stuck[asyncio.current_task()] = store
                raise
            except Exception as error:
                self._stuck[asyncio.current_task()] = store
                _log.error("store_failed_unexpectedly", store=store, tenant=self._tenant, exc_info=error)
                raise StoreUnavailableError(f"the {store} store failed unexpectedly: {error!r}") from error
            self._stuck.pop(asyncio.current_task(), None)
            return result

        return await until_available(store, attempt)

    async def _note(self, group: Sequence[Pending], kept: Sequence[Pending], conflicts: Sequence[Conflict]) -> None:
        now_ms = self._clock.now_ms()
        if conflicts:  # before the receipts: once those are there, nobody brings the values again
            await self._registry.conflicts.add(self._tenant, conflicts, now_ms)
        if kept:
            newest = {pending.key: ms for pending in kept if (ms := _newest_ms(pending)) is not None}
            await self._registry.receipts.add(self._tenant, [pending.key for pending in kept], now_ms, newest)
        counts = [
            count
            for pending in group
            for count in refusal_counts(pending.key, [*pending.refused, *pending.store_refused], now_ms)
        ]
        if counts:
            await self._registry.receipts.note_refusals(self._tenant, counts)

    async def _tell(self, stored: Sequence[Reading]) -> None:
        try:
            await self._publish(ReadingsStored(self._tenant, stored))
        except Exception as error:  # noqa: BLE001 - what is stored is stored: a listener's fault is not the gateway's
            _log.error("listener_failed", event="ReadingsStored", exc_info=error)


def _devices(pending: Pending) -> int:
    return len({reading.device for reading in pending.readings}) or 1


def _newest_ms(pending: Pending) -> int | None:
    """Return the time of the newest reading of a batch that the store has."""
    refused = {one.device for one in pending.store_refused}
    return max((reading.at_ms for reading in pending.readings if reading.device not in refused), default=None)


def _is_refused(parcel: _Parcel) -> bool:
    return any(one.device == parcel.device for one in parcel.batch.store_refused)


def _ranges(group: Sequence[Pending]) -> dict[str, list[Range]]:
    """Return the times of each device that each batch of a group covers."""
    found: dict[str, list[Range]] = {}
    for pending in group:
        times: dict[str, list[int]] = {}
        for reading in pending.readings:
            times.setdefault(reading.device, []).append(reading.at_ms)
        for device, own in times.items():
            found.setdefault(device, []).append((min(own), max(own)))
    return found


def _parcels(pending: Pending) -> list[_Parcel]:
    rows: dict[str, list[Reading]] = {}
    for reading in pending.readings:
        rows.setdefault(reading.device, []).append(reading)
    return [_Parcel(pending, device, readings) for device, readings in rows.items()]


def _verdict(pending: Pending) -> Verdict:
    refused = (*pending.refused, *pending.store_refused)
    if pending.store_refused and len(pending.store_refused) == _devices(pending):
        return Verdict(pending.key, refused, RefusalCode.STORE_REFUSED, pending.store_refused[0].text)
    return Verdict(pending.key, refused)
