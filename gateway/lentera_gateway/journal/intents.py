"""What a full tier is about to give up, written down before it is gone, until the report of it is durable.

One small file a tier, a frame a loss: on the card it outlives a power cut, on the memory tier a killed process, as the
values themselves would have. A pass of the thinning, or a segment that is dropped, costs one append and one sync of 100
to 750 bytes, by how many devices it names. The file goes once every loss is told. Journal's thread only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, cast

from lentera_gateway.journal.framing import Scan, frame, scan
from lentera_gateway.journal.gaps import draft_of_loss, fit_of
from lentera_gateway.journal.losses import Loss, Losses, LossReason
from lentera_gateway.journal.records import DraftRecord, decode_record, encode_record
from lentera_gateway.journal.segments import sync_folder, write_durably

NAME: Final = "giving-up"
_HISTORY_BYTES: Final = 64 * 1024
"""Bytes of losses that have become one with others, from which on the file is written anew."""


def loss_of(draft: DraftRecord) -> Loss | None:
    """Return the loss of which a draft was made, without its number of values: nobody knows whether it came to it."""
    if draft.from_monotonic_ms is None:
        return None
    return Loss(
        cast("LossReason", draft.reason),
        draft.boot_id,
        fit_of(draft),
        draft.from_monotonic_ms,
        draft.to_monotonic_ms,
        tuple(draft.devices),
        draft.detail_s,
    )


def _framed(losses: Iterable[Loss]) -> bytes:
    return b"".join(frame(encode_record(draft_of_loss(one))) for one in losses)


class _File:
    """The losses of one tier that are not told yet."""

    def __init__(self, path: Path, durable: bool) -> None:
        self.path = path
        self.durable = durable
        self.losses = Losses()
        self.size = 0
        self._whole_bytes = 0
        self._torn = False

    def load(self) -> Scan:
        try:
            data = self.path.read_bytes()
        except OSError:  # none, or the card's trouble, which is shown elsewhere
            return Scan()
        self.size, found = len(data), scan(data)
        for one in found.frames:
            draft = decode_record(one.record)
            if isinstance(draft, DraftRecord) and (loss := loss_of(draft)) is not None:
                self.losses.note(loss)
        return found

    def add(self, losses: Iterable[Loss]) -> int:
        """Append losses, or write the file anew with them; returns the bytes written."""
        fresh = Losses()
        for loss in losses:
            fresh.note(loss)
            self.losses.note(loss)
        anew = self._torn or self.size > 2 * self._whole_bytes + _HISTORY_BYTES
        data = _framed((self.losses if anew else fresh).waiting)
        try:
            self._write(data, anew)
        except OSError:
            self._torn = True  # half a record may stand at its end
            raise
        if anew:
            self.size, self._whole_bytes, self._torn = 0, len(data), False
        self.size += len(data)
        return len(data)

    def _write(self, data: bytes, anew: bool) -> None:
        target, mode = (self.path.with_suffix(".new"), "wb") if anew else (self.path, "ab")
        if self.durable:
            write_durably(target, data, mode)
        else:
            with target.open(mode) as file:
                file.write(data)
        if anew:
            target.replace(self.path)
        if self.durable and (anew or not self.size):
            sync_folder(self.path.parent)

    def clear(self) -> None:
        """Remove the file; where a cut brings it back, its losses are told once more."""
        self.losses.drain()
        if self.size or self._torn:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
                self.size, self._whole_bytes, self._torn = 0, 0, False


class Intents:
    """What each tier is about to give up, or has, and what nobody has told yet."""

    def __init__(self, memory: Path, card: Path) -> None:
        """Name the folders of the tiers; nothing is touched before `load`."""
        self._memory = _File(memory / NAME, durable=False)
        self._card = _File(card / NAME, durable=True)

    def load(self) -> tuple[list[DraftRecord], list[Scan]]:
        """Return what earlier processes may have given up without having told it, and what the files hold."""
        scans = [self._card.load(), self._memory.load()]
        losses = [*self._card.losses.waiting, *self._memory.losses.waiting]
        return [draft_of_loss(one) for one in losses], scans

    def announce(self, losses: Sequence[Loss], on_card: bool) -> int:
        """Write down what is about to be given up; returns the bytes that the card took.

        Raises:
            OSError: the tier does not take it.
        """
        if not losses:
            return 0
        written = (self._card if on_card else self._memory).add(losses)
        return written if on_card else 0

    def told(self) -> None:
        """Forget all of it: there are durable reports of it."""
        self._card.clear()
        self._memory.clear()
