"""Lamps and meters with a JSON of their own on Mosquitto: a new dialect is a data file, proved like any other."""

import json

import aiomqtt
import pytest

from lentera_drivers.profiles import LampProfile, SensorProfile, load_profile
from lentera_model.commands import ConfirmedBy, Reason
from lentera_model.readings import Quality
from tests.drivers.lamps import OwnLamp
from tests.drivers.mqtt_street import Street, profile

OWN = profile("generic_json_light")


async def dimmed(mosquitto, name: str, level: float, timeout_s: float = 3.0, profile: LampProfile = OWN, **behaviour):
    """Dim one lamp after it has said how it is; return the end, the lamp and the street."""
    street = Street(mosquitto.host, mosquitto.port, name, profile=profile)
    lamp = OwnLamp(profile, name, **behaviour).at(mosquitto.host, mosquitto.port)
    async with street, lamp:
        await street.ready()
        await street.settled()
        await lamp.report()
        await street.until(lambda: len(street.samples) == 1)
        end = await street.driver.set_level(name, level, timeout_s)
        await street.until(lambda: len(street.samples) == len(lamp.published))
    return end, lamp, street


async def test_a_lamp_with_json_of_its_own_is_proved_by_its_power(mosquitto, name):
    end, lamp, street = await dimmed(mosquitto, name, 40)
    assert (end.outcome, end.confirmed_by, end.reason) == ("succeeded", ConfirmedBy.POWER, None)
    assert lamp.commands == [{"light": {"on": True, "level": 40}}]
    assert [sample.values["level_percent"] for sample in street.samples] == [100.0, 40.0, 40.0]
    assert [sample.values["power_active_total"] for sample in street.samples] == [60.0, 60.0, 24.0]
    assert [sample.quality for sample in street.samples] == [Quality.GOOD, Quality.SUSPECT, Quality.GOOD]


async def test_it_is_switched_off_by_its_own_payload(mosquitto, name):
    end, lamp, _ = await dimmed(mosquitto, name, 0)
    assert (end.outcome, end.confirmed_by) == ("succeeded", ConfirmedBy.POWER)
    assert lamp.commands == [{"light": {"on": False}}]


async def test_one_that_only_echoes_is_not_believed(mosquitto, name):
    end, _, _ = await dimmed(mosquitto, name, 40, timeout_s=0.6, act_s=None)
    assert (end.outcome, end.confirmed_by, end.reason) == ("unproved", ConfirmedBy.ECHO, Reason.UNPROVED)


async def test_one_that_reads_its_level_back_is_asked_by_its_own_question(mosquitto, name):
    reads_back = OWN.model_copy(update={"proof": OWN.proof.model_copy(update={"readback": True, "power": None})})
    end, lamp, _ = await dimmed(mosquitto, name, 40, profile=reads_back)
    assert (end.outcome, end.confirmed_by) == ("succeeded", ConfirmedBy.READBACK)
    assert lamp.questions
    assert all(question == {} for question in lamp.questions)
    end, _, _ = await dimmed(mosquitto, f"{name}-lazy", 40, profile=reads_back, timeout_s=0.8, act_s=None)
    assert (end.outcome, end.reason) == ("failed", Reason.LEVEL_MISMATCH)
    assert "the lamp is at 100.0 %" in end.reason_text


async def test_one_that_is_only_switched_takes_no_level(mosquitto, name):
    light = {"state": "/on", "on": True, "off": False, "set_on": '{"on":true}', "set_off": '{"on":false}'}
    data = OWN.model_dump(mode="json", exclude_none=True) | {"light": light, "id": "own_switch"}
    street = Street(mosquitto.host, mosquitto.port, name, profile=LampProfile.model_validate(data))
    async with street:
        await street.ready()
        end = await street.driver.set_level(name, 40, 1)
    assert (end.outcome, end.reason) == ("failed", Reason.NOT_SUPPORTED)
    assert "0 % or 100 %, not 40 %" in end.reason_text


@pytest.mark.parametrize("payload", ['{"light":{"on":"yes"}}', '{"light":{"on":true,"level":101}}', '{"light":[1]}'])
async def test_a_level_of_no_use_is_no_level(mosquitto, name, payload):
    street = Street(mosquitto.host, mosquitto.port, name, profile=OWN)
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        for said in (payload, '{"light":{"on":true,"level":7},"meter":{"w":3,"kwh":2.5}}'):
            await client.publish(f"lamps/{name}/state", said, qos=1)
        await street.until(lambda: street.levels())
    assert [dict(sample.values) for sample in street.samples] == [
        {"level_percent": 7.0, "power_active_total": 3.0, "energy_active_import": 2500.0}
    ]


async def test_a_meter_of_a_dialect_that_nobody_has_met(mosquitto, name):
    own = SensorProfile.model_validate(
        {
            "kind": "sensor",
            "id": "own_meter",
            "manufacturer": "any",
            "model": "any",
            "messages": {"fast": {"topic": "site/{name}/p", "format": "text"}, "slow": {"topic": "site/{name}/c"}},
            "fields": [
                {"quantity": "power_active_total", "pointer": "", "unit": "W", "message": "fast", "text_numbers": True},
                {
                    "quantity": "energy_active_import",
                    "pointer": "/regs/1/v",
                    "unit": "Wh",
                    "scale": 0.1,
                    "message": "slow",
                    "null_values": [-1],
                },
            ],
            "sources": [{"url": "https://example.org/manual.pdf"}],
        }
    )
    street = Street(mosquitto.host, mosquitto.port, name, profile=own)
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        await client.publish(f"site/{name}/p", "812.5", qos=1)
        await client.publish(f"site/{name}/p", "nan", qos=1)
        for number in (123_456, -1):
            await client.publish(f"site/{name}/c", json.dumps({"regs": [{"v": 0}, {"v": number}]}), qos=1)
        await client.publish(f"site/{name}/p", "7", qos=1)
        await street.until(lambda: len(street.samples) == 3)
    assert [dict(sample.values) for sample in street.samples] == [
        {"power_active_total": 812.5},
        {"energy_active_import": 12345.6},
        {"power_active_total": 7.0},
    ]
    assert street.driver.malformed(name)[name]["count"] == 1


def test_the_profiles_of_ones_own_come_along():
    assert isinstance(load_profile("generic_json_meter"), SensorProfile)
    assert OWN.dialect == "generic_json"
