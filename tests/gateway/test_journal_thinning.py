"""A full journal through a day's outage: thinned in order, each value that is left was read, every loss is told."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from lentera_gateway.journal import Journal
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.losses import Loss, Losses
from lentera_gateway.journal.survey import Survey
from lentera_model.batch import decode
from lentera_model.quantities import CATALOGUE, Kind
from lentera_model.readings import Sample
from tests.gateway.stores import BOOT, FIT, WALL

MOMENTS = ("voltage_l1", "current_l1", "power_active_l1", "power_reactive_l1", "frequency", "temperature")
COUNTER, STATE = "energy_active_import", "level_commanded_percent"
MINUTE_MS = 60_000
CARD_BYTES = 256 * 1024
Row = tuple[str, str, int, float]


def rows_of(samples) -> list[Row]:
    return [
        (sample.device, name, sample.monotonic_ms, value) for sample in samples for name, value in sample.values.items()
    ]


def kind_of(row: Row) -> Kind:
    return CATALOGUE[row[1]].kind


@dataclass
class Outage:
    """A journal whose clock the test moves and whose cloud is away; `read` is all that it was given."""

    limits: JournalLimits
    now_ms: int = 0
    read: list[Row] = field(default_factory=list)
    noted: Losses = field(default_factory=Losses)
    losses: list[Loss] = field(default_factory=list)
    noise: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self):
        self.journal = Journal("gw-1", BOOT, self.limits, lambda: self.now_ms, lambda: WALL, lambda: FIT)
        told = self.journal._store.places.losses
        note = told.note

        def note_beside(loss: Loss) -> None:
            """Listen: the journal itself turns what it is told into known gaps."""
            self.noted.note(loss)
            note(loss)

        told.note = note_beside

    def moments(self, at_ms: int, device: str) -> Sample:
        values = {name: self.noise.getrandbits(20) / 8 for name in MOMENTS}
        values[COUNTER] = float(self.noise.getrandbits(50))
        values[STATE] = float(at_ms // 3_600_000 % 2)
        return Sample(device, "p", at_ms, values)

    def commands(self, at_ms: int, device: str) -> Sample:
        return Sample(device, "p", at_ms, {STATE: self.noise.getrandbits(20) / 8})

    async def minute(self, sampled, devices=("m1", "m2", "m3"), every_ms=10_000):
        for at_ms in range(self.now_ms, self.now_ms + MINUTE_MS, every_ms):
            for device in devices:
                sample = sampled(at_ms, device)
                self.read += rows_of([sample])
                self.journal.add(sample)
        self.now_ms += MINUTE_MS
        await self.journal.tick()
        self.losses += self.noted.drain()
        return await self.journal.status()

    def waiting(self) -> list[Row]:
        """What a reader of the files finds, which is what would be delivered."""
        return [row for one in Survey(self.limits).waiting() for row in rows_of(one.samples())]

    def closed_levels(self) -> list[int]:
        card = self.journal._store.places.card
        return [one.level for one in card.index.segments.values() if one.number != card.open_number]

    def about_to_thin(self) -> int:
        """The level to which segments are being thinned, 0 for none."""
        under_way = self.journal._store.mover._card_thinner._pass
        return under_way.run.level if under_way is not None else 0


@pytest.fixture
async def outage(tmp_path):
    one = Outage(JournalLimits(tmp_path / "mem", tmp_path / "card", card_max_bytes=CARD_BYTES))
    await one.journal.open()
    return one


def by_kind(rows: list[Row]) -> Counter[Kind]:
    return Counter(map(kind_of, rows))


def newest_of(rows: list[Row], every_ms: int) -> set[tuple[str, str, int]]:
    return set({(device, name, at_ms // every_ms): (device, name, at_ms) for device, name, at_ms, _ in rows}.values())


@pytest.mark.timeout(600)
async def test_a_day_without_a_cloud_costs_detail_first_then_counters_then_the_oldest(outage):
    seen: list[str] = []
    steps = ("thinned_60_s_values", "thinned_900_s_values", "thinned_counter_values", "dropped_values")
    before: list[Row] = []
    while "thinned_counter_values" not in seen:
        levels = outage.closed_levels()
        before = outage.waiting() if outage.about_to_thin() == 3 else before
        status = await outage.minute(outage.moments)
        assert status.card_bytes <= CARD_BYTES
        for name in steps:
            if getattr(status.counters, name) and name not in seen:
                seen.append(name)
                assert len(set(levels[:-1])) <= 1, f"the last one was closed while this step was under way: {levels}"
    assert seen == list(steps[:3])
    counters = [row for row in outage.read if kind_of(row) is Kind.COUNTER]
    assert {row for row in counters if row[2] < outage.now_ms - MINUTE_MS} <= set(before), "complete to the last step"
    assert outage.now_ms > 12 * 3_600_000
    while "dropped_values" not in seen:  # commanded levels that change are never thinned
        status = await outage.minute(outage.commands, every_ms=500)
        assert status.card_bytes <= CARD_BYTES
        seen += ["dropped_values"] if status.counters.dropped_values else []
    await the_books_are_right(outage)


async def the_books_are_right(outage: Outage):
    left = outage.waiting()
    assert len(left) == len(set(left)), "doubled"
    assert set(left) <= set(outage.read), "never read"
    counters = (await outage.journal.status()).counters
    lost = Counter[str]()
    for loss in outage.losses:
        lost[f"{loss.reason} {loss.detail_s}"] += loss.values
    thinned = counters.thinned_900_s_values + counters.thinned_counter_values
    assert lost["journal_thinned 60"] == counters.thinned_60_s_values
    assert lost["journal_thinned 900"] == thinned
    assert lost["journal_dropped 0"] == counters.dropped_values
    assert len(outage.read) - len(left) == lost.total()
    gone = {(device, at_ms) for device, _, at_ms, _ in set(outage.read) - set(left)}
    for device, at_ms in gone:
        assert any(
            loss.from_ms <= at_ms <= loss.to_ms and (not loss.devices or device in loss.devices)
            for loss in outage.losses
        ), "lost and not told"


@pytest.mark.timeout(600)
async def test_what_is_left_of_a_thinned_hour_is_the_newest_of_each_minute_and_all_counters(outage):
    while not (await outage.minute(outage.moments)).counters.thinned_60_s_values:
        pass
    (first, *_) = [loss for loss in outage.losses if loss.detail_s == 60]
    assert first.devices == ("m1", "m2", "m3")
    within = [row for row in outage.read if first.from_ms <= row[2] <= first.to_ms]
    left = [row for row in outage.waiting() if first.from_ms <= row[2] <= first.to_ms]
    moments = [row for row in left if kind_of(row) is Kind.INSTANTANEOUS]
    newest = newest_of([row for row in within if kind_of(row) is Kind.INSTANTANEOUS], MINUTE_MS)
    assert {row[:3] for row in moments} == newest
    assert {row for row in left if kind_of(row) is Kind.COUNTER} == {
        row for row in within if kind_of(row) is Kind.COUNTER
    }
    assert len(within) - len(left) == first.values
    oldest = await outage.journal.next_batch(1 << 40)
    assert oldest is not None
    batch = decode(oldest.sealed)
    assert batch.header.clock == FIT
    assert batch.header.key.sequence == 1
    assert batch.header.sealed_monotonic_ms in (MINUTE_MS, 2 * MINUTE_MS)
    assert batch.header.values < 6 * 3 * 8, "a thinned one"
