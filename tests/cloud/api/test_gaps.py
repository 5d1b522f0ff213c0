"""Known gaps from the link to the API and the metrics."""

import pytest

from lentera_cloud.adapters.sql.gaps import SqlGaps
from lentera_cloud.kit import patience
from lentera_cloud.kit.times import to_wire
from lentera_cloud.ports import StoreUnavailableError
from lentera_model.protocol import GapReport, Hello, Noted, Pong, Welcome
from lentera_model.protocol.messages import Ping
from tests.cloud.support import BOOT, LAMP, METER, now_ms, open_link, problem


async def greet(link) -> None:
    await link.say(Hello([1, 2], [1], "0.1.0", BOOT, 7, 1, [LAMP, METER]))
    assert (await link.hear(Welcome)).protocol_version == 2


async def test_a_gap_is_noted_and_shown(site):
    at_ms = now_ms() // 1000 * 1000 - 60_000
    async with open_link(site.url, site.board) as link:
        await greet(link)
        told = GapReport(7, 1, "killed", at_ms, at_ms + 2_500, ["meter-1"], 0, 4, 9)
        for _ in range(2):
            await link.say(told)
            assert await link.hear(Noted) == Noted(7, 1)
        await link.say(GapReport(7, 2, "stopped", at_ms - 7_200_000, at_ms - 3_600_000))
        assert await link.hear(Noted) == Noted(7, 2)
    for path in ("/v1/gaps", "/v1/gateways/gw-1/gaps"):
        answer = (await site.client.get(path)).json()
        assert answer["next_offset"] is None
        one, other = answer["items"]
        assert one.pop("noted_at") > to_wire(at_ms)
        assert one == {
            "gateway_id": "gw-1",
            "epoch": 7,
            "number": 1,
            "reason": "killed",
            "from": to_wire(at_ms),
            "to": to_wire(at_ms + 2_500),
            "told_from": to_wire(at_ms),
            "devices": ["meter-1"],
            "detail_s": 0,
            "values": 4,
            "uncertainty_ms": 9,
        }
        assert (other["number"], other["reason"], other["devices"]) == (2, "stopped", [])
    first = (await site.client.get("/v1/gaps?limit=1")).json()
    assert (len(first["items"]), first["next_offset"]) == (1, 1)
    second = (await site.client.get("/v1/gaps?limit=1&offset=1")).json()
    assert (second["items"][0]["number"], second["next_offset"]) == (2, None)
    late = (await site.client.get(f"/v1/gaps?from={to_wire(at_ms - 10)}")).json()
    assert [item["number"] for item in late["items"]] == [1]
    metrics = (await site.client.get("/v1/metrics")).text.splitlines()
    assert 'lentera_known_gaps_total{gateway="gw-1",reason="killed"} 1' in metrics
    assert 'lentera_known_gap_seconds_total{gateway="gw-1",reason="stopped"} 3600' in metrics


async def test_a_power_cut_is_narrowed_by_what_the_gateway_brought_before_it(site):
    at_ms = now_ms() // 1000 * 1000
    async with open_link(site.url, site.board) as link:
        await greet(link)
        rows = [("meter-1", at_ms - back_ms, {"frequency": 50.0}) for back_ms in (900_000, 600_000)]
        await link.bring(site.board.sealed(*rows, sequence=1, epoch=6))
        await link.say(GapReport(7, 1, "power_cut", at_ms - 3_600_000, at_ms, [], 0, 0, 70_000))
        await link.hear(Noted)
    (one,) = (await site.client.get("/v1/gaps")).json()["items"]
    assert (one["from"], one["told_from"]) == (to_wire(at_ms - 670_000), to_wire(at_ms - 3_600_000))


async def test_a_gap_with_its_ends_swapped_covers_the_same_time(site):
    at_ms = now_ms() // 1000 * 1000
    async with open_link(site.url, site.board) as link:
        await greet(link)
        await link.say(GapReport(7, 1, "power_cut", at_ms, at_ms - 5_000))
        await link.hear(Noted)
    (one,) = (await site.client.get("/v1/gaps")).json()["items"]
    assert (one["from"], one["to"]) == (to_wire(at_ms - 5_000), to_wire(at_ms))


async def test_it_is_noted_only_when_the_registry_has_it(site, monkeypatch):
    monkeypatch.setattr(patience.waits_s, "__defaults__", (0.02, 0.05))
    refusals, real = [StoreUnavailableError("switched off")] * 3, SqlGaps.add
    noted_before: list[int] = []

    async def add(self, tenant, gap, now_ms):
        if refusals:
            raise refusals.pop()
        await real(self, tenant, gap, now_ms)
        noted_before.append(len(refusals))

    monkeypatch.setattr(SqlGaps, "add", add)
    async with open_link(site.url, site.board) as link:
        await greet(link)
        await link.say(GapReport(7, 1, "killed", 5, 6))
        assert await link.hear(Noted) == Noted(7, 1)
        assert noted_before == [0]


async def test_a_gateway_of_version_1_is_served_as_ever(site):
    async with open_link(site.url, site.board) as link:
        assert (await link.hello()).protocol_version == 1
        await link.say(Ping(1, 5))
        assert (await link.hear(Pong)).nonce == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/gateways/gw-9/gaps", 404, "unknown_gateway"),
        ("/v1/gaps?from=yesterday", 422, "invalid_request"),
        ("/v1/gaps?limit=0", 422, "invalid_request"),
        ("/v1/gaps?offset=-1", 422, "invalid_request"),
    ],
)
async def test_questions_that_do_not_fit_are_refused(site, path, status, code):
    problem(await site.client.get(path), status, code)


async def test_a_tenant_sees_its_own(api):
    assert (await api("GET", "/v1/gaps", tenant="binjai")).json() == {"items": [], "next_offset": None}
    assert (await api.client.get("/v1/gaps")).status_code == 401
