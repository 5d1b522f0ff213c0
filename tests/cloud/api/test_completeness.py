"""Completeness from the registry, the store and the link to the API."""

import asyncio
import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from lentera_cloud.domain.completeness import HOUR_MS, Pace
from lentera_cloud.domain.gaps import KnownGap
from lentera_cloud.domain.tallies import HourTally
from lentera_cloud.features.completeness.facts import FEW_FOR_MS, SETTLE_MS, lately_given, on_the_way_from_ms
from lentera_cloud.kit.times import to_wire
from lentera_cloud.ports import Backlog, DeviceRow, GatewayRow, LatestValue
from lentera_model.protocol import DeviceDeclaration, Hello, Noted, PaceDeclaration, Tally, TallyRow
from lentera_model.readings import Reading
from tests.cloud.support import BOOT, LAMP, Api, Board, open_link, problem, running_app, settings_in
from tests.cloud.support import now_ms as real_now_ms

HOUR = 500_000 * HOUR_MS
"""All that is asked for begins here, at a midnight of UTC-8."""
MINUTE = 60_000
HOURS = f"from={to_wire(HOUR)}&to={to_wire(HOUR + 3 * HOUR_MS)}"


@dataclass
class Clock:
    """A clock that stands still a day later."""

    at_ms: int = HOUR + 24 * HOUR_MS

    def now_ms(self) -> int:
        return self.at_ms


@pytest.fixture
async def street(tmp_path: Path):
    """A cloud with one gateway, a meter with two quantities each minute, and a lamp that was silent for a while."""
    clock = Clock()
    async with running_app(settings_in(tmp_path), clock=clock) as api:
        registry = api.cloud.registry
        await registry.gateways.add(GatewayRow("stabat", "gw-1", "", bytes(32), HOUR - HOUR_MS))
        await registry.gateways.seen("stabat", "gw-1", clock.at_ms)
        rows = [
            DeviceRow("stabat", name, name, kind, "p", "gw-1", "b", "1", HOUR - HOUR_MS)
            for name, kind in (("meter-1", "meter"), ("lamp-1", "luminaire"), ("old-1", "meter"))
        ]
        await registry.devices.upsert("stabat", rows)
        paces = {"meter-1": [Pace(MINUTE)], "lamp-1": [Pace(MINUTE)]}
        await registry.tallies.note_paces("stabat", "gw-1", paces, HOUR - HOUR_MS)
        for number in range(3):
            others = TallyRow("*", MINUTE, 60, 60)
            lamp = TallyRow("lamp-1", MINUTE, 60, 60 - 20 * number, 0, {"silent": 20 * number} if number else {})
            tally = HourTally("gw-1", 1, number + 1, HOUR + number * HOUR_MS, (others, lamp))
            await registry.tallies.add("stabat", tally)
        await write(api, "meter-1", range(180), power_active_total=1.0, voltage_l1=230.0)
        silent = [minute for minute in range(180) if minute % 60 < 60 - 20 * (minute // 60)]
        await write(api, "lamp-1", silent, level_percent=50.0)
        await write(api, "old-1", range(3), power_active_total=1.0)
        yield api


async def write(api: Api, device: str, minutes, **values: float) -> None:
    readings = [Reading(device, "p", HOUR + minute * MINUTE + 250, values) for minute in minutes]
    await api.cloud.series.write("stabat", readings)


async def ask(api: Api, question: str = "") -> dict:
    answer = await api("GET", f"/v1/completeness?{HOURS}&{question}", role="analyst")
    assert answer.status_code == 200, answer.text
    return answer.json()


def short(item: dict) -> tuple:
    return tuple(item[name] for name in ("expected", "received", "missing", "reasons"))


async def test_the_worst_comes_first_and_every_missing_value_has_a_reason(street):
    answer = await ask(street)
    assert [(item["device_id"], *short(item)) for item in answer["items"]] == [
        ("lamp-1", 180, 120, 60, {"silent": 60}),
        ("meter-1", 360, 360, 0, {}),
        ("old-1", None, 0, 0, {}),
    ]
    assert [item["complete_percent"] for item in answer["items"]] == [66.667, 100.0, None]
    assert answer["items"][2]["unscheduled"] == 3
    assert short(answer["total"]) == (540, 480, 60, {"silent": 60})
    assert (answer["from"], answer["to"]) == (to_wire(HOUR), to_wire(HOUR + 3 * HOUR_MS))


async def test_each_hour_and_quantity_can_be_seen(street):
    answer = await ask(street, "by=quantity&step=hour")
    assert [(item["device_id"], item["quantity"]) for item in answer["items"]][:3] == [
        ("lamp-1", "level_percent"),
        ("meter-1", "power_active_total"),
        ("meter-1", "voltage_l1"),
    ]
    lamp = answer["items"][0]
    assert [(step["at"], *short(step)) for step in lamp["steps"]] == [
        (to_wire(HOUR), 60, 60, 0, {}),
        (to_wire(HOUR + HOUR_MS), 60, 40, 20, {"silent": 20}),
        (to_wire(HOUR + 2 * HOUR_MS), 60, 20, 40, {"silent": 40}),
    ]
    one = await ask(street, "device=meter-1&quantity=voltage_l1&by=quantity")
    assert [short(item) for item in one["items"]] == [(180, 180, 0, {})]


async def test_a_gateway_is_the_sum_of_its_devices_and_days_begin_at_home(street):
    (item,) = (await ask(street, "by=gateway&gateway_id=gw-1"))["items"]
    assert (item["gateway_id"], item["device_id"], *short(item)) == ("gw-1", None, 540, 480, 60, {"silent": 60})
    # The three hours begin at a midnight of UTC-8: a day of UTC-9 ends after the first of them.
    days = await ask(street, "device=lamp-1&step=day&utc_offset=-09:00")
    assert [(step["at"], step["missing"]) for step in days["items"][0]["steps"]] == [
        (to_wire(HOUR - 23 * HOUR_MS), 0),
        (to_wire(HOUR + HOUR_MS), 60),
    ]


async def test_pages_follow_each_other_and_csv_has_every_step(street):
    first = await ask(street, "limit=2")
    assert (len(first["items"]), first["next_offset"]) == (2, 2)
    second = await ask(street, "limit=2&offset=2")
    assert ([item["device_id"] for item in second["items"]], second["next_offset"]) == (["old-1"], None)
    answer = await street("GET", f"/v1/completeness?{HOURS}&step=hour&format=csv&limit=1")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(lines) == 3 + 3 + 3
    assert lines[2]["reasons"] == "silent=40"
    assert (lines[2]["at"], lines[2]["missing"], lines[2]["complete_percent"]) == (
        to_wire(HOUR + 2 * HOUR_MS),
        "40",
        "33.333",
    )
    assert lines[8]["expected"] == ""


async def test_late_readings_count_at_once(street):
    await write(street, "lamp-1", range(60, 180), level_percent=50.0)
    (lamp,) = (await ask(street, "device=lamp-1"))["items"]
    assert short(lamp) == (180, 120, 60, {"silent": 60})  # what the gateway says that nobody answered was never read
    assert lamp["extra"] == 60
    before = await ask(street, "device=meter-1")
    await write(street, "meter-1", range(30), frequency=50.0)
    after = await ask(street, "device=meter-1")
    assert before["items"][0]["missing"] == 0
    assert after["items"][0]["reasons"] == {"not_given": 150}
    await write(street, "meter-1", range(30, 180), frequency=50.0)
    assert (await ask(street, "device=meter-1"))["items"][0]["missing"] == 0


async def test_a_known_gap_explains_what_no_tally_counts(street):
    gap = KnownGap("gw-1", 2, 1, "power_cut", HOUR + 3 * HOUR_MS, HOUR + 4 * HOUR_MS, HOUR + 3 * HOUR_MS)
    await street.cloud.registry.gaps.add("stabat", gap, HOUR)
    path = (
        f"/v1/completeness?device=meter-1&step=hour&from={to_wire(HOUR + 3 * HOUR_MS)}&to={to_wire(HOUR + 5 * HOUR_MS)}"
    )
    (item,) = (await street("GET", path)).json()["items"]
    assert [step["reasons"] for step in item["steps"]] == [{"power_cut": 120}, {"unknown": 120}]


async def test_a_lost_value_of_a_device_that_tells_changes_only_is_not_taken_for_unchanged(street):
    """From the gateway's words to the answer: its count, its heartbeat, its known gaps and what is on the way."""
    registry, hour = street.cloud.registry, HOUR + 3 * HOUR_MS
    row = DeviceRow("stabat", "rare-1", "rare-1", "meter", "p", "gw-1", "b", "1", HOUR - HOUR_MS)
    await registry.devices.upsert("stabat", [row])
    paces = {"rare-1": [Pace(MINUTE, heartbeat_ms=15 * MINUTE)]}
    await registry.tallies.note_paces("stabat", "gw-1", paces, HOUR - HOUR_MS)
    told = [TallyRow("*", MINUTE, 60, 60), TallyRow("rare-1", MINUTE, 60, 10, 50), TallyRow("*", MINUTE, 60, 60)]
    for number, one in enumerate(told):
        await registry.tallies.add("stabat", HourTally("gw-1", 1, 10 + number, hour + number * HOUR_MS, (one,)))
        await write(street, "rare-1", range(180 + 60 * number, 240 + 60 * number, 15), power_active_total=1.0)
    gap = KnownGap("gw-1", 2, 1, "refused", hour + 2 * HOUR_MS, hour + 2 * HOUR_MS + 40 * MINUTE, hour)
    await registry.gaps.add("stabat", gap, hour)
    path = f"/v1/completeness?device=rare-1&step=hour&from={to_wire(hour)}&to={to_wire(hour + 3 * HOUR_MS)}"

    async def steps() -> list[tuple]:
        (item,) = (await street("GET", path)).json()["items"]
        return [(step["received"], step["unchanged"], step["reasons"]) for step in item["steps"]]

    assert await steps() == [(4, 56, {}), (4, 50, {"unknown": 6}), (4, 16, {"refused": 40})]
    backlog = Backlog(500, hour + 30 * MINUTE, street.cloud.clock.at_ms)
    await registry.tallies.note_backlog("stabat", "gw-1", backlog)
    late = await steps()
    assert late[:2] == [(4, 26, {"on_the_way": 30}), (4, 50, {"on_the_way": 6})]


async def test_what_is_younger_than_the_gateways_backlog_is_on_the_way(street):
    registry, now = street.cloud.registry, HOUR + 24 * HOUR_MS
    begin = now - 2 * HOUR_MS
    await registry.tallies.note_backlog("stabat", "gw-1", Backlog(500, begin + 30 * MINUTE, now))
    path = f"/v1/completeness?device=lamp-1&step=hour&from={to_wire(begin)}"
    (item,) = (await street("GET", path)).json()["items"]
    assert [step["reasons"] for step in item["steps"]] == [{"on_the_way": 31, "unknown": 29}, {"on_the_way": 60}]


async def test_each_tenant_sees_its_own_and_what_is_not_there_is_said(street):
    assert (await street("GET", f"/v1/completeness?{HOURS}", tenant="binjai")).json()["items"] == []
    for question, status, code in (
        ("device=nobody", 404, "unknown_device"),
        ("gateway_id=gw-9", 404, "unknown_gateway"),
        ("utc_offset=%2B7", 422, "invalid_request"),
        ("from=now", 422, "invalid_request"),
        ("from=-30000d", 422, "invalid_request"),
        ("by=street", 422, "invalid_request"),
        ("format=xml", 422, "invalid_request"),
    ):
        problem(await street("GET", f"/v1/completeness?{question}"), status, code)
    problem(await street("GET", "/v1/completeness?device=meter-1", tenant="binjai"), 404, "unknown_device")


async def test_the_running_hour_counts_as_far_as_it_is_over(street):
    street.app.state.completeness._clock.at_ms = HOUR + 30 * MINUTE
    (item,) = (await street("GET", "/v1/completeness?device=meter-1&from=-1m")).json()["items"]
    assert (item["expected"], item["received"]) == (60, 60)


async def test_what_a_link_brings_is_there_when_it_is_noted(site):
    lamp = DeviceDeclaration(LAMP.device, LAMP.kind, LAMP.profile, "", LAMP.bus, "1", [PaceDeclaration(MINUTE)])
    hour_ms = real_now_ms() // HOUR_MS * HOUR_MS - 3 * HOUR_MS
    board: Board = site.board
    async with open_link(site.url, board) as link:
        await link.say(Hello([1, 2], [1], "0.1.0", BOOT, 1, 1, [lamp]))
        await link.say(Tally(1, 5, hour_ms, [TallyRow(LAMP.device, MINUTE, 60, 50, 0, {"silent": 10})]))
        await link.say(Tally(1, 5, hour_ms, [TallyRow(LAMP.device, MINUTE, 60, 50, 0, {"silent": 10})]))
        async with asyncio.timeout(10):
            assert [await link.hear(Noted), await link.hear(Noted)] == [Noted(1, 5), Noted(1, 5)]
        path = f"/v1/completeness?step=hour&from={to_wire(hour_ms)}&to={to_wire(hour_ms + HOUR_MS)}"
        (item,) = (await site.client.get(path)).json()["items"]
        assert item["quantity"] is None
        assert short(item) == (60, 0, 60, {"unknown": 50, "silent": 10})
        await link.bring(
            board.sealed(*((LAMP.device, hour_ms + n * MINUTE, {"level_percent": 5.0}) for n in range(50)))
        )
        (item,) = (await site.client.get(path)).json()["items"]
        assert short(item) == (60, 50, 10, {"silent": 10})


def gateway(seen_ms: int | None) -> GatewayRow:
    return GatewayRow("stabat", "gw-1", "", bytes(32), 0, last_seen_at_ms=seen_ms)


@pytest.mark.parametrize(
    ("seen", "heard", "backlog", "begins"),
    [
        (HOUR, HOUR, None, HOUR - SETTLE_MS),
        (HOUR - 9, None, None, HOUR - 9 - SETTLE_MS),
        (None, None, None, -SETTLE_MS),
        (HOUR, HOUR, Backlog(0, None, HOUR), HOUR - SETTLE_MS),
        (HOUR, HOUR, Backlog(900, HOUR - 5 * HOUR_MS, HOUR - 4 * HOUR_MS), HOUR - 5 * HOUR_MS),
        (HOUR, HOUR, Backlog(900, None, HOUR), 0),
        (HOUR, HOUR, Backlog(3, HOUR - 1_000, HOUR), HOUR - SETTLE_MS),
        (HOUR, HOUR, Backlog(3, HOUR - 5 * HOUR_MS, HOUR - FEW_FOR_MS - 1), HOUR - SETTLE_MS),
        (HOUR - HOUR_MS, None, Backlog(3, HOUR - 5 * HOUR_MS, HOUR - 2 * HOUR_MS), HOUR - 5 * HOUR_MS),
    ],
)
def test_from_when_on_values_may_still_come(seen, heard, backlog, begins):
    assert on_the_way_from_ms(gateway(seen), heard, backlog, HOUR) == begins


def test_a_quantity_that_a_device_gave_up_is_not_expected_of_it():
    day = 24 * HOUR_MS
    values = {"power_active_total": LatestValue(1.0, 30 * day), "frequency": LatestValue(50.0, 22 * day)}
    assert lately_given(values) == {"power_active_total"}
    assert lately_given({"frequency": values["frequency"]}) == {"frequency"}
    assert lately_given({}) == frozenset()
