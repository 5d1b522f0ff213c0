"""Which counts of a gateway's tallies a device finds."""

from lentera_cloud.domain.completeness import HOUR_MS, Pace, PaceVersion, ReadCount
from lentera_cloud.domain.tallies import HourTally, TallyIndex, read_count
from lentera_model.protocol import EVERY_DEVICE, TallyRow

HOUR = 1_790_000_000_000 // HOUR_MS * HOUR_MS
LAMP = (PaceVersion(HOUR - HOUR_MS, (Pace(60_000),), "gw-1"),)


def tally(*rows: TallyRow, number: int = 1, gateway: str = "gw-1", hour_ms: int = HOUR) -> HourTally:
    return HourTally(gateway, 1, number, hour_ms, rows)


def test_a_device_without_a_row_takes_the_one_for_all():
    index = TallyIndex(
        [tally(TallyRow(EVERY_DEVICE, 60_000, 60, 60), TallyRow("lamp-2", 60_000, 60, 20, 30, {"silent": 10}))]
    )
    assert index.reads("lamp-1", HOUR, LAMP) == {60_000: ReadCount(60)}
    assert index.reads("lamp-2", HOUR, LAMP) == {60_000: ReadCount(50, {"silent": 10}, taken=20, unchanged=30)}
    assert index.reads("lamp-1", HOUR + HOUR_MS, LAMP) == {}


def test_the_row_for_all_does_not_tell_how_many_were_left_out():
    assert read_count(TallyRow("m", 1, 60, 20, 40)) == ReadCount(60, taken=20, unchanged=40)
    assert read_count(TallyRow(EVERY_DEVICE, 1, 60, 60)) == ReadCount(60)


def test_another_interval_or_another_gateway_says_nothing_of_a_device():
    index = TallyIndex([tally(TallyRow(EVERY_DEVICE, 10_000, 360, 360)), tally(number=2, gateway="gw-2")])
    assert index.reads("lamp-1", HOUR, LAMP) == {}
    other = TallyIndex([tally(TallyRow(EVERY_DEVICE, 60_000, 60, 60), gateway="gw-2")])
    assert other.reads("lamp-1", HOUR, LAMP) == {}


def test_the_parts_of_an_hour_add_up():
    index = TallyIndex(
        [
            tally(TallyRow(EVERY_DEVICE, 60_000, 30, 30)),
            tally(TallyRow("lamp-1", 60_000, 20, 15, 0, {"silent": 5}), number=2),
        ]
    )
    assert index.reads("lamp-1", HOUR, LAMP) == {60_000: ReadCount(45, {"silent": 5}, 2, taken=15)}


def test_a_device_that_moved_within_the_hour_finds_both_gateways():
    moved = (*LAMP, PaceVersion(HOUR + 1_800_000, (Pace(60_000),), "gw-2"))
    index = TallyIndex(
        [
            tally(TallyRow("lamp-1", 60_000, 30, 30)),
            tally(TallyRow("lamp-1", 60_000, 30, 29, 0, {"silent": 1}), gateway="gw-2"),
        ]
    )
    assert index.reads("lamp-1", HOUR, moved) == {60_000: ReadCount(59, {"silent": 1}, 2, taken=59)}
    before = TallyIndex([tally(TallyRow("lamp-1", 60_000, 60, 60), hour_ms=HOUR - HOUR_MS, gateway="gw-2")])
    assert before.reads("lamp-1", HOUR - HOUR_MS, moved) == {}


def test_the_first_paces_hold_for_hours_before_the_cloud_knew_them():
    index = TallyIndex([tally(TallyRow("lamp-1", 60_000, 60, 60), hour_ms=HOUR - 9 * HOUR_MS)])
    assert index.reads("lamp-1", HOUR - 9 * HOUR_MS, LAMP) == {60_000: ReadCount(60, taken=60)}


def test_a_row_is_taken_with_care():
    assert read_count(TallyRow("m", 1, 10, 4, 0, {"silent": 3})) == ReadCount(4, {"silent": 3, "unknown": 3}, taken=4)
    assert read_count(TallyRow("m", 1, 2, 2, 0, {"Weiß nicht!": 1, "x" * 60: 2, "late": 0})) == ReadCount(
        2, {"unknown": 3}, taken=2
    )
    many = {f"r{number:02}": 1 for number in range(40)}
    found = read_count(TallyRow("m", 1, 40, 0, 0, many))
    assert len(found.missed) == 17
    assert found.expected == 40
