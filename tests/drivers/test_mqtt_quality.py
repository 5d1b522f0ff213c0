"""How far the values of a message may be trusted: each way to each quality, with its reason; and all of it kept."""

import json

import aiomqtt
import pytest

from lentera_drivers.mqtt.quality import MessageQuality
from lentera_drivers.profiles import SensorProfile, load_profile
from lentera_model.readings import Quality
from tests.drivers.mqtt_street import Street

WELL = {"voltage_l1": 230.0, "current_l1": 1.0, "energy_active_import": 1000.0, "frequency": 50.0}
OLD, ECHO = Quality.STALE, "it may be the echo of a command"


@pytest.mark.parametrize(
    ("values", "how", "bad", "why"),
    [
        ({}, {}, {}, ""),
        ({"voltage_l1": 0.0, "frequency": 0.0}, {}, {}, ""),
        ({"voltage_l1": 120.0}, {}, {}, ""),
        ({"voltage_l1": 2300.0}, {}, {"voltage_l1": Quality.IMPLAUSIBLE}, "2300 is not between 0 and 500"),
        ({"voltage_l1": -1.0}, {}, {"voltage_l1": Quality.IMPLAUSIBLE}, "-1 is not between 0 and 500"),
        ({"frequency": 5.0}, {}, {"frequency": Quality.IMPLAUSIBLE}, "5 is not between 40 and 70"),
        (
            {"power_factor_total": 95.0},
            {},
            {"power_factor_total": Quality.IMPLAUSIBLE},
            "95 is not between -1.02 and 1.02",
        ),
        (
            {"energy_active_import": 999.0},
            {},
            {"energy_active_import": Quality.IMPLAUSIBLE},
            "the counter fell from 1000 to 999",
        ),
        (
            {"energy_active_import": -3.0},
            {},
            {"energy_active_import": Quality.IMPLAUSIBLE},
            "-3: a counter is not negative",
        ),
        ({}, {"echo": True}, dict.fromkeys(WELL, Quality.SUSPECT), ECHO),
        (
            {},
            {"of_time": Quality.SUSPECT},
            dict.fromkeys(WELL, Quality.SUSPECT),
            "the broker had kept it, and its time is not sure",
        ),
        (
            {},
            {"of_time": OLD},
            dict.fromkeys(WELL, OLD),
            "the broker had kept it for longer than the device may be silent",
        ),
        (
            {"device_fault": 1.0},
            {"of_time": OLD},
            dict.fromkeys([*WELL, "device_fault"], Quality.DEVICE_FAULT),
            "the device says that it is at fault (device_fault)",
        ),
        (
            {"lamp_failure": 1.0, "voltage_l1": 2300.0},
            {},
            dict.fromkeys([*WELL, "lamp_failure"], Quality.DEVICE_FAULT),
            "the device says that it is at fault (lamp_failure)",
        ),
        ({"lamp_failure": 0.0, "device_fault": 0.0}, {}, {}, ""),
        ({"energy_active_net": -5.0}, {}, {}, ""),
    ],
)
def test_the_worst_that_speaks_against_a_value_is_its_quality(values, how, bad, why):
    it = MessageQuality("d", "p")
    assert [sample.quality for sample in it.samples(WELL, 1_000)] == [Quality.GOOD]
    said = WELL | values
    parts = it.samples(said, 2_000, **how)
    kept = {name: sample.quality for sample in parts for name in sample.values}
    assert kept == dict.fromkeys(said, Quality.GOOD) | bad
    assert {name: value for sample in parts for name, value in sample.values.items()} == said
    assert it.doubts == {name: (quality, why) for name, quality in bad.items()}
    it.samples(dict.fromkeys(said, 0.0) | {"energy_active_import": 2000.0}, 3_000)
    assert not it.doubts


def test_two_kinds_of_doubt_are_told_apart():
    it = MessageQuality("d", "p")
    parts = it.samples(WELL | {"voltage_l1": 2300.0}, 1, Quality.STALE)
    assert {sample.quality: set(sample.values) for sample in parts} == {
        Quality.STALE: {"current_l1", "energy_active_import", "frequency"},
        Quality.IMPLAUSIBLE: {"voltage_l1"},
    }


def test_what_is_older_than_what_was_read_has_not_fallen():
    it = MessageQuality("d", "p")
    it.samples(WELL, 10_000)
    older = it.samples({"energy_active_import": 900.0}, 5_000)
    assert [sample.quality for sample in older] == [Quality.GOOD]
    (fallen,) = it.samples({"energy_active_import": 950.0}, 11_000)
    assert fallen.quality is Quality.IMPLAUSIBLE


def test_no_values_give_no_sample():
    assert MessageQuality("d", "p").samples({}, 1) == []


async def test_a_plug_whose_counter_falls_is_asked_why(mosquitto, request):
    name = request.node.name
    plug = load_profile("zigbee2mqtt_plug")
    assert isinstance(plug, SensorProfile)
    street = Street(mosquitto.host, mosquitto.port, name, profile=plug)
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        for energy in (2.5, 1.5):
            await client.publish(f"zigbee2mqtt/{name}", json.dumps({"power": 3, "energy": energy}), qos=1)
        await street.until(lambda: len(street.samples) == 3)
        outcomes = street.driver.outcomes(name)
    qualities = [(sample.quality, set(sample.values)) for sample in street.samples]
    assert qualities[1:] == [
        (Quality.GOOD, {"power_active_total"}),
        (Quality.IMPLAUSIBLE, {"energy_active_import"}),
    ]
    assert outcomes["energy_active_import"].doubt == "the counter fell from 2500 to 1500"
    assert not outcomes["power_active_total"].doubt
