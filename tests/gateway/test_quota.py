"""What is left out near the month's quota, in the stated order; rate and window of the backlog; the operator's word."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.keeper import DeliveryKeeper
from lentera_gateway.delivery.quota import COMMANDED, SHAPES, Step, step_of
from lentera_gateway.delivery.rate import BacklogWindow, Bucket
from lentera_gateway.journal import Journal, JournalLimits
from lentera_gateway.journal.policy import Shaping
from lentera_model.batch import decode
from lentera_model.config import CloudLink
from lentera_model.protocol import SetDelivery
from lentera_model.readings import Quality, Sample
from tests.gateway.line import line
from tests.gateway.stores import FIT, WALL

MB = 1_000_000


@pytest.mark.parametrize(
    ("used", "quota", "step"),
    [
        (10**12, 0, Step.FULL),
        (0, 100 * MB, Step.FULL),
        (80 * MB - 1, 100 * MB, Step.FULL),
        (80 * MB, 100 * MB, Step.MEANS_60),
        (95 * MB - 1, 100 * MB, Step.MEANS_60),
        (95 * MB, 100 * MB, Step.MEANS_900),
        (100 * MB - 1, 100 * MB, Step.MEANS_900),
        (100 * MB, 100 * MB, Step.COUNTERS),
        (100 * MB, 200 * MB, Step.FULL),
    ],
)
def test_the_step_follows_from_what_was_used(used, quota, step):
    assert step_of(used, quota) is step


def sample(at_s: float, device: str = "m1", **values: float) -> Sample:
    return Sample(device, "p", round(at_s * 1000), values)


def readings() -> list[Sample]:
    """A quarter of an hour of a meter and a lamp that was commanded once."""
    found = [sample(at, frequency=50 + at / 900, energy_active_import=1000 + at) for at in range(0, 900, 10)]
    found += [sample(at, "lamp-1", level_percent=40.0, voltage_l1=230.0) for at in range(0, 900, 60)]
    return [*found, sample(77, "lamp-1", **{COMMANDED: 40.0})]


def count(samples: list[Sample], name: str) -> int:
    return sum(name in one.values for one in samples)


@pytest.mark.parametrize(
    ("step", "moments", "counters", "states", "seal_s"),
    [(Step.MEANS_60, 15, 90, 15, 300), (Step.MEANS_900, 1, 90, 15, 900), (Step.COUNTERS, 0, 90, 1, 900)],
)
def test_each_step_leaves_what_it_says(step, moments, counters, states, seal_s):
    shape = SHAPES[step]
    left = shape.reduce(readings())
    assert count(left, "frequency") == moments
    assert count(left, "energy_active_import") == counters
    assert count(left, "level_percent") == states
    assert count(left, COMMANDED) == 1, "never a commanded level"
    assert shape.seal_age_ms == seal_s * 1000
    newest = max(one.values["energy_active_import"] for one in left if "energy_active_import" in one.values)
    assert newest == 1890


def test_where_nothing_is_averaged_any_more_each_change_of_a_state_is_left():
    given = [sample(at, "lamp-1", lamp_failure=float(30 <= at < 50), voltage_l1=230.0) for at in range(0, 60, 10)]
    assert SHAPES[Step.COUNTERS].reduce(given) == [
        sample(at, "lamp-1", lamp_failure=on) for at, on in ((0, 0.0), (30, 1.0), (50, 0.0))
    ]


def test_a_mean_has_the_worst_quality():
    worse = Sample("m1", "p", 20_000, {"frequency": 52.0}, Quality.SUSPECT)
    (mean,) = SHAPES[Step.MEANS_900].reduce([sample(10, frequency=50.0), worse])
    assert (mean.values["frequency"], mean.quality) == (51.0, Quality.SUSPECT)


async def test_the_journal_seals_whole_intervals_of_what_a_step_leaves(tmp_path):
    now = 0
    limits = JournalLimits(tmp_path / "mem", tmp_path / "card")
    journal = Journal("gw-1", bytes(16), limits, lambda: now, lambda: WALL, lambda: FIT)
    await journal.open()
    journal.live = True
    journal.shape = SHAPES[Step.MEANS_60]
    sealed = []
    for at in range(0, 601, 10):
        now = at * 1000
        journal.add(sample(at, frequency=50.0, energy_active_import=at))
        await journal.tick()
        while (batch := await journal.next_batch(0)) is not None:
            sealed.append((at, batch))
    assert [at for at, _ in sealed] == [300, 600], "a step seals by its own age, also in live mode"
    first = list(decode(sealed[0][1].sealed).samples)
    assert count(first, "frequency") == 5
    assert count(first, "energy_active_import") == 30
    await journal.close()


class Journalled:
    """What the keeper uses of the journal."""

    def __init__(self):
        self.shape: Shaping | None = None
        self.gaps = []

    async def reshape(self, shape: Shaping | None) -> tuple[int, int]:
        self.shape = shape
        return 0, 0

    async def report_gap(self, *gap):
        self.gaps.append(gap)


def keeper(tmp_path, **config) -> DeliveryKeeper:
    for name in ("mem", "card"):
        (tmp_path / name).mkdir(exist_ok=True)
    air = AirMeter(
        tmp_path / "mem", tmp_path / "card", local_date=lambda ms: datetime.fromtimestamp(ms / 1000, UTC).date()
    )
    found = DeliveryKeeper(
        CloudLink(url="ws://c/v1/link", key_file=tmp_path / "k", **config), air, tmp_path / "card", lambda: 0
    )
    found.open()
    return found


async def test_each_stay_in_a_step_is_told_and_the_new_month_steps_back(tmp_path):
    it, journal = keeper(tmp_path, monthly_quota_bytes=100), Journalled()
    begin = 1_795_000_000_000
    await it.air.tick(0, begin)
    it.air.add(80)
    await it.tick(begin, journal)
    assert (it.step, journal.shape, journal.gaps) == (Step.MEANS_60, SHAPES[Step.MEANS_60], [])
    it.air.add(15)
    await it.tick(begin + 5_000, journal)
    it.air.add(5)
    await it.tick(begin + 9_000, journal)
    hour = begin // 3_600_000 * 3_600_000 + 3_600_000
    for at in (hour - 1, hour, hour + 1_000):
        await it.tick(at, journal)
    assert (it.step, it.detail_s) == (Step.COUNTERS, 900)
    it.air.bytes, it.air.month = 0, date(2026, 12, 1)
    await it.tick(hour + 9_500, journal)
    assert (it.step, journal.shape) == (Step.FULL, None)
    assert journal.gaps == [
        ("quota", begin, begin + 5_000, (), 60),
        ("quota", begin + 5_000, begin + 9_000, (), 900),
        ("quota", begin + 9_000, hour, (), 0),
        ("quota", hour, hour + 9_500, (), 0),
    ]


async def test_a_stay_outlives_the_process_and_waits_for_the_clock(tmp_path):
    it, journal = keeper(tmp_path, monthly_quota_bytes=100), Journalled()
    it.air.add(90)
    await it.tick(None, journal)
    assert it.step is Step.MEANS_60
    await it.tick(5_000, journal)
    await it.close()
    again = keeper(tmp_path, monthly_quota_bytes=100)
    assert again.step is Step.MEANS_60
    again.air.add(90)
    await again.tick(None, journal)
    assert journal.gaps == []
    again.take(SetDelivery(None, 0, 1_000))
    await again.tick(8_000, journal)
    assert journal.gaps == [("quota", 5_000, 8_000, (), 60)]


async def test_the_clouds_word_goes_before_the_file_and_is_kept(tmp_path):
    it = keeper(tmp_path, mode="economy", monthly_quota_bytes=100, rate_bytes_s=5, month_day=3)
    assert (it.mode, it.quota_bytes, it.air.month_day) == ("economy", 100, 3)
    it.take(SetDelivery("live", 1_000, 700, 15))
    await it.close()
    again = keeper(tmp_path, mode="economy", monthly_quota_bytes=100)
    assert (again.mode, again.quota_bytes, again.air.month_day) == ("live", 700, 15)
    again.take(SetDelivery(None))
    assert (again.mode, again.quota_bytes, again.air.month_day) == ("economy", 100, 1)
    await again.close()
    for folder in ("mem", "card"):
        (tmp_path / folder / "delivery.json").write_bytes(b"{")
    assert keeper(tmp_path, mode="live").mode == "live"


def test_the_backlog_waits_for_the_rate_and_nothing_else_does():
    it = Bucket()
    it.take(10**9)
    assert it.wait_s(0) == 0
    it.limit(1_000, 0)
    it.take(3_000)
    assert it.wait_s(0) == 3.0
    assert it.wait_s(2_000) == 1.0
    assert it.wait_s(3_000) == 0
    assert it.wait_s(3_600_000) == 0
    it.take(12_000)
    assert it.wait_s(3_600_000) == 2.0, "no more is saved than ten seconds' rate"


def test_a_slow_link_has_few_bytes_of_backlog_on_their_way():
    it = BacklogWindow()
    for _ in range(10):
        it.answered(9_000, 3_000, 8_000)
    assert it.bytes == 4 * 1024
    it.answered(1_000, 3_000, 4_000)
    it.answered(50, 3_000, 2_000)
    assert it.bytes == 4 * 1024, "one alone on its way says nothing of more"
    for _ in range(30):
        it.answered(50, 3_000, 60_000)
    assert it.bytes == 64 * 1024


async def test_the_operators_word_comes_over_the_link(tmp_path):
    async with line(tmp_path, mode="economy", versions=(1, 2)) as it:
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.send(SetDelivery("live", 0, 10**9, 5))
        async with asyncio.timeout(10):
            while not it.journal.live:
                await asyncio.sleep(0.01)
        assert it.delivery.quota_bytes == 10**9
        it.air.add(8 * 10**8)
        await it.delivery.tick(None, it.journal)
        async with asyncio.timeout(10):
            while it.journal.live:
                await asyncio.sleep(0.01)


async def test_reports_and_commands_pass_where_the_rate_holds_the_backlog(tmp_path):
    async with line(tmp_path, start=False, versions=(1, 2)) as it:
        await it.give(*range(20))
        it.delivery.take(SetDelivery(None, 1))
        it.air.add(100_000)
        await it.cloud.start()
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.command("e1", "lamp-1", 40)
        await it.cloud.until(lambda: it.cloud.states("e1")[-1:] == ["succeeded"])
        it.devices.status("m1", False, "silent", 5)
        await it.cloud.until(lambda: it.cloud.statuses)
        await it.give(99.0)
        await it.cloud.until(lambda: 99.0 in volts(it))
        assert volts(it) == {99.0}, "live goes before the backlog, which waits"
        it.delivery.take(SetDelivery(None, 0))
        await it.give(100.0)
        await it.until_empty()
        assert volts(it) == {*range(20), 99.0, 100.0}


def volts(it) -> set[float]:
    return {reading.values["voltage_l1"] for reading in it.cloud.readings() if "voltage_l1" in reading.values}
