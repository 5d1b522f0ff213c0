"""Two replicas behave as one, whether signals reach or are lost: then the beat of each finds out."""

import asyncio
from typing import Any

import pytest

from lentera_cloud.features.commands import service as commands_service
from lentera_cloud.features.delivery.service import DeliveryService
from lentera_model.protocol import CancelMessage, CommandMessage, Refuse, SetDelivery, SetMode
from tests.cloud.support import LAMP, METER, Board, now_ms, open_link

DIM: dict[str, Any] = {
    "target": {"device": "lamp-1"},
    "name": "set_level",
    "args": {"level_percent": 40},
    "timeout_s": 120,
}
WITHIN_S = 30


async def becomes(condition) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await condition():
            await asyncio.sleep(0.05)


async def command(replica, **changes) -> dict:
    answer = await replica.client.post("/v1/commands", json=DIM | changes)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_a_command_through_either_replica_reaches_the_gateway(pair):
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello()
        for replica in (pair.a, pair.b):
            made = await command(replica)
            told = await link.hear(CommandMessage, WITHIN_S)
            assert (told.device, told.args, told.attempt) == ("lamp-1", {"level_percent": 40.0}, 1)
            await link.report(told, "succeeded", confirmed_by="readback")
            for asked in (pair.a, pair.b):
                found = await asked.ask(f"/v1/commands/{made['command_id']}?wait_s=20")
                assert found["status"] == "succeeded"


@pytest.mark.parametrize("signals", ["signals"], indirect=True)
async def test_who_waits_at_one_replica_hears_of_a_change_at_the_other(pair, monkeypatch):
    monkeypatch.setattr(commands_service, "REREAD_S", 1_000.0)
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello()
        made = await command(pair.a)
        waiting = asyncio.create_task(pair.a.ask(f"/v1/commands/{made['command_id']}?wait_s=30"))
        told = await link.hear(CommandMessage, WITHIN_S)
        await link.report(told, "succeeded", confirmed_by="power")
        assert (await waiting)["status"] == "succeeded"


@pytest.mark.parametrize("signals", ["signals"], indirect=True)
async def test_a_command_is_taken_back_through_the_other_replica(pair):
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello()
        made = await command(pair.a)
        told = await link.hear(CommandMessage, WITHIN_S)
        answer = await pair.a.client.post(f"/v1/commands/{made['command_id']}/cancel")
        assert answer.status_code == 200
        assert await link.hear(CancelMessage, WITHIN_S) == CancelMessage(told.execution_id)


async def is_told(link, word: SetDelivery | SetMode) -> None:
    """Wait for it; a beat may repeat what an event tells at the same moment."""
    async with asyncio.timeout(WITHIN_S):
        while await link.next() != word:
            pass


async def test_how_a_gateway_delivers_is_told_from_either_replica(pair):
    path, set_so = "/v1/gateways/gw-1", {"mode": "economy", "quota_bytes": 100_000_000, "month_day": 15}
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello(versions=(1, 2))
        await is_told(link, SetDelivery(None))
        for replica in (pair.a, pair.b):
            assert (await replica.client.put(f"{path}/delivery", json=set_so)).status_code == 200
            await is_told(link, SetDelivery("economy", 0, 100_000_000, 15))
            assert (await replica.client.post(f"{path}/watch", json={"seconds": 3_600})).status_code == 200
            await is_told(link, SetMode("live"))
            await replica.client.post(f"{path}/watch", json={"seconds": 0})
            await is_told(link, SetDelivery("economy", 0, 100_000_000, 15))
            assert (await replica.client.put(f"{path}/delivery", json={})).status_code == 200
            await is_told(link, SetDelivery(None))


@pytest.mark.parametrize("signals", ["signals"], indirect=True)
async def test_a_signal_tells_how_to_deliver_before_any_beat(pair, monkeypatch):
    async def later(_self, _replica) -> None: ...

    monkeypatch.setattr(DeliveryService, "make_good", later)
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello(versions=(1, 2))
        await is_told(link, SetDelivery(None))
        await pair.a.client.put("/v1/gateways/gw-1/delivery", json={"rate_bytes_s": 500})
        await is_told(link, SetDelivery(None, 500))


@pytest.mark.parametrize("signals", ["no signals"], indirect=True)
async def test_a_beat_repeats_nothing_that_was_told(pair, monkeypatch):
    looking, looked, make_good = asyncio.Event(), asyncio.Queue(), DeliveryService.make_good

    async def counted(self, replica) -> None:
        if looking.is_set():
            await make_good(self, replica)
            looked.put_nowait(replica)

    monkeypatch.setattr(DeliveryService, "make_good", counted)
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello(versions=(1, 2))
        await is_told(link, SetDelivery(None))
        await pair.b.client.put("/v1/gateways/gw-1/delivery", json={"rate_bytes_s": 500})
        assert await link.next() == SetDelivery(None, 500)
        looking.set()
        async with asyncio.timeout(WITHIN_S):
            seen = [await looked.get() for _ in range(2)]
            while min(map(seen.count, set(seen))) < 2 or len(set(seen)) < 2:
                seen.append(await looked.get())
        await pair.b.client.put("/v1/gateways/gw-1/delivery", json={"rate_bytes_s": 600})
        assert await link.next() == SetDelivery(None, 600)


async def test_the_newest_link_of_a_gateway_stays_wherever_it_is(pair):
    async with open_link(pair.a.url, pair.board) as older:
        await older.hello()
        assert (await pair.b.ask("/v1/gateways/gw-1"))["online"] is True
        async with open_link(pair.b.url, pair.board) as newer:
            await newer.hello()
            assert (await older.ends_within(WITHIN_S)).code == "replaced"
            for replica in (pair.a, pair.b):
                assert (await replica.ask("/v1/gateways/gw-1"))["online"] is True
                assert (await replica.ask("/v1/devices/lamp-1"))["online_reason"] != "its gateway has no link"
            await command(pair.a)
            assert (await newer.hear(CommandMessage, WITHIN_S)).attempt == 1

    async def is_offline_at_both() -> bool:
        found = [(await replica.ask("/v1/gateways/gw-1"))["online"] for replica in (pair.a, pair.b)]
        return found == [False, False]

    await becomes(is_offline_at_both)


async def test_a_gateway_that_is_revoked_at_one_replica_is_put_out_at_the_other(pair):
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello()
        assert (await pair.a.client.post("/v1/gateways/gw-1/revoke")).status_code == 200
        assert (await link.ends_within(WITHIN_S)).code == "gateway_revoked"


@pytest.mark.parametrize("signals", ["signals"], indirect=True)
async def test_a_device_that_was_moved_at_one_replica_is_taken_from_its_new_gateway_at_the_other(pair):
    other = Board("gw-2")
    await pair.register(other)
    async with open_link(pair.b.url, pair.board) as mine, open_link(pair.b.url, other) as theirs:
        await mine.hello(METER)
        await theirs.hello(LAMP)
        await mine.bring(pair.board.sealed(("meter-1", now_ms(), {"frequency": 50.0})))
        await pair.a.client.put("/v1/devices/meter-1/gateway", json={"gateway_id": "gw-2"})

        async def is_theirs() -> bool:
            return not isinstance(await theirs.bring(other.sealed(("meter-1", now_ms(), {"frequency": 49.0}))), Refuse)

        await becomes(is_theirs)
        assert isinstance(await mine.bring(pair.board.sealed(("meter-1", now_ms(), {"frequency": 51.0}))), Refuse)


async def test_a_batch_that_comes_to_both_at_once_is_stored_once_and_contradicts_nothing(pair):
    at_ms = now_ms()
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello()
        for round_ in range(20):
            rows = [("meter-1", at_ms + 50 * round_ - n, {"frequency": 50.0 + n}) for n in range(30)]
            sealed = pair.board.sealed(*rows)
            headers = pair.board.authorization()
            answer, *posted = await asyncio.gather(
                link.bring(sealed),
                *(one.client.post("/v1/batches", content=sealed, headers=headers) for one in (pair.a, pair.b)),
            )
            assert not isinstance(answer, Refuse)
            assert [one.status_code for one in posted] == [200, 200]
    assert await pair.series.count("stabat", "meter-1", 0, 1 << 50) == {"frequency": 600}
    assert (await pair.a.ask("/v1/conflicts?from=-1d&to=now"))["items"] == []


async def test_what_one_stored_the_other_knows(pair):
    """Receipts and newest values that a replica remembers are not older than what another one stored since."""
    at_ms = now_ms()
    post = {"headers": pair.board.authorization()}
    async with open_link(pair.a.url, pair.board) as link:
        await link.hello()
        await link.bring(pair.board.sealed(("meter-1", at_ms, {"frequency": 50.0})))
        assert (await pair.a.ask("/v1/devices/meter-1"))["latest"]["frequency"]["value"] == 50.0
    async with open_link(pair.b.url, pair.board) as link:
        await link.hello()
        sealed = pair.board.sealed(("meter-1", at_ms + 1, {"frequency": 51.0}))
        await link.bring(sealed)

        async def is_newer() -> bool:
            found = await pair.a.ask("/v1/devices/meter-1")
            return found["latest"]["frequency"]["value"] == 51.0

        await becomes(is_newer)
        answer = await pair.a.client.post("/v1/batches", content=sealed, **post)
        assert answer.json()["replayed"] is True
    writes = []
    write = pair.series.write

    async def noting(tenant, readings) -> None:
        writes.append(readings)
        await write(tenant, readings)

    pair.series.write = noting
    async with open_link(pair.a.url, pair.board) as link:
        await link.hello()
        await link.bring(sealed)
    assert writes == []
