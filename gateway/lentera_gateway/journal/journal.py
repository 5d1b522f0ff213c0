"""What the rest of the gateway sees of the journal: add samples, tick each second, take batches, settle them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from lentera_gateway.journal.delivery import Delivery, Whereabouts
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.iothread import IoThread
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.losses import Loss, Losses
from lentera_gateway.journal.outbox import Outgoing
from lentera_gateway.journal.policy import Shaping, seal_due
from lentera_gateway.journal.records import CommandRecord
from lentera_gateway.journal.recovery import Recovery
from lentera_gateway.journal.reports import Report
from lentera_gateway.journal.status import JournalStatus
from lentera_gateway.journal.store import JournalStore
from lentera_gateway.journal.telling import after_tick
from lentera_gateway.journal.urgent import Urgent
from lentera_model.batch import FORMAT_VERSION, ClockFit
from lentera_model.protocol import GapReport, TallyRow
from lentera_model.readings import Sample

MAX_UNSEALED_SAMPLES: Final = 20_000
"""Bound of what waits in the process while the journal's thread is stuck; then the oldest go, counted."""
_MAX_SHAPED_VALUES: Final = 200_000
"""Bound of what waits to become means."""
_MEANS_WAIT_MS: Final = 2_000
"""For so long after an interval a sample that is added late is waited for, or it would make a mean of its own."""
_SAVE_TIME_EVERY_MS: Final = 3_600_000
_FIRST_GUESS_BYTES_A_VALUE: Final = 2.5
_FIRST_WITHIN_MS: Final = 10_000
"""A gateway to which no device answers for so long has been back since its start all the same."""
_LATEST_BY_MS: Final = 10_000
"""A sample may be added later than it was taken by the length of a poll; what is older than this was kept elsewhere."""
_LOG: Final = structlog.get_logger("journal")


class Journal:
    """The queue between the wires and the cloud.

    Attributes:
        live: seal each second; else by age or size. The link and the mode decide it.
        shape: what a step of the quota leaves of the samples, and when it is sealed; None in full detail.
            `reshape` changes it.
        sealed: set whenever there is something new to send; the link clears it.
        settled: set whenever a batch was acknowledged or set aside; whoever waits for it clears it.
        told: set whenever there is a report to send or one was noted; the link clears it.
        recovery: what was found at the start.
    """

    def __init__(
        self,
        gateway: str,
        boot_id: bytes,
        limits: JournalLimits,
        monotonic_ms: Callable[[], int],
        wall_ms: Callable[[], int],
        fit: Callable[[], ClockFit | None],
    ) -> None:
        """Describe the journal; nothing is touched before `open`.

        Args:
            gateway: gateway id, part of every batch's name.
            boot_id: the kernel's 16 bytes.
            limits: folders and bounds.
            monotonic_ms: CLOCK_BOOTTIME.
            wall_ms: best knowledge of the wall clock.
            fit: the clock fit now, None while the time is not trusted.
        """
        self.limits = limits
        self.live = False
        self.shape: Shaping | None = None
        self.sealed = asyncio.Event()
        self.settled = asyncio.Event()
        self.told = asyncio.Event()
        self.recovery = Recovery()
        self._store = JournalStore(gateway, boot_id, limits)
        self._io = IoThread("lentera-journal")
        self._monotonic_ms = monotonic_ms
        self._wall_ms = wall_ms
        self._fit = fit
        self._fresh: list[Sample] = []
        self._unsealed: list[Sample] = []
        self._being_sealed: list[Sample] = []
        self._urgent = Urgent()
        self._oldest_ms = 0
        self._dropped_samples = 0
        self._losses = Losses()
        self._boot_id = boot_id
        self._delivery = Delivery()
        self._pinned = False
        self._time_saved_ms = self._longest_age_at_ms = 0
        self._opened_ms = self._kept_to_ms = 0
        self._first_stamp_ms: int | None = None
        self._newest_stamp_ms: int | None = None
        self._latest_by_ms = 0
        self._busy = asyncio.Lock()
        self._scan: asyncio.Task[None] | None = None

    async def open(self) -> Recovery:
        """Recover what earlier processes left and begin a new epoch; the card is read through in the background.

        Raises:
            JournalFolderError: the memory folder cannot be used, or another gateway uses it.
        """
        now_ms = self._monotonic_ms()
        self.recovery = await self._io.run(self._store.open, now_ms, self._wall_ms())
        self._time_saved_ms = self._opened_ms = self._longest_age_at_ms = now_ms
        self._scan = asyncio.create_task(self._scan_card(), name="journal-scan")
        self.sealed.set()
        return self.recovery

    @property
    def epoch(self) -> int:
        """The epoch of this process; 0 before `open`."""
        return self._store.state.epoch

    @property
    def order(self) -> int:
        """Order of the last sealed batch: batches with a higher one are live for a connection that begins now."""
        return self._store.order

    @property
    def saved_time_ms(self) -> int:
        """The latest wall time that earlier processes knew; the clock never starts before it."""
        return self._store.state.saved_at_ms

    def add(self, sample: Sample) -> None:
        """Take a sample; it is on the memory tier with the next tick."""
        if not sample.values:
            return
        if self._first_stamp_ms is None:
            self._first_stamp_ms = sample.monotonic_ms
        self._newest_stamp_ms = max(self._newest_stamp_ms or 0, sample.monotonic_ms)
        self._latest_by_ms = max(self._latest_by_ms, min(self._monotonic_ms() - sample.monotonic_ms, _LATEST_BY_MS))
        self._fresh.append(sample)
        if len(self._fresh) > MAX_UNSEALED_SAMPLES:
            gone = self._fresh.pop(0)
            self._dropped_samples += 1
            at_ms, fit = gone.monotonic_ms, self._fit()
            self._losses.note(
                Loss("samples_dropped", self._boot_id, fit, at_ms, at_ms, (gone.device,), 0, len(gone.values))
            )

    async def tick(self, seal_now: bool = False) -> None:
        """Once a second: log or seal what came, move what waits too long, keep the bounds."""
        async with self._busy:
            await self._pin_clock()
            await self._keep_seal_age()
            await self._take_fresh(seal_now, self.shape)
            await self._io.run(self._store.mover.maintain, self._monotonic_ms())
            await self._io.run(self._store.reports.maintain, self._monotonic_ms())
            await self._tell_gaps()
            await self._save_time()

    async def reshape(self, shape: Shaping | None) -> tuple[int, int]:
        """Seal what waits by the shape that it was taken under; what is added from now on is sealed by another.

        Returns:
            From which stamp on samples may come under the new shape, and up to which they may have come under the old
            one: a sample may be added a little later than it was taken.
        """
        async with self._busy:
            now_ms, before, self.shape = self._monotonic_ms(), self.shape, shape
            try:
                await self._take_fresh(seal_now=True, shape=before)
            except Exception:
                self.shape = before
                raise
        return now_ms - self._latest_by_ms, now_ms

    async def _tell_gaps(self) -> None:
        now_ms, losses = self._monotonic_ms(), self._losses.drain()
        told = await self._io.run(
            after_tick,
            self._store,
            now_ms,
            self._kept_to_ms,
            self._back_ms(now_ms),
            losses,
            self._fit(),
            self._wall_ms(),
        )
        if told:
            self.told.set()

    def _back_ms(self, now_ms: int) -> int | None:
        """Return from when on samples are taken again: by the first one, or, where none comes, from the start."""
        if self._first_stamp_ms is None and now_ms - self._opened_ms < _FIRST_WITHIN_MS:
            return None
        return max(self._opened_ms, self._first_stamp_ms or 0)

    async def _take_fresh(self, seal_now: bool, shape: Shaping | None) -> None:
        now_ms = self._monotonic_ms()
        kept_to_ms = now_ms - self._latest_by_ms
        fresh, self._fresh = self._fresh, []
        if fresh and not self._unsealed:
            self._oldest_ms = now_ms
        self._unsealed += self._urgent.part(fresh, shape is not None)
        values = sum(len(sample.values) for sample in self._unsealed)
        if (seal_now and self._urgent.waiting) or (values and (seal_now or self._due(now_ms, values))):
            everything = seal_now or values >= _MAX_SHAPED_VALUES
            await self._seal(now_ms, self._urgent.take() + self._take_ready(now_ms, shape, everything))
        elif self._urgent.due(now_ms):
            await self._seal(now_ms, self._urgent.take_apart(now_ms))
        elif fresh:
            await self._io.run(self._store.keep_samples, fresh)
        self._kept_to_ms = kept_to_ms

    def _due(self, now_ms: int, values: int) -> bool:
        if self.shape is not None:
            return self._oldest_ms < self._whole_until_ms(now_ms, self.shape) or values >= _MAX_SHAPED_VALUES
        age_ms, limits = now_ms - self._oldest_ms, self.limits
        return seal_due(self.live, age_ms, values, self._bytes_a_value(), limits.seal_age_ms, limits.seal_bytes)

    def _whole_until_ms(self, now_ms: int, shape: Shaping) -> int:
        """Return until when all samples have come, at a multiple of the seal age."""
        came_ms = now_ms - min(self._latest_by_ms, _MEANS_WAIT_MS)
        return came_ms // shape.seal_age_ms * shape.seal_age_ms

    def _take_ready(self, now_ms: int, shape: Shaping | None, everything: bool) -> list[Sample]:
        """Take out what is to be sealed now; of an interval that has just begun no mean is made."""
        ready, self._unsealed = self._unsealed, []
        if shape is None:
            return ready
        if not everything:
            self._oldest_ms = until_ms = self._whole_until_ms(now_ms, shape)
            self._unsealed = [sample for sample in ready if sample.monotonic_ms >= until_ms]
            ready = [sample for sample in ready if sample.monotonic_ms < until_ms]
        return shape.reduce(ready)

    async def _seal(self, now_ms: int, samples: list[Sample]) -> None:
        self._being_sealed = samples
        try:
            made = await self._io.run(self._store.seal, samples, now_ms, self._fit(), list(self._unsealed))
        except Exception:
            self._unsealed = samples + self._unsealed
            raise
        finally:
            self._being_sealed = []
        if made:
            self._delivery.sealed(samples, self._store.sequence)
            self.sealed.set()

    def whereabouts(self, device: str, quantity: str) -> Whereabouts:
        """Say how far the newest value of a quantity that was added has come on its way to the cloud."""
        unsealed = itertools.chain(self._fresh, self._unsealed, self._urgent.waiting, self._being_sealed)
        return self._delivery.whereabouts(device, quantity, unsealed)

    def _bytes_a_value(self) -> float:
        counters = self._store.places.counters
        return counters.sealed_bytes / counters.values if counters.values else _FIRST_GUESS_BYTES_A_VALUE

    async def _pin_clock(self) -> None:
        fit = self._fit()
        if fit is not None and not self._pinned:
            self._pinned = True
            await self._io.run(self._store.pin, fit)
            self.sealed.set()

    async def _keep_seal_age(self) -> None:
        """Keep a longer age before samples wait for it, a shorter one when the card has what waited for the longer.

        What a longer one of the process before has cost must be told on the card first.
        """
        now_ms, kept_ms = self._monotonic_ms(), self._store.state.seal_age_ms
        age_ms = self.limits.seal_age_ms if self.shape is None else self.shape.seal_age_ms
        if age_ms >= kept_ms:
            self._longest_age_at_ms = now_ms
        elif now_ms - self._longest_age_at_ms < kept_ms + self.limits.to_card_ms:
            return
        told = self._store.last_word is None and self._fit() is not None
        if age_ms > kept_ms or (age_ms < kept_ms and told):
            await self._io.run(self._store.keep_seal_age, age_ms)

    async def _save_time(self) -> None:
        now_ms = self._monotonic_ms()
        if self._fit() is not None and now_ms - self._time_saved_ms >= _SAVE_TIME_EVERY_MS:
            self._time_saved_ms = now_ms
            await self._io.run(self._store.save_time, self._wall_ms())

    async def _scan_card(self) -> None:
        more = True
        while more:
            try:
                more = await self._io.run(self._store.scan_card)
            except Exception as error:  # noqa: BLE001 (supervised: one segment's trouble never hides the others)
                _LOG.exception("card_scan_broke")
                await self._io.run(self._store.leave_unscanned, f"{type(error).__name__}: {error}")
            self.sealed.set()

    async def next_batch(
        self, live_after: int, newest_format: int = FORMAT_VERSION, backlog: bool = True
    ) -> Outgoing | None:
        """Return the next batch to send: live ones (sealed after `live_after`) first, then the backlog, oldest first.

        A batch is handed out once until `connection_lost`, in a format that is not after `newest_format`. None when
        nothing can be sent now; live ones alone without `backlog`.
        """
        return await self._io.run(self._store.outbox.next_batch, live_after, newest_format, backlog)

    async def connection_lost(self) -> None:
        """Hand out again all that was not acknowledged."""
        await self._io.run(self._store.connection_lost)

    async def acknowledge(self, key: Key, refused: list[dict[str, str]] | None = None) -> bool:
        """Forget a batch that the cloud has stored; where it refused some devices' rows, set a copy aside with why."""
        if refused:
            await self._io.run(self._store.set_rows_aside, key, refused)
        known = await self._io.run(self._store.settle, key)
        if key.epoch == self.epoch:
            self._delivery.settled(key.sequence, [(row["device"], row["text"]) for row in refused or ()])
        self.settled.set()
        return known

    async def refuse(self, key: Key, code: str, text: str) -> bool:
        """Set a batch aside that the cloud refuses for its content; it blocks nothing."""
        known = await self._io.run(self._store.refuse, key, [{"code": code, "text": text}])
        if key.epoch == self.epoch:
            self._delivery.refused(key.sequence, text)
        self.settled.set()
        return known

    async def commands(self) -> list[CommandRecord]:
        """Return what became of the last commands, oldest first."""
        return await self._io.run(self._store.commands.load)

    async def keep_command(self, record: CommandRecord) -> str | None:
        """Make a command's state durable. Returns None, or why the card did not take it."""
        return await self._io.run(self._store.commands.keep, record)

    async def report_gap(
        self,
        reason: str,
        from_ms: int,
        to_ms: int,
        devices: Sequence[str] = (),
        detail_s: int = 0,
        values: int = 0,
        uncertainty_ms: int = 0,
    ) -> None:
        """Keep a known gap until the cloud has noted it; the fields are those of the link's GapReport."""
        gap = GapReport(0, 0, reason, from_ms, to_ms, list(devices), detail_s, values, uncertainty_ms)
        await self._io.run(self._store.reports.add_gap, gap)
        self.told.set()

    async def report_tally(self, hour_ms: int, rows: Sequence[TallyRow]) -> None:
        """Keep an hour's tally until the cloud has noted it."""
        await self._io.run(self._store.reports.add_tally, hour_ms, rows)
        self.told.set()

    async def next_report(self, sent: Callable[[Key], bool]) -> Report | None:
        """Return the next report that is not `sent` on this connection, gaps first."""
        return await self._io.run(self._store.reports.to_send, sent)

    async def report_noted(self, key: Key) -> None:
        """Forget a report that the cloud has."""
        await self._io.run(self._store.reports.noted, key)
        self.told.set()

    async def status(self) -> JournalStatus:
        """Return a snapshot of everything counted."""
        status = await self._io.run(self._store.status)
        status.counters.dropped_samples = self._dropped_samples
        return status

    async def close(self) -> None:
        """Seal what is left, bring everything that waits onto the card, and end the thread."""
        if self._scan is not None:
            self._scan.cancel()
        async with self._busy:
            await self._take_fresh(seal_now=True, shape=self.shape)
            wall_ms = self._wall_ms() if self._fit() is not None else 0
            now_ms, losses = self._monotonic_ms(), self._losses.drain()
            await self._io.run(self._store.close, now_ms, wall_ms, self._newest_stamp_ms, losses, self._fit())
        self._io.stop()
