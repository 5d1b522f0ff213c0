"""Meters and plugs on MQTT, and what a field of them may throw at a gateway: against a real broker."""

import json

import aiomqtt
import pytest

from lentera_drivers.driver import OutcomeKind
from lentera_drivers.profiles import SensorProfile, load_profile
from lentera_model.readings import Quality
from tests.drivers.mqtt_street import Street

ENERGY = {
    "Total": 12.345,
    "Power": 850,
    "ApparentPower": 900,
    "ReactivePower": 120,
    "Factor": 0.94,
    "Frequency": 50,
    "Voltage": 229,
    "Current": 3.712,
}


def sensor(name: str) -> SensorProfile:
    found = load_profile(name)
    assert isinstance(found, SensorProfile)
    return found


TASMOTA, PLUG = sensor("tasmota_energy"), sensor("zigbee2mqtt_plug")


async def published(mosquitto, profile: SensorProfile, name: str, *messages: tuple[str, str | bytes], until) -> Street:
    """Publish messages to a listening driver, wait for what they lead to, and return what the driver told."""
    street = Street(mosquitto.host, mosquitto.port, name, profile=profile)
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        for topic, payload in messages:
            await client.publish(topic, payload, qos=1)
        await street.until(lambda: until(street))
    return street


async def test_a_tasmota_module_is_read(mosquitto, name):
    said = json.dumps({"Time": "2026-11-25T12:00:00", "ENERGY": ENERGY})
    street = await published(
        mosquitto, TASMOTA, name, (f"tele/{name}/SENSOR", said), until=lambda street: len(street.samples) == 1
    )
    [sample] = street.samples
    assert (sample.profile, sample.quality) == ("tasmota_energy", Quality.GOOD)
    assert sample.values == {
        "energy_active_import": 12_345.0,
        "power_active_total": 850.0,
        "power_active_l1": 850.0,
        "power_apparent_total": 900.0,
        "power_reactive_total": 120.0,
        "power_factor_l1": 0.94,
        "frequency": 50.0,
        "voltage_l1": 229.0,
        "current_l1": 3.712,
    }


async def test_three_phases_come_as_lists(mosquitto, name):
    energy = ENERGY | {"Power": [100, 200, 300], "Voltage": [229, 230, 231], "Total": [1, 2, 3.5]}
    said = json.dumps({"ENERGY": energy})
    street = await published(
        mosquitto, TASMOTA, name, (f"tele/{name}/SENSOR", said), until=lambda street: len(street.samples) == 1
    )
    values = street.samples[0].values
    assert [values[f"power_active_l{n}"] for n in (1, 2, 3)] == [100, 200, 300]
    assert (values["power_active_total"], values["energy_active_import"]) == (600, 6500)
    assert values["voltage_l3"] == 231


async def test_a_plug_says_what_it_draws_and_whether_it_is_on(mosquitto, name):
    said = json.dumps({"power": 12.5, "energy": 3.21, "voltage": 231, "current": 0.06, "state": "ON"})
    street = await published(
        mosquitto, PLUG, name, (f"zigbee2mqtt/{name}", said), until=lambda street: len(street.samples) == 1
    )
    assert street.samples[0].values == {
        "power_active_total": 12.5,
        "energy_active_import": 3210.0,
        "voltage_l1": 231.0,
        "current_l1": 0.06,
        "output_1": 1.0,
    }


async def test_the_last_will_of_a_module_takes_it_offline(mosquitto, name):
    lwt = f"tele/{name}/LWT"
    street = await published(
        mosquitto,
        TASMOTA,
        name,
        (lwt, "Online"),
        (lwt, "Offline"),
        until=lambda street: [one[:2] for one in street.statuses][-1:] == [(name, False)],
    )
    assert [one[:2] for one in street.statuses] == [(name, True), (name, False)]


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"\xff\xfe{", "JSON"),
        (b"no json", "JSON"),
        (b'{"power": ' + b"[" * 5000, "JSON"),
        (b'{"power": NaN}', ""),
        (b'{"power": 1e999}', ""),
        (b'{"power": "12.5 W"}', ""),
        (b'{"power": true}', ""),
        (b'{"power": {"value": 1}}', ""),
        (b'{"power": ' + b"9" * 5000 + b"}", ""),
    ],
)
async def test_a_payload_of_no_use_is_set_aside_and_the_next_is_read(mosquitto, name, payload, complaint):
    topic = f"zigbee2mqtt/{name}"
    street = await published(
        mosquitto, PLUG, name, (topic, payload), (topic, b'{"power": 3}'), until=lambda street: street.samples
    )
    assert [dict(sample.values) for sample in street.samples] == [{"power_active_total": 3.0}]
    aside = street.driver.malformed(name)[name]
    assert aside["count"] == 1
    [entry] = aside["recent"]
    assert entry["topic"] == topic
    assert entry["size"] == len(payload)
    assert complaint in entry["reason"]
    assert len(entry["first"]) <= 4 * 64


async def test_a_good_field_is_kept_though_its_neighbour_is_of_no_use(mosquitto, name):
    street = await published(
        mosquitto,
        PLUG,
        name,
        (f"zigbee2mqtt/{name}", b'{"power": "much", "voltage": 230}'),
        until=lambda street: street.samples,
    )
    assert street.samples[0].values == {"voltage_l1": 230.0}
    assert street.driver.malformed(name)[name]["count"] == 1


async def test_ten_megabytes_cost_neither_the_connection_nor_the_next_message(mosquitto, name):
    topic = f"zigbee2mqtt/{name}"
    street = await published(
        mosquitto,
        PLUG,
        name,
        (topic, b'{"power": 1, "junk": "' + b"x" * 10_000_000 + b'"}'),
        (topic, b'{"power": 3}'),
        until=lambda street: street.samples,
    )
    assert [dict(sample.values) for sample in street.samples] == [{"power_active_total": 3.0}]
    assert street.driver.session_counters.connections == 1


async def test_a_flood_from_one_device_starves_no_other(mosquitto, name):
    other = f"{name}-quiet"
    street = Street(mosquitto.host, mosquitto.port, name, other, profile=PLUG)
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        for n in range(10_000):
            await client.publish(f"zigbee2mqtt/{name}", json.dumps({"power": n}), qos=0)
            if n % 1000 == 0:
                await client.publish(f"zigbee2mqtt/{other}", json.dumps({"power": n}), qos=1)

        def heard(device: str) -> list[float]:
            return [one.values["power_active_total"] for one in street.samples if one.device == device]

        await street.until(lambda: len(heard(other)) == 10)
        assert heard(other) == [1000.0 * n for n in range(10)]
        assert len(heard(name)) < 3000, "what exceeds its allowance is dropped"
        unwell = street.driver.status()["devices"]
        assert unwell[name]["dropped"] > 0
        assert other not in unwell


async def test_why_a_value_of_a_sensor_is_absent(mosquitto, name):
    topic = f"zigbee2mqtt/{name}"
    street = Street(mosquitto.host, mosquitto.port, name, profile=PLUG)
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        await client.publish(topic, b'{"power": 3}', qos=1)
        await street.until(lambda: street.samples)
        outcomes = street.driver.outcomes(name)
        assert outcomes["power_active_total"].kind is OutcomeKind.OK
        assert outcomes["frequency"].kind is OutcomeKind.NO_VALUE
        await client.publish(f"{topic}/availability", b'{"state":"offline"}', qos=1)
        await street.until(lambda: street.statuses[-1][1] is False)
        assert street.driver.outcomes(name)["power_active_total"].kind is OutcomeKind.DEAD


async def test_a_level_cannot_be_set_on_a_sensor(mosquitto, name):
    street = Street(mosquitto.host, mosquitto.port, name, profile=PLUG)
    async with street:
        await street.ready()
        end = await street.driver.set_level(name, 50, 0.5)
    assert end.outcome == "failed"
    assert "level" in end.reason_text


async def test_what_a_lamp_measures_while_it_says_that_it_has_failed_is_marked(mosquitto, name):
    street = Street(mosquitto.host, mosquitto.port, name)
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        for failed in (0, 1):
            said = {"state": "ON", "brightness": 254, "power": 2.0, "lamp_failure": failed}
            await client.publish(f"zigbee2mqtt/{name}", json.dumps(said), qos=1)
        await street.until(lambda: len(street.samples) == 2)
    assert [sample.quality for sample in street.samples] == [Quality.GOOD, Quality.DEVICE_FAULT]


async def test_what_was_of_no_use_is_counted_for_the_status_file(mosquitto, name):
    topic = f"zigbee2mqtt/{name}"
    street = await published(
        mosquitto, PLUG, name, (topic, b"junk"), (topic, b'{"power": 3}'), until=lambda street: street.samples
    )
    status = street.driver.status()
    assert (status["malformed"], status["messages"]) == (1, 2)
    assert status["devices"][name]["malformed"] == 1
    assert "JSON" in status["devices"][name]["last"]
