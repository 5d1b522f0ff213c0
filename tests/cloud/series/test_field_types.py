"""A quantity has one type in every store, whatever its first value looks like, and late data are as good as others."""

import pytest

from lentera_cloud.ports import SeriesQuery, StoreRefusedError
from lentera_model.readings import Reading
from tests.cloud.series.model import T0, reading

ALL = (T0 - 86_400_000, T0 + 86_400_000)

NUMBERS = (0, 50, 50.5, -0.0, True, -3, 2**40, 1e-20, 1e20, 7)
"""As a device, a profile or a newer gateway may give them: whole, fractional, very large, very small."""
KINDS = ("frequency", "energy_active_import", "level_percent", "a_quantity_of_tomorrow")
"""Instantaneous, a counter, a state, and one that no catalogue has."""


@pytest.mark.parametrize("name", KINDS)
async def test_no_order_of_numbers_makes_two_types_of_one_quantity(series, new_tenant, name):
    for first in (50, 50.5, True):  # the first value is what a store might take a type from
        tenant = new_tenant()
        for step, value in enumerate((first, *NUMBERS)):
            await series.write(tenant, [Reading("m1", "", T0 + step, {name: value})])
        found = await series.query(tenant, SeriesQuery("m1", (name,), *ALL))
        values = [point.values[name] for point in found.points]
        assert values == pytest.approx([float(one) for one in (first, *NUMBERS)], rel=1e-6, abs=1e-25)
        assert all(type(value) is float for value in values)


async def test_devices_may_disagree_about_a_quantity_in_any_order(series, tenant):
    rows = [Reading(f"m{n}", "", T0, {"frequency": value}) for n, value in enumerate(NUMBERS)]
    for row in rows:
        await series.write(tenant, [row])
    newest = await series.latest(tenant, [row.device for row in rows])
    found = [newest[row.device]["frequency"].value for row in rows]
    assert found == pytest.approx([float(one) for one in NUMBERS], rel=1e-6, abs=1e-25)


async def test_the_one_field_of_another_type_can_be_no_quantity(series, tenant):
    await series.write(tenant, [reading(T0, frequency=50)])
    with pytest.raises(StoreRefusedError, match="quality"):
        await series.write(tenant, [Reading("m1", "", T0 + 1, {"quality": 1.5})])
    await series.write(tenant, [reading(T0 + 2, frequency=51)])
    found = await series.query(tenant, SeriesQuery("m1", ("frequency",), *ALL))
    assert [point.values["frequency"] for point in found.points] == [50.0, 51.0]


async def test_a_month_that_comes_backwards_is_as_good_as_one_that_does_not(series, tenant):
    day_ms = 86_400_000
    rows = [reading(T0 - n * day_ms // 4, frequency=50 + n / 64, energy_active_import=1_000 - n) for n in range(120)]
    for row in rows:
        await series.write(tenant, [row])
    span = (T0 - 31 * day_ms, T0 + 1)
    found = [row async for row in series.raw(tenant, "m1", *span)]
    assert [(row.at_ms, dict(row.values)) for row in found] == [(row.at_ms, dict(row.values)) for row in rows[::-1]]
    newest = (await series.latest(tenant, ["m1"]))["m1"]
    assert (newest["frequency"].value, newest["frequency"].at_ms) == (50.0, T0)
