"""Walk through the journal's files without touching them: no lock, no mark, not even a time of access.

The order makes it right beside a running gateway: the log of unsealed samples first, then the memory tier, then the
card, which is the way that a reading goes. So none slips through, and one that moved on meanwhile is known by its key.
A file that is gone when it is looked for was dropped by the gateway: what was in it is settled or further on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from lentera_gateway.journal.damaged import FOLDER, DamagedBytes
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.inspect import (
    Damage,
    PlaceFacts,
    Seen,
    Waiting,
    Where,
    batch_of,
    batches_of,
    still_unsealed,
    unsealed_of,
)
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.records import StateRecord
from lentera_gateway.journal.recovery import settled_keys
from lentera_gateway.journal.state import STATE_NAME, last_state, pins_of
from lentera_model.batch import BatchError, ClockFit


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of a tier: its path and its size when the folder was listed."""

    path: Path
    size: int


def read_untouched(path: Path) -> bytes:
    """Return a file's bytes, without noting the time of access where the system lets us.

    Raises:
        OSError: when the file cannot be read.
    """
    with open(path, "rb", opener=_untouched) as file:
        return file.read()


def _untouched(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NOATIME | os.O_CLOEXEC)
    except PermissionError:  # only the owner may ask for that
        return os.open(path, flags | os.O_CLOEXEC)


def _listed(folder: Path, suffix: str) -> list[_Found]:
    """List the files of a folder in the order of their names.

    Raises:
        OSError: when the folder cannot be listed.
    """
    descriptor = _untouched(str(folder), os.O_RDONLY | os.O_DIRECTORY)
    try:
        found: list[_Found] = []
        for name in sorted(os.listdir(descriptor)):
            if name.endswith(suffix):
                with suppress(FileNotFoundError):
                    found.append(_Found(folder / name, os.stat(name, dir_fd=descriptor).st_size))
        return found
    finally:
        os.close(descriptor)


class Survey:
    """One walk through both tiers, the quarantine and the log of unsealed samples.

    Attributes:
        facts: what was found in each place; whole once `waiting` has come to its end.
    """

    def __init__(
        self,
        limits: JournalLimits,
        running: bool = False,
        process: Key | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Describe the walk; nothing is touched before `waiting`.

        Args:
            limits: where the tiers lie.
            running: whether a gateway writes meanwhile: an unfinished record at an end is then no damage.
            process: the last batch that the running process has told of.
            progress: told (bytes looked through, bytes in all) after each batch and file.
        """
        self.facts: dict[Where, PlaceFacts] = {where: PlaceFacts() for where in Where}
        self._limits = limits
        self._running = running
        self._process = process
        self._progress = progress
        self._seen = Seen()
        self._pins: dict[bytes, ClockFit] = {}
        self._done_bytes = 0
        self._total_bytes = 0

    def waiting(self) -> Iterator[Waiting]:
        """Yield each batch that waits once, oldest first within a place, counting it; then those not sealed yet."""
        self._pins = self._known_fits()
        unsealed = self._unsealed()
        self._measure()
        for found in self._everything(unsealed):
            self.facts[found.where].note(found, self._process)
            yield found
        for facts in self.facts.values():
            facts.finish()

    def look(self) -> dict[Where, PlaceFacts]:
        """Walk through it all for the facts alone."""
        for _ in self.waiting():
            continue
        return self.facts

    @property
    def damaged_folder(self) -> Path:
        """The folder of copies of damaged bytes."""
        return self._limits.card_dir / "quarantine" / FOLDER

    def damaged_copies(self) -> list[DamagedBytes]:
        """Return where the damaged bytes lay that the gateway has kept copies of."""
        found: list[DamagedBytes] = []
        with suppress(OSError):
            for file in _listed(self.damaged_folder, ".json"):
                with suppress(OSError, msgspec.MsgspecError):  # gone meanwhile, or another version's
                    found.append(msgspec.json.decode(read_untouched(file.path), type=DamagedBytes))
        return found

    def unreadable(self, one: Waiting, error: BatchError) -> None:
        """Note that a batch whose header reads has a body that does not."""
        self.facts[one.where].note_damage(Damage(one.file, one.offset, one.offset + len(one.sealed), error.code))

    def _everything(self, unsealed: list[Waiting]) -> Iterator[Waiting]:
        fits = dict(self._pins)
        for tier in (Where.MEMORY, Where.CARD):
            for found in self._tier(tier):
                if found.clock is not None:
                    fits.setdefault(found.boot_id, found.clock)
                yield found
        yield from self._quarantine()
        for group in still_unsealed(unsealed, self._seen):
            yield replace(group, clock=fits.get(group.boot_id))

    def _known_fits(self) -> dict[bytes, ClockFit]:
        found: list[StateRecord] = []
        for folder in (self._limits.memory_dir, self._limits.card_dir):
            with suppress(OSError):  # without them some readings have no time, which is told
                state = last_state(read_untouched(folder / STATE_NAME))
                found += [] if state is None else [state]
        return pins_of(found)

    def _folder(self, where: Where) -> tuple[Path, str]:
        if where is Where.QUARANTINE:
            return self._limits.card_dir / "quarantine", ".batch"
        tier = self._limits.memory_dir if where is Where.MEMORY else self._limits.card_dir
        return tier / "segments", ".seg"

    def _measure(self) -> None:
        for where in (Where.MEMORY, Where.CARD, Where.QUARANTINE):
            with suppress(OSError):
                self._total_bytes += sum(file.size for file in _listed(*self._folder(where)))

    def _files(self, where: Where) -> Iterator[tuple[_Found, bytes, bool]]:
        """Yield the files of a place with their bytes and whether it is the last; those that do not read are noted."""
        facts = self.facts[where]
        folder, suffix = self._folder(where)
        try:
            listed = _listed(folder, suffix)
        except FileNotFoundError:
            return
        except OSError as error:
            facts.exists = True
            facts.note_skipped(str(folder), error)
            return
        facts.exists = True
        for file in listed:
            try:
                data = read_untouched(file.path)
            except FileNotFoundError:
                facts.gone += 1
            except OSError as error:
                facts.bytes += file.size
                facts.note_skipped(str(file.path), error)
            else:
                yield file, data, file is listed[-1]
            self._done_bytes += file.size
            self._tell(0)

    def _tell(self, further_bytes: int) -> None:
        if self._progress is not None:
            done_bytes = self._done_bytes + further_bytes
            self._progress(done_bytes, max(done_bytes, self._total_bytes))

    def _tier(self, where: Where) -> Iterator[Waiting]:
        facts = self.facts[where]
        for file, data, last in self._files(where):
            settled = self._settled(where, file.path)
            if not file.path.exists():  # dropped meanwhile, perhaps with the marks before they were read
                facts.gone += 1
                continue
            facts.bytes += len(data)
            writing = self._running and last
            for found in batches_of(
                where, str(file.path), data, settled, self._pins, self._seen, facts, being_written=writing
            ):
                yield found
                self._tell(found.offset + len(found.sealed))

    def _settled(self, where: Where, segment: Path) -> set[Key]:
        keys: set[Key] = set()
        name = f"{where}-{segment.stem}.ack"
        for path in (self._limits.memory_dir / "marks" / name, segment.parent / name):
            try:
                keys |= settled_keys(read_untouched(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                self.facts[where].note_skipped(str(path), error)
        return keys

    def _quarantine(self) -> Iterator[Waiting]:
        facts = self.facts[Where.QUARANTINE]
        for file, data, _ in self._files(Where.QUARANTINE):
            facts.bytes += len(data)
            try:
                found = batch_of(Where.QUARANTINE, data, self._pins, str(file.path))
            except BatchError as error:
                facts.note_damage(Damage(str(file.path), 0, len(data), error.code))
                continue
            if self._seen.add(found.key):
                yield found

    def _unsealed(self) -> list[Waiting]:
        facts = self.facts[Where.UNSEALED]
        path = self._limits.memory_dir / "unsealed"
        try:
            data = read_untouched(path)
        except FileNotFoundError:
            return []
        except OSError as error:
            facts.note_skipped(str(path), error)
            return []
        facts.exists = True
        facts.bytes = len(data)
        return unsealed_of(str(path), data, facts, being_written=self._running)
