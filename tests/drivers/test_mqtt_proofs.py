"""Commands to lamps on Mosquitto: what is proved, and what only looks like it."""

import json
import time

import pytest

from lentera_drivers.profiles import decode_lamp_payload
from lentera_model.commands import ConfirmedBy, Reason
from lentera_model.readings import Quality
from tests.drivers.mqtt_street import (
    HA,
    Z2M,
    command,
)


async def test_echo_and_act_is_proved_by_readback(mosquitto, name):
    started = time.monotonic()
    end, lamp, _ = await command(mosquitto, name, 40, timeout_s=5, has_meter=False)
    assert (end.outcome, end.confirmed_by, end.reason) == ("succeeded", ConfirmedBy.READBACK, None)
    assert len(lamp.questions) >= 2
    assert end.measured["level_percent"] == pytest.approx(40, abs=0.5)
    assert lamp.commands == [{"state": "ON", "brightness": 102}]
    assert time.monotonic() - started < 4


async def test_a_cached_power_that_contradicts_is_a_veto_until_the_power_is_asked(mosquitto, name):
    end, lamp, _ = await command(mosquitto, name, 40, timeout_s=5)
    assert (end.outcome, end.confirmed_by, end.reason) == ("succeeded", ConfirmedBy.POWER, None)
    assert end.measured["power_active_total"] == pytest.approx(24, abs=0.5)
    assert {"power": ""} in lamp.questions


async def test_a_bridge_that_repeats_its_cached_wish_proves_nothing(mosquitto, name):
    end, _, _ = await command(mosquitto, name, 40, act_s=None, answers=False, repeats=10, says_last_seen=True)
    assert (end.outcome, end.confirmed_by) == ("unproved", ConfirmedBy.ECHO)
    end, _, _ = await command(mosquitto, name, 40, act_s=None, repeats=10, has_meter=False)
    assert (end.outcome, end.reason) == ("failed", Reason.LEVEL_MISMATCH)


async def test_off_is_proved_by_asking_for_the_state(mosquitto, name):
    end, lamp, _ = await command(mosquitto, name, 0, timeout_s=5, has_meter=False)
    assert (end.outcome, end.confirmed_by) == ("succeeded", ConfirmedBy.READBACK)
    assert lamp.commands == [{"state": "OFF"}]
    assert {json.dumps(question) for question in lamp.questions} == {'{"state": ""}'}


async def test_a_lamp_that_only_says_so_and_does_not_answer_is_unproved(mosquitto, name):
    end, lamp, _ = await command(mosquitto, name, 40, act_s=None, answers=False)
    assert (end.outcome, end.confirmed_by, end.reason) == ("unproved", ConfirmedBy.ECHO, Reason.UNPROVED)
    assert 2 <= len(lamp.questions) <= 8, "it was asked about every 150 ms"


async def test_a_lamp_that_only_says_so_is_found_out_when_asked(mosquitto, name):
    end, _, _ = await command(mosquitto, name, 40, act_s=None)
    assert (end.outcome, end.confirmed_by, end.reason) == ("failed", None, Reason.LEVEL_MISMATCH)
    assert "the lamp is at 100.0 %" in end.reason_text


@pytest.mark.parametrize("echo_s", [0.1, 0.35, 0.5])
async def test_a_late_echo_proves_nothing(mosquitto, name, echo_s):
    end, _, _ = await command(mosquitto, name, 40, act_s=None, echo_s=echo_s)
    assert (end.outcome, end.reason) == ("failed", Reason.LEVEL_MISMATCH)
    end, _, _ = await command(mosquitto, name, 40, act_s=None, echo_s=echo_s, answers=False)
    assert (end.outcome, end.confirmed_by) == ("unproved", ConfirmedBy.ECHO)


async def test_a_late_echo_does_not_hide_that_the_lamp_acted(mosquitto, name):
    end, _, _ = await command(mosquitto, name, 40, timeout_s=5, act_s=0.2, echo_s=0.35, has_meter=False)
    assert (end.outcome, end.confirmed_by) == ("succeeded", ConfirmedBy.READBACK)


async def test_a_lamp_without_an_echo(mosquitto, name):
    end, _, _ = await command(mosquitto, name, 40, timeout_s=5, echo_s=None, has_meter=False)
    assert (end.outcome, end.confirmed_by) == ("succeeded", ConfirmedBy.READBACK)


async def test_answers_from_a_cache_prove_nothing_when_the_lamp_was_not_heard(mosquitto, name):
    end, _, _ = await command(mosquitto, name, 40, act_s=None, answers_from_cache=True, says_last_seen=True)
    assert (end.outcome, end.confirmed_by) == ("unproved", ConfirmedBy.ECHO)


async def test_a_slow_lamp_is_waited_for(mosquitto, name):
    end, _, street = await command(mosquitto, name, 40, timeout_s=5, act_s=0.6, has_meter=False)
    assert (end.outcome, end.confirmed_by) == ("succeeded", ConfirmedBy.READBACK)
    assert 100.0 in street.levels()[1:], "the answers on the way were kept"


async def test_a_mute_lamp_is_a_timeout(mosquitto, name):
    end, _, _ = await command(mosquitto, name, 40, act_s=None, echo_s=None, answers=False)
    assert (end.outcome, end.confirmed_by, end.reason) == ("failed", None, Reason.BUS_TIMEOUT)


async def test_power_proves_where_nothing_can_be_asked(mosquitto, name):
    end, lamp, _ = await command(mosquitto, name, 40, timeout_s=5, profile=HA, telemetry_s=0.05)
    assert (end.outcome, end.confirmed_by) == ("succeeded", ConfirmedBy.POWER)
    assert end.measured["power_active_total"] == pytest.approx(24, abs=0.5)
    assert lamp.questions == []


async def test_a_lamp_that_is_there_already_succeeds_by_its_power(mosquitto, name):
    end, lamp, _ = await command(mosquitto, name, 100, timeout_s=5, profile=HA)
    assert (end.outcome, end.confirmed_by) == ("succeeded", ConfirmedBy.POWER)
    assert len(lamp.commands) == 1


async def test_without_a_measurement_it_stays_unproved(mosquitto, name):
    end, _, _ = await command(mosquitto, name, 40, profile=HA)
    assert (end.outcome, end.confirmed_by) == ("unproved", ConfirmedBy.ECHO)


async def test_everything_published_becomes_a_sample_and_an_echo_is_marked(mosquitto, name):
    _, lamp, street = await command(mosquitto, name, 40, timeout_s=5)
    assert [sample.values for sample in street.samples] == [
        decode_lamp_payload(Z2M, payload).values for payload in lamp.published
    ]
    suspects = [sample for sample in street.samples if sample.quality is Quality.SUSPECT]
    assert len(suspects) == 1
    assert suspects[0].values["power_active_total"] == 60.0, "the echo carries the power of before"
    assert all(sample.device == name and sample.profile == Z2M.id for sample in street.samples)
    stamps = [sample.monotonic_ms for sample in street.samples]
    assert stamps == sorted(stamps)
