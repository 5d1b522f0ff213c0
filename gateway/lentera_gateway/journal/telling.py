"""When the journal tells what is missing: at the start, after each tick, at an orderly end. Journal's thread only.

The order matters: first the report is durable, then what it was worked out from is let go. Killed between the two, the
next process tells the same time once more, as part of a longer gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from lentera_gateway.clock import BUILD_TIME_MS
from lentera_gateway.journal.damage import draft_of_stretch
from lentera_gateway.journal.framing import Scan
from lentera_gateway.journal.gaps import GapKeeper, draft_of_loss
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.lastword import LastWord, last_word, stopped_at
from lentera_gateway.journal.limits import LONGEST_SEAL_AGE_MS, JournalLimits
from lentera_gateway.journal.losses import MAX_DEVICES, Loss
from lentera_gateway.journal.places import Places
from lentera_gateway.journal.records import BatchRecord, DraftRecord, PinRecord, StateRecord, decode_record
from lentera_gateway.journal.reports import lost_since_ms
from lentera_gateway.journal.segments import Tier
from lentera_gateway.journal.state import STATE_NAME, GatewayState, pins_of, read_state
from lentera_model.batch import BatchError, ClockFit, decode, peek

REFUSED: Final = "refused"
CLOCK_UNKNOWN: Final = "clock_unknown"


class Teller(Protocol):
    """What of the journal's store is needed here."""

    boot_id: bytes
    limits: JournalLimits
    places: Places
    gaps: GapKeeper
    state: GatewayState
    last_word: LastWord | None
    known_from_ms: int
    opened_ms: int

    def save_time(self, wall_ms: int) -> None:
        """Keep the state on the card, with the latest wall time known."""
        ...


def listen_back(store: Teller) -> LastWord | None:
    """Find out how the process before ended; before anything of this one is written."""
    limits = store.limits
    states = [state for folder in (limits.memory_dir, limits.card_dir) if (state := read_state(folder)) is not None]
    pins = pins_of(states)
    if not states and any((folder / STATE_NAME).exists() for folder in (limits.memory_dir, limits.card_dir)):
        # damaged: there was a process, and nothing is known of it
        states.append(StateRecord(0, BUILD_TIME_MS, [], seal_age_ms=LONGEST_SEAL_AGE_MS))
    seal_age_ms = max((state.seal_age_ms for state in states), default=0) or limits.seal_age_ms
    return last_word(
        store.boot_id,
        store.gaps.load(),
        states,
        lambda: newest_sealed_ms(store.places.card, pins),
        limits.at_most_lost_ms(seal_age_ms),
    )


def tell_lost_reports(store: Teller, found: Sequence[Scan]) -> None:
    """Note that reports do not read any more: of the time that they may have been about nobody can say what is missing.

    Args:
        store: the journal.
        found: what the files of reports hold.
    """
    since = [ms for one in found if (ms := lost_since_ms(one)) is not None]
    if since:
        where = ("damaged", store.boot_id, None, min(since), store.opened_ms)
        store.gaps.note([DraftRecord(*where, [], 0, 0, 0, joins=True)])


def newest_sealed_ms(tier: Tier, pins: Mapping[bytes, ClockFit]) -> int | None:
    """Return when the newest batch of a tier's last segment was sealed (Unix ms); None where that is not known."""
    last = max(tier.index.segments, default=None)
    if last is None:
        return None
    newest_ms: int | None = None
    try:
        frames = tier.read(last).frames
    except OSError:
        return None
    for frame in frames:
        record = decode_record(frame.record)
        if not isinstance(record, BatchRecord):
            continue
        try:
            header = peek(record.sealed)
        except BatchError:
            continue
        fit = header.clock or pins.get(header.boot_id)
        if fit is not None:
            newest_ms = max(newest_ms or 0, header.sealed_monotonic_ms + fit.offset_ms)
    return newest_ms


def tell_refused(store: Teller, key: Key, sealed: bytes, reasons: Sequence[Mapping[str, str]]) -> None:
    """Note that values of a batch are set aside: those of the devices that the reasons name, or all."""
    try:
        batch = decode(sealed)
    except BatchError:
        store.places.tell_unreadable(key)
        return
    named = {one["device"] for one in reasons if "device" in one}
    samples = [one for one in batch.samples if not named or one.device in named]
    if not samples:
        return
    stamps = [one.monotonic_ms for one in samples]
    devices = sorted({one.device for one in samples})
    devices = devices if len(devices) <= MAX_DEVICES else []
    header, values = batch.header, sum(len(one.values) for one in samples)
    fit = header.clock or store.state.pins.get(header.boot_id)
    if fit is None and header.boot_id != store.boot_id:
        draft = DraftRecord(
            CLOCK_UNKNOWN, store.boot_id, None, store.known_from_ms, 0, devices, 0, values, 0, joins=True
        )
    else:
        clock = None if fit is None else PinRecord(header.boot_id, fit.offset_ms, fit.uncertainty_ms, fit.source)
        draft = DraftRecord(
            *(REFUSED, header.boot_id, min(stamps), None, max(stamps), devices, 0, values, 0),
            joins=True,
            clock=clock,
        )
    store.gaps.note([draft])


def after_tick(
    store: Teller,
    now_ms: int,
    kept_to_ms: int,
    back_ms: int | None,
    losses: Sequence[Loss],
    fit: ClockFit | None,
    wall_ms: int,
) -> bool:
    """Tell what is missing, then note that the process lives. True when there is something new to tell.

    Args:
        store: the journal.
        now_ms: CLOCK_BOOTTIME.
        kept_to_ms: everything that was taken and stamped before this was logged or sealed.
        back_ms: from when on this process takes samples; None while that is not known yet.
        losses: what was given up before it came to the store.
        fit: this boot's clock fit, None while the time is not trusted.
        wall_ms: the wall clock.
    """
    gaps = store.gaps
    if store.last_word is not None and back_ms is not None:
        gaps.note_stop(store.last_word, back_ms)
    _note(store, losses, now_ms, fit)
    told = gaps.settle(_fits(store, fit), now_ms)
    _forget_intents(store)
    if store.last_word is not None and back_ms is not None:
        store.last_word = None
        store.state = replace(store.state, end=None)
        store.save_time(store.state.saved_at_ms if fit is None else wall_ms)
    only_in_process = store.places.memory_error is not None or store.places.held.batches
    if store.last_word is None and not only_in_process:
        gaps.mark(kept_to_ms)
    return told


def tell_the_end(
    store: Teller,
    now_ms: int,
    newest_stamp_ms: int | None,
    losses: Sequence[Loss],
    fit: ClockFit | None,
    wall_ms: int,
) -> None:
    """Tell everything that is to be told, and prepare the mark of an orderly end; saving the state makes it durable."""
    if store.last_word is not None:
        store.gaps.note_stop(store.last_word, now_ms)
        store.last_word = None
    _note(store, losses, now_ms, fit)
    store.gaps.settle(_fits(store, fit), now_ms, everything=True)
    _forget_intents(store)
    uncertainty_ms = 0 if fit is None else fit.uncertainty_ms
    end = stopped_at(store.boot_id, now_ms, newest_stamp_ms, 0 if fit is None else wall_ms, uncertainty_ms)
    store.gaps.mark_end(end.monotonic_ms)
    store.state = replace(store.state, end=end)


def _note(store: Teller, losses: Sequence[Loss], now_ms: int, fit: ClockFit | None) -> None:
    """Take over what was given up and what does not read."""
    stretches, store.places.stretches = store.places.stretches, []
    damage = [draft_of_stretch(one, store.boot_id, _fits(store, fit), store.opened_ms, now_ms) for one in stretches]
    losses = [*losses, *store.places.losses.drain()]
    store.gaps.note([*(draft_of_loss(loss) for loss in losses), *damage])


def _forget_intents(store: Teller) -> None:
    """Let go of what was written down before it was given up, once the card has a report of all of it."""
    if not store.gaps.joining and store.gaps.reports.all_on_card:
        store.places.intents.told()


def _fits(store: Teller, fit: ClockFit | None) -> dict[bytes, ClockFit]:
    return dict(store.state.pins) | ({} if fit is None else {store.boot_id: fit})
