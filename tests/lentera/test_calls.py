"""What the client sends and how it reads answers, without a network."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lentera import calls
from lentera.calls import read_answer, rfc3339
from lentera.errors import (
    ApiError,
    CloudTroubleError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthorizedError,
    UnreadableAnswerError,
)

WIB = timezone(timedelta(hours=7))


def test_times_travel_as_utc_with_milliseconds() -> None:
    assert rfc3339(datetime(2026, 3, 1, 7, 0, 0, 123456, tzinfo=WIB)) == "2026-03-01T00:00:00.123Z"
    with pytest.raises(ValueError, match="no time zone"):
        rfc3339(datetime(2026, 3, 1))  # noqa: DTZ001


def test_a_series_call_repeats_its_quantities_and_drops_an_aggregate_without_an_interval() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    call = calls.series("m", ["a", "b"], start, start + timedelta(hours=1), every=None, aggregate="mean")
    assert call.params == (
        ("device", "m"),
        ("quantity", "a"),
        ("quantity", "b"),
        ("from", "2026-03-01T00:00:00.000Z"),
        ("to", "2026-03-01T01:00:00.000Z"),
        ("format", "json"),
    )


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    assert calls.device("../gateways?x").path == "/v1/devices/..%2Fgateways%3Fx"


def test_a_dim_call_carries_its_idempotency_key() -> None:
    call = calls.set_level("lamp-003", 40, ttl_s=300, timeout_s=20, retries=1, idempotency_key="k")
    assert call.headers == {"Idempotency-Key": "k"}
    assert call.json is not None
    assert call.json["target"] == {"device": "lamp-003"}
    assert call.json["args"] == {"level_percent": 40}


def test_devices_are_typed_and_unknown_fields_ignored() -> None:
    item = {
        "device_id": "lamp-001",
        "name": "Jalan Merdeka 1",
        "kind": "luminaire",
        "profile": "zigbee2mqtt_light",
        "gateway_id": "gw",
        "online": True,
        "online_reason": None,
        "last_reading_at": "2026-03-01T00:00:00.000Z",
        "latest": {
            "level_percent": {"value": 40, "unit": "%", "at": "2026-03-01T00:00:00.000Z", "quality": "good"},
        },
        "level": {"commanded_percent": 40, "measured_percent": 39.8},
        "invented_later": {"x": 1},
    }
    (device,) = read_answer(calls.devices(None), 200, json.dumps({"items": [item], "next": None}).encode())
    assert device.latest["level_percent"].value == 40
    assert device.last_reading_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert device.level is not None
    assert device.level.measured_percent == 39.8


@pytest.mark.parametrize(
    ("status", "kind", "remedy"),
    [
        (401, UnauthorizedError, "LENTERA_TOKEN"),
        (403, ForbiddenError, "role"),
        (404, NotFoundError, "lentera devices"),
        (409, InvalidRequestError, ""),
        (422, InvalidRequestError, ""),
        (429, CloudTroubleError, "later"),
        (503, CloudTroubleError, "log"),
    ],
)
def test_a_problem_becomes_an_error_with_a_remedy(status: int, kind: type[ApiError], remedy: str) -> None:
    problem = {
        "type": "about:blank",
        "title": "Not good",
        "status": status,
        "detail": "The level must be 0 to 100.",
        "code": "invalid_arguments",
        "errors": [{"field": "args.level_percent", "message": "140 is not 0..100"}],
    }
    with pytest.raises(kind) as caught:
        read_answer(calls.device("x"), status, json.dumps(problem).encode())
    assert caught.value.problem_code == "invalid_arguments"
    assert "args.level_percent: 140 is not 0..100" in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (200, b"{}"), (502, b"<html>Bad gateway"), (200, b"[]")]
)
def test_what_is_not_our_api_is_said_to_be_so(status: int, body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError, match="URL"):
        read_answer(calls.devices(None), status, body)
