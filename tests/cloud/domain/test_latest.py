"""The newest values in memory, whatever order the readings of a backlog come in."""

import random

import pytest

from lentera_cloud.adapters.memory_series import MemorySeries
from lentera_cloud.domain.events import ReadingsStored
from lentera_cloud.features.devices.latest import LatestValues
from lentera_cloud.kit.times import SystemClock
from lentera_cloud.ports import LatestValue
from lentera_model.readings import Quality, Reading

NAMES = ("voltage_l1", "current_l1", "power_active_total")


@pytest.mark.parametrize("seed", range(20))
async def test_each_quantity_has_the_newest_of_many_readings_of_any_shape(seed):
    rng = random.Random(seed)
    readings = [
        Reading(
            f"m{rng.randrange(3)}",
            "p",
            rng.randrange(40),
            {name: rng.random() for name in rng.sample(NAMES, rng.randint(1, 3))},
            rng.choice((Quality.GOOD, Quality.SUSPECT)),
        )
        for _ in range(60)
    ]
    wanted: dict[str, dict[str, LatestValue]] = {}
    for reading in sorted(readings, key=lambda one: one.at_ms):  # of one time the last that came
        for name, value in reading.values.items():
            wanted.setdefault(reading.device, {})[name] = LatestValue(value, reading.at_ms, reading.quality)
    latest = LatestValues(MemorySeries(), SystemClock(), lambda gateway: 0.0)
    await latest.on_stored(ReadingsStored("stabat", readings))
    assert await latest.of("stabat", dict.fromkeys(wanted, "gw-1")) == wanted
