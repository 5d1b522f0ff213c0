"""What the driver bounds and dates: packets of any size, floods, and what a broker remembers."""

import json
from datetime import UTC, datetime

import aiomqtt
import pytest
from aiomqtt import ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from lentera_drivers.driver import OutcomeKind
from lentera_drivers.mqtt import rate
from lentera_model.readings import Quality
from tests.drivers.mqtt_street import HA, Street, now_ms
from tests.drivers.test_mqtt_sensors import PLUG, TASMOTA

WALL_MS = 1_790_000_000_000


BOTH = pytest.mark.parametrize("protocol", [ProtocolVersion.V5, ProtocolVersion.V311], ids=["5", "3.1.1"])


def speaking(protocol: ProtocolVersion, street: Street) -> Street:
    """Have a street's driver speak this MQTT; 3.1.1 as to a broker that knows nothing newer."""
    street.driver._session._protocol = protocol
    return street


@BOTH
@pytest.mark.parametrize("size", [66_000, 1_000_000, 10_000_000])
async def test_a_message_that_is_too_large_is_passed_over_and_named(mosquitto, name, size, protocol):
    topic = f"zigbee2mqtt/{name}"
    street = speaking(protocol, Street(mosquitto.host, mosquitto.port, name, profile=PLUG))
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port, timeout=30) as client:
        await street.ready()
        await street.settled()
        for number in (1, 2):
            await client.publish(topic, b'{"junk": "' + b"x" * size + b'"}', qos=1)
            await client.publish(topic, json.dumps({"power": number}), qos=1)
        await street.until(lambda: len(street.samples) == 2)
        assert_set_aside(street, name, topic, size)


def assert_set_aside(street: Street, name: str, topic: str, size: int) -> None:
    """Two messages larger than `size` were acknowledged, counted, and named by their topic."""
    counters = street.driver.session_counters
    assert (counters.connections, counters.oversized, counters.repeated) == (1, 2, 0), "each was acknowledged"
    aside = street.driver.malformed(name)[name]
    assert aside["count"] == 2
    for entry in aside["recent"]:
        assert entry["size"] > size
        assert entry["topic"] == topic
        assert "larger than any device's" in entry["reason"]
        assert entry["first"].startswith('{"junk": "xxx')


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("user_properties", [1, 3, 100])
async def test_properties_of_any_length_before_too_large_a_payload_cost_no_connection(
    mosquitto, name, qos, user_properties
):
    topic = f"zigbee2mqtt/{name}"
    street = Street(mosquitto.host, mosquitto.port, name, profile=PLUG)
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("from", "y" * 1_000)] * user_properties
    async with (
        street,
        aiomqtt.Client(mosquitto.host, mosquitto.port, timeout=30, protocol=ProtocolVersion.V5) as client,
    ):
        await street.ready()
        await street.settled()
        await client.publish(topic, b'{"junk": "' + b"x" * 300_000 + b'"}', qos=qos, properties=properties)
        await client.publish(topic, '{"power": 1}', qos=1)
        await street.until(lambda: street.samples)
    counters = street.driver.session_counters
    assert (counters.connections, counters.oversized) == (1, 1)
    (entry,) = street.driver.malformed(name)[name]["recent"]
    assert entry["size"] > 300_000
    assert entry["first"].startswith('{"junk": "xxx') or user_properties == 100, "what was kept held no payload"


@BOTH
async def test_a_message_at_the_limit_is_no_oversized_one(mosquitto, name, protocol):
    street = speaking(protocol, Street(mosquitto.host, mosquitto.port, name, profile=PLUG))
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        await client.publish(f"zigbee2mqtt/{name}", b'{"power": 1, "junk": "' + b"x" * 16_000 + b'"}', qos=1)
        await client.publish(f"zigbee2mqtt/{name}", b'{"power": 2, "junk": "' + b"x" * 60_000 + b'"}', qos=1)
        await client.publish(f"zigbee2mqtt/{name}", b'{"power": 3}', qos=1)
        await street.until(lambda: len(street.samples) == 2)
    assert [sample.values["power_active_total"] for sample in street.samples] == [1.0, 3.0]
    assert street.driver.session_counters.oversized == 0


async def test_a_flooding_device_is_muted_and_listened_to_again(mosquitto, name, monkeypatch):
    monkeypatch.setattr(rate, "MUTE_MS", 1500)
    monkeypatch.setattr(rate, "MUTE_ABOVE_PER_S", 100.0)  # a busy machine's test may not manage a thousand
    topic, other = f"zigbee2mqtt/{name}", f"{name}-quiet"
    street = Street(mosquitto.host, mosquitto.port, name, other, profile=PLUG)
    async with street, aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await street.ready()
        await street.settled()
        for number in range(4_000):
            await client.publish(topic, json.dumps({"power": number}), qos=0)
        await street.until(lambda: (name, False) in [one[:2] for one in street.statuses])
        told_as, _, reason = street.statuses[-1]
        assert told_as == name, "what was on its way does not bring it back"
        assert "publishes more than 100 messages a second" in reason
        assert street.driver.outcomes(name)["power_active_total"].kind is OutcomeKind.LATE
        assert street.driver.status()["devices"][name]["muted"] is True
        await street.until(lambda: street.driver.status()["devices"][name]["muted"] is False)
        await client.publish(f"zigbee2mqtt/{other}", '{"power": 5}', qos=1)
        await street.until(lambda: any(sample.device == other for sample in street.samples))
        await client.publish(topic, '{"power": 1}', qos=1)
        await street.until(lambda: [one[:2] for one in street.statuses if one[0] == name][-1] == (name, True))
        told = street.driver.status()["devices"][name]
        assert told["mutes"] >= 1
        assert told["dropped"] >= 200


def said_at(profile, at_ms: int) -> bytes:
    """A message of a device of a profile with the device's own time."""
    iso = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {
        "zigbee2mqtt_plug": json.dumps({"power": 3, "last_seen": iso}),
        "homeassistant_json_light": json.dumps({"state": "ON", "brightness": 255, "last_seen": at_ms}),
        "tasmota_energy": json.dumps({"Time": iso, "ENERGY": {"Power": 3}}),
    }[profile.id].encode()


TOPICS = {PLUG.id: "zigbee2mqtt/{}", HA.id: "lights/{}", TASMOTA.id: "tele/{}/SENSOR"}


@pytest.mark.parametrize("profile", [PLUG, HA, TASMOTA], ids=lambda profile: profile.id)
@pytest.mark.parametrize(
    ("age_ms", "quality", "is_shifted"),
    [(200, Quality.GOOD, False), (60_000, Quality.GOOD, True), (90_000_000, Quality.STALE, False)],
    ids=["just now", "a minute ago", "beyond the session's day"],
)
async def test_a_retained_message_of_known_age_is_dated_by_it(mosquitto, name, profile, age_ms, quality, is_shifted):
    topic = TOPICS[profile.id].format(name)
    async with aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await client.publish(topic, said_at(profile, WALL_MS - age_ms), qos=1, retain=True)
        street = Street(mosquitto.host, mosquitto.port, name, profile=profile, wall_ms=lambda: WALL_MS)
        before_ms = now_ms()
        async with street:
            await street.until(lambda: street.samples)
        [sample] = street.samples
        assert sample.quality is quality
        age_found_ms = now_ms() - sample.monotonic_ms
        assert (age_found_ms >= age_ms) is is_shifted
        assert sample.monotonic_ms >= before_ms - (age_ms if is_shifted else 0)
        assert street.driver.counters.retained_skipped == 1
        await client.publish(topic, b"", qos=1, retain=True)


async def test_a_retained_message_from_the_future_tells_nothing(mosquitto, name):
    topic = TOPICS[PLUG.id].format(name)
    async with aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await client.publish(topic, said_at(PLUG, WALL_MS + 60_000), qos=1, retain=True)
        async with Street(mosquitto.host, mosquitto.port, name, profile=PLUG, wall_ms=lambda: WALL_MS) as street:
            await street.until(lambda: street.driver.counters.retained_skipped)
            await street.settled()
            await client.publish(topic, b'{"power": 4}', qos=1)
            await street.until(lambda: street.samples)
        assert [sample.values for sample in street.samples] == [{"power_active_total": 4.0}]
        await client.publish(topic, b"", qos=1, retain=True)
