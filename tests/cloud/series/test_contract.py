"""One contract for every series store: memory where it is there, SQLite, and a real InfluxDB 2."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.ports import Aggregate, LatestValue, SeriesQuery, SeriesResult, StoreRefusedError, TimeSeries
from lentera_model.quantities import stored_precision
from lentera_model.readings import Quality, Reading
from tests.cloud.series.model import EMBEDDED, HOUR_MS, T0, answered, counted, joined, newest, reading

ALL = (0, T0 + 1000 * HOUR_MS)
AGGREGATES: tuple[Aggregate, ...] = ("mean", "min", "max", "last")
NAMES = ("power_active_total", "voltage_l1", "energy_active_import", "level_percent")


async def stored(series: TimeSeries, tenant: str, device: str = "m1", span: tuple[int, int] = ALL) -> list[Reading]:
    return [replace(one, profile="") async for one in series.raw(tenant, device, *span)]


def assert_same(got: SeriesResult, want: SeriesResult) -> None:
    """Equal, but for the last bits of a mean."""
    assert got.truncated == want.truncated
    assert [point.at_ms for point in got.points] == [point.at_ms for point in want.points]
    assert [point.quality for point in got.points] == [point.quality for point in want.points]
    for one, other in zip(got.points, want.points, strict=True):
        assert list(one.values) == list(other.values)
        for name, value in other.values.items():
            if value is None:
                assert one.values[name] is None, (one.at_ms, name)
            else:
                assert one.values[name] == pytest.approx(value, rel=1e-9, abs=1e-9), (one.at_ms, name)


def a_day_of(seed: int, rows: int, span_ms: int = 5 * HOUR_MS) -> list[Reading]:
    """Readings of one meter as they may come: several column sets, gaps, suspect ones, no order."""
    rng = random.Random(seed)
    sets = [NAMES[:3], NAMES[:2], NAMES[2:3], NAMES]
    found = []
    for at_ms in rng.sample(range(T0, T0 + span_ms, 500), rows):
        values = {name: rng.uniform(-1000, 1000) for name in rng.choice(sets)}
        found.append(reading(at_ms, quality=Quality(rng.random() < 0.05), **values))
    return found


async def test_what_is_written_is_read_back_to_the_last_bit(series, tenant):
    written = [
        reading(T0 + 1, power_active_total=1 / 3, energy_active_import=0.1 + 0.2, voltage_l1=231.2),
        reading(T0 + 2, power_active_total=-0.0, energy_active_import=9_007_199_254_740_993.0, voltage_l1=3.4e38),
        reading(T0 + 3, power_active_total=1e-38, energy_active_import=5e-324, voltage_l1=0.0),
        reading(T0 + 4, power_active_total=7.0, energy_active_import=1.7976931348623157e308, voltage_l1=-1.0),
    ]
    await series.write(tenant, written)
    assert await stored(series, tenant) == written


async def test_writing_the_same_again_changes_nothing(series, tenant):
    written = a_day_of(1, 300)
    await series.write(tenant, written)
    await series.write(tenant, written[::-1])
    await series.write(tenant, written[100:200])
    assert await stored(series, tenant) == joined(written)
    assert await series.count(tenant, "m1", *ALL) == counted(written, *ALL)


async def test_a_repeat_inside_one_write_counts_once(series, tenant):
    one = reading(T0, power_active_total=5)
    await series.write(tenant, [one, one])
    assert await series.count(tenant, "m1", *ALL) == {"power_active_total": 1}


async def test_two_readings_of_one_instant_become_one_with_the_worse_quality(series, tenant):
    await series.write(
        tenant,
        [reading(T0, power_active_total=5), reading(T0, quality=Quality.SUSPECT, voltage_l1=230)],
    )
    assert await stored(series, tenant) == [
        reading(T0, quality=Quality.SUSPECT, power_active_total=5, voltage_l1=230),
    ]


async def test_an_instant_may_come_in_parts(series, tenant):
    await series.write(tenant, [reading(T0, power_active_total=5)])
    await series.write(tenant, [reading(T0, voltage_l1=230)])
    assert await stored(series, tenant) == [reading(T0, power_active_total=5, voltage_l1=230)]


async def test_nothing_is_stored_of_nothing(series, tenant):
    await series.write(tenant, [])
    await series.write(tenant, [reading(T0)])
    assert await stored(series, tenant) == []
    assert await series.latest(tenant, ["m1"]) == {}


async def test_a_tenant_without_anything_has_empty_answers(series, tenant):
    assert await series.count(tenant, "m1", *ALL) == {}
    assert await series.latest(tenant, ["m1", "m2"]) == {}
    assert await series.query(tenant, SeriesQuery("m1", ("voltage_l1",), *ALL)) == SeriesResult([])
    assert await stored(series, tenant) == []
    await series.maintain(T0)


async def test_tenants_never_see_each_other(series, new_tenant: Callable[[], str]):
    ours, theirs = new_tenant(), new_tenant()
    await series.write(ours, [reading(T0, voltage_l1=1)])
    await series.write(theirs, [reading(T0, voltage_l1=2), reading(T0, "m2", voltage_l1=3)])
    assert await stored(series, ours) == [reading(T0, voltage_l1=1)]
    assert await series.latest(ours, ["m1", "m2"]) == {"m1": {"voltage_l1": LatestValue(1.0, T0)}}
    assert await series.count(ours, "m2", *ALL) == {}
    result = await series.query(theirs, SeriesQuery("m1", ("voltage_l1",), *ALL))
    assert [point.values for point in result.points] == [{"voltage_l1": 2.0}]


async def test_devices_never_see_each_other(series, tenant):
    names = ["m1", "m1.a", "M1", "m-1", "m_1", "m11", "1"]
    await series.write(tenant, [reading(T0 + i, name, voltage_l1=i) for i, name in enumerate(names)])
    for i, name in enumerate(names):
        assert await stored(series, tenant, name) == [reading(T0 + i, name, voltage_l1=i)]
        assert await series.count(tenant, name, *ALL) == {"voltage_l1": 1}
    latest = await series.latest(tenant, names)
    assert {name: values["voltage_l1"].value for name, values in latest.items()} == dict(
        zip(names, range(7), strict=True)
    )


async def test_from_is_included_and_to_is_not(series, tenant):
    await series.write(tenant, [reading(T0 + i, voltage_l1=i) for i in range(10)])
    span = (T0 + 3, T0 + 6)
    assert [one.at_ms - T0 for one in await stored(series, tenant, span=span)] == [3, 4, 5]
    assert await series.count(tenant, "m1", *span) == {"voltage_l1": 3}
    result = await series.query(tenant, SeriesQuery("m1", ("voltage_l1",), *span))
    assert [point.at_ms - T0 for point in result.points] == [3, 4, 5]
    result = await series.query(tenant, SeriesQuery("m1", ("voltage_l1",), *span, 1000, "mean"))
    assert [(point.at_ms, point.values["voltage_l1"]) for point in result.points] == [(T0, 4.0)]


@pytest.mark.parametrize("span", [(T0, T0), (T0 + 5, T0)])
async def test_an_empty_range_has_no_points(series, tenant, span):
    await series.write(tenant, [reading(T0, voltage_l1=1)])
    assert await series.query(tenant, SeriesQuery("m1", ("voltage_l1",), *span)) == SeriesResult([])
    assert await series.count(tenant, "m1", *span) == {}
    assert await stored(series, tenant, span=span) == []


@pytest.mark.parametrize("compact_between", [False, True])
async def test_late_and_unordered_readings_find_their_place(series, tenant, compact_between):
    written = a_day_of(2, 600)
    for begin in range(0, 600, 150):
        await series.write(tenant, written[begin : begin + 150])
        if compact_between:
            await series.maintain(T0 + 3 * HOUR_MS)
    await series.write(tenant, written[:50])  # a replay of what is compacted by now
    await series.maintain(T0 + 4 * HOUR_MS)
    assert await stored(series, tenant) == joined(written)
    assert await series.count(tenant, "m1", *ALL) == counted(written, *ALL)
    assert await series.latest(tenant, ["m1"]) == {"m1": newest(written)}


async def test_every_aggregate_equals_the_slow_and_obvious_one(series, tenant):
    written = a_day_of(3, 400)
    await series.write(tenant, written)
    cut = (T0 + 1_234_567, T0 + 12_345_678)
    asked = [(NAMES[:1], ALL), (NAMES[2:3], cut), (NAMES, ALL), (("voltage_l1", "not_there"), cut)]
    questions = [
        SeriesQuery("m1", quantities, span[0], span[1], every_ms, aggregate)
        for quantities, span in asked
        for every_ms in (1000, 7_000_000, 86_400_000)
        for aggregate in AGGREGATES
    ]
    for q in questions:
        assert_same(await series.query(tenant, q), answered(written, q))
    if isinstance(series, SqliteSeries):
        await series.maintain(T0 + 100 * HOUR_MS)
        for q in questions:
            assert_same(await series.query(tenant, q), answered(written, q))


async def test_aggregates_of_one_column_set_equal_the_slow_and_obvious_ones(series, tenant):
    rng = random.Random(4)
    written = [
        reading(T0 + i * 10_000, quality=Quality(i % 97 == 0), **{name: rng.uniform(0, 9e6) for name in NAMES})
        for i in range(1500)
    ]
    await series.write(tenant, written)
    await series.maintain(T0 + 3 * HOUR_MS)
    for aggregate in AGGREGATES:
        for every_ms in (10_000, HOUR_MS, 3 * HOUR_MS):
            q = SeriesQuery("m1", NAMES, T0 + 5, T0 + 4 * HOUR_MS, every_ms, aggregate)
            assert_same(await series.query(tenant, q), answered(written, q))


async def test_a_window_without_an_aggregate_is_a_mean(series, tenant):
    await series.write(tenant, [reading(T0, voltage_l1=1), reading(T0 + 1, voltage_l1=2)])
    result = await series.query(tenant, SeriesQuery("m1", ("voltage_l1",), *ALL, HOUR_MS))
    assert [point.values for point in result.points] == [{"voltage_l1": 1.5}]


async def test_windows_are_multiples_since_the_epoch(series, tenant):
    await series.write(tenant, [reading(T0 + i * 1000, voltage_l1=i) for i in range(0, 7200, 60)])
    q = SeriesQuery("m1", ("voltage_l1",), T0 + 400_000, T0 + 2 * HOUR_MS, 900_000, "min")
    result = await series.query(tenant, q)
    assert all(point.at_ms % 900_000 == 0 for point in result.points)
    assert result.points[0].at_ms == T0  # the range cuts it, the window's start stays
    assert_same(result, answered([reading(T0 + i * 1000, voltage_l1=i) for i in range(0, 7200, 60)], q))


@pytest.mark.parametrize("every_ms", [None, 60_000])
async def test_the_limit_keeps_the_oldest_points_and_says_so(series, tenant, every_ms):
    written = a_day_of(5, 300)
    await series.write(tenant, written)
    await series.maintain(T0 + 2 * HOUR_MS)
    whole = len(answered(written, SeriesQuery("m1", NAMES, *ALL, every_ms, "last")).points)
    for limit in (1, 10, whole - 1, whole, whole + 1):
        for quantities in (NAMES, NAMES[3:]):
            q = SeriesQuery("m1", quantities, *ALL, every_ms, "last" if every_ms else None, limit)
            assert_same(await series.query(tenant, q), answered(written, q))


async def test_quality_is_that_of_the_readings_that_answer(series, tenant):
    await series.write(
        tenant,
        [
            reading(T0, voltage_l1=1),
            reading(T0 + 1000, quality=Quality.SUSPECT, power_active_total=2),
            reading(T0 + 60_000, quality=Quality.SUSPECT, voltage_l1=3, power_active_total=4),
        ],
    )
    result = await series.query(tenant, SeriesQuery("m1", ("voltage_l1",), *ALL))
    assert [point.quality for point in result.points] == [Quality.GOOD, Quality.SUSPECT]
    result = await series.query(tenant, SeriesQuery("m1", ("voltage_l1",), *ALL, 60_000, "mean"))
    assert [point.quality for point in result.points] == [Quality.GOOD, Quality.SUSPECT]


async def test_the_newest_value_of_each_quantity_has_its_own_time_and_quality(series, tenant):
    written = [
        reading(T0, quality=Quality.SUSPECT, voltage_l1=1, level_percent=10),
        reading(T0 + 10, voltage_l1=2),
        reading(T0 + 5, voltage_l1=9, power_active_total=7),
    ]
    await series.write(tenant, written)
    await series.maintain(T0 + 50 * HOUR_MS)
    await series.write(tenant, [reading(T0 + 7, quality=Quality.SUSPECT, power_active_total=8)])
    assert await series.latest(tenant, ["m1", "m9"]) == {
        "m1": {
            "level_percent": LatestValue(10.0, T0, Quality.SUSPECT),
            "voltage_l1": LatestValue(2.0, T0 + 10, Quality.GOOD),
            "power_active_total": LatestValue(8.0, T0 + 7, Quality.SUSPECT),
        }
    }


async def test_the_newest_of_many_devices(series, tenant):
    await series.write(tenant, [reading(T0 + i, f"lamp-{i:03}", level_percent=i % 101) for i in range(250)])
    latest = await series.latest(tenant, [f"lamp-{i:03}" for i in range(0, 250, 2)])
    assert len(latest) == 125
    assert latest["lamp-248"] == {"level_percent": LatestValue(46.0, T0 + 248)}


async def test_a_quantity_nobody_knew_is_stored_with_all_its_digits(series, tenant):
    await series.write(tenant, [reading(T0, tilt_of_pole=0.1), reading(T0 + 1, tilt_of_pole=2)])
    result = await series.query(tenant, SeriesQuery("m1", ("tilt_of_pole",), *ALL))
    assert [point.values["tilt_of_pole"] for point in result.points] == [0.1, 2.0]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (Reading("lampu jalan", "", T0, {"voltage_l1": 1.0}), "lampu jalan"),
        (Reading("lämp", "", T0, {"voltage_l1": 1.0}), "device id"),
        (Reading("m1", "", T0, {"tégangan": 1.0}), "tégangan"),
        (Reading("m1", "", T0, {"quality": 1.0}), "quality"),
        (Reading("m1", "", T0, {"voltage_l1": float("nan")}), "voltage_l1 of m1"),
        (Reading("m1", "", T0, {"voltage_l1": float("inf")}), "voltage_l1 of m1"),
        (Reading("m1", "", T0, {"voltage_l1": 1e39}), "voltage_l1 of m1"),
        (Reading("m1", "", -1, {"voltage_l1": 1.0}), "1970"),
        (Reading("m1", "", 5_000_000_000_000, {"voltage_l1": 1.0}), "2100"),
    ],
)
async def test_what_no_store_may_hold_is_refused_and_nothing_of_its_write_is_stored(series, tenant, bad, said):
    with pytest.raises(StoreRefusedError, match=said):
        await series.write(tenant, [reading(T0, voltage_l1=1), bad])
    assert await stored(series, tenant) == []


async def test_writes_that_come_together_are_each_answered(series, tenant):
    written = a_day_of(6, 400)
    await asyncio.gather(*(series.write(tenant, written[i : i + 10]) for i in range(0, 400, 10)))
    assert await stored(series, tenant) == joined(written)


async def test_questions_during_writes_and_compaction_see_everything_once(series, tenant):
    written = a_day_of(7, 500)
    await series.write(tenant, written)

    async def ask() -> None:
        for _ in range(5):
            assert await series.count(tenant, "m1", *ALL) == counted(written, *ALL)
            assert len(await stored(series, tenant)) == 500

    async def disturb() -> None:
        for hours in range(1, 6):
            await series.write(tenant, [reading(T0 + i, f"x{hours}", voltage_l1=i) for i in range(20)])
            await series.maintain(T0 + hours * HOUR_MS + 600_000)

    await asyncio.gather(ask(), disturb(), ask())


async def test_a_hundred_thousand_values_in_one_write(series, tenant):
    rng = random.Random(8)
    names = ["energy_active_import", *(f"voltage_l{i}" for i in (1, 2, 3)), *(f"current_l{i}" for i in (1, 2, 3))]
    names += [f"power_active_l{i}" for i in (1, 2, 3)]
    values = [{name: stored_precision(name, rng.uniform(0, 400)) for name in names} for _ in range(10_000)]
    written = [Reading("m1", "", T0 + i * 1000, row) for i, row in enumerate(values)]
    await series.write(tenant, written)
    assert await series.count(tenant, "m1", *ALL) == dict.fromkeys(names, 10_000)
    assert await stored(series, tenant) == written


INSTANTS = st.integers(0, 40).map(lambda step: T0 + step * 450_000)
VALUES = st.floats(-1e6, 1e6, allow_nan=False, width=32)
READINGS = st.lists(
    st.builds(
        lambda at_ms, values, quality: reading(at_ms, quality=quality, **values),
        INSTANTS,
        st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1),
        st.sampled_from(Quality),
    ),
    max_size=40,
)


# A bucket an example would be too slow: the tables above cover InfluxDB.
@pytest.mark.parametrize("series", EMBEDDED, indirect=True)
@given(
    readings=READINGS,
    compact_at=st.integers(0, 40),
    every_ms=st.sampled_from([None, 450_000, 1_000_000, HOUR_MS]),
    aggregate=st.sampled_from(AGGREGATES),
    begin=st.integers(-1, 41),
    length=st.integers(0, 42),
    limit=st.integers(1, 50),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_history_answers_any_question_like_the_model(
    series, new_tenant, readings, compact_at, every_ms, aggregate, begin, length, limit
):
    tenant = new_tenant()
    once = {(one.at_ms, name): one for one in reversed(readings) for name in one.values}
    history = [reading(at, quality=one.quality, **{name: one.values[name]}) for (at, name), one in once.items()]
    for number, one in enumerate(history):
        await series.write(tenant, [one])
        if number == compact_at:
            await series.maintain(T0 + 3 * HOUR_MS)
    start = T0 + begin * 450_000 + 1
    q = SeriesQuery("m1", NAMES, start, start + length * 450_000, every_ms, aggregate if every_ms else None, limit)
    assert_same(await series.query(tenant, q), answered(history, q))
    assert await series.count(tenant, "m1", q.from_ms, q.to_ms) == counted(history, q.from_ms, q.to_ms)
    assert await stored(series, tenant) == joined(history)
