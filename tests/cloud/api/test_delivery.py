"""How a gateway should deliver: kept, told at once and at each opening, live while somebody watches."""

import asyncio

from lentera_model.batch import FORMAT_VERSION
from lentera_model.protocol import Hello, SetDelivery, SetMode, Status, Welcome
from tests.cloud.support import BOOT, LAMP, METER, open_link, problem

PATH = "/v1/gateways/gw-1/delivery"
WATCH = "/v1/gateways/gw-1/watch"
SET = {"mode": "economy", "rate_bytes_s": 500, "quota_bytes": 100_000_000, "month_day": 15}


async def greet(link, *versions: int) -> None:
    await link.say(Hello(list(versions), [FORMAT_VERSION], "0.1.0", BOOT, 1, 1, [LAMP, METER]))
    await link.hear(Welcome)


async def test_what_is_set_is_told_now_and_at_each_opening(site):
    async with open_link(site.url, site.board) as link:
        await greet(link, 1, 2)
        assert await link.hear(SetDelivery) == SetDelivery(None)
        answer = await site.client.put(PATH, json=SET)
        assert answer.status_code == 200
        assert await link.hear(SetDelivery) == SetDelivery("economy", 500, 100_000_000, 15)
    async with open_link(site.url, site.board) as link:
        await greet(link, 1, 2)
        assert await link.hear(SetDelivery) == SetDelivery("economy", 500, 100_000_000, 15)
        await link.say(Status(1, 2, None, "economy", 85_000_000, 60))
        async with asyncio.timeout(10):
            while (found := (await site.client.get(PATH)).json())["month_bytes"] == 0:
                await asyncio.sleep(0.02)
        assert found == SET | {
            "gateway_id": "gw-1",
            "watched_until": None,
            "month_bytes": 85_000_000,
            "detail_s": 60,
            "held_back_by_quota": True,
        }


async def test_a_watched_gateway_is_live_until_nobody_asks_again(site):
    async with open_link(site.url, site.board) as link:
        await greet(link, 1, 2)
        await link.hear(SetDelivery)
        watched = (await site.client.post(WATCH, json={"seconds": 3_600})).json()
        assert watched["watched_until"] is not None
        assert await link.hear(SetMode) == SetMode("live")
        await site.client.post(WATCH, json={"seconds": 1})
        assert await link.hear(SetMode) == SetMode("live")
        assert await link.hear(SetDelivery, 15) == SetDelivery(None), "it falls back by itself"
        assert (await site.client.get(PATH)).json()["watched_until"] is None


async def test_who_watches_a_gateway_that_its_quota_holds_back_is_told(site):
    async with open_link(site.url, site.board) as link:
        await greet(link, 1, 2)
        assert (await site.client.post(WATCH, json={"seconds": 60})).json()["held_back_by_quota"] is False
        for detail_s in (900, 0):
            await link.say(Status(1, 2, None, "economy", 85_000_000 + detail_s, detail_s))
            async with asyncio.timeout(10):
                while (await site.client.get(PATH)).json()["month_bytes"] != 85_000_000 + detail_s:
                    await asyncio.sleep(0.02)
            answer = (await site.client.post(WATCH, json={"seconds": 60})).json()
            assert answer["watched_until"] is not None
            assert answer["held_back_by_quota"] is (detail_s > 0)


async def test_a_gateway_of_version_1_is_told_by_modes_alone(site):
    async with open_link(site.url, site.board) as link:
        await greet(link, 1)
        await site.client.post(WATCH, json={"seconds": 3_600})
        assert await link.next() == SetMode("live")
        await site.client.post(WATCH, json={"seconds": 0})
        assert await link.next() == SetMode("economy")


async def test_what_does_not_fit_is_refused(site):
    problem(await site.client.put("/v1/gateways/nobody/delivery", json={}), 404, "unknown_gateway")
    problem(await site.client.post("/v1/gateways/nobody/watch", json={}), 404, "unknown_gateway")
    problem(await site.client.put(PATH, json={"month_day": 29}), 422, "invalid_request")
    problem(await site.client.post(WATCH, json={"seconds": 3_601}), 422, "invalid_request")
