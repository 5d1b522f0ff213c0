"""Links that misbehave, and faults of ours: each ends its own link in bounded time and nothing else."""

import asyncio
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets
from msgspec import structs

from lentera_cloud import serve
from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.features.ingest import session
from lentera_cloud.features.ingest.inbox import LOOK_AHEAD_BYTES, Inbox
from lentera_cloud.features.ingest.reports import event_of
from lentera_cloud.kit import patience
from lentera_cloud.kit.identity import Identity
from lentera_cloud.ports import StoreUnavailableError
from lentera_model.commands import Finished
from lentera_model.protocol import BatchFrame, Bye, CommandUpdate, DeviceStatus, Ping, Pong, Status
from tests.cloud.api.conftest import Site
from tests.cloud.api.test_outages import Switch
from tests.cloud.support import LAMP, METER, Board, TestLink, now_ms, open_link, running_server, settings_in


def sessions() -> int:
    """How many links are being served in this process."""
    return sum(task.get_name().startswith("link of ") for task in asyncio.all_tasks())


async def becomes(condition, within_s: float = 8) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.05)


async def is_offline(site) -> bool:
    return not (await site.client.get("/v1/gateways/gw-1")).json()["online"]


@asynccontextmanager
async def deaf_link(site):
    """A link whose gateway reads nothing after the Welcome."""
    receiver = socket.socket()
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    receiver.connect(("127.0.0.1", int(site.url.rsplit(":", 1)[1])))
    receiver.setblocking(False)
    address = site.url.replace("http", "ws", 1) + "/v1/link"
    headers = site.board.authorization()
    client = await websockets.connect(
        address, sock=receiver, additional_headers=headers, compression=None, max_queue=1, ping_interval=None
    )
    try:
        link = TestLink(client)
        await link.hello()
        yield link
    finally:
        client.transport.abort()


@pytest.fixture
def narrow(monkeypatch):
    """Sockets of the server that take little before they block."""
    listen = serve.listen

    def narrow_listen(settings):
        listener = listen(settings)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return listener

    monkeypatch.setattr(serve, "listen", narrow_listen)


async def test_a_revoked_gateway_that_reads_nothing_stores_nothing_more(narrow, site):
    async with deaf_link(site) as link:
        await link.say(BatchFrame(site.board.sealed(("meter-1", now_ms(), {"frequency": 49.0}))))
        for number in range(1_900):
            await link.say(BatchFrame(b"no batch"))
            if number % 50 == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert await site.latest("meter-1") == {"frequency": 49.0}
        await site.client.post("/v1/gateways/gw-1/revoke")
        for step in range(5):
            try:
                await link.say(BatchFrame(site.board.sealed(("meter-1", now_ms() + step, {"frequency": 55.0}))))
            except websockets.ConnectionClosed:
                break
        await becomes(lambda: is_offline(site))
        assert await site.latest("meter-1") == {"frequency": 49.0}
        assert sessions() == 0


async def test_a_peer_that_reads_nothing_is_cut_off(narrow, site, monkeypatch):
    monkeypatch.setattr(session, "GOODBYE_WITHIN_S", 0.2)
    async with deaf_link(site) as link:

        async def overflowing() -> bool:
            for _ in range(200):
                await link.say(BatchFrame(b"no batch"))
            return await is_offline(site)

        with pytest.raises((websockets.ConnectionClosed, ConnectionError)):  # noqa: PT012 - both are the cut
            await becomes(overflowing, 20)
            while True:
                await link.say(BatchFrame(b"no batch"))
                await asyncio.sleep(0.02)


async def test_links_that_wait_for_a_store_end_with_their_sockets(tmp_path, monkeypatch):
    monkeypatch.setattr(patience.waits_s, "__defaults__", (0.02, 0.05))
    series, create = Switch(), serve.create_app
    monkeypatch.setattr(serve, "create_app", lambda settings: create(settings, series=series))
    settings = settings_in(tmp_path, ingest_budget_bytes=1 << 20)
    token = await create_tenant_and_token(settings, "stabat", "admin", "desk")
    headers = {"Authorization": f"Bearer {token}"}
    async with running_server(settings) as url, httpx.AsyncClient(base_url=url, headers=headers) as client:
        site = Site(url, client, Board())
        await site.register(site.board)
        series.on = False
        began = now_ms()
        batches = [
            site.board.sealed(*[("meter-1", began - 2000 * k - n, {"frequency": 50.0}) for n in range(1500)])
            for k in range(3)
        ]
        for _ in range(3):
            async with open_link(url, site.board) as link:
                await link.hello()
                for batch in batches:
                    await link.say(BatchFrame(batch))
                assert not await is_offline(site)
            await becomes(lambda: is_offline(site), 3)
            assert sessions() == 0
        series.on = True
        async with open_link(url, site.board) as link:
            await link.hello()
            for batch in batches:
                await link.bring(batch)
        assert await series.count("stabat", "meter-1", 0, 1 << 50) == {"frequency": 4500}


async def test_an_inbox_reads_ahead_within_its_bound():
    size = LOOK_AHEAD_BYTES // 4
    given = 0

    async def receive():
        nonlocal given
        given += 1
        await asyncio.sleep(0)
        return {"type": "websocket.receive", "bytes": bytes(size)}

    inbox = Inbox(receive)
    reading = asyncio.create_task(inbox.run())
    for _ in range(50):
        await asyncio.sleep(0)
    assert given == 4
    await inbox.next()
    for _ in range(50):
        await asyncio.sleep(0)
    assert given == 5
    reading.cancel()
    await asyncio.wait([reading])


async def test_a_fault_of_ours_is_answered_with_goodbye(site, monkeypatch):
    from lentera_cloud.adapters.sql.gateways import SqlGateways

    async with open_link(site.url, site.board) as link:
        await link.hello()
        real = SqlGateways.seen

        async def seen(self, *arguments, **more) -> None:
            if more.get("mode"):
                raise ZeroDivisionError("a fault of ours")
            await real(self, *arguments, **more)

        monkeypatch.setattr(SqlGateways, "seen", seen)
        await link.say(Status(1, 2, None, "live"))
        bye = await link.ends()
        assert (bye.code, bye.retry_after_s) == ("internal", 60)
    await becomes(lambda: is_offline(site))


async def test_an_id_that_is_none_is_answered_with_goodbye(site):
    async with open_link(site.url, site.board) as link:
        with pytest.raises(AssertionError, match="bus id"):
            await link.hello(structs.replace(LAMP, bus="b\x00us"))


async def test_control_characters_from_a_link_are_replaced(site):
    async with open_link(site.url, site.board) as link:
        await link.hello(structs.replace(LAMP, address="lamp\x001"), METER)
        await link.say(DeviceStatus("lamp-1", False, "no\x00 answer\x1b[31m", 1))
        await link.say(Ping(1, 1))
        await link.hear(Pong)
        lamp = (await site.client.get("/v1/devices/lamp-1")).json()
        assert lamp["online_reason"] == "no\ufffd answer\ufffd[31m"
    event = event_of(CommandUpdate("e", "failed", "bus_timeout", "a\x00b"))
    assert isinstance(event, Finished)
    assert "\x00" not in (event.reason_text or "")


async def test_control_characters_are_refused_by_the_api(site):
    body = {"gateway_id": "gw-2", "name": "a\x00b", "public_key": Board().public_key}
    answer = await site.client.post("/v1/gateways", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.name")


async def test_a_gateway_says_nothing_of_anothers_device(site):
    other = Board("gw-2")
    await site.register(other)
    async with open_link(site.url, site.board) as mine, open_link(site.url, other) as theirs:
        await mine.hello(LAMP)
        await theirs.hello(METER)
        await mine.say(DeviceStatus("lamp-1", True, "answers", 1))
        await mine.say(Ping(1, 1))
        await mine.hear(Pong)
        await theirs.say(DeviceStatus("lamp-1", False, "a lie", 1))
        await theirs.say(Ping(1, 1))
        await theirs.hear(Pong)
        lamp = (await site.client.get("/v1/devices/lamp-1")).json()
        assert (lamp["online"], lamp["online_reason"]) == (True, "answers")


async def test_a_link_without_hello_is_closed_in_time(site, monkeypatch):
    monkeypatch.setattr(session, "HELLO_WITHIN_S", 0.1)
    async with open_link(site.url, site.board) as link:
        bye = await link.ends()
        assert isinstance(bye, Bye)
        assert (bye.code, "Hello" in bye.text) == ("protocol", True)


async def test_a_link_that_cannot_be_opened_now_is_told_when_to_come_again(site, monkeypatch):
    async def away(*_):
        raise StoreUnavailableError("the registry is away")

    monkeypatch.setattr(Identity, "gateway", away)
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with open_link(site.url, site.board):
            pass
    assert refused.value.response.status_code == 503
    assert int(refused.value.response.headers["Retry-After"]) > 0
