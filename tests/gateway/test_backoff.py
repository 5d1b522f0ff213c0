"""How long a gateway waits before it knocks again, and that a thousand of them do not come in the same second."""

import asyncio
import json
import random
from collections import Counter
from http import HTTPStatus

import pytest

from lentera_gateway.link.backoff import Backoff, asked_wait_s
from tests.gateway.line import line

GATEWAYS = 1_000
NOON = "Sun, 29 Nov 2026 12:00:00 GMT"


def test_waits_double_with_jitter_are_bounded_and_begin_anew_after_a_healthy_minute():
    backoff = Backoff(first_s=1, max_s=60).failed()
    waits = []
    for _ in range(10):
        waits.append((backoff.wait_s(0.0), backoff.wait_s(1.0)))
        backoff = backoff.failed()
    assert waits[:3] == [(1.0, 2.0), (2.0, 4.0), (4.0, 8.0)]
    assert waits[-1] == (30.0, 60.0)
    assert backoff.failed(lasted_s=59).failures == 12
    assert backoff.failed(lasted_s=60).failures == 0
    assert Backoff(failures=10_000).wait_s(1.0) == 60.0


@pytest.mark.parametrize(
    ("asked_s", "waits_s"),
    [(0, (1.0, 2.0)), (2, (2.0, 3.0)), (300, (300.0, 450.0)), (86_400, (3600.0, 5400.0)), (1e300, (3600.0, 5400.0))],
)
def test_what_the_server_asks_for_is_honoured_with_jitter_up_to_an_hour(asked_s, waits_s):
    backoff = Backoff().failed()
    assert (backoff.wait_s(0.0, asked_s), backoff.wait_s(1.0, asked_s)) == waits_s


@pytest.mark.parametrize(
    ("retry_after", "date", "wait_s"),
    [
        (None, NOON, 0),
        ("", NOON, 0),
        ("7", None, 7),
        (" 120 ", None, 120),
        ("999999999", None, 999_999_999),
        ("1" * 400, None, 0),
        ("-5", None, 0),
        ("2.5", None, 0),
        ("soon", NOON, 0),
        ("٣", None, 0),
        ("Sun, 29 Nov 2026 12:01:30 GMT", NOON, 90),
        ("Sun, 29 Nov 2026 11:59:00 GMT", NOON, 0),
        ("Sun, 29 Nov 2026 12:01:30 GMT", None, 0),
        ("Sun, 29 Nov 2026 12:01:30 GMT", "yesterday", 0),
        ("Sun, 29 Nov 2026 12:01:30", NOON, 0),
        ("Sun, 99 Nov 99999999999999 12:01:30 GMT", NOON, 0),
    ],
)
def test_a_retry_after_is_read_or_counts_as_not_asked(retry_after, date, wait_s):
    assert asked_wait_s(retry_after, date) == wait_s


def most_in_one_second(away_s: float, asked_s: float) -> int:
    """How many of the gateways, all lost in one instant, knock in the worst second after the cloud is back."""
    dice = random.Random(5)
    arrivals: Counter[int] = Counter()
    for _ in range(GATEWAYS):
        backoff = Backoff().failed(lasted_s=3600)
        at_s = backoff.wait_s(dice.random(), asked_s)
        while at_s < away_s:
            backoff = backoff.failed()
            at_s += backoff.wait_s(dice.random())
        arrivals[int(at_s)] += 1
    return max(arrivals.values())


@pytest.mark.parametrize("away_s", [0, 2, 10, 60, 3600])
@pytest.mark.parametrize("asked_s", [0, 1, 60])
def test_a_thousand_gateways_do_not_come_back_in_the_same_second(away_s, asked_s):
    assert most_in_one_second(away_s, asked_s) < GATEWAYS / 3


async def waits_after_a_refusal(tmp_path, monkeypatch, status, headers):
    """What the link asks to pause for, once a server refuses to open it with this answer."""
    async with line(tmp_path, start=False) as it:
        pause, waits = it.client.pause, asyncio.Queue[float]()

        async def note(seconds):
            if "not now" in (it.client.state.error or ""):
                waits.put_nowait(seconds)
            return await pause(min(seconds, 0.05))

        def refuse(connection, _request):
            answer = connection.respond(status, json.dumps({"detail": "not now"}))
            for name, value in headers.items():
                answer.headers.pop(name, None)
                answer.headers[name] = value
            return answer

        it.client.pause = note
        monkeypatch.setattr(it.cloud, "_admit", refuse)
        await it.cloud.start()
        return await asyncio.wait_for(waits.get(), 5)


@pytest.mark.parametrize(
    ("status", "headers", "least_s"),
    [
        (HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "40"}, 40),
        (HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "Sun, 29 Nov 2026 12:00:50 GMT", "Date": NOON}, 50),
        (HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "999999999"}, 3600),
        (HTTPStatus.SERVICE_UNAVAILABLE, {}, 0),
    ],
)
async def test_a_refused_opening_is_tried_again_when_the_server_says(tmp_path, monkeypatch, status, headers, least_s):
    waited_s = await waits_after_a_refusal(tmp_path, monkeypatch, status, headers)
    assert least_s <= waited_s <= max(1.5 * least_s, 0.2)
