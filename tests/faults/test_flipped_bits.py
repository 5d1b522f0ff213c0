"""One bit of any file of the journal is wrong: its record is stepped over and reported, all else is there."""

import random
from collections import Counter

import pytest

from lentera_gateway.journal.framing import scan
from lentera_gateway.journal.records import BatchRecord, SamplesRecord, decode_record, from_rows
from tests.faults.disk import Disk, Image
from tests.faults.ledger import View, number_of, numbers_in
from tests.faults.recovery import Restart, after_power_cut, check, same_boot
from tests.faults.run import Recorded, record
from tests.faults.seeds import LONG, SEEDS, named, quick_folder, some

SOME_SEEDS = SEEDS[:3]
"""In the long form every byte of one run takes five to ten minutes; the other long forms look at twenty runs."""


@pytest.fixture(params=SOME_SEEDS, ids=lambda seed: f"seed{seed}")
async def recorded(request):
    """A run and its seed."""
    print("seed", request.param)
    with quick_folder() as root:
        yield await record(root, request.param), request.param


def touched(path: str, data: bytes, offset: int) -> set[int]:
    """Return the samples in the record at an offset of a file."""
    if path.endswith(".batch"):
        return numbers_in(data)
    for frame in scan(data).frames:
        if frame.offset <= offset < frame.offset + frame.size:
            held = decode_record(frame.record)
            if isinstance(held, BatchRecord):
                return numbers_in(held.sealed)
            if isinstance(held, SamplesRecord):
                return {number_of(sample) for sample in from_rows(held.rows)}
    return set()


def flipped(image: Image, path: str, offset: int, bit: int) -> Image:
    data = bytearray(image.files[path])
    data[offset] ^= 1 << bit
    return Image(image.folders, {**image.files, path: bytes(data)})


def places(image: Image, seed: int) -> list[tuple[str, int]]:
    """Return the bytes looked at in this form: all of them, or some of each file."""
    return [
        (path, offset)
        for path, data in sorted(image.files.items())
        for offset in some(range(len(data)), 8 if len(data) > 64 else 3, seed)
    ]


def snapshots(recorded: Recorded) -> list[tuple[int, Image]]:
    """Return (call's number, folders) at some points of the run; at the first, samples wait to be sealed."""
    logged = [number for number, op in enumerate(recorded.ops) if (op.kind, op.path) == ("write", "mem/unsealed")]
    later = (0.45, 0.6, 0.7, 0.8) if LONG else (0.45, 0.7)
    found: list[tuple[int, Image]] = []
    disk, done = Disk(), 0
    for number in (logged[10] + 1, *(round(share * len(recorded.ops)) for share in later)):
        disk.follow(recorded.ops[done:number])
        done = number
        found.append((number, disk.as_it_is()))
    return found


def look(view: View, expected: set[int], image: Image, place: tuple[str, int], restart: Restart) -> None:
    """Recover from one flipped bit; only what its record held may be missing, and then it is reported."""
    path, offset = place
    if path.endswith("commands"):
        view.commands.clear()
    hit = touched(path, image.files[path], offset)
    with quick_folder() as root:
        flipped(image, path, offset, random.Random(f"{place}").randrange(8)).lay(root)
        told_in_it = path.endswith("gap-drafts")  # on the memory tier, for a minute at most
        store = check(root, view, expected - hit, restart, tells=not told_in_it)
    if path.endswith((".seg", "unsealed")):
        status = store.status()
        assert status.damaged_records + status.torn_bytes > 0, "not reported"


@pytest.mark.timeout(3600)
def test_a_flipped_bit_costs_its_own_record_alone(recorded):
    run, seed = recorded
    kinds: Counter[str] = Counter()
    for number, image in snapshots(run):
        for place in places(image, seed):
            view = run.ledger.before(number)
            kinds[place[0].rpartition(".")[2] if "." in place[0] else place[0]] += 1
            with named("seed", seed, "call", number, *place):
                look(view, view.kept, image, place, same_boot(view))
    assert {"seg", "ack", "batch", "json", "card/state", "mem/state", "card/commands", "mem/unsealed"} <= set(kinds)


@pytest.mark.timeout(3600)
def test_a_flipped_bit_on_the_card_after_a_power_cut_costs_its_own_record_alone(recorded):
    run, seed = recorded
    for number, image in snapshots(run):
        card = image.without("mem")
        for place in places(card, seed):
            view = run.ledger.before(number)
            with named("seed", seed, "call", number, *place):
                look(view, view.durable, card, place, after_power_cut(random.Random(f"{place}")))
