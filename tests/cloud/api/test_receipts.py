"""How far a gateway's batches have come, by API and for Prometheus."""

from lentera_model.protocol import Status
from tests.cloud.support import METER, now_ms, open_link, problem


async def test_holes_are_shown_until_their_batches_come(site):
    at_ms = now_ms()
    board = site.board
    batches = {n: board.sealed(("meter-1", at_ms + n, {"frequency": 50.0}), sequence=n, epoch=3) for n in range(1, 9)}

    async def shown() -> dict:
        (found,) = (await site.client.get("/v1/gateways/gw-1/receipts")).json()["items"]
        return found

    async def figures() -> list[str]:
        return (await site.client.get("/v1/metrics")).text.splitlines()

    assert (await site.client.get("/v1/gateways/gw-1/receipts")).json() == {"items": []}
    async with open_link(site.url, board) as link:
        await link.hello(METER)
        for number in (1, 2, 5, 8):
            await link.bring(batches[number])
        found = await shown()
        assert (found["epoch"], found["high_water"], found["newest"], found["missing"]) == (3, 2, 8, 4)
        assert found["holes"] == [{"first": 3, "last": 4}, {"first": 6, "last": 7}]
        await link.say(Status(17, 2, None, "live"))
        await link.bring(batches[4])
        lines = await figures()
        for name, value in (("link_up", 1), ("journal_waiting", 17), ("epoch", 3), ("high_water", 2)):
            assert f'lentera_gateway_{name}{{gateway="gw-1"}} {value}' in lines
        assert 'lentera_gateway_missing_batches{gateway="gw-1"} 3' in lines
        for number in (3, 6, 7):
            await link.bring(batches[number])
        found = await shown()
        assert (found["high_water"], found["missing"], found["holes"]) == (8, 0, [])
        assert 'lentera_gateway_missing_batches{gateway="gw-1"} 0' in await figures()
        await link.bring(board.sealed(("meter-1", at_ms + 20, {"frequency": 50.0}), sequence=1, epoch=4))
    items = (await site.client.get("/v1/gateways/gw-1/receipts")).json()["items"]
    assert [one["epoch"] for one in items] == [4, 3]
    items = (await site.client.get("/v1/gateways/gw-1/receipts?epochs=1")).json()["items"]
    assert [one["epoch"] for one in items] == [4]
    problem(await site.client.get("/v1/gateways/gw-9/receipts"), 404, "unknown_gateway")
