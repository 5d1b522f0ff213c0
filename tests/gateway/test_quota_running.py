"""A quota on a running gateway, from the step to the gaps and values: as a process, and hour by hour by its parts."""

import math
from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from lentera_gateway.acquire import ExceptionReporter
from lentera_gateway.clock import system_wall_ms
from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.keeper import DeliveryKeeper
from lentera_model.batch import decode
from lentera_model.config import CloudLink, DeviceConfig
from lentera_model.protocol import GapReport, SetDelivery
from lentera_model.quantities import Kind, names_of
from lentera_model.readings import Sample
from lentera_sim.street import StreetPlan
from tests.gateway.board import Board as RunningBoard
from tests.gateway.board import board
from tests.gateway.journal_board import Board

MOMENTS = names_of(Kind.INSTANTANEOUS)
METER = "meter-cabinet"
HOUR_MS = 3_600_000


def quota_gaps(it: RunningBoard) -> list[GapReport]:
    return [one for one in it.cloud.told if isinstance(one, GapReport) and one.reason == "quota"]


def names(it: RunningBoard, after_ms: int, until_ms: float = math.inf) -> set[str]:
    """What the cloud has of the meter, of this time."""
    ours = (one for one in it.cloud.readings() if one.device == METER and after_ms < one.at_ms <= until_ms)
    return {name for one in ours for name in one.values}


async def commanded_at(it: RunningBoard, lamp: str) -> int:
    """Dim a lamp; returns the stamp of its commanded level once the cloud has it."""
    await it.cloud.command("e1", lamp, 40.0, timeout_ms=10_000)

    def found() -> list[int]:
        return [one.at_ms for one in it.cloud.readings() if one.values.get("level_commanded_percent") == 40.0]

    await it.cloud.until(found)
    return found()[0]


@pytest.mark.usefixtures("mosquitto")
async def test_a_used_up_quota_holds_on_a_running_gateway_until_it_is_raised(tmp_path):
    async with board(tmp_path / "run", StreetPlan(meters=1, lamps=1, tcp_every_s=0.5)) as it:
        (lamp,) = it.street.street.lamps
        await it.cloud.until(lambda: names(it, 0) & MOMENTS)
        await it.cloud.until(lambda: any(one.device == lamp and one.online for one in it.cloud.statuses))
        await it.cloud.send(SetDelivery("live", 0, 1000))
        await it.until(lambda: it.status()["air"]["detail_s"] == 900)
        at_ms = await commanded_at(it, lamp)
        polls = polled(it)
        await it.until(lambda: polled(it) >= polls + 4)
        assert quota_gaps(it) == [] or at_ms // HOUR_MS != system_wall_ms() // HOUR_MS, "told at its end, or by hours"
        raised_ms = system_wall_ms()
        await it.cloud.send(SetDelivery("live", 0, 10**9))
        await it.cloud.until(lambda: quota_gaps(it) and names(it, quota_gaps(it)[-1].to_ms) & MOMENTS)
        begin, end = quota_gaps(it)[0], quota_gaps(it)[-1]
        assert begin.from_ms < at_ms < end.to_ms
        assert begin.detail_s == 0
        left = names(it, at_ms, raised_ms)
        assert any(name.startswith("energy") for name in left), "counters stay"
        assert left & MOMENTS == set()
        await it.stop()


def polled(it: RunningBoard) -> int:
    return sum(bus["polls"] for bus in it.status()["buses"].values())


class Small:
    """A board with the parts that reduce: reporter, journal and keeper, in the order in which the gateway calls them.

    `m1` reports by exception, `m2` does not; both give 3000 W for a second of each minute, and else 0 W.
    """

    def __init__(self, board: Board):
        self.board = board
        board.root.joinpath("mem").mkdir(exist_ok=True)
        self.air = AirMeter(
            board.root / "mem",
            board.root / "card",
            local_date=lambda ms: datetime.fromtimestamp(ms / 1000, UTC).date(),
        )
        link = CloudLink(url="ws://c/v1/link", key_file=board.root / "k", monthly_quota_bytes=1000)
        self.keeper = DeliveryKeeper(link, self.air, board.root / "card", lambda: board.now_ms)
        self.keeper.open()
        device = {"id": "m1", "profile": "eastron_sdm630", "bus": "b", "unit": 1, "report": {}}
        devices = [DeviceConfig.model_validate(device)]
        self.reporter = ExceptionReporter(devices, lambda: board.journal.shape is not None)
        self.answered: dict[str, dict[int, float]] = defaultdict(dict)
        self.stored: dict[str, dict[int, float]] = defaultdict(dict)

    async def until(self, seconds: int) -> None:
        """Run the gateway's second until the boot's clock shows so many."""
        board = self.board
        while board.now_ms < seconds * 1000:
            board.now_ms += 1000
            at_s = board.now_ms // 1000
            for device in ("m1", "m2"):
                watts = 3000.0 if at_s % 60 == 7 else 0.0
                self.answered[device][at_s] = watts
                news = self.reporter.reduce(Sample(device, "p", board.now_ms, {"power_active_total": watts}))
                if news is not None:
                    board.journal.add(news)
            await board.journal.tick()
            await self.keeper.tick(board.wall(), board.journal)

    async def end(self) -> list[GapReport]:
        """Seal all; returns the quota's gaps, in seconds of the boot's clock."""
        await self.board.journal.tick(seal_now=True)
        while (batch := await self.board.journal.next_batch(0)) is not None:
            for one in decode(batch.sealed).samples:
                self.stored[one.device][one.monotonic_ms // 1000] = one.values["power_active_total"]
        await self.keeper.close()
        return [gap for gap in await self.board.told() if gap.reason == "quota"]

    def boot_s(self, wall_ms: int) -> float:
        return (wall_ms - self.board.boot_wall_ms) / 1000


@pytest.fixture
async def small(tmp_path):
    one = Board(tmp_path)
    await one.start()
    yield Small(one)
    one.journal._io.stop()


def held(stored: dict[int, float], begin_s: int, end_s: int) -> float:
    """Return the energy in Ws that a reader finds who holds each value until the next."""
    last = max((at for at in stored if at <= begin_s), default=0)
    value, sum_ = stored.get(last, 0.0), 0.0
    for at in range(begin_s, end_s):
        value = stored.get(at, value)
        sum_ += value
    return sum_


async def test_means_of_a_device_that_reports_by_exception_are_those_of_all_its_reads(small):
    await small.until(119)
    small.air.bytes = 850
    await small.until(600)
    small.air.bytes = 0
    await small.until(1200)
    await small.end()
    assert all(value in (0.0, 3000.0) for at, value in small.stored["m1"].items() if not 119 < at <= 601)
    means = {at: value for at, value in small.stored["m1"].items() if 180 <= at < 600}
    assert means == dict.fromkeys(range(239, 600, 60), 50.0), "3000 W for a second of 60"
    assert means == {at: value for at, value in small.stored["m2"].items() if 180 <= at < 600}
    assert small.stored["m1"][602] == 0.0, "the first value after a step is stored, for nothing is known to be"
    assert sum(small.answered["m1"][at] for at in range(602, 1200)) == held(small.stored["m1"], 602, 1200)


async def test_the_gaps_of_the_steps_cover_what_they_leave_out_and_each_has_its_own_detail(small):
    changes = {355: 850, 1550: 960, 3000: 1000, 7900: 0}
    for at_s, used in changes.items():
        await small.until(at_s)
        small.air.bytes = used
    await small.until(8000)
    gaps = [(small.boot_s(gap.from_ms), small.boot_s(gap.to_ms), gap.detail_s) for gap in await small.end()]
    hours = {at for at in range(357, 7901) if (small.board.boot_wall_ms // 1000 + at) % 3600 == 0}
    bounds = sorted({at + 1 for at in changes} | hours)
    assert [gap[:2] for gap in gaps] == list(pairwise(bounds)), "told by hours of UTC, and at each change"
    assert len(hours) == 2
    assert {detail_s for _, end, detail_s in gaps if end <= 1551} == {60}
    assert {detail_s for begin, end, detail_s in gaps if begin >= 1551 and end <= 3001} == {900}
    assert {detail_s for begin, _, detail_s in gaps if begin >= 3001} == {0}, "nothing of it is left"
    answered, stored = small.answered["m2"], small.stored["m2"]
    assert {at for at in answered if stored.get(at) != answered[at]} <= set(range(357, 7902)), "as it was, but in gaps"
    assert [at for device in small.stored.values() for at in device if 3001 < at <= 7901] == []
