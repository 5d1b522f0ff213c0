"""What the journal gave up, told: adjacent losses are one, the list is bounded, nothing is counted twice or lost."""

from lentera_gateway.journal.journal import MAX_UNSEALED_SAMPLES, Journal
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.losses import ADJACENT_MS, MAX_DEVICES, MAX_LOSSES, Loss, Losses, LossReason
from lentera_model.batch import ClockFit
from tests.gateway.stores import BOOT, FIT, WALL, sample


def lost(
    from_ms: int,
    to_ms: int,
    devices: tuple[str, ...] = ("m1",),
    reason: LossReason = "journal_thinned",
    detail_s: int = 60,
    values: int = 1,
    clock: ClockFit | None = FIT,
    boot: bytes = BOOT,
) -> Loss:
    return Loss(reason, boot, clock, from_ms, to_ms, devices, detail_s, values)


def noted(*losses):
    box = Losses()
    for loss in losses:
        box.note(loss)
    return box.drain()


def test_adjacent_losses_of_one_kind_are_one():
    first, second = lost(0, 1000, ("m2",), values=3), lost(1000 + ADJACENT_MS, 200_000, ("m1",), values=4)
    assert noted(first, second) == noted(second, first) == [lost(0, 200_000, ("m1", "m2"), values=7)]


def test_losses_that_differ_stay_apart():
    apart = [
        lost(0, 1000),
        lost(1001 + ADJACENT_MS, 200_000),
        lost(0, 1000, reason="journal_dropped"),
        lost(0, 1000, detail_s=900),
        lost(0, 1000, clock=None),
        lost(0, 1000, boot=b"x" * 16),
    ]
    assert noted(*apart) == apart


def test_drained_once():
    box = Losses()
    box.note(lost(0, 1))
    assert len(box.drain()) == 1
    assert box.drain() == []


def test_who_is_not_known_is_taken_for_all():
    many = tuple(f"m{number:03}" for number in range(MAX_DEVICES + 1))
    assert noted(lost(0, 1, many)) == [lost(0, 1, ())]
    assert noted(lost(0, 1, ()), lost(0, 1, ("m1",))) == [lost(0, 1, (), values=2)]
    assert noted(lost(0, 1, many[:-1]), lost(0, 1, many[-1:])) == [lost(0, 1, (), values=2)]


def test_no_more_than_so_many_wait_and_the_nearest_are_joined():
    step = 10 * ADJACENT_MS
    found = [lost(at * step, at * step + 1) for at in range(MAX_LOSSES)]
    near = lost(step + ADJACENT_MS + 2, step + ADJACENT_MS + 3)
    kept = noted(*found, near)
    assert len(kept) == MAX_LOSSES
    assert lost(step, near.to_ms, values=2) in kept
    assert sum(loss.values for loss in kept) == MAX_LOSSES + 1


def test_as_many_boots_as_there_is_room_for_stay_bounded():
    found = [lost(0, 1, boot=at.to_bytes(16)) for at in range(MAX_LOSSES + 3)]
    assert noted(*found) == found[3:]


async def test_samples_that_a_stuck_thread_costs_are_told(tmp_path):
    limits = JournalLimits(tmp_path / "mem", tmp_path / "card")
    journal = Journal("gw-1", BOOT, limits, lambda: 1000, lambda: WALL, lambda: FIT)
    for at in range(MAX_UNSEALED_SAMPLES + 3):
        journal.add(sample(at, device="m2"))
    assert journal._losses.drain() == [lost(0, 2, ("m2",), "samples_dropped", 0, values=6)]
    assert journal._losses.drain() == []
