"""Turns what is known to be missing into reports: how the process before ended, and what this one gives up.

Until the wall clock of its boot is known, and while others of its kind may join it, a gap waits as a draft on the
memory tier. What a power cut takes of these lies within the gap of that cut. Runs in the journal's thread only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from lentera_gateway.clock import DRIFT_PPM
from lentera_gateway.journal.framing import frame, scan
from lentera_gateway.journal.lastword import LastWord
from lentera_gateway.journal.losses import ADJACENT_MS, Loss
from lentera_gateway.journal.records import AliveRecord, DraftRecord, PinRecord, decode_record, encode_record
from lentera_gateway.journal.reports import ReportLog
from lentera_model.batch import ClockFit
from lentera_model.protocol import GapReport

_TELL_EVERY_MS: Final = 60_000
"""What is given up again and again is told this often, so that the card is not written each second for it."""
_MOST_DRAFTS: Final = 512
_ALIVE: Final = "alive"
_DRAFTS: Final = "gap-drafts"


def gap_of(draft: DraftRecord, fit: ClockFit) -> GapReport:
    """Return the report of a draft, dated by its boot's clock. Pure.

    Where another boot's clock had been ahead, the gap is as long as the uncertainty says.
    """
    to_ms = draft.to_monotonic_ms + fit.offset_ms
    from_ms = draft.from_ms
    if draft.from_monotonic_ms is not None:
        from_ms = draft.from_monotonic_ms + fit.offset_ms
    uncertainty_ms = draft.uncertainty_ms + fit.uncertainty_ms + draft.to_monotonic_ms * DRIFT_PPM // 1_000_000
    if from_ms is None or from_ms > to_ms:
        from_ms = to_ms - uncertainty_ms
    return GapReport(0, 0, draft.reason, from_ms, to_ms, draft.devices, draft.detail_s, draft.values, uncertainty_ms)


def fit_of(draft: DraftRecord) -> ClockFit | None:
    """Return the clock fit that the draft's values have themselves."""
    clock = draft.clock
    return None if clock is None else ClockFit(clock.offset_ms, clock.uncertainty_ms, clock.source)


def draft_of_loss(loss: Loss) -> DraftRecord:
    """Return the draft of values that were given up. Pure."""
    return DraftRecord(
        loss.reason,
        loss.boot_id,
        loss.from_ms,
        None,
        loss.to_ms,
        list(loss.devices),
        loss.detail_s,
        loss.values,
        0,
        joins=True,
        clock=None
        if loss.clock is None
        else PinRecord(loss.boot_id, loss.clock.offset_ms, loss.clock.uncertainty_ms, loss.clock.source),
    )


def _covers(draft: DraftRecord, other: DraftRecord) -> bool:
    kind = (draft.reason, draft.boot_id, draft.clock, draft.detail_s)
    if kind != (other.reason, other.boot_id, other.clock, other.detail_s):
        return False
    if draft.from_monotonic_ms is None or other.from_monotonic_ms is None:
        return False
    same_devices = not draft.devices or (other.devices and set(other.devices) <= set(draft.devices))
    within = draft.from_monotonic_ms <= other.from_monotonic_ms and other.to_monotonic_ms <= draft.to_monotonic_ms
    return bool(within and same_devices)


class GapKeeper:
    """The gaps of one process until they are reports, and the mark that it lives."""

    def __init__(self, memory: Path, boot_id: bytes, reports: ReportLog) -> None:
        """Name the memory tier's folder; nothing is touched before `load`."""
        self.memory = memory
        self.boot_id = boot_id
        self.reports = reports
        self.drafts: list[DraftRecord] = []
        self._told_ms: int | None = None
        self._marked_ms: int | None = None

    def load(self) -> AliveRecord | None:
        """Read what an earlier process left; returns its mark."""
        self.drafts = [one for one in self._read(_DRAFTS) if isinstance(one, DraftRecord)]
        return next((one for one in self._read(_ALIVE) if isinstance(one, AliveRecord)), None)

    def _read(self, name: str) -> list[object]:
        try:
            return [decode_record(found.record) for found in scan((self.memory / name).read_bytes()).frames]
        except OSError:
            return []

    def mark(self, kept_to_ms: int) -> None:
        """Note that the process lives, and up to which stamp what it took survives it."""
        self._marked_ms = kept_to_ms
        self._replace(_ALIVE, frame(encode_record(AliveRecord(self.boot_id, kept_to_ms))))

    def mark_end(self, from_ms: int) -> None:
        """Take the mark back to an orderly end, which lies where the samples end: one that is older is no end of it."""
        if self._marked_ms is not None and self._marked_ms > from_ms:
            self.mark(from_ms)

    def note_stop(self, word: LastWord, back_ms: int) -> None:
        """Note that the process before had ended, and that this one takes samples from `back_ms` on."""
        draft = DraftRecord(
            word.reason,
            self.boot_id,
            word.from_monotonic_ms,
            word.from_ms,
            back_ms,
            [],
            0,
            0,
            word.uncertainty_ms,
            joins=False,
        )
        self.note([draft])

    def note(self, drafts: Iterable[DraftRecord]) -> None:
        """Keep drafts, on the memory tier too."""
        before = len(self.drafts)
        self.drafts += drafts
        if len(self.drafts) > before:
            self._keep()

    def take_over(self, drafts: Iterable[DraftRecord]) -> None:
        """Keep drafts of what the process before may have given up, as far as it has kept none itself."""
        self.note([one for one in drafts if not any(_covers(other, one) for other in self.drafts)])

    @property
    def joining(self) -> bool:
        """Whether drafts wait that others may join, or that cannot be dated yet."""
        return any(one.joins for one in self.drafts)

    def settle(self, fits: Mapping[bytes, ClockFit], now_ms: int, everything: bool = False) -> bool:
        """Report the drafts that can be dated; True when there were some.

        Args:
            fits: boot -> its clock fit.
            now_ms: CLOCK_BOOTTIME.
            everything: also those that others might join.
        """
        waited = self._told_ms is None or now_ms - self._told_ms >= _TELL_EVERY_MS
        joining = everything or waited or len(self.drafts) > _MOST_DRAFTS
        left: list[DraftRecord] = []
        for draft in self.drafts:
            fit = fit_of(draft) or fits.get(draft.boot_id)
            if fit is None or (draft.joins and not joining):
                left.append(draft)
                continue
            self.reports.add_gap(gap_of(draft, fit), ADJACENT_MS if draft.joins else None)
            if draft.joins:
                self._told_ms = now_ms
        told = len(left) < len(self.drafts)
        if told:
            self.drafts = left
            self._keep()
        return told

    def _keep(self) -> None:
        self._replace(_DRAFTS, b"".join(frame(encode_record(draft)) for draft in self.drafts))

    def _replace(self, name: str, data: bytes) -> None:
        """Replace a small file of the memory tier as a whole; a full one is told elsewhere, and costs no sample."""
        path = self.memory / name
        with contextlib.suppress(OSError):
            if data:
                path.with_suffix(".new").write_bytes(data)
                path.with_suffix(".new").replace(path)
            else:
                path.unlink(missing_ok=True)
