"""The MQTT driver on Mosquitto: what comes in, what goes wrong, and what a broken connection costs: nothing."""

import asyncio
import json
import time
import uuid

import aiomqtt
import pytest

from lentera_drivers.driver import DriverSetupError, open_driver
from lentera_model.commands import Reason
from lentera_model.config import DeviceConfig, MqttBus
from tests.drivers.lamps import FakeLamp
from tests.drivers.mqtt_street import (
    Z2M,
    Street,
    cut,
    now_ms,
)


async def test_a_lamp_known_to_be_offline_fails_at_once(mosquitto, name):
    async with (
        Street(mosquitto.host, mosquitto.port, name) as street,
        FakeLamp(Z2M, name).at(mosquitto.host, mosquitto.port) as lamp,
    ):
        await street.ready()
        await lamp.say(b'{"state":"offline"}', lamp.topics.availability)
        await street.until(lambda: street.statuses)
        started = time.monotonic()
        end = await street.driver.set_level(name, 40, 5)
        assert (end.outcome, end.reason) == ("failed", Reason.DEVICE_OFFLINE)
        assert time.monotonic() - started < 1
        await lamp.say(b"online", lamp.topics.availability)
        await street.until(lambda: len(street.statuses) == 2)
        assert [status[:2] for status in street.statuses] == [(name, False), (name, True)]
        assert lamp.commands == [], "nothing was sent"
        assert (await street.driver.set_level(name, 40, 5)).outcome == "succeeded"


async def test_a_lamp_that_goes_offline_under_a_command(mosquitto, name):
    async with (
        Street(mosquitto.host, mosquitto.port, name) as street,
        FakeLamp(Z2M, name, act_s=None, echo_s=None, answers=False).at(mosquitto.host, mosquitto.port) as lamp,
    ):
        await street.ready()
        running = asyncio.create_task(street.driver.set_level(name, 40, 10))
        await street.until(lambda: lamp.commands)
        await lamp.say(b"offline", lamp.topics.availability)
        end = await asyncio.wait_for(running, 2)
        assert (end.outcome, end.reason) == ("failed", Reason.DEVICE_OFFLINE)


async def test_rubbish_is_counted_and_the_rest_is_used(mosquitto, name):
    async with (
        Street(mosquitto.host, mosquitto.port, name) as street,
        FakeLamp(Z2M, name).at(mosquitto.host, mosquitto.port) as lamp,
    ):
        await street.ready()
        for payload in (b"", b"\xff\xfe", b"[1]", b"{", b'{"x":"' + b"y" * 20_000 + b'"}', b"[" * 16_000):
            await lamp.say(payload)
        await lamp.say(b"perhaps", lamp.topics.availability)
        await lamp.say(b'{"brightness":"bright","power":60}')
        await lamp.say(b'{"state":"ON","brightness":254}')
        await street.until(lambda: len(street.samples) == 2)
        assert [sample.values for sample in street.samples] == [{"power_active_total": 60.0}, {"level_percent": 100.0}]
        assert street.driver.counters.malformed == 7
        assert street.driver.counters.complaints == 1
        assert street.driver.session_counters.connections == 1, "none of it cost the connection"


async def test_a_retained_message_of_unknown_age_is_no_measurement(mosquitto, name):
    async with FakeLamp(Z2M, name).at(mosquitto.host, mosquitto.port) as lamp:
        await lamp.say(b'{"state":"ON","brightness":127}', retain=True)
        await lamp.say(b"online", lamp.topics.availability, retain=True)
        async with Street(mosquitto.host, mosquitto.port, name) as street:
            await street.until(lambda: street.statuses and street.driver.counters.retained_skipped)
            await lamp.say(b'{"state":"ON","brightness":254}', retain=True)
            await street.until(lambda: street.samples)
            assert street.levels() == [100.0]
            assert street.statuses == [(name, True, "says that it is online")]


async def test_one_slow_lamp_does_not_delay_another_and_commands_to_one_queue_up(mosquitto):
    slow, quick = (f"lamp-{uuid.uuid4().hex[:10]}" for _ in range(2))
    where = (mosquitto.host, mosquitto.port)
    async with (
        Street(*where, slow, quick) as street,
        FakeLamp(Z2M, slow, act_s=2.0).at(*where) as slow_lamp,
        FakeLamp(Z2M, quick).at(*where),
    ):
        await street.ready()
        first = asyncio.create_task(street.driver.set_level(slow, 40, 8))
        await street.until(lambda: slow_lamp.commands)
        second = asyncio.create_task(street.driver.set_level(slow, 70, 12))
        end = await street.driver.set_level(quick, 40, 5)
        assert end.outcome == "succeeded"
        assert not first.done()
        assert len(slow_lamp.commands) == 1, "the second command waits for the first"
        assert [(await task).outcome for task in (first, second)] == ["succeeded", "succeeded"]
        assert len(slow_lamp.commands) == 2


async def test_a_command_that_waits_too_long_for_its_turn(mosquitto, name):
    where = (mosquitto.host, mosquitto.port)
    async with Street(*where, name) as street, FakeLamp(Z2M, name, act_s=None).at(*where):
        await street.ready()
        first = asyncio.create_task(street.driver.set_level(name, 40, 1))
        await asyncio.sleep(0)
        end = await street.driver.set_level(name, 70, 0.1)
        assert (end.outcome, end.reason) == ("failed", Reason.BUS_TIMEOUT)
        assert "an earlier command" in end.reason_text
        await first


async def test_many_lamps_at_once(mosquitto):
    names = [f"lamp-{uuid.uuid4().hex[:10]}" for _ in range(12)]
    where = (mosquitto.host, mosquitto.port)
    async with Street(*where, *names) as street:
        await street.ready()
        lamps = [FakeLamp(Z2M, name).at(*where) for name in names]
        for lamp in lamps:
            await lamp.__aenter__()
        ends = await asyncio.gather(*(street.driver.set_level(name, 30, 8) for name in names))
        for lamp in lamps:
            await lamp.__aexit__(None, None, None)
        assert {end.outcome for end in ends} == {"succeeded"}


async def test_a_silent_lamp_is_asked_and_a_talking_one_is_not(mosquitto, name):
    where = (mosquitto.host, mosquitto.port)
    async with Street(*where, name) as street, FakeLamp(Z2M, name).at(*where) as lamp:
        await street.ready()
        assert await street.driver.read(name) == ()
        await street.until(lambda: street.samples)
        assert await street.driver.read(name) == ()
        await lamp.report()
        await street.until(lambda: len(street.samples) == 2)
        assert len(lamp.questions) == 1
        with pytest.raises(DriverSetupError, match="no device 'nobody'"):
            await street.driver.read("nobody")


async def test_a_broker_that_is_down_at_the_start(own_mosquitto, name):
    own_mosquitto.stop()
    info = own_mosquitto.info
    async with Street(info.host, info.port, name) as street:
        await street.until(lambda: street.statuses)
        assert street.statuses[0][:2] == (name, False)
        assert f"broker at {info.host}:{info.port} cannot be reached" in street.statuses[0][2]
        end = await street.driver.set_level(name, 40, 0.2)
        assert (end.outcome, end.reason) == ("failed", Reason.BUS_TIMEOUT)
        assert "the broker is not connected" in end.reason_text
        own_mosquitto.start()
        async with FakeLamp(Z2M, name).at(info.host, info.port) as lamp:
            await street.ready()
            await lamp.report()
            await street.until(lambda: street.samples)
            assert street.statuses[-1][:2] == (name, True)
            assert (await street.driver.set_level(name, 40, 5)).outcome == "succeeded"


async def test_a_broker_that_dies_and_comes_back(own_mosquitto, name):
    info = own_mosquitto.info
    async with Street(info.host, info.port, name) as street:
        await street.ready()
        async with FakeLamp(Z2M, name).at(info.host, info.port) as lamp:
            await lamp.say(b'{"state":"ON","brightness":10}', retain=True)
            await street.until(lambda: street.samples)
        own_mosquitto.kill()
        await street.until(lambda: [status[1] for status in street.statuses] == [True, False])
        own_mosquitto.start()
        await street.until(lambda: [status[1] for status in street.statuses] == [True, False, True])
        async with FakeLamp(Z2M, name).at(info.host, info.port) as lamp:
            await lamp.say(b'{"state":"ON","brightness":20}')
            await street.until(lambda: len(street.samples) == 2)
            assert (await street.driver.set_level(name, 40, 5)).outcome == "succeeded"


async def test_nothing_is_lost_or_doubled_while_the_gateway_is_away(mosquitto, name):
    """The connection is cut again and again under a stream of messages; each arrives exactly once."""
    where = (mosquitto.host, mosquitto.port)
    count = 400
    async with Street(*where, name) as street:
        await street.ready()
        async with aiomqtt.Client(*where, identifier=f"stream-{name}") as client:
            for number in range(count):
                await client.publish(f"zigbee2mqtt/{name}", json.dumps({"power": number}), qos=1)
                if number % 80 == 40:
                    cut(street.driver)
                if number % 80 == 60:  # twenty messages are published while nobody is connected
                    await street.until(
                        lambda wanted=number // 80 + 2: street.driver.session_counters.connections == wanted
                    )
        await street.until(lambda: len(street.samples) >= count)
        powers = [sample.values["power_active_total"] for sample in street.samples]
        assert powers == [float(number) for number in range(count)]
        assert street.driver.session_counters.connections == 6


async def test_what_is_published_between_two_runs_is_delivered(mosquitto, name):
    where = (mosquitto.host, mosquitto.port)
    street = Street(*where, name)
    async with street:
        await street.ready()
    async with aiomqtt.Client(*where) as client:
        for number in range(30):
            await client.publish(f"zigbee2mqtt/{name}", json.dumps({"power": number}), qos=1)
    async with street:
        await street.until(lambda: len(street.samples) == 30)


def test_two_lamps_on_one_topic_are_refused():
    bus = MqttBus(id="lamps", driver="mqtt", host="127.0.0.1")
    devices = [
        DeviceConfig(id="a", profile=Z2M.id, bus="lamps", topic="x"),
        DeviceConfig(id="b", profile=Z2M.id, bus="lamps", topic="x/availability"),
    ]
    with pytest.raises(DriverSetupError, match="devices 'a' and 'b' both use topic 'zigbee2mqtt/x/availability'"):
        open_driver(bus, devices, {Z2M.id: Z2M}, now_ms, lambda sample: None, lambda *status: None)


async def test_the_plan_and_unknown_lamps():
    street = Street("127.0.0.1", 1, "lamp-1")
    plan = street.driver.describe_plan()
    assert [entry.target for entry in plan] == ["topics zigbee2mqtt/lamp-1, zigbee2mqtt/lamp-1/availability"]
    assert "level_percent" in plan[0].quantities
    end = await street.driver.set_level("nobody", 40, 1)
    assert (end.outcome, end.reason) == ("failed", Reason.DEVICE_UNKNOWN)
