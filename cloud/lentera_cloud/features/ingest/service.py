"""A sealed batch from a gateway: who sent it, is it known, is it whole, may it be stored; then into the group."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import structlog

from lentera_cloud.domain.events import DeviceMoved
from lentera_cloud.domain.judgement import RefusalCode, judge
from lentera_cloud.domain.ownership import declare
from lentera_cloud.domain.receipts import IntervalSet
from lentera_cloud.features.ingest.budget import ByteBudget, Held, cost_bytes
from lentera_cloud.features.ingest.read_reports import note_paces
from lentera_cloud.features.ingest.writer import GroupWriter, Pending, Verdict, refusal_counts
from lentera_cloud.kit.crowding import busy
from lentera_cloud.kit.texts import without_controls
from lentera_cloud.ports import Clock, DeviceRow, GatewayRow, Registry, StoreUnavailableError, TimeSeries
from lentera_model.batch import DEFAULT_LIMITS, BatchError, BatchKey, Header, OversizedBatchError, decode, peek
from lentera_model.identifiers import check_id
from lentera_model.protocol import DeviceDeclaration
from lentera_model.readings import Reading

DECODE_IN_THREAD_VALUES = 8_192
"""Values from which a batch is decoded off the event loop: some milliseconds (below it the hand-over costs more)."""
OWNER_CACHE_MS = 30_000
EPOCHS_CACHED = 4_096
FULL = "As much as may wait for the store is waiting: post it again after Retry-After, that is safe."

_log = structlog.get_logger(__name__)


class IngestService:
    """Admits sealed batches, whichever way they come, with one judgement."""

    def __init__(
        self,
        registry: Registry,
        series: TimeSeries,
        clock: Clock,
        publish: Callable[[object], Awaitable[None]],
        budget_bytes: int,
        future_tolerance_ms: int,
    ) -> None:
        """Use these stores; ``publish`` takes domain events."""
        self._registry = registry
        self._series = series
        self._clock = clock
        self._publish = publish
        self._tolerance_ms = future_tolerance_ms
        self.budget = ByteBudget(budget_bytes)
        self._writers: dict[str, tuple[GroupWriter, asyncio.Task[None]]] = {}
        self._in_flight: dict[BatchKey, asyncio.Future[Verdict]] = {}
        self._stored: OrderedDict[tuple[str, str, int], IntervalSet] = OrderedDict()
        self._owners: dict[tuple[str, str], tuple[str, int]] = {}

    async def admit(self, gateway: GatewayRow, sealed: bytes, held: Held | None = None) -> asyncio.Future[Verdict]:
        """Judge a batch and queue what may be stored; the future is done once it is durable (or refused).

        Of a post the registry is asked what is stored, whatever is remembered: its gateway's link may be at another
        replica.

        Waits while too much is queued already, unless ``held`` are bytes of the budget that the caller took for the
        sealed form: then it is a post, which is told to come again instead. Await the future behind
        ``asyncio.shield``: the same batch may be waited for by several.

        Raises StoreUnavailableError when the registry cannot be asked, or of a post Problem ``busy``; nothing has
        happened then.
        """
        try:
            header = peek(sealed)
        except BatchError as error:
            return self._refused(gateway, None, error)
        key = header.key
        if key.gateway != gateway.gateway_id:
            text = (
                f"the batch is of gateway {key.gateway}, but {gateway.gateway_id} sent it: one key belongs to one board"
            )
            return _done(Verdict(key, code=RefusalCode.WRONG_GATEWAY, text=text))
        if (waiting := self._in_flight.get(key)) is not None:
            return waiting
        if held is not None:
            self._stored.pop((gateway.tenant, gateway.gateway_id, key.epoch), None)
        if key.sequence in await self._receipts(gateway, key.epoch):
            return _done(Verdict(key, replayed=True))
        cost = cost_bytes(header)
        if cost > cost_bytes(_LARGEST):
            return self._refused(
                gateway, key, OversizedBatchError("the batch's header promises more than any may hold")
            )
        if held is not None:
            return await self._admit_post(gateway, header, sealed, held, cost)
        await self.budget.acquire(cost)
        try:
            future = await self._judge(gateway, header, sealed)
        except BaseException:
            self.budget.release(cost)
            raise
        future.add_done_callback(lambda _: self.budget.release(cost))
        return future

    async def _admit_post(
        self, gateway: GatewayRow, header: Header, sealed: bytes, held: Held, cost: int
    ) -> asyncio.Future[Verdict]:
        if not held.grow(cost):
            raise busy(FULL)
        future = await self._judge(gateway, header, sealed)
        held.lend(future)
        return future

    async def _judge(self, gateway: GatewayRow, header: Header, sealed: bytes) -> asyncio.Future[Verdict]:
        try:
            readings = await self._unpack(header, sealed)
        except BatchError as error:
            return self._refused(gateway, header.key, error)
        owners = await self._owners_of(gateway.tenant, {reading.device for reading in readings})
        now_ms = self._clock.now_ms()
        judgement = judge(readings, owners, gateway.gateway_id, now_ms, self._tolerance_ms)
        for refusal in judgement.refused:
            _log.warning("readings_refused", gateway=gateway.gateway_id, device=refusal.device, code=refusal.code)
        if judgement.refused and not judgement.accepted:
            counts = refusal_counts(header.key, judgement.refused, now_ms)
            await self._registry.receipts.note_refusals(gateway.tenant, counts)
            first = judgement.refused[0]
            return _done(Verdict(header.key, judgement.refused, first.code, first.text))
        return self._submit(gateway, Pending(header.key, judgement.accepted, judgement.refused, _future()))

    async def _unpack(self, header: Header, sealed: bytes) -> list[Reading]:
        """Decode, within the limits of any batch; a large one off the event loop."""

        def work() -> list[Reading]:
            return decode(sealed, DEFAULT_LIMITS).readings()

        return await asyncio.to_thread(work) if header.values > DECODE_IN_THREAD_VALUES else work()

    def _submit(self, gateway: GatewayRow, pending: Pending) -> asyncio.Future[Verdict]:
        self._in_flight[pending.key] = pending.done
        where = gateway.tenant, gateway.gateway_id, pending.key.epoch

        def finished(future: asyncio.Future[Verdict]) -> None:
            self._in_flight.pop(pending.key, None)
            stored = self._stored.get(where)
            if stored is not None and future.exception() is None and future.result().code is None:
                stored.add(pending.key.sequence)

        pending.done.add_done_callback(finished)
        self._writer(gateway.tenant).submit(pending)
        return pending.done

    def _writer(self, tenant: str) -> GroupWriter:
        if tenant not in self._writers:
            writer = GroupWriter(tenant, self._series, self._registry, self._clock, self._publish)
            self._writers[tenant] = writer, asyncio.create_task(writer.run(), name=f"writer of {tenant}")
        return self._writers[tenant][0]

    def _refused(self, gateway: GatewayRow, key: BatchKey | None, error: BatchError) -> asyncio.Future[Verdict]:
        code = RefusalCode(error.code) if error.code in set(RefusalCode) else RefusalCode.CORRUPT
        _log.warning("batch_refused", gateway=gateway.gateway_id, key=str(key), code=code, text=str(error))
        return _done(Verdict(key, code=code, text=str(error)[:500]))

    async def _receipts(self, gateway: GatewayRow, epoch: int) -> IntervalSet:
        """Return the stored numbers of an epoch, kept in memory for those that were asked for last."""
        where = gateway.tenant, gateway.gateway_id, epoch
        if where not in self._stored:
            found = await self._registry.receipts.stored(*where)
            self._stored.setdefault(where, found)
            while len(self._stored) > EPOCHS_CACHED:
                self._stored.popitem(last=False)
        self._stored.move_to_end(where)
        return self._stored[where]

    async def _owners_of(self, tenant: str, devices: set[str]) -> dict[str, str]:
        now_ms = self._clock.now_ms()
        known: dict[str, str] = {}
        for device in devices:
            owner, until_ms = self._owners.get((tenant, device), ("", 0))
            if until_ms > now_ms:
                known[device] = owner
        missing = devices - known.keys()
        if missing:
            for device, row in (await self._registry.devices.get_many(tenant, missing)).items():
                known[device] = row.gateway_id
                self._owners[tenant, device] = row.gateway_id, now_ms + OWNER_CACHE_MS
        return known

    async def declare(self, gateway: GatewayRow, devices: Sequence[DeviceDeclaration]) -> tuple[str, ...]:
        """Take a gateway's list of devices; return those that belong to another gateway (flagged, not moved).

        Raises InvalidIdError when an id in it is none.
        """
        now_ms = self._clock.now_ms()
        rows = [_row(gateway, device, now_ms) for device in devices]
        repository = self._registry.devices
        existing = await repository.get_many(gateway.tenant, [row.device_id for row in rows])
        for row in await repository.of_tenant(gateway.tenant, gateway_id=gateway.gateway_id):
            existing.setdefault(row.device_id, row)
        outcome = declare(existing, rows, gateway.gateway_id)
        if outcome.changed:
            await repository.upsert(gateway.tenant, outcome.changed)
            for row in outcome.changed:
                self._owners.pop((gateway.tenant, row.device_id), None)
        await note_paces(self._registry, gateway, devices, existing, outcome.contested, now_ms)
        return outcome.contested

    @property
    def trouble(self) -> str | None:
        """The store that a writer is stuck on, or None while all of them write."""
        return next((writer.trouble for writer, _ in self._writers.values() if writer.trouble), None)

    def forget_receipts(self, tenant: str, gateway_id: str) -> None:
        """Forget what is stored of a gateway: another replica may have stored more since it was remembered."""
        for where in [where for where in self._stored if where[:2] == (tenant, gateway_id)]:
            del self._stored[where]

    async def on_device_moved(self, event: DeviceMoved) -> None:
        """Forget whom the device belonged to."""
        self._owners.pop((event.tenant, event.device), None)

    async def close(self) -> None:
        """Stop the writers; what was not acknowledged, the gateways still have."""
        tasks = [task for _, task in self._writers.values()]
        self._writers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for future in list(self._in_flight.values()):
            if not future.done():
                future.set_exception(
                    StoreUnavailableError("the service stopped before the batch was durable: send it again")
                )


_LARGEST = Header(
    BatchKey("any", 0, 0), bytes(16), 0, None, DEFAULT_LIMITS.rows, DEFAULT_LIMITS.values, DEFAULT_LIMITS.unpacked_bytes
)


def _row(gateway: GatewayRow, device: DeviceDeclaration, now_ms: int) -> DeviceRow:
    for what in ("device", "profile", "bus"):
        check_id(what, getattr(device, what))
    return DeviceRow(
        tenant=gateway.tenant,
        device_id=device.device,
        name=without_controls(device.name),
        kind=device.kind,
        profile=device.profile,
        gateway_id=gateway.gateway_id,
        bus=device.bus,
        address=without_controls(device.address),
        declared_at_ms=now_ms,
    )


def _future() -> asyncio.Future[Verdict]:
    return asyncio.get_running_loop().create_future()


def _done(verdict: Verdict) -> asyncio.Future[Verdict]:
    future = _future()
    future.set_result(verdict)
    return future
