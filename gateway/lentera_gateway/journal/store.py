"""The journal as one queue of sealed batches: recover, seal, hand out, settle, keep durable, end.

Everything here runs in the journal's one thread; `Places` says where batches are, `Outbox` what goes next, `CardMover`
what goes to the card.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from lentera_gateway.journal.commandlog import CommandLog
from lentera_gateway.journal.damage import Moment, Stretch, unreadable_log
from lentera_gateway.journal.gaps import GapKeeper
from lentera_gateway.journal.held import HeldBatch
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.lastword import LastWord
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.losses import Loss
from lentera_gateway.journal.mover import CardMover
from lentera_gateway.journal.openlog import OpenLog
from lentera_gateway.journal.outbox import Outbox, Outgoing
from lentera_gateway.journal.places import Places
from lentera_gateway.journal.quarantine import Quarantine
from lentera_gateway.journal.records import Fate, from_rows
from lentera_gateway.journal.recovery import Recovery, entries_of, open_samples
from lentera_gateway.journal.reports import ReportLog
from lentera_gateway.journal.sealing import portions, seal_samples
from lentera_gateway.journal.segments import make_folder
from lentera_gateway.journal.state import GatewayState, save_state, start_epoch
from lentera_gateway.journal.status import JournalStatus
from lentera_gateway.journal.telling import listen_back, tell_lost_reports, tell_refused, tell_the_end
from lentera_model.batch import BatchKey, ClockFit
from lentera_model.errors import LenteraError
from lentera_model.readings import Sample

COMMANDS_KEPT: Final = 512

__all__ = ["COMMANDS_KEPT", "JournalFolderError", "JournalStore", "Outgoing", "Recovery"]


class JournalFolderError(LenteraError):
    """The memory folder cannot be used at all, or another gateway uses it."""

    code: ClassVar[str] = "journal_folder"


class JournalStore:
    """See the module's docstring."""

    def __init__(self, gateway: str, boot_id: bytes, limits: JournalLimits) -> None:
        """Describe the journal; nothing is touched before `open`."""
        self.gateway = gateway
        self.boot_id = boot_id
        self.limits = limits
        self.places = Places(limits)
        self.mover = CardMover(self.places)
        self.outbox = Outbox(self.places, boot_id, lambda: self.state.pins, self.refuse)
        self.open_log = OpenLog(limits.memory_dir / "unsealed")
        self.commands = CommandLog(limits.memory_dir, limits.card_dir, COMMANDS_KEPT)
        self.reports = ReportLog(limits.memory_dir, limits.card_dir)
        self.gaps = GapKeeper(limits.memory_dir, boot_id, self.reports)
        self.last_word: LastWord | None = None
        self.known_from_ms = self.opened_ms = 0
        self.quarantine = Quarantine(limits.card_dir / "quarantine")
        self.spare_quarantine = Quarantine(limits.memory_dir / "quarantine", max_bytes=limits.memory_max_bytes // 8)
        self.state = GatewayState(0, 0, {})
        self.sequence = 0
        self.order = 0
        self._newest_sealed: Moment | None = None
        self._lock: int | None = None

    def open(self, monotonic_ms: int, wall_ms: int) -> Recovery:
        """Recover what earlier processes left and begin a new epoch.

        Raises:
            JournalFolderError: the memory folder cannot be used, or another gateway uses it.
        """
        self._take_memory_folder()
        self.opened_ms = monotonic_ms
        try:
            make_folder(self.limits.card_dir)
            self.places.card.prepare()
        except OSError as error:
            self.mover.failed(error, monotonic_ms)
        sealed = self._recover_memory(monotonic_ms)
        self.last_word = listen_back(self)
        highest = max((key.epoch for key in sealed), default=None)
        self.state = start_epoch(
            self.limits.memory_dir, self.limits.card_dir, highest, wall_ms, self.limits.seal_age_ms
        )
        self.known_from_ms = self.state.saved_at_ms
        if not self.state.kept:
            self.places.card_error = f"{self.limits.card_dir}: the epoch cannot be kept; check the card"
        files = self.reports.load(self.state.epoch)
        for found in files:
            self.places.recovery.note(found)
        tell_lost_reports(self, files)
        given_up, _ = self.places.intents.load()
        self.gaps.take_over(given_up)
        self._recover_samples(sealed, monotonic_ms)
        self.places.recovery.batches = self.places.memory.index.waiting + len(self.places.held.batches)
        return self.places.recovery

    def _take_memory_folder(self) -> None:
        folder = self.limits.memory_dir
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.places.memory.prepare()
            self._lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalFolderError(
                f"journal.memory_dir {folder} cannot be used: {error.strerror or error}; name a folder on a tmpfs "
                "that this user may write"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalFolderError(
                f"journal.memory_dir {folder} is in use by another gateway; stop it, or name another folder"
            ) from error

    def _recover_memory(self, monotonic_ms: int) -> set[Key]:
        """Load all memory segments; returns the batches seen in them, settled ones too."""
        seen: set[Key] = set()
        for number in list(self.places.memory.index.segments):
            try:
                found = self.places.memory.read(number)
            except OSError as error:  # left alone: the next start may read it
                self.places.recovery.unreadable_segments += 1
                self.places.memory_error = f"segment {number} cannot be read: {error.strerror or error}"
                self.places.memory.index.remove(number)
                continue
            strange_before = self.places.recovery.unknown_records
            entries = list(entries_of(found, monotonic_ms, set(), self.places.recovery, self.boot_id))
            strange = self.places.recovery.unknown_records - strange_before
            self.places.keep_damage(self.places.memory, number, found, strange)
            seen.update(entry.key for entry in entries)
            settled, problems = self.places.memory.settled_before(number)
            self.places.recovery.unreadable_marks += len(problems)
            self.places.memory_error = "; ".join(problems) or self.places.memory_error
            self.places.memory.index.load(number, [entry for entry in entries if entry.key not in settled])
        self._newest_sealed = self.places.moment_before(self.places.memory)
        self.places.drop_done()
        return seen

    def _recover_samples(self, sealed_before: set[Key], monotonic_ms: int) -> None:
        try:
            found = self.open_log.read()
        except OSError:
            self.places.recovery.unreadable_segments += 1
            self.places.note_stretch(Stretch(self._newest_sealed, None))
            return
        if (lost := unreadable_log(found, self._newest_sealed)) is not None:
            self.places.note_stretch(lost)
        groups = open_samples(found, self.places.recovery)
        for (key, boot_id), records in groups.items():
            if key in sealed_before:
                continue
            samples = [sample for record in records for sample in from_rows(record.rows)]
            self.places.recovery.samples += len(samples)
            sealed, refused = seal_samples(self._batch_key(key), boot_id, monotonic_ms, samples, None)
            self.places.counters.refused_samples += refused
            if sealed is not None:
                values = sum(len(sample.values) for sample in samples)
                self.places.keep(key, HeldBatch(sealed, 0, boot_id, False, values, monotonic_ms))
        if not self.places.held.batches:
            self._empty_open_log()

    def scan_card(self) -> bool:
        """Count the batches of one card segment found at the start; True while there are more to look at."""
        number = self.places.card.index.unscanned()
        if number is None:
            return False
        self.places.load_card_segment(number)
        if number in self.places.card.index.segments:
            self.places.card.index.unload(number)
        self.places.drop_done()
        return True

    def leave_unscanned(self, why: str) -> None:
        """Leave alone, until the next start, the card segment whose scan broke; the others go on."""
        number = self.places.card.index.unscanned()
        if number is not None:
            self.places.card.index.remove(number)
            self.places.recovery.unreadable_segments += 1
            self.places.card_error = f"segment {number} was left alone: {why}"

    def close(
        self,
        monotonic_ms: int,
        wall_ms: int,
        newest_stamp_ms: int | None = None,
        losses: Sequence[Loss] = (),
        fit: ClockFit | None = None,
    ) -> None:
        """Bring everything that waits onto the card, and end; the next process is told that it was in order."""
        self.mover.move_all(monotonic_ms)
        tell_the_end(self, monotonic_ms, newest_stamp_ms, losses, fit, wall_ms)
        self.save_time(wall_ms)
        try:
            self.places.card.keep_marks()
        except OSError as error:
            self.mover.failed(error, monotonic_ms)
        self.reports.close()
        self.places.memory.close_segment()
        self.places.card.close_segment()
        self.places.drop_done()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def keep_samples(self, samples: Sequence[Sample]) -> None:
        """Log samples that wait for the next seal; a full tmpfs is noted, the caller keeps them in memory anyway."""
        try:
            self.open_log.append(Key(self.state.epoch, self.sequence + 1), self.boot_id, samples)
            self.places.memory_error = None
        except OSError as error:
            self.places.memory_error = f"{self.open_log.path}: {error.strerror or error}"

    def seal(
        self, samples: Sequence[Sample], monotonic_ms: int, clock: ClockFit | None, waiting: Sequence[Sample] = ()
    ) -> int:
        """Seal samples into one batch (more if they are many). Returns how many batches were made.

        Args:
            samples: what is sealed.
            monotonic_ms: CLOCK_BOOTTIME now.
            clock: the clock fit, None while there is none.
            waiting: all samples that stay unsealed; they are logged for the batch after these.
        """
        made = self._seal_portions(samples, monotonic_ms, clock)
        logged = [(key, portion) for key, portion, _ in made]
        if waiting or (len(made) > 1 and self.open_log.size):
            # Killed between two of them, the next process has each under its own key: none lost, none under two keys.
            after = Key(self.state.epoch, self.sequence + 1 + len(made))
            self._log_portions([*logged, (after, waiting)] if waiting else logged)
        for key, portion, sealed in made:
            self.sequence = key.sequence
            self.order += 1
            values = sum(len(sample.values) for sample in portion)
            self.places.counters.values += values
            self.places.counters.sealed_bytes += len(sealed)
            self.places.keep(key, HeldBatch(sealed, self.order, self.boot_id, clock is not None, values, monotonic_ms))
        if not self.places.held.batches and not waiting:
            self._empty_open_log()
        return len(made)

    def _seal_portions(
        self, samples: Sequence[Sample], monotonic_ms: int, clock: ClockFit | None
    ) -> list[tuple[Key, Sequence[Sample], bytes]]:
        """Seal samples under the next keys; nothing is kept or counted as sealed yet."""
        made: list[tuple[Key, Sequence[Sample], bytes]] = []
        for portion in portions(samples):
            key = Key(self.state.epoch, self.sequence + 1 + len(made))
            sealed, refused = seal_samples(self._batch_key(key), self.boot_id, monotonic_ms, portion, clock)
            self.places.counters.refused_samples += refused
            if sealed is not None:
                made.append((key, portion, sealed))
        return made

    def _log_portions(self, logged: list[tuple[Key, Sequence[Sample]]]) -> None:
        try:
            self.open_log.replace(self.boot_id, logged)
        except OSError as error:
            self.places.memory_error = f"{self.open_log.path}: {error.strerror or error}"

    def _empty_open_log(self) -> None:
        try:
            self.open_log.empty()
        except OSError as error:
            self.places.memory_error = f"{self.open_log.path}: {error.strerror or error}"

    def _batch_key(self, key: Key) -> BatchKey:
        return BatchKey(self.gateway, key.epoch, key.sequence)

    def connection_lost(self) -> None:
        """Nothing is in flight any more: all that was not acknowledged will be sent again."""
        self.places.in_flight.clear()

    def settle(self, key: Key, fate: Fate = Fate.ACKNOWLEDGED) -> bool:
        """Forget a batch. False when no such batch waits (a late or repeated acknowledgement)."""
        return self.places.settle(key, fate)

    def refuse(self, key: Key, reasons: list[dict[str, str]]) -> bool:
        """Set a batch aside with the reasons and forget it. False when none waits, or it cannot be read."""
        try:
            sealed = self.places.sealed_bytes(key)
        except OSError as error:  # it stays, and is sent and refused once more on another connection
            self.places.card_error = f"batch {key} cannot be read: {error.strerror or error}"
            return False
        if sealed is None:
            return self.settle(key, Fate.QUARANTINED)
        self.set_aside(key, sealed, reasons)
        tell_refused(self, key, sealed, reasons)
        return self.settle(key, Fate.QUARANTINED)

    def set_aside(self, key: Key, sealed: bytes, reasons: list[dict[str, str]]) -> None:
        """Copy a batch (or the part of it that was refused, with the whole) into quarantine."""
        try:
            self.places.counters.written_card_bytes += self.quarantine.put(key, sealed, reasons)
        except OSError as error:
            self.places.card_error = f"{self.quarantine.folder}: {error.strerror or error}"
            with contextlib.suppress(OSError):  # nothing took it: the card's trouble is what the status shows
                self.spare_quarantine.put(key, sealed, reasons)

    def set_rows_aside(self, key: Key, reasons: list[dict[str, str]]) -> None:
        """Copy a waiting batch, of which the cloud refused some devices' rows, into quarantine."""
        try:
            sealed = self.places.sealed_bytes(key)
        except OSError as error:
            self.places.card_error = f"batch {key} cannot be read: {error.strerror or error}"
            return
        if sealed is not None:
            self.set_aside(key, sealed, reasons)
            tell_refused(self, key, sealed, reasons)

    def pin(self, fit: ClockFit) -> None:
        """Fix the one fit for this boot's batches that were sealed before the clock was trusted."""
        if self.boot_id not in self.state.pins:
            self.state = replace(self.state, pins={**self.state.pins, self.boot_id: fit})
            self.save_time(self.state.saved_at_ms)

    def save_time(self, wall_ms: int) -> None:
        """Keep the latest wall time known (and the pins) on the card."""
        self.state = replace(self.state, saved_at_ms=max(wall_ms, self.state.saved_at_ms))
        for folder, durable in ((self.limits.card_dir, True), (self.limits.memory_dir, False)):
            try:
                written = save_state(folder, self.state, durable)
            except OSError as error:
                if durable:
                    self.places.card_error = f"{folder}: {error.strerror or error}"
                continue
            if durable:
                self.places.counters.written_card_bytes += written

    def keep_seal_age(self, seal_age_ms: int) -> None:
        """Keep the age at which batches are sealed: the next process works out from it what a power cut has cost."""
        self.state = replace(self.state, seal_age_ms=seal_age_ms)
        self.save_time(self.state.saved_at_ms)

    def status(self) -> JournalStatus:
        """Return a snapshot of everything counted."""
        counters = replace(
            self.places.counters,
            written_memory_bytes=self.places.memory.written_bytes + self.open_log.written_bytes,
            written_card_bytes=self.places.counters.written_card_bytes
            + self.places.card.written_bytes
            + self.commands.written_bytes
            + self.reports.written_bytes,
        )
        return JournalStatus(
            epoch=self.state.epoch,
            sequence=self.sequence,
            waiting_batches=self.places.memory.index.waiting
            + self.places.card.index.waiting
            + len(self.places.held.batches),
            memory_bytes=self.places.memory.index.total_bytes,
            card_bytes=self.places.card.index.total_bytes,
            held_bytes=self.places.held.total_bytes,
            written_bytes=counters.written_memory_bytes + counters.written_card_bytes,
            values_total=counters.values,
            bytes_a_value=counters.sealed_bytes / counters.values if counters.values else 0.0,
            oldest_monotonic_ms=self.places.oldest_waits_since_ms(),
            damaged_records=self.places.recovery.damaged_records,
            torn_bytes=self.places.recovery.torn_bytes,
            unreadable_segments=self.places.recovery.unreadable_segments,
            quarantined=self.quarantine.count() + self.spare_quarantine.count(),
            memory_error=self.places.memory_error,
            card_error=self.places.card_error,
            counters=counters,
            reports=self.reports.status(),
        )
