"""What was published while nobody was connected keeps its time; what is live is never shifted by a lamp's clock."""

import json

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_drivers.mqtt.backlog import LONGEST_MS, QUIET_MS, Backlog, stamp_of_kept
from lentera_drivers.profiles import encode_state
from lentera_model.readings import Quality
from tests.drivers.lamps import FakeLamp
from tests.drivers.mqtt_street import HA, Z2M, Street, now_ms

WALL_MINUS_MONOTONIC_MS = 1_764_000_000_000
HOUR_MS = 3_600_000


def wall_ms() -> int:
    """A wall clock far from this machine's, so that only the one that was given can be meant."""
    return WALL_MINUS_MONOTONIC_MS + now_ms()


class HandClock:
    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms


def test_the_phase_ends_by_a_pause():
    clock = HandClock()
    backlog = Backlog(clock)
    backlog.begin()
    clock.now_ms += 60_000
    assert not backlog.is_over(), "a broker that is long in answering has not delivered anything yet"
    backlog.connected()
    for _ in range(3):
        clock.now_ms += QUIET_MS - 1
        assert backlog.arrived()
    clock.now_ms += QUIET_MS
    assert not backlog.arrived()
    assert not backlog.arrived(), "and stays at its end when messages come close together again"


def test_the_phase_ends_although_lamps_never_pause():
    clock = HandClock()
    backlog = Backlog(clock)
    backlog.begin()
    assert backlog.arrived(), "a message may be handled before the program knows that it is connected"
    backlog.connected()
    for _ in range(LONGEST_MS // 100 - 1):
        clock.now_ms += 100
        assert backlog.arrived()
    clock.now_ms += 100
    assert not backlog.arrived()


def test_every_connection_has_a_phase_and_without_one_nothing_is_kept():
    clock = HandClock()
    backlog = Backlog(clock)
    assert not backlog.arrived()
    for _ in range(2):
        backlog.begin()
        backlog.connected()
        assert backlog.arrived()
        clock.now_ms += QUIET_MS
        assert not backlog.arrived()


@pytest.mark.parametrize(
    ("age_ms", "shift", "stamp_ms", "quality"),
    [
        (60_000, True, 40_000, Quality.GOOD),
        (1_001, True, 98_999, Quality.GOOD),
        (1_000, True, 100_000, Quality.GOOD),
        (0, False, 100_000, Quality.GOOD),
        (60_000, False, 100_000, Quality.SUSPECT),
        (-1, True, 100_000, Quality.SUSPECT),
        (None, True, 100_000, Quality.SUSPECT),
        (100_001, True, 100_000, Quality.SUSPECT),
        (24 * HOUR_MS, True, 100_000, Quality.SUSPECT),
    ],
)
def test_the_stamp_of_what_may_have_been_kept(age_ms, shift, stamp_ms, quality):
    assert stamp_of_kept(100_000, age_ms, shift=shift) == (stamp_ms, quality)


@given(st.integers(0, 2**40), st.none() | st.integers(-(2**45), 2**45), st.booleans())
def test_a_stamp_is_never_in_the_future_nor_before_the_boot(arrival_ms, age_ms, shift):
    stamp_ms, quality = stamp_of_kept(arrival_ms, age_ms, shift=shift)
    assert 0 <= stamp_ms <= arrival_ms
    assert stamp_ms == arrival_ms or (quality is Quality.GOOD and shift)


@pytest.mark.parametrize("profile", [Z2M, HA], ids=["zigbee2mqtt", "homeassistant"])
async def test_what_was_published_during_an_outage_keeps_its_time(mosquitto, name, profile):
    """Ages of up to the time since this machine's boot, told by the lamp; the stamps are compared with what it told."""
    where = (mosquitto.host, mosquitto.port)
    topics = profile.topics_for(name)
    topic = topics.telemetry or topics.state
    longest_ms = min(10 * 60_000, now_ms() - 10_000)
    street = Street(*where, name, profile=profile, wall_ms=wall_ms)
    async with street:
        await street.ready()
    told_ms = [now_ms() - longest_ms * part // 10 for part in range(10, 0, -1)]
    async with aiomqtt.Client(*where) as client:
        for at_ms in told_ms:
            said = encode_state(profile, None, {"power_active_total": 24.0}, WALL_MINUS_MONOTONIC_MS + at_ms)
            await client.publish(topic, said, qos=1)
    async with street:
        await street.until(lambda: len(street.samples) == len(told_ms))
    for sample, at_ms in zip(street.samples, told_ms, strict=True):
        assert abs(sample.monotonic_ms - at_ms) <= 1
        assert sample.quality is Quality.GOOD


async def test_state_and_telemetry_of_one_moment_both_keep_it(mosquitto, name):
    where = (mosquitto.host, mosquitto.port)
    street = Street(*where, name, profile=HA, wall_ms=wall_ms)
    topics = HA.topics_for(name)
    async with street:
        await street.ready()
    at_ms = now_ms() - 5_000
    async with aiomqtt.Client(*where) as client:
        own_ms = WALL_MINUS_MONOTONIC_MS + at_ms
        await client.publish(topics.state, encode_state(HA, 40, {}, own_ms), qos=1)
        await client.publish(topics.telemetry or "", encode_state(HA, None, {"temperature": 30}, own_ms), qos=1)
    async with street:
        await street.until(lambda: len(street.samples) == 2)
    assert [sample.quality for sample in street.samples] == [Quality.GOOD, Quality.GOOD]
    assert all(abs(sample.monotonic_ms - at_ms) <= 1 for sample in street.samples)


@pytest.mark.parametrize(
    ("own_age_ms", "knows_the_time", "quality"),
    [
        (None, True, Quality.SUSPECT),
        (5_000, False, Quality.SUSPECT),
        (-60_000, True, Quality.SUSPECT),
        (24 * HOUR_MS + 1, True, Quality.STALE),
    ],
    ids=["the lamp tells no time", "no wall clock", "a clock that is ahead", "a clock that is days behind"],
)
async def test_what_is_of_unknown_age_is_marked(mosquitto, name, own_age_ms, knows_the_time, quality):
    where = (mosquitto.host, mosquitto.port)
    street = Street(*where, name, wall_ms=wall_ms if knows_the_time else None)
    async with street:
        await street.ready()
    own_ms = None if own_age_ms is None else wall_ms() - own_age_ms
    async with aiomqtt.Client(*where) as client:
        await client.publish(Z2M.topics_for(name).state, encode_state(Z2M, 40, {}, own_ms), qos=1)
    back_ms = now_ms()
    async with street:
        await street.until(lambda: street.samples)
    assert street.samples[0].quality is quality
    assert back_ms <= street.samples[0].monotonic_ms <= now_ms()


async def test_an_echo_with_the_time_of_an_older_message_is_marked(mosquitto, name):
    """Zigbee2MQTT echoes an order with the `last_seen` of before: it was not published then."""
    where = (mosquitto.host, mosquitto.port)
    street = Street(*where, name, wall_ms=wall_ms)
    async with street:
        await street.ready()
    own_ms = wall_ms() - 5_000
    async with aiomqtt.Client(*where) as client:
        for level in (100, 40):
            await client.publish(Z2M.topics_for(name).state, encode_state(Z2M, level, {}, own_ms), qos=1)
    async with street:
        await street.until(lambda: len(street.samples) == 2)
    assert [sample.quality for sample in street.samples] == [Quality.GOOD, Quality.SUSPECT]


async def test_a_wrong_clock_does_not_shift_what_is_live(mosquitto, name):
    where = (mosquitto.host, mosquitto.port)
    async with Street(*where, name, wall_ms=wall_ms) as street, FakeLamp(Z2M, name).at(*where) as lamp:
        await street.ready()
        await street.settled()
        before_ms = now_ms()
        await lamp.say(json.dumps({"power": 24, "last_seen": wall_ms() - 5_000}).encode())
        await lamp.say(json.dumps({"power": 25}).encode())
        await street.until(lambda: len(street.samples) == 2)
        assert all(sample.quality is Quality.GOOD for sample in street.samples)
        assert all(before_ms <= sample.monotonic_ms <= now_ms() for sample in street.samples)


async def test_a_message_under_a_command_is_not_shifted(mosquitto, name):
    where = (mosquitto.host, mosquitto.port)
    async with (
        Street(*where, name, wall_ms=wall_ms) as street,
        FakeLamp(Z2M, name, echo_s=None, act_s=None, answers=False).at(*where) as lamp,
    ):
        await street.ready()
        street.driver._backlog.begin()  # as a connection that comes back under the command does
        before_ms = now_ms()
        lamp._later(0.05, lambda: lamp.say(encode_state(Z2M, 40, {}, wall_ms() - 5_000)))
        await street.driver.set_level(name, 40, 0.3)
        await street.until(lambda: street.samples)
        assert street.samples[0].quality is Quality.SUSPECT
        assert street.samples[0].monotonic_ms >= before_ms
