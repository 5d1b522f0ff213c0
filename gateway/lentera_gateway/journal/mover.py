"""From memory to the card: only what has waited too long, or everything at shutdown. Journal's thread only.

The order is: copy, sync, then mark as moved. A cut in between leaves a batch on both tiers, which costs a replay.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Final

from lentera_gateway.journal.index import Entry, Key
from lentera_gateway.journal.places import Places
from lentera_gateway.journal.policy import due_for_card, to_evict
from lentera_gateway.journal.records import BatchRecord, Fate, encode_record
from lentera_gateway.journal.segments import TierWriteError
from lentera_gateway.journal.thinner import TICK_BYTES, Thinner, thin_held

_RETRY_MS: Final = 5_000
_RETRY_MAX_MS: Final = 60_000
_FRESH_MS: Final = 5_000
_MOVE_BYTES: Final = 1 << 20
"""Bytes copied in one go, so that the thread comes back to the next second's samples."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class CardMover:
    """Moves batches onto the card and keeps the card within its bound; a card that fails is tried again later."""

    def __init__(self, places: Places) -> None:
        """Start with a card that is believed to work."""
        self._places = places
        self._retry_ms = _RETRY_MS
        self._not_before_ms = 0
        limits = places.limits
        self._full_bytes = limits.card_max_bytes - 2 * limits.card_segment_bytes
        self._card_thinner = Thinner(places, places.card, self._full_bytes - 2 * limits.card_segment_bytes)
        self._memory_thinner = Thinner(places, places.memory, limits.memory_max_bytes * 7 // 8)

    def maintain(self, monotonic_ms: int) -> None:
        """Retry what is held, move what is due, drop what is done, thin the oldest of a full tier, then evict it."""
        places = self._places
        for key, batch in list(places.held.batches.items()):
            if not places.to_memory_tier(key, batch):
                break
            places.held.remove(key)
            if key in places.in_flight and places.memory.open_number is not None:
                places.in_flight[key] = ("memory", places.memory.open_number)
        self.move(monotonic_ms, everything=False)
        places.drop_done()
        thin_held(places)
        self._memory_thinner.step(monotonic_ms)
        self._card_thinner.step(monotonic_ms)
        self._evict(monotonic_ms)

    def _evict(self, monotonic_ms: int) -> None:
        """Drop the oldest segments of a card that is full and cannot be thinned, or is over its bound all the same."""
        places, index = self._places, self._places.card.index
        bound = self._full_bytes
        if index.total_bytes > bound and self._card_thinner.has_work(monotonic_ms):
            bound = places.limits.card_max_bytes
        for number in to_evict(index.segments.values(), index.total_bytes, bound, places.card.open_number):
            places.give_up(places.card, number)
            self._card_thinner.try_again()

    def move_all(self, monotonic_ms: int) -> None:
        """At shutdown: bring everything onto the card, whatever the last failure says."""
        self._not_before_ms = 0
        while self.move(monotonic_ms, everything=True):
            continue
        self._places.drop_done()

    def move(self, monotonic_ms: int, everything: bool) -> bool:
        """Copy due batches to the card and sync it once; True when some were moved."""
        places = self._places
        budget_ms = round(places.limits.power_loss_budget_s * 1000)
        surplus = places.memory.index.total_bytes - places.limits.memory_max_bytes * 3 // 4
        entries = places.memory.index.entries()
        if places.in_flight and not everything:  # the link carries: what is fresh goes over it, before the backlog
            entries = (one for one in entries if monotonic_ms - one[1].waits_since_ms >= min(_FRESH_MS, budget_ms))
        due = due_for_card(entries, monotonic_ms, budget_ms, surplus, everything)
        held = [
            key
            for key, batch in places.held.batches.items()
            if everything or monotonic_ms - batch.sealed_monotonic_ms >= budget_ms
        ]
        if not (due or held) or monotonic_ms < self._not_before_ms:
            return False
        try:
            moved = self._copy_all(due)
            copied = [(key, *self._append(places.held.batches[key].sealed)) for key in held]
            places.card.sync()
        except (TierWriteError, OSError) as error:
            self.failed(error, monotonic_ms, pressing=surplus > 0)
            return False
        places.card_error = None
        self._card_thinner.pressed = False
        self._retry_ms = _RETRY_MS
        self._commit(moved)
        self._commit_held(copied)
        return bool(moved or copied)

    def failed(self, error: TierWriteError | OSError, monotonic_ms: int, pressing: bool = False) -> None:
        """Note that the card refuses and when to try again.

        A full card is thinned when memory presses, and gives up its oldest where that cannot be done.
        """
        places = self._places
        places.card_error = str(error)
        places.card.close_segment()
        oldest = next(iter(places.card.index.segments), None)
        if pressing and error.errno in _FULL and oldest is not None:
            self._card_thinner.pressed = True
            if not self._card_thinner.has_work(monotonic_ms):
                places.give_up(places.card, oldest)
                self._card_thinner.try_again()
            self._not_before_ms = monotonic_ms
            return
        self._not_before_ms = monotonic_ms + self._retry_ms
        self._retry_ms = min(2 * self._retry_ms, _RETRY_MAX_MS)

    def _copy_all(self, due: list[tuple[int, Entry]]) -> list[tuple[int, Entry, int]]:
        places = self._places
        if places.card_error is not None:
            places.card.prepare()
        moved: list[tuple[int, Entry, int]] = []
        copied = 0
        # A full card takes no more a tick than thinning makes room for.
        move_bytes = _MOVE_BYTES if places.card.index.total_bytes <= self._full_bytes else TICK_BYTES // 2
        for number, entry in due:
            if copied >= move_bytes:
                break
            try:
                sealed = places.read(places.memory, number, entry)
            except OSError as error:
                places.cannot_read(places.memory, number, error)
                continue
            if sealed is None:
                places.lose(places.memory, number, entry)
                continue
            target, offset, size = self._append(sealed)
            moved.append((number, replace(entry, offset=offset, size=size), target))
            copied += size
        return moved

    def _append(self, sealed: bytes) -> tuple[int, int, int]:
        card = self._places.card
        before = card.open_number
        target, offset, size = card.append(encode_record(BatchRecord(sealed)))
        if before is not None and before != target and before in card.index.segments:
            card.index.unload(before)
        return target, offset, size

    def _commit(self, moved: list[tuple[int, Entry, int]]) -> None:
        places = self._places
        for number, entry, target in moved:
            places.card.index.add(target, entry)
            if entry.key in places.in_flight:
                places.in_flight[entry.key] = ("card", target)
            places.memory.mark(number, entry.key, Fate.MOVED_TO_CARD)

    def _commit_held(self, copied: list[tuple[Key, int, int, int]]) -> None:
        places = self._places
        for key, target, offset, size in copied:
            batch = places.held.remove(key)
            if batch is None:
                continue
            entry = Entry(key, offset, size, batch.order, 0, batch.boot_id, batch.clocked, batch.values)
            places.card.index.add(target, entry)
            if key in places.in_flight:
                places.in_flight[key] = ("card", target)
