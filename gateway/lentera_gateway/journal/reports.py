"""What the gateway tells of itself and must not forget before the cloud has it: known gaps and the hours' tallies.

A small append-only file on the card, with the journal's framing; where the card refuses, on the memory tier, which
still survives a killed process, until the card takes it. What the cloud has noted is marked on the memory tier only, as
a batch is: an acknowledgement never costs the card a write, and a report that is sent again is known by its epoch and
number. Nothing is written while there is nothing to tell. Runs in the journal's thread only.

Beside each report that begins earlier than those before it stands how early: so one record that does not read any more
leaves it known from when on something may have been told that is lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from lentera_gateway.clock import BUILD_TIME_MS
from lentera_gateway.journal.framing import Scan, frame, scan
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.joined import distance_ms, joined, nearest_pair
from lentera_gateway.journal.records import NotedRecord, ReportRecord, SinceRecord, decode_record, encode_record
from lentera_gateway.journal.segments import sync_folder, write_durably
from lentera_gateway.journal.status import ReportsStatus
from lentera_model.protocol import GapReport, ProtocolError, Tally, TallyRow, decode_gateway_message, encode_message

Report = GapReport | Tally
NAME: Final = "reports"
NOTED_NAME: Final = "reports-noted"
MAX_REPORTS: Final = 1_000
MAX_BYTES: Final = 4 * 1024 * 1024
"""A week of hourly tallies of 250 meters with two paces each."""
_IDLE_BYTES: Final = 16 * 1024
"""Bytes of noted reports in the file that are not worth writing it anew."""
_RETRY_MS: Final = 60_000
_ROWS_A_TALLY: Final = 500
"""Rows of the longest names that fit into one message."""


@dataclass(slots=True)
class _Waiting:
    """A report that the cloud has not noted: its frame's size, whether the link ever had it, whether the card has."""

    report: Report
    size: int
    told: bool
    on_card: bool


def reports_in(found: Scan) -> list[Report]:
    """Return the reports of a file, the last of each number."""
    latest: dict[Key, Report] = {}
    for item in found.frames:
        record = decode_record(item.record)
        if isinstance(record, ReportRecord):
            with contextlib.suppress(ProtocolError):  # a newer version's
                message = decode_gateway_message(record.message)
                if isinstance(message, GapReport | Tally):
                    latest[Key(message.epoch, message.number)] = message
    return list(latest.values())


def _begin_ms(report: Report) -> int:
    return report.from_ms if isinstance(report, GapReport) else report.hour_ms


def _since(from_ms: int) -> bytes:
    return frame(encode_record(SinceRecord(from_ms)))


def _since_in(found: Scan) -> list[int]:
    records = (decode_record(item.record) for item in found.frames)
    return [record.from_ms for record in records if isinstance(record, SinceRecord)]


def lost_since_ms(found: Scan) -> int | None:
    """Return from when on reports of a file may have told what nobody can read any more; None: it is whole."""
    if not (found.damaged or found.torn_tail_bytes):
        return None
    return min([*_since_in(found), *map(_begin_ms, reports_in(found))], default=BUILD_TIME_MS)


def noted_in(found: Scan) -> set[Key]:
    """Return the keys that a file of marks says are noted."""
    records = (decode_record(item.record) for item in found.frames)
    return {Key(record.epoch, record.number) for record in records if isinstance(record, NotedRecord)}


class ReportLog:
    """The reports that the cloud has not noted, oldest first."""

    def __init__(self, memory: Path, card: Path, max_reports: int = MAX_REPORTS, max_bytes: int = MAX_BYTES) -> None:
        """Name the two folders and the bounds; nothing is touched before `load`."""
        self.memory = memory
        self.card = card
        self.max_reports = max_reports
        self.max_bytes = max_bytes
        self.written_bytes = 0
        self.dropped_tallies = 0
        self.joined_gaps = 0
        self.error: str | None = None
        self._epoch = 0
        self._number = 0
        self._waiting: dict[Key, _Waiting] = {}
        self._live_bytes = 0
        self._idle_bytes = 0
        self._whole = True
        self._retry_at_ms = 0
        self._since_ms: int | None = None

    def load(self, epoch: int) -> list[Scan]:
        """Remember what earlier processes left and begin the numbers of this epoch; returns what the files hold."""
        self._epoch, self._number = epoch, 0
        scans: list[Scan] = []
        for path, on_card in ((self.card / NAME, True), (self.memory / NAME, False)):
            found = self._scanned(path)
            if found is None:
                continue
            scans.append(found)
            if on_card:
                self._since_ms = min(_since_in(found), default=None)
            for report in reports_in(found):
                self._put(report, told=True, on_card=on_card)
        marks = self._scanned(self.memory / NOTED_NAME)
        for key in noted_in(marks or Scan()):
            self._forget(key)
        self._whole = any(found.damaged or found.torn_tail_bytes for found in scans) or not (self.card / NAME).exists()
        self._keep_within_bounds()
        return scans

    def _scanned(self, path: Path) -> Scan | None:
        try:
            return scan(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            self.error = f"{path}: {error.strerror or error}"
            return None

    def add_gap(self, gap: GapReport, join_within_ms: int | None = None) -> None:
        """Keep a gap under the next number; its epoch and number are given here.

        Args:
            gap: what is missing or may be.
            join_within_ms: widen a gap of the same kind that is no further away and was never sent, instead.
        """
        if join_within_ms is not None and self._says_nothing_new(gap):
            return
        near = self._near(gap, join_within_ms) if join_within_ms is not None else None
        self._keep(self._numbered(gap) if near is None else joined(near, gap))

    def add_tally(self, hour_ms: int, rows: Sequence[TallyRow]) -> None:
        """Keep an hour's tally under the next numbers: several of one hour add up, so a long one goes in parts."""
        for first in range(0, len(rows), _ROWS_A_TALLY):
            self._keep(self._numbered(Tally(0, 0, hour_ms, list(rows[first : first + _ROWS_A_TALLY]))))

    def _numbered(self, report: Report) -> Report:
        self._number += 1
        return msgspec.structs.replace(report, epoch=self._epoch, number=self._number)

    def _says_nothing_new(self, gap: GapReport) -> bool:
        """Whether a gap that waits claims all of it: damage that stays on the card is found at each start."""
        return not gap.values and any(
            isinstance(one, GapReport)
            and (one.reason, one.detail_s) == (gap.reason, gap.detail_s)
            and (not one.devices or (gap.devices and set(gap.devices) <= set(one.devices)))
            and one.from_ms <= gap.from_ms
            and gap.to_ms <= one.to_ms
            for one in self._reports()
        )

    def _near(self, gap: GapReport, within_ms: int) -> GapReport | None:
        kind = (gap.reason, gap.detail_s)
        for waiting in reversed(self._waiting.values()):
            other = waiting.report
            if isinstance(other, GapReport) and not waiting.told and (other.reason, other.detail_s) == kind:
                return other if distance_ms(other, gap) <= within_ms else None
        return None

    @property
    def all_on_card(self) -> bool:
        """Whether the card has every report that waits."""
        return all(one.on_card for one in self._waiting.values())

    def waiting(self) -> list[Report]:
        """Return what is to be told: gaps first, oldest first."""
        return sorted((one.report for one in self._waiting.values()), key=lambda one: isinstance(one, Tally))

    def to_send(self, sent: Callable[[Key], bool]) -> Report | None:
        """Return the next report that this connection has not had; from then on it is never changed."""
        for report in self.waiting():
            key = Key(report.epoch, report.number)
            if not sent(key):
                self._waiting[key].told = True
                return report
        return None

    def noted(self, key: Key) -> bool:
        """Forget a report that the cloud has; False when it was not known."""
        if not self._forget(key):
            return False
        mark = frame(encode_record(NotedRecord(key.epoch, key.sequence)))
        with contextlib.suppress(OSError), (self.memory / NOTED_NAME).open("ab", buffering=0) as file:
            file.write(mark)  # it only spares a report that is sent again
        return True

    def maintain(self, monotonic_ms: int) -> None:
        """Bring to the card what only the memory tier has, if the card takes it again."""
        if monotonic_ms >= self._retry_at_ms and not self.all_on_card:
            self._retry_at_ms = monotonic_ms + _RETRY_MS
            with contextlib.suppress(OSError):  # said in `error`
                self._to_card(None)

    def close(self) -> None:
        """At shutdown: nothing of what the cloud has is told again after a reboot."""
        if not self._waiting and self._idle_bytes:
            with contextlib.suppress(OSError):  # it is told again, which the cloud knows
                (self.card / NAME).unlink(missing_ok=True)
                sync_folder(self.card)
                self._clear_memory()

    def status(self) -> ReportsStatus:
        """Return how much waits."""
        tallies = sum(1 for one in self._waiting.values() if isinstance(one.report, Tally))
        gaps = len(self._waiting) - tallies
        return ReportsStatus(gaps, tallies, self.dropped_tallies, self.joined_gaps, self.error)

    def _put(self, report: Report, told: bool, on_card: bool) -> bytes:
        key = Key(report.epoch, report.number)
        framed = frame(encode_record(ReportRecord(encode_message(report))))
        self._forget(key)
        self._waiting[key] = _Waiting(report, len(framed), told, on_card)
        self._live_bytes += len(framed)
        return framed

    def _forget(self, key: Key) -> bool:
        gone = self._waiting.pop(key, None)
        if gone is None:
            return False
        self._live_bytes -= gone.size
        self._idle_bytes += gone.size
        return True

    def _keep(self, report: Report) -> None:
        framed = self._put(report, told=False, on_card=False)
        self._keep_within_bounds()
        try:
            self._to_card(framed, _begin_ms(report))
        except OSError:
            with contextlib.suppress(OSError):  # then only the process has it; the card's trouble is what is shown
                write_durably(self.memory / NAME, _since(_begin_ms(report)) + framed, "ab")

    def _to_card(self, framed: bytes | None, begin_ms: int = 0) -> None:
        """Append to the card's file, or write it anew where something else is not there or most of it is history.

        Raises:
            OSError: the card refuses; `error` says why.
        """
        path = self.card / NAME
        missing = sum(1 for one in self._waiting.values() if not one.on_card)
        whole = self._whole or framed is None or missing > 1 or self._idle_bytes > self._live_bytes + _IDLE_BYTES
        try:
            if whole:
                since_ms = min((_begin_ms(one) for one in self._reports()), default=begin_ms)
                data = _since(since_ms) + b"".join(
                    frame(encode_record(ReportRecord(encode_message(one)))) for one in self._reports()
                )
                write_durably(path.with_suffix(".new"), data)
                path.with_suffix(".new").replace(path)
                sync_folder(self.card)
            else:
                earlier = self._since_ms is None or begin_ms < self._since_ms
                since_ms = begin_ms if self._since_ms is None else min(begin_ms, self._since_ms)
                data = (_since(begin_ms) if earlier else b"") + (framed or b"")
                write_durably(path, data, "ab")
        except OSError as error:
            self._whole = True  # half a record may stand at its end
            self.error = f"{path}: {error.strerror or error}"
            raise
        self.written_bytes += len(data)
        self._since_ms = since_ms
        self.error = None
        for one in self._waiting.values():
            one.on_card = True
        if whole:
            self._whole, self._idle_bytes = False, 0
            self._clear_memory()

    def _reports(self) -> list[Report]:
        return [one.report for one in self._waiting.values()]

    def _clear_memory(self) -> None:
        """Remove what the card has now, and the marks of what it does not have any more."""
        for name in (NAME, NOTED_NAME):
            with contextlib.suppress(OSError):  # what is left is known by its numbers
                (self.memory / name).unlink(missing_ok=True)

    def _keep_within_bounds(self) -> None:
        while len(self._waiting) > self.max_reports or self._live_bytes > self.max_bytes:
            tally = next((key for key, one in self._waiting.items() if isinstance(one.report, Tally)), None)
            if tally is not None:
                self._forget(tally)
                self.dropped_tallies += 1
                continue
            pair = nearest_pair([one for one in self._reports() if isinstance(one, GapReport)])
            if pair is None:  # one gap of each reason: they are few
                return
            for one in pair:
                self._forget(Key(one.epoch, one.number))
            self._put(self._numbered(joined(*pair)), told=False, on_card=False)
            self.joined_gaps += 1
            self._whole = True  # on the card the two must go with the one that stands for them
