"""The count of reads by the hour: what was due, what came, and why the rest did not."""

from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from lentera_drivers.driver import (
    BusDownError,
    DeviceRefusedError,
    DeviceReplyError,
    DeviceRestingError,
    DeviceTimeoutError,
    Outcome,
    OutcomeKind,
)
from lentera_gateway.acquire import BusPoller, Poll, PollSchedule, ReadTally
from lentera_gateway.acquire.reasons import reason_of, why_nothing
from lentera_gateway.acquire.tally import HOUR_MS, MAX_SLOTS, SLOT_MS, Counts
from lentera_gateway.acquire.tally_file import TallyFile
from lentera_gateway.acquire.tally_rows import MOST_SHARING, rows_of
from lentera_gateway.acquire.tallying import Tallying
from lentera_gateway.greeting import paces_of
from lentera_model.config import DeviceConfig
from lentera_model.protocol import EVERY_DEVICE, PaceDeclaration, Tally, TallyRow, encode_message
from lentera_model.readings import Sample
from tests.gateway.test_schedule import Bus, Clock

OFFSET_MS = 500_000 * HOUR_MS
"""The boot began at a full hour, so that hours of the boot are hours of UTC."""
ENERGY = "energy_active_import"


def meter(name: str = "m1", every_s: float = 10, **more) -> DeviceConfig:
    return DeviceConfig.model_validate(
        {"id": name, "profile": "eastron_sdm630", "bus": "b", "unit": 1, "every_s": every_s} | more
    )


def lamp(name: str, every_s: float = 60) -> DeviceConfig:
    device = {"id": name, "profile": "zigbee2mqtt_light", "bus": "z", "topic": name, "every_s": every_s}
    return DeviceConfig.model_validate(device)


def known(*devices: DeviceConfig) -> ReadTally:
    tally = ReadTally(devices)
    tally.clock_known(OFFSET_MS)
    return tally


def sample(at_ms: int, device: str = "m1", **values: float) -> Sample:
    return Sample(device, "p", at_ms, values or {"voltage_l1": 230.0})


def hour_counts(tally: ReadTally, hour: int, device: str = "m1", pace: int = 0) -> tuple[int, int, dict[str, int]]:
    one = tally.hours[OFFSET_MS + hour * HOUR_MS][Poll(device, pace)]
    return one.taken, one.unchanged, one.missed


def test_each_read_is_counted_once_in_the_hour_of_its_stamp():
    tally, poll = known(meter()), Poll("m1")
    for number in range(720):
        at_ms = number * 10_000
        if number % 10:
            tally.took(sample(at_ms + 30), sample(at_ms + 30))
            tally.concluded(poll, at_ms + 31, None)
        else:
            tally.concluded(poll, at_ms + 900, "silent")
    assert hour_counts(tally, 0) == (324, 0, {"silent": 36})
    assert hour_counts(tally, 1) == (324, 0, {"silent": 36})


def test_an_answer_after_the_full_hour_counts_where_the_cloud_counts_it():
    tally = known(meter())
    late_ms = HOUR_MS + 5
    tally.took(sample(late_ms), sample(late_ms))
    tally.concluded(Poll("m1"), late_ms, None)
    assert list(tally.hours) == [OFFSET_MS + HOUR_MS]


def test_unchanged_answers_are_told_apart_and_two_samples_of_one_read_are_one():
    tally, poll = known(meter()), Poll("m1")
    tally.took(sample(0), None)
    tally.concluded(poll, 1, None)
    tally.took(sample(10_000), None)
    tally.took(sample(10_000, frequency=50), sample(10_000, frequency=50))
    tally.concluded(poll, 10_001, None)
    assert hour_counts(tally, 0) == (1, 1, {})


def test_a_lamp_counts_intervals_in_which_it_reported():
    tally, poll = known(lamp("l1")), Poll("l1")
    for minute in range(61):
        tally.concluded(poll, minute * 60_000, None, lambda: "silent")
        if minute not in (7, 8, 60):
            for second in (3, 33):
                tally.took(sample(minute * 60_000 + second * 1000, "l1"), sample(0, "l1"))
    assert hour_counts(tally, 0, "l1") == (58, 0, {"silent": 2})
    assert list(tally.hours) == [OFFSET_MS]


def test_values_that_ride_in_another_request_belong_to_their_own_pace():
    device = meter(paces=[{"quantities": [ENERGY], "every_s": 60}])
    tally, fast, slow = known(device), Poll("m1", 0), Poll("m1", 1)
    for number in range(361):
        at_ms, is_slow = number * 10_000, number % 6 == 0
        if is_slow:
            tally.concluded(slow, at_ms, None)
        if 60 <= number < 120:
            tally.concluded(fast, at_ms + 9, "silent")
            continue
        values = {"voltage_l1": 230.0} | ({ENERGY: 1.0} if is_slow else {})
        read = sample(at_ms + 5, "m1", **values)
        tally.took(read, read)
        tally.concluded(fast, at_ms + 9, None)
    tally.flush()
    assert hour_counts(tally, 0) == (300, 0, {"silent": 60})
    assert hour_counts(tally, 0, pace=1) == (50, 0, {"silent": 10})


def test_skipped_instants_fall_into_their_own_hours():
    tally = known(meter())
    tally.skipped(Poll("m1"), HOUR_MS - 20_000, 5)
    tally.skipped(Poll("m1"), 5 * HOUR_MS, 720)
    found = {hour - OFFSET_MS: counts[Poll("m1")].missed["skipped"] for hour, counts in tally.hours.items()}
    assert found == {0: 2, HOUR_MS: 3, 5 * HOUR_MS: 360, 6 * HOUR_MS: 360}


def test_reads_wait_for_the_clock_and_fall_into_their_hours_then():
    tally, poll = ReadTally([meter()]), Poll("m1")
    for number in range(720):
        tally.took(sample(number * 10_000), sample(number * 10_000))
        tally.concluded(poll, number * 10_000, None)
    assert not tally.hours
    tally.clock_known(None)
    tally.clock_known(OFFSET_MS)
    assert [hour_counts(tally, hour)[0] for hour in (0, 1)] == [360, 360]
    assert not tally.slots


def test_a_board_that_never_learns_the_time_keeps_a_day_at_most():
    tally = ReadTally([meter()])
    for number in range(MAX_SLOTS + 100):
        tally.concluded(Poll("m1"), number * SLOT_MS, "silent")
    assert len(tally.slots) == MAX_SLOTS
    assert min(tally.slots) == 100 * SLOT_MS


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (DeviceTimeoutError("m", ""), "silent"),
        (DeviceRestingError("m", ""), "resting"),
        (DeviceRefusedError("m", "", 2), "refused"),
        (DeviceRefusedError("m", "", 4), "device_fault"),
        (DeviceReplyError("m", ""), "unreadable"),
        (BusDownError("m", ""), "bus_down"),
        (ZeroDivisionError(), "internal"),
    ],
)
def test_every_failure_has_its_word(error, word):
    assert reason_of(error) == word


def test_nothing_without_a_complaint_has_a_reason_too():
    class Quiet:
        is_up = True
        kinds = (OutcomeKind.NO_VALUE, OutcomeKind.ABSENT)

        def outcomes(self, _device):
            return {str(kind): Outcome(kind, 0) for kind in self.kinds}

    driver: Any = Quiet()
    assert why_nothing(driver, "m") == "no_value"
    driver.kinds = (OutcomeKind.LATE,)
    assert why_nothing(driver, "m") == "silent"
    driver.is_up = False
    assert why_nothing(driver, "m") == "bus_down"


async def test_the_poller_counts_every_instant_whatever_happens_at_it():
    clock, device = Clock(HOUR_MS), meter()
    tally = known(device)
    number = iter(range(10_000))

    def behave(name):
        at = next(number)
        if at == 50:
            clock.now_ms += 45_000
        if 100 <= at < 103:
            raise DeviceTimeoutError(name, "no answer")
        if 103 <= at < 110:
            raise DeviceRestingError(name, "rests")
        return [sample(clock.now_ms)]

    bus: Any = Bus(clock, behave)
    poller = BusPoller(
        "b",
        bus,
        PollSchedule(tally.intervals_ms, 0),
        lambda one: tally.took(one, one),
        tally,
        lambda: clock.now_ms,
        clock.pause,
        structlog.get_logger(),
    )
    await poller.run()
    assert hour_counts(tally, 0) == (346, 0, {"silent": 3, "resting": 7, "skipped": 4})


# --- rows -----------------------------------------------------------------------------------------------------------


def street(lamps: int = 40) -> ReadTally:
    return known(meter(), *(lamp(f"lamp-{number:03}") for number in range(lamps)))


def counts_of(tally: ReadTally, **own: Counts) -> dict[Poll, Counts]:
    full = {poll: Counts(HOUR_MS // every_ms) for poll, every_ms in tally.intervals_ms.items()}
    return full | {Poll(name.replace("_", "-"), 0): one for name, one in own.items()}


def test_a_cabinet_in_which_all_is_well_is_two_rows_of_thirty_bytes():
    tally = street()
    rows = rows_of(counts_of(tally), tally.intervals_ms)
    assert rows == [TallyRow(EVERY_DEVICE, 60_000, 60, 60), TallyRow("m1", 10_000, 360, 360)]
    message = encode_message(Tally(7, 700, 1_790_000_000_000, rows))
    assert len(message) <= 50
    assert len(message) * 24 * 31 < 40_000


def test_a_cabinet_with_trouble_every_hour_stays_within_its_part_of_the_month():
    tally = street()
    own = {f"lamp_{number:03}": Counts(60 - number, 0, {"silent": number}) for number in range(1, 12)}
    rows = rows_of(counts_of(tally, **own), tally.intervals_ms)
    assert {row.device for row in rows} == {EVERY_DEVICE, "m1", *(name.replace("_", "-") for name in own)}
    assert len(encode_message(Tally(7, 700, 1_790_000_000_000, rows))) * 24 * 31 < 300_000


def told(rows: list[TallyRow], device: str, every_ms: int) -> tuple[int, dict[str, int]]:
    """What the cloud takes from an hour's rows for a device."""
    own = [row for row in rows if (row.device, row.every_ms) == (device, every_ms)]
    found = own or [row for row in rows if (row.device, row.every_ms) == (EVERY_DEVICE, every_ms)]
    assert len(found) <= 1
    return (found[0].taken + found[0].unchanged, dict(found[0].missed)) if found else (0, {})


counted = st.builds(
    Counts,
    st.integers(0, 3),
    st.integers(0, 3),
    st.dictionaries(st.sampled_from(["silent", "bus_down"]), st.integers(1, 3), max_size=2),
)


@given(st.lists(counted, min_size=1, max_size=12), st.sampled_from([0, MOST_SHARING + 1]))
def test_every_device_finds_its_own_counts_in_the_rows(found, more):
    devices = [lamp(f"l{number}") for number in range(len(found) + more)]
    tally = ReadTally(devices)
    counts = dict(zip((Poll(device.id) for device in devices), found, strict=False))
    for number in range(len(found), len(devices)):
        counts[Poll(f"l{number}")] = Counts(number)
    rows = rows_of(counts, tally.intervals_ms)
    for poll, one in counts.items():
        assert told(rows, poll.device, 60_000) == (one.taken + one.unchanged, one.missed)
    for row in rows:
        assert row.expected == row.taken + row.unchanged + sum(row.missed.values())
    if len(rows) > MOST_SHARING:
        assert EVERY_DEVICE not in {row.device for row in rows}


# --- the rim --------------------------------------------------------------------------------------------------------


class Told:
    """Where the tallies go."""

    def __init__(self) -> None:
        self.hours: list[tuple[int, list[TallyRow]]] = []

    async def __call__(self, hour_ms, rows):
        self.hours.append((hour_ms - OFFSET_MS, list(rows)))


def tallying(folder, told_to: Told, boot: bytes = bytes(16)) -> Tallying:
    one = Tallying.of([meter()], folder, boot, told_to, structlog.get_logger())
    one.open()
    return one


def read(one: Tallying, at_ms: int) -> None:
    one.tally.took(sample(at_ms), sample(at_ms))
    one.tally.concluded(Poll("m1"), at_ms, None)


async def test_an_hour_is_told_once_it_is_over_and_the_time_is_known(tmp_path):
    where = Told()
    one = tallying(tmp_path, where)
    for number in range(361):
        read(one, number * 10_000)
        await one.tick(number * 10_000, None)
    assert where.hours == []
    await one.tick(HOUR_MS + 10_000, OFFSET_MS)
    assert where.hours == []  # held back for reads that are concluded late
    await one.tick(HOUR_MS + one.tally.wait_ms, OFFSET_MS)
    assert where.hours == [(0, [TallyRow("m1", 10_000, 360, 360)])]
    await one.tick(HOUR_MS + one.tally.wait_ms + 1, OFFSET_MS)
    assert len(where.hours) == 1


async def test_a_killed_process_loses_a_minute_of_its_count_at_most(tmp_path):
    first = tallying(tmp_path, Told())
    for number in range(100):
        read(first, 100_000 + number * 10_000)
        await first.tick(100_000 + number * 10_000, OFFSET_MS)
    where = Told()
    second = tallying(tmp_path, where, boot=b"another boot....")
    await second.close(HOUR_MS // 2, OFFSET_MS)
    (hour_ms, (row,)), *_ = where.hours
    assert hour_ms == 0
    assert 94 <= row.taken <= 100
    assert not list(tmp_path.iterdir())  # told: nothing is left that could be told twice


async def test_what_was_counted_without_a_clock_is_of_no_use_after_another_boot(tmp_path):
    first = tallying(tmp_path, Told())
    read(first, 100_000)
    await first.close(200_000, None)
    for boot, hours in ((b"another boot....", []), (bytes(16), [(0, [TallyRow("m1", 10_000, 1, 1)])])):
        where = Told()
        again = tallying(tmp_path, where, boot)
        again.tally.clock_known(OFFSET_MS)
        await again._report_until(OFFSET_MS + 2 * HOUR_MS)
        assert where.hours == hours
        if not hours:
            first._save()


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x93\xc4\x00\x90", bytes(100)])
async def test_a_damaged_file_is_as_none(tmp_path, content):
    (tmp_path / "tally.msgpack").write_bytes(content)
    where = Told()
    one = tallying(tmp_path, where)
    read(one, 0)
    await one.close(1, OFFSET_MS)
    assert where.hours == [(0, [TallyRow("m1", 10_000, 1, 1)])]


async def test_a_folder_that_takes_no_file_is_no_reason_to_stop(tmp_path):
    where = Told()
    one = tallying(tmp_path / "gone", where)
    read(one, 0)
    await one.tick(60_000, OFFSET_MS)
    await one.close(120_000, OFFSET_MS)
    assert where.hours == [(0, [TallyRow("m1", 10_000, 1, 1)])]


# --- what the Hello says --------------------------------------------------------------------------------------------


def test_paces_are_declared_as_they_are_read():
    assert paces_of(meter()) == [PaceDeclaration(10_000)]
    slow = [{"quantities": [ENERGY], "every_s": 60}]
    assert paces_of(meter(paces=slow)) == [PaceDeclaration(10_000), PaceDeclaration(60_000, [ENERGY])]
    only = meter(quantities=["voltage_l1", ENERGY], paces=slow, report={"heartbeat_s": 900})
    assert paces_of(only) == [
        PaceDeclaration(10_000, ["voltage_l1"], 900_000),
        PaceDeclaration(60_000, [ENERGY], 900_000),
    ]
    assert paces_of(meter(quantities=[ENERGY], paces=slow)) == [PaceDeclaration(60_000, [ENERGY])]
    same = [{"quantities": [ENERGY], "every_s": 10}, {"quantities": ["frequency"], "every_s": 60}]
    assert paces_of(meter(paces=same)) == [PaceDeclaration(10_000), PaceDeclaration(60_000, ["frequency"])]


def test_file_keeps_what_was_counted(tmp_path):
    tally = ReadTally([meter()])
    tally.concluded(Poll("m1"), 0, "silent")
    tally.clock_known(OFFSET_MS)
    tally.clock_known(None)
    tally.concluded(Poll("m1"), 0, "bus_down")
    file = TallyFile(tmp_path, bytes(16))
    file.save(tally)
    again = ReadTally([meter()])
    file.load(again)
    assert (again.hours, again.slots) == (tally.hours, tally.slots)
    assert again.hours
    assert again.slots
