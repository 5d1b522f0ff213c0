"""The two dialects of lamps, as pure functions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_drivers.profiles import (
    LampPayloadError,
    LampProfile,
    brightness_of,
    decode_availability,
    decode_lamp_payload,
    encode_get,
    encode_set,
    encode_state,
    level_of,
    load_profile,
)


def lamp(profile_id: str) -> LampProfile:
    profile = load_profile(profile_id)
    assert isinstance(profile, LampProfile)
    return profile


Z2M = lamp("zigbee2mqtt_light")
HA = lamp("homeassistant_json_light")


@pytest.mark.parametrize(
    ("profile", "body", "values"),
    [
        (Z2M, {"state": "ON", "brightness": 254}, {"level_percent": 100.0}),
        (Z2M, {"state": "ON", "brightness": 127}, {"level_percent": 50.0}),
        (HA, {"state": "ON", "brightness": 51}, {"level_percent": 20.0}),
        (Z2M, {"state": "OFF", "brightness": 200}, {"level_percent": 0.0}),
        (Z2M, {"state": "ON"}, {}),
        (Z2M, {"brightness": 254}, {"level_percent": 100.0}),
        (Z2M, {"power": 23.4, "energy": 1.234}, {"power_active_total": 23.4, "energy_active_import": 1234.0}),
        (Z2M, {"linkquality": 120, "device_temperature": 41}, {"link_quality": 120.0, "temperature": 41.0}),
        (HA, {"lamp_failure": True, "temperature": None}, {"lamp_failure": 1.0}),
        (Z2M, {"update": {"state": "idle"}, "color_mode": "x"}, {}),
        (Z2M, {}, {}),
    ],
)
def test_what_a_message_says(profile, body, values):
    message = decode_lamp_payload(profile, json.dumps(body).encode())
    assert message.values == values
    assert message.complaints == ()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"state": "on", "brightness": 3, "power": 5}, "state is 'on'"),
        ({"state": 1, "power": 5}, "state is 1"),
        ({"brightness": 255, "power": 5}, "brightness is 255, not 0..254"),
        ({"brightness": -1, "power": 5}, "brightness is -1"),
        ({"brightness": "100", "power": 5}, "brightness is '100'"),
        ({"brightness": True, "power": 5}, "brightness is True"),
        ({"energy": "12", "power": 5}, "energy is '12', not a number"),
        ({"energy": [1], "power": 5}, "energy is [1], not a number"),
        ({"energy": 1e308, "power": 5}, "energy is too large"),
    ],
)
def test_a_part_that_is_wrong_does_not_cost_the_rest(body, complaint):
    message = decode_lamp_payload(Z2M, json.dumps(body).encode())
    assert message.values == {"power_active_total": 5.0}
    assert len(message.complaints) == 1
    assert message.complaints[0].startswith(complaint)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"ON",
        b"[1]",
        b"3",
        b"null",
        b"\xff\xfe",
        b'{"power": NaN}',
        b'{"power": 1',
        b"[" * 10_000,
        b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
        b'{"x": "' + b"x" * 20_000 + b'"}',
    ],
)
def test_what_is_no_message_is_refused(payload):
    with pytest.raises(LampPayloadError):
        decode_lamp_payload(Z2M, payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(payload):
    try:
        decode_lamp_payload(Z2M, payload)
    except LampPayloadError:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["state", "brightness", "power", "energy", "last_seen"]), json_values))
def test_any_object_gives_finite_values_of_known_quantities(body):
    try:
        message = decode_lamp_payload(Z2M, json.dumps(body).encode())
    except LampPayloadError:
        assert (
            "NaN" in json.dumps(body)
            or "Infinity" in json.dumps(body)
            or any(isinstance(value, int) for value in body.values())
        )
        return
    assert all(value - value == 0 for value in message.values.values())


@pytest.mark.parametrize(
    ("last_seen", "expected_ms"),
    [
        (1732496400123, 1732496400123),
        ("2024-11-25T01:00:00.123Z", 1732496400123),
        ("2024-11-25T08:00:00+07:00", 1732496400000),
        ("yesterday", None),
        (None, None),
        ({}, None),
    ],
)
def test_when_the_lamp_was_heard(last_seen, expected_ms):
    assert decode_lamp_payload(Z2M, json.dumps({"last_seen": last_seen}).encode()).last_seen_ms == expected_ms


@pytest.mark.parametrize(
    ("payload", "online"),
    [(b"online", True), (b"offline", False), (b'{"state":"online"}', True), (b'{"state": "offline"}', False)],
)
def test_availability(payload, online):
    assert decode_availability(payload) is online


@pytest.mark.parametrize("payload", [b"", b"ON", b"{}", b'{"state":', b"\xff" * 1000])
def test_availability_that_says_neither(payload):
    with pytest.raises(LampPayloadError):
        decode_availability(payload)


def test_commands():
    assert json.loads(encode_set(Z2M, 40)) == {"state": "ON", "brightness": 102}
    assert json.loads(encode_set(HA, 40)) == {"state": "ON", "brightness": 102}
    assert json.loads(encode_set(Z2M, 100)) == {"state": "ON", "brightness": 254}
    assert json.loads(encode_set(Z2M, 0)) == {"state": "OFF"}
    assert json.loads(encode_set(Z2M, 0.01)) == {"state": "ON", "brightness": 1}
    assert json.loads(encode_get()) == {"brightness": ""}
    assert json.loads(encode_get(whether_off=True)) == {"state": ""}
    assert json.loads(encode_get(power_key="power")) == {"power": ""}


@given(st.sampled_from([Z2M, HA]), st.floats(0, 100))
def test_a_level_survives_up_to_a_step_of_brightness(profile, level):
    step = 100 / profile.brightness_scale
    assert abs(level_of(profile, brightness_of(profile, level)) - level) <= step
    message = decode_lamp_payload(profile, encode_state(profile, level, {}))
    assert message.values["level_percent"] == level_of(profile, brightness_of(profile, level))


def test_a_lamps_own_message():
    payload = encode_state(Z2M, 40, {"power_active_total": 24.0, "energy_active_import": 1500, "frequency": 50}, 17)
    body = {"state": "ON", "brightness": 102, "power": 24.0, "energy": 1.5, "last_seen": 17}
    assert json.loads(payload) == body
    assert json.loads(encode_state(HA, None, {"power_active_total": 24.0})) == {"power": 24.0}
