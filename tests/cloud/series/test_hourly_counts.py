"""Values counted by the hour: the same on every store, whatever form the hour is stored in."""

from lentera_cloud.ports import HourlyCounts
from lentera_model.readings import Quality, Reading
from tests.cloud.series.model import HOUR_MS, T0, counted, reading
from tests.cloud.series.test_contract import a_day_of

SIX_HOURS = (T0 - HOUR_MS, T0 + 5 * HOUR_MS)


def by_hour(readings: list[Reading], from_ms: int, to_ms: int) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for hour in range(from_ms, to_ms, HOUR_MS):
        for name, number in counted(readings, hour, hour + HOUR_MS).items():
            found.setdefault(name, {})[hour] = number
    return found


async def test_each_hour_is_counted_for_itself(series, tenant):
    written = a_day_of(11, 400)
    await series.write(tenant, written)
    expected: HourlyCounts = {"m1": by_hour(written, *SIX_HOURS)}
    assert await series.hourly_counts(tenant, ["m1", "nobody"], *SIX_HOURS) == expected
    assert await series.hourly_counts(tenant, ["m1"], T0 + HOUR_MS, T0 + 2 * HOUR_MS) == {
        "m1": by_hour(written, T0 + HOUR_MS, T0 + 2 * HOUR_MS)
    }


async def test_what_comes_late_and_again_is_counted_once_beside_what_was_compacted(series, tenant):
    written = a_day_of(12, 300)
    await series.write(tenant, written[:200])
    await series.maintain(T0 + 100 * HOUR_MS)
    await series.write(tenant, written[150:])
    assert await series.hourly_counts(tenant, ["m1"], *SIX_HOURS) == {"m1": by_hour(written, *SIX_HOURS)}
    await series.maintain(T0 + 100 * HOUR_MS)
    assert await series.hourly_counts(tenant, ["m1"], *SIX_HOURS) == {"m1": by_hour(written, *SIX_HOURS)}


async def test_an_instant_in_two_records_counts_once(series, tenant):
    both = [
        reading(T0 + 5, power_active_total=1, voltage_l1=230),
        reading(T0 + 5, power_active_total=1, frequency=50),
        reading(T0 + 6, frequency=50, quality=Quality.SUSPECT),
    ]
    await series.write(tenant, both)
    found = await series.hourly_counts(tenant, ["m1"], T0, T0 + HOUR_MS)
    assert found == {"m1": {"power_active_total": {T0: 1}, "voltage_l1": {T0: 1}, "frequency": {T0: 2}}}


async def test_devices_and_tenants_are_apart_and_an_empty_range_holds_nothing(series, new_tenant):
    ours, theirs = new_tenant(), new_tenant()
    await series.write(ours, [reading(T0, "m1", voltage_l1=1), reading(T0, "m2", voltage_l1=1)])
    await series.write(theirs, [reading(T0, "m1", voltage_l1=1)])
    one = {"voltage_l1": {T0: 1}}
    assert await series.hourly_counts(ours, ["m1", "m2"], *SIX_HOURS) == {"m1": one, "m2": one}
    assert await series.hourly_counts(theirs, ["m1", "m2"], *SIX_HOURS) == {"m1": one}
    assert await series.hourly_counts(ours, ["m1"], T0, T0) == {}
    assert await series.hourly_counts(ours, [], *SIX_HOURS) == {}
    assert await series.hourly_counts(new_tenant(), ["m1"], *SIX_HOURS) == {}


async def test_more_devices_than_fit_one_question(series, tenant):
    names = [f"d{number}" for number in range(230)]
    await series.write(tenant, [reading(T0 + 1, name, voltage_l1=1) for name in names])
    found = await series.hourly_counts(tenant, names, T0, T0 + HOUR_MS)
    assert found == {name: {"voltage_l1": {T0: 1}} for name in names}
