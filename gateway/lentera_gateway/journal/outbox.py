"""What goes out next: live batches first, then the backlog, oldest first. Runs in the journal's thread only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lentera_gateway.journal.index import Entry, Key
from lentera_gateway.journal.places import Places
from lentera_gateway.journal.segments import Tier
from lentera_model.batch import FORMAT_VERSION, BatchError, ClockFit, peek, to_send, with_clock


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A batch to send: its key, its bytes (clock fit in the header, format known to the cloud), if sealed just now."""

    key: Key
    sealed: bytes
    live: bool


class Outbox:
    """Hands out waiting batches, each once a connection, with a clock fit in the header."""

    def __init__(
        self,
        places: Places,
        boot_id: bytes,
        pins: Callable[[], Mapping[bytes, ClockFit]],
        refuse: Callable[[Key, list[dict[str, str]]], bool],
    ) -> None:
        """Join the places to the clock fits; `refuse` sets a batch aside that can never have one."""
        self._places = places
        self._boot_id = boot_id
        self._pins = pins
        self._refuse = refuse
        self._newest_format = FORMAT_VERSION

    def next_batch(self, live_after: int, newest_format: int = FORMAT_VERSION, backlog: bool = True) -> Outgoing | None:
        """Return the next batch to send and note it as in flight: live ones first, then the backlog, oldest first.

        Args:
            live_after: batches sealed with a higher order are live.
            newest_format: the newest batch format that the cloud knows.
            backlog: others than live ones may go too.
        """
        self._newest_format = newest_format
        for number, entry in self._live(live_after):
            if (outgoing := self._take(self._places.memory, number, entry, live=True)) is not None:
                return outgoing
        return self._next_of_backlog() if backlog else None

    def _next_of_backlog(self) -> Outgoing | None:
        for number in list(self._places.card.index.segments):
            for entry in self._card_entries(number):
                if (outgoing := self._take(self._places.card, number, entry, live=False)) is not None:
                    return outgoing
        for number, entry in list(self._places.memory.index.entries()):
            if (outgoing := self._take(self._places.memory, number, entry, live=False)) is not None:
                return outgoing
        return self._next_held()

    def _live(self, live_after: int) -> list[tuple[int, Entry]]:
        fresh: list[tuple[int, Entry]] = []
        for number, segment in reversed(self._places.memory.index.segments.items()):
            for entry in reversed((segment.entries or {}).values()):
                if entry.order <= live_after:
                    return fresh[::-1]
                fresh.append((number, entry))
        return fresh[::-1]

    def _card_entries(self, number: int) -> Iterator[Entry]:
        segment = self._places.card.index.segments[number]
        if (segment.entries is None and segment.waiting > len(self._flying_from(number))) or not segment.scanned:
            self._places.load_card_segment(number)
        if (segment := self._places.card.index.segments.get(number)) is not None and segment.entries is not None:
            yield from list(segment.entries.values())

    def _flying_from(self, number: int) -> list[Key]:
        return [key for key, place in self._places.in_flight.items() if place == ("card", number)]

    def _take(self, tier: Tier, number: int, entry: Entry, live: bool) -> Outgoing | None:
        if entry.key in self._places.in_flight:
            return None
        fit = None if entry.clocked else self._pins().get(entry.boot_id)
        if not entry.clocked and fit is None and entry.boot_id == self._boot_id:
            return None  # waits for the clock
        try:
            sealed = self._places.read(tier, number, entry)
        except OSError as error:  # not damaged: it stays and may be read another time
            self._places.cannot_read(tier, number, error)
            return None
        if sealed is None:
            self._places.lose(tier, number, entry)
            return None
        self._places.in_flight[entry.key] = (tier.name, number)
        dated = self._dated(entry.key, sealed, entry.clocked, fit)
        return None if dated is None else Outgoing(entry.key, dated, live)

    def _dated(self, key: Key, sealed: bytes, clocked: bool, fit: ClockFit | None) -> bytes | None:
        """Return the bytes to send; None for a batch that had to be set aside.

        The header is read here although the bytes are the ones once sealed: the cloud names a batch that it refuses by
        its header, so one whose header does not read could never be answered.
        """
        if not clocked and fit is None:
            text = "the gateway restarted before it knew the time of the boot that took these readings"
            self._refuse(key, [{"code": "clock_unknown", "text": text}])
            return None
        try:
            if not clocked and fit is not None:
                sealed = with_clock(sealed, fit)
            peek(sealed)
            return to_send(sealed, self._newest_format)
        except BatchError as error:
            self._refuse(key, [{"code": error.code, "text": str(error)}])
            return None

    def _next_held(self) -> Outgoing | None:
        for key, batch in list(self._places.held.batches.items()):
            fit = None if batch.clocked else self._pins().get(batch.boot_id)
            if key in self._places.in_flight or (not batch.clocked and fit is None):
                continue
            self._places.in_flight[key] = ("held", 0)
            dated = self._dated(key, batch.sealed, batch.clocked, fit)
            if dated is not None:
                return Outgoing(key, dated, live=False)
        return None
