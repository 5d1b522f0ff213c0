"""The ledger of numbered samples: what the journal was given, what it promised, what the cloud has. Pure.

A sample is known by its number and its values follow from the number, so what is missing, doubled, altered or invented
shows without knowing anything of the journal's insides.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from lentera_gateway.journal.index import Key
from lentera_model.batch import ClockFit, decode
from lentera_model.protocol import GapReport
from lentera_model.readings import Sample

NUMBER = "energy_active_import"


def numbered(number: int, monotonic_ms: int) -> Sample:
    """Return the sample of a number; its values are noise that every store keeps exactly."""
    noise = random.Random(number)
    values = {f"noise_{index}": noise.getrandbits(20) / 8 for index in range(8)}
    return Sample(f"m{number % 3}", "p", monotonic_ms, values | {NUMBER: float(number)})


def number_of(sample: Sample) -> int:
    """Return the number of a sample."""
    return round(sample.values[NUMBER])


def numbers_in(sealed: bytes) -> set[int]:
    """Return the numbers of the samples in a batch."""
    return {number_of(sample) for sample in decode(sealed).samples}


@dataclass(slots=True)
class Cloud:
    """A store that keeps what it takes and refuses to be lied to."""

    given: dict[int, Sample]
    batches: dict[Key, set[int]] = field(default_factory=dict)
    fits: dict[Key, ClockFit] = field(default_factory=dict)
    key_of: dict[int, Key] = field(default_factory=dict)

    def take(self, key: Key, sealed: bytes) -> None:
        """Store a batch, or know it for a replay; raises AssertionError when it cannot be right."""
        batch = decode(sealed)
        assert (batch.header.key.epoch, batch.header.key.sequence) == key, f"{key} is not what its header says"
        assert batch.header.clock is not None, f"{key} came without a clock fit"
        numbers = {number_of(sample) for sample in batch.samples}
        assert len(numbers) == len(batch.samples), f"{key} holds a sample twice"
        for sample in batch.samples:
            given = self.given.get(number_of(sample))
            assert sample == given, f"{key} holds {sample}, but the journal was given {given}"
        known = self.batches.setdefault(key, numbers)
        assert numbers <= known, f"{key} came again with {sorted(numbers - known)}, which would be taken for a replay"
        assert self.fits.setdefault(key, batch.header.clock) == batch.header.clock, f"{key} came with another fit"
        for number in numbers:
            first = self.key_of.setdefault(number, key)
            assert first == key, f"sample {number} came under {first} and again under {key}"


@dataclass(slots=True)
class View:
    """What is true before a call of the run.

    Attributes:
        cloud: what was delivered.
        kept: samples that a killed process must not lose.
        durable: samples that a power cut must not lose.
        epochs: epochs in use.
        commands: execution -> its states from the one on that was said to be durable.
        boot: the boot's id and its clock at the last tick.
        taken: sample -> the boot that took it, its stamp there, and the time that it was then (Unix ms).
    """

    cloud: Cloud
    kept: set[int] = field(default_factory=set)
    durable: set[int] = field(default_factory=set)
    epochs: set[int] = field(default_factory=set)
    commands: dict[str, list[str]] = field(default_factory=dict)
    boot: tuple[bytes, int] = (bytes([1]) * 16, 4000)
    taken: dict[int, tuple[bytes, int, int]] = field(default_factory=dict)


def untold(
    taken: Mapping[int, tuple[bytes, int, int]],
    found: Collection[int],
    gaps: Collection[GapReport],
    fits: Mapping[bytes, ClockFit],
) -> list[int]:
    """Return the samples that are missing and lie in no known gap.

    Args:
        taken: sample -> boot, stamp, time.
        found: samples that are not missing.
        gaps: what was told.
        fits: boot -> the fit by which its stamps are dated, where there is one.
    """
    missing: list[int] = []
    for number, (boot_id, stamp_ms, wall_ms) in taken.items():
        at_ms = stamp_ms + fits[boot_id].offset_ms if boot_id in fits else wall_ms
        if number not in found and not any(gap.from_ms <= at_ms <= gap.to_ms for gap in gaps):
            missing.append(number)
    return missing


@dataclass(slots=True)
class Ledger:
    """What happened in a run, each event with the number of calls made before it."""

    position: Callable[[], int]
    given: dict[int, Sample] = field(default_factory=dict)
    events: list[tuple[int, Callable[[View], object]]] = field(default_factory=list)

    def note(self, event: Callable[[View], object]) -> None:
        """Note something that is true from here on."""
        self.events.append((self.position(), event))

    def sample(self, boot_id: bytes, monotonic_ms: int, wall_ms: int) -> Sample:
        """Return the next sample."""
        number = len(self.given) + 1
        self.given[number] = numbered(number, monotonic_ms)
        self.note(lambda view: view.taken.setdefault(number, (boot_id, monotonic_ms, wall_ms)))
        return self.given[number]

    def kept(self, numbers: Iterable[int]) -> None:
        """Note what a killed process must not lose from here on."""
        some = set(numbers)
        self.note(lambda view: view.kept.update(some))

    def durable(self, numbers: Iterable[int]) -> None:
        """Note what a power cut must not lose from here on."""
        some = set(numbers)
        self.note(lambda view: view.durable.update(some))

    def delivered(self, key: Key, sealed: bytes) -> None:
        """Note a batch that reached the cloud."""
        self.note(lambda view: view.cloud.take(key, sealed))

    def epoch(self, epoch: int) -> None:
        """Note that an epoch is in use."""

        def begin(view: View) -> None:
            assert epoch not in view.epochs, f"epoch {epoch} is used twice"
            view.epochs.add(epoch)

        self.note(begin)

    def boot(self, boot_id: bytes, monotonic_ms: int) -> None:
        """Note which boot it is and what its clock says."""

        def change(view: View) -> None:
            view.boot = boot_id, monotonic_ms

        self.note(change)

    def command(self, execution: str, state: str, durable: bool) -> None:
        """Note a command's state: about to be kept, or kept."""

        def change(view: View) -> None:
            if durable:
                view.commands[execution] = [state]
            elif execution in view.commands:
                view.commands[execution].append(state)

        self.note(change)

    def before(self, position: int) -> View:
        """Return what is true before the call of this number."""
        view = View(Cloud(dict(self.given)))
        for at, event in self.events:
            if at <= position:
                event(view)
        return view
