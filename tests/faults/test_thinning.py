"""A cut at each call of a run in which a full tier is thinned and then gives up a segment.

Lost is what that took alone, each lost value lies in a known gap of its detail, and nothing is doubled.
"""

import errno
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.outbox import Outgoing
from lentera_gateway.journal.records import BatchRecord, decode_record
from lentera_gateway.journal.segments import Tier
from lentera_gateway.journal.store import JournalStore
from lentera_gateway.journal.telling import after_tick
from lentera_model.batch import ClockFit, decode, peek
from lentera_model.protocol import GapReport
from lentera_model.readings import Sample
from tests.faults.disk import KINDS, Disk, Image
from tests.faults.files import Files, Judge, Op, Refusal
from tests.faults.recovery import gaps_of
from tests.faults.run import START_WALL_MS
from tests.faults.seeds import FIRST_SEED, LONG, named, quick_folder, some
from tests.gateway.stores import BOOT, killed

FIT = ClockFit(START_WALL_MS, 5, "ntp")
TICK_MS = 300_000
Row = tuple[str, str, int, float]


def rows_in(sealed: bytes) -> set[Row]:
    return {
        (sample.device, name, sample.monotonic_ms, value)
        for sample in decode(sealed).samples
        for name, value in sample.values.items()
    }


def waiting_in(tier: Tier) -> set[Row]:
    """Return what a tier's files hold that nobody has acknowledged."""
    found: set[Row] = set()
    for number, segment in tier.index.segments.items():
        for frame in tier.read(number).frames:
            record = decode_record(frame.record)
            if isinstance(record, BatchRecord):
                key = peek(record.sealed).key
                if Key(key.epoch, key.sequence) not in segment.settled:
                    found |= rows_in(record.sealed)
    return found


@dataclass
class Cloud:
    """A store that knows a replay by its name; more than it has under that name would be lost."""

    rows_of: dict[Key, set[Row]] = field(default_factory=dict)

    def take(self, outgoing: Outgoing) -> None:
        rows = rows_in(outgoing.sealed)
        known = self.rows_of.setdefault(outgoing.key, rows)
        assert rows <= known, f"{outgoing.key} came again with {len(rows - known)} values more"

    def all(self) -> set[Row]:
        found: set[Row] = set()
        for key, rows in self.rows_of.items():
            assert not found & rows, f"values of {key} came under another name too"
            found |= rows
        return found


def untold(gone: set[Row], left: set[Row], gaps: list[GapReport]) -> set[Row]:
    """Return which of these lost values lie in no gap that says as much.

    One that says "one value in so many seconds is left" covers a value only where such a one is left.
    """
    rest = {detail_s: {(*row[:2], row[2] // (1000 * detail_s)) for row in left} for detail_s in (60, 900)}

    def tells(gap: GapReport, row: Row) -> bool:
        device, name, at_ms, _ = row
        if not gap.from_ms - gap.uncertainty_ms <= FIT.offset_ms + at_ms <= gap.to_ms + gap.uncertainty_ms:
            return False
        if gap.devices and device not in gap.devices:
            return False
        return gap.detail_s == 0 or (device, name, at_ms // (1000 * gap.detail_s)) in rest[gap.detail_s]

    return {row for row in gone if not any(tells(gap, row) for gap in gaps)}


@dataclass(frozen=True)
class Moment:
    """What was true after a tick: the calls made so far, what was read, what waits in the tier, what the cloud has."""

    calls: int
    read: set[Row]
    waiting: set[Row]
    cloud: dict[Key, set[Row]]


@dataclass
class Outage:
    """A store that is filled until it gives up whole segments; now and then the cloud is there for a moment."""

    root: Path
    files: Files
    tier_name: str
    read: set[Row] = field(default_factory=set)
    moments: list[Moment] = field(default_factory=list)
    cloud: Cloud = field(default_factory=Cloud)
    noise: random.Random = field(default_factory=lambda: random.Random(FIRST_SEED))

    def limits(self) -> JournalLimits:
        return JournalLimits(
            self.root / "mem", self.root / "card", 1.0, memory_max_bytes=1 << 15, card_max_bytes=1 << 15
        )

    def samples(self, now_ms: int) -> list[Sample]:
        found: list[Sample] = []
        for at_ms in range(now_ms - TICK_MS, now_ms, 20_000):
            for device in ("m1", "m2"):
                names = ("voltage_l1", "current_l1", "power_active_l1", "frequency", "level_commanded_percent")
                values = {name: self.noise.getrandbits(20) / 8 for name in names}
                values["energy_active_import"] = float(self.noise.getrandbits(50))
                values["lamp_failure"] = 0.0
                found.append(Sample(device, "p", at_ms, values))
        return found

    def deliver(self, store: JournalStore, acknowledge: bool) -> None:
        for _ in range(2):
            outgoing = store.outbox.next_batch(1 << 40)
            if outgoing is not None:
                self.cloud.take(outgoing)
                if acknowledge:
                    assert store.settle(outgoing.key)

    def live(self) -> JournalStore:
        store = JournalStore("gw-1", BOOT, self.limits())
        store.open(0, START_WALL_MS)
        tier = store.places.tier(self.tier_name)
        for tick in range(1, 400):
            now_ms = tick * TICK_MS
            samples = self.samples(now_ms)
            store.seal(samples, now_ms, FIT)
            self.read |= {
                (one.device, name, one.monotonic_ms, value) for one in samples for name, value in one.values.items()
            }
            store.mover.maintain(now_ms + 2000)
            at_ms = now_ms + 2000
            after_tick(store, at_ms, at_ms, None, [], FIT, FIT.offset_ms + at_ms)
            if tick % 7 == 3:
                self.deliver(store, acknowledge=tick % 2 == 0)
            if tick % 7 == 4:
                store.connection_lost()
            cloud = {key: set(rows) for key, rows in self.cloud.rows_of.items()}
            self.moments.append(Moment(len(self.files.ops), set(self.read), waiting_in(tier), cloud))
            if store.status().counters.dropped_values:
                return store
        raise AssertionError("the tier never came to its last step")


def recorded(root: Path, tier_name: str, judge: Judge | None = None) -> Outage:
    files = Files(root, judge=judge)
    with files.watching():
        outage = Outage(root, files, tier_name)
        store = outage.live()
        counters = store.status().counters
        killed(store)
    steps = (counters.thinned_60_s_values, counters.thinned_900_s_values, counters.thinned_counter_values)
    assert all(steps), f"not every step was met: {steps}"
    return outage


def check(image: Image, outage: Outage, number: int, boot: bytes) -> None:
    """Recover from what a cut at this call has left, deliver it, and hold it against what was there before."""
    before = max((one for one in outage.moments if one.calls <= number), key=lambda one: one.calls, default=None)
    after = min((one for one in outage.moments if one.calls > number), key=lambda one: one.calls, default=None)
    must = before.waiting & after.waiting if before is not None and after is not None else set[Row]()
    cloud = Cloud({key: set(rows) for key, rows in before.cloud.items()} if before is not None else {})
    with quick_folder() as root:
        image.lay(root)
        store = JournalStore("gw-1", boot, Outage(root, outage.files, "card").limits())
        store.open(5_000_000_000, START_WALL_MS + 6_000_000_000)
        while store.scan_card():
            pass
        if number % 2:  # it is still full, and thinned on
            store.mover.maintain(5_000_000_001)
        fit = FIT if boot == BOOT else ClockFit(FIT.offset_ms + 1_000_000_000, 5, "ntp")
        after_tick(store, 5_000_000_001, 5_000_000_001, 5_000_000_001, [], fit, fit.offset_ms + 5_000_000_001)
        gaps = [one for one in gaps_of(store) if one.reason != "damaged"]
        counters = store.status().counters
        thinned = counters.thinned_60_s_values + counters.thinned_900_s_values + counters.thinned_counter_values
        for _ in range(1000):
            outgoing = store.outbox.next_batch(1 << 40)
            if outgoing is None:
                break
            cloud.take(outgoing)
            store.settle(outgoing.key)
        assert store.status().waiting_batches == 0
        killed(store)
        assert not list(root.rglob("segments/*.new")), "half a replacement was left"
    found = cloud.all()
    assert found <= outage.read, "never read"
    lost = len(must - found)
    assert lost <= thinned + counters.dropped_values, f"{lost} values are lost, {thinned} of them were thinned now"
    nowhere = untold(before.read - found, found, gaps) if before is not None else set[Row]()
    assert not nowhere, f"{len(nowhere)} values are lost and in no known gap, one is {min(nowhere)} of {gaps}"


def calls_of(outage: Outage, tier: str, count: int) -> list[int]:
    """Return the calls looked at: those after the last segment went, some about replacements, some of the others."""
    ops = outage.files.ops
    close = [
        near
        for number, op in enumerate(ops)
        if op.kind == "rename" and "/segments/" in op.path
        for near in range(number - 3, number + 5)
    ]
    rest = [number for number, op in enumerate(ops) if op.path.startswith(tier)]
    last = max(number for number, op in enumerate(ops) if op.kind == "unlink" and op.path.endswith(".seg"))
    chosen = {*some(sorted(set(close)), count, FIRST_SEED), *some(rest, count // 4, FIRST_SEED)}
    chosen |= set(range(last, last + 4))
    return sorted(number for number in chosen if number < len(ops))


@pytest.mark.timeout(3600)
def test_a_power_cut_at_any_call_of_the_thinning_loses_only_what_was_thinned():
    print("seed", FIRST_SEED)
    with quick_folder() as root:
        outage = recorded(root, "card")
    replaced = [op for op in outage.files.ops if op.kind == "rename" and op.path.startswith("card/segments")]
    assert len(replaced) >= 6
    disk, done = Disk(), 0
    for number in calls_of(outage, "card", 32):
        disk.follow(outage.files.ops[done:number])
        done = number
        random_ = random.Random(f"{FIRST_SEED} {number}")
        for kind in KINDS if LONG else random_.sample(KINDS, 2):
            with named("seed", FIRST_SEED, "call", number, kind, outage.files.ops[number].kind):
                image = disk.after_power_cut(kind, random_).without("mem")
                check(image, outage, number, b"after power cut!")


def no_card(op: Op) -> Refusal | None:
    return Refusal(errno.EIO) if op.path.startswith("card") and op.kind != "read" else None


@pytest.mark.timeout(3600)
def test_a_kill_at_any_call_of_the_thinning_in_memory_loses_only_what_was_thinned():
    print("seed", FIRST_SEED)
    with quick_folder() as root:
        outage = recorded(root, "memory", no_card)
    disk, done = Disk(), 0
    for number in calls_of(outage, "mem", 32):
        disk.follow(outage.files.ops[done:number])
        done = number
        with named("seed", FIRST_SEED, "call", number, outage.files.ops[number].kind):
            check(disk.as_it_is(), outage, number, BOOT)
