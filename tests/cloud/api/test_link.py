"""The link on a real server, with a gateway that speaks the protocol."""

import asyncio
import time

import pytest
import websockets

from lentera_model.batch import DEFAULT_LIMITS
from lentera_model.protocol import Ack, Bye, DeviceStatus, Ping, Pong, Refuse, Status
from tests.cloud.support import LAMP, METER, Board, denial, now_ms, open_link, problem


async def test_readings_are_acknowledged_and_shown(site):
    async with open_link(site.url, site.board) as link:
        welcome = await link.hello()
        assert (welcome.protocol_version, welcome.batch_version) == (1, 1)
        assert abs(welcome.server_time_ms - now_ms()) < 5000
        at_ms = now_ms()
        sealed = site.board.sealed(
            ("meter-1", at_ms, {"power_active_total": 1500.0}), ("lamp-1", at_ms, {"level_percent": 100.0})
        )
        assert await link.bring(sealed) == Ack(1, 1, [])
        assert await site.latest("meter-1") == {"power_active_total": 1500.0}
        lamp = (await site.client.get("/v1/devices/lamp-1")).json()
        assert lamp["level"] == {"commanded_percent": None, "measured_percent": 100.0}
        assert lamp["online"] is True
        assert lamp["latest"]["level_percent"]["unit"] == "%"
        (gateway,) = (await site.client.get("/v1/gateways")).json()["items"]
        assert (gateway["online"], gateway["agent_version"]) == (True, "0.1.0")
    listed = (await site.client.get("/v1/devices?kind=meter")).json()["items"]
    assert [(one["device_id"], one["level"]) for one in listed] == [("meter-1", None)]


async def test_an_older_reading_never_hides_a_newer_one(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        at_ms = now_ms()
        for late_ms, watts in ((0, 20.0), (60_000, 10.0)):
            await link.bring(site.board.sealed(("meter-1", at_ms - late_ms, {"power_active_total": watts})))
        assert await site.latest("meter-1") == {"power_active_total": 20.0}


async def test_a_replay_is_acknowledged_without_being_written_again(site):
    sealed = site.board.sealed(("meter-1", now_ms(), {"power_active_total": 1.0}))
    async with open_link(site.url, site.board) as link:
        await link.hello()
        assert await link.bring(sealed) == Ack(1, 1, [])
        assert await link.bring(sealed) == Ack(1, 1, [])
    posted = await site.client.post("/v1/batches", content=sealed, headers=site.board.authorization())
    assert posted.json() == {"acknowledged": {"epoch": 1, "sequence": 1}, "replayed": True, "refused": []}


async def test_bad_batches_are_refused_one_by_one_and_the_link_goes_on(site):
    good = [("meter-1", now_ms(), {"power_active_total": 1.0})]
    board = site.board
    bad = {
        "truncated": board.sealed(*good, sequence=101)[:-5],
        "wrong_gateway": board.sealed(*good, sequence=102, gateway="gw-2"),
        "clock_unknown": board.sealed(*good, sequence=103, clock=False),
        "from_future": board.sealed(("meter-1", now_ms() + 3_600_000, {"power_active_total": 1.0}), sequence=104),
        "undeclared_device": board.sealed(("ghost", now_ms(), {"power_active_total": 1.0}), sequence=105),
        "from_past": board.sealed(("meter-1", 90_000, {"power_active_total": 1.0}), sequence=106),
    }
    async with open_link(site.url, board) as link:
        await link.hello()
        for number, (code, sealed) in enumerate(bad.items(), 101):
            answer = await link.bring(sealed)
            assert isinstance(answer, Refuse), answer
            assert (answer.sequence, answer.code) == (number, code)
            assert answer.text
        no_header = await link.bring(b"hello, this is not a batch at all")
        assert (no_header.sequence, no_header.code) == (0, "corrupt")
        assert isinstance(await link.bring(board.sealed(*good)), Ack)
    refused = (await site.client.get("/v1/gateways/gw-1")).json()["refused_readings"]
    assert refused == {"from_future": 1, "undeclared_device": 1, "from_past": 1}
    assert await site.latest("meter-1") == {"power_active_total": 1.0}


async def test_one_devices_fault_costs_no_other_its_readings(site):
    at_ms = now_ms()
    sealed = site.board.sealed(
        ("meter-1", at_ms, {"power_active_total": 7.0}),
        ("ghost", at_ms, {"power_active_total": 1.0}),
        ("lamp-1", at_ms + 3_600_000, {"level_percent": 1.0}),
        ("lamp-1", at_ms, {"level_percent": 2.0}),
    )
    async with open_link(site.url, site.board) as link:
        await link.hello()
        answer = await link.bring(sealed)
        assert {one.device: one.code for one in answer.refused} == {
            "ghost": "undeclared_device",
            "lamp-1": "from_future",
        }
    assert await site.latest("meter-1") == {"power_active_total": 7.0}
    assert await site.latest("lamp-1") == {"level_percent": 2.0}
    items = (await site.client.get("/v1/gateways/gw-1/refusals")).json()["items"]
    assert {(one["device_id"], one["readings"]) for one in items} == {("ghost", 1), ("lamp-1", 1)}


async def test_a_bomb_is_refused_before_it_is_unpacked(site):
    rows = [("meter-1", now_ms() - n, {"power_active_total": 1.0}) for n in range(DEFAULT_LIMITS.rows + 1)]
    bomb = await asyncio.to_thread(site.board.sealed, *rows)
    assert len(bomb) < DEFAULT_LIMITS.sealed_bytes
    async with open_link(site.url, site.board) as link:
        await link.hello()
        answer = await link.bring(bomb)
        assert (answer.sequence, answer.code) == (1, "oversized")


async def test_a_frame_over_the_limit_closes_the_link_and_nothing_else(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        await link.socket.send(bytes(2 << 20))
        with pytest.raises(websockets.ConnectionClosed):
            await link.next()
        assert link.socket.close_code == 1009
    assert (await site.client.get("/v1/health")).json()["status"] == "ok"


async def test_another_gateways_device_is_flagged_and_its_readings_are_refused(site):
    other = Board("gw-2")
    await site.register(other)
    async with open_link(site.url, site.board) as first, open_link(site.url, other) as second:
        await first.hello()
        await second.hello(METER)
        at_ms = now_ms()
        answer = await second.bring(other.sealed(("meter-1", at_ms, {"power_active_total": 666.0})))
        assert (answer.code, "meter-1" in answer.text) == ("foreign_device", True)
        await first.bring(site.board.sealed(("meter-1", at_ms, {"power_active_total": 1.0})))
        meter = (await site.client.get("/v1/devices/meter-1")).json()
        assert (meter["gateway_id"], meter["contested_by"]) == ("gw-1", "gw-2")
        moved = await site.client.put("/v1/devices/meter-1/gateway", json={"gateway_id": "gw-2"})
        assert (moved.json()["gateway_id"], moved.json()["contested_by"]) == ("gw-2", None)
        await second.bring(other.sealed(("meter-1", at_ms + 1, {"power_active_total": 2.0}), sequence=9))
        assert await site.latest("meter-1") == {"power_active_total": 2.0}


async def test_the_newer_of_two_links_wins(site):
    async with open_link(site.url, site.board) as older:
        await older.hello()
        async with open_link(site.url, site.board) as newer:
            await newer.hello()
            bye = await older.ends()
            assert (bye.code, bye.retry_after_s) == ("replaced", 60)
            await newer.bring(site.board.sealed(("meter-1", now_ms(), {"power_active_total": 1.0})))
            assert (await site.client.get("/v1/gateways/gw-1")).json()["online"] is True


async def test_pings_status_and_device_status(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        await link.say(DeviceStatus("lamp-1", False, "no answer", 1))
        await link.say(DeviceStatus("not-mine", False, "no answer", 1))
        await link.say(Status(12, 3456, None, "economy"))
        await link.say(Ping(7, 1))
        pong = await link.hear(Pong)
        assert pong.nonce == 7
        lamp = (await site.client.get("/v1/devices/lamp-1")).json()
        assert (lamp["online"], lamp["online_reason"]) == (False, "no answer")
        gateway = (await site.client.get("/v1/gateways/gw-1")).json()
        assert (gateway["journal_waiting"], gateway["journal_bytes"], gateway["mode"]) == (12, 3456, "economy")
    await gone(site)
    assert (await site.client.get("/v1/devices/lamp-1")).json()["online"] is None


async def gone(site) -> None:
    """Wait until the cloud has noticed that the link is gone."""
    async with asyncio.timeout(5):
        while (await site.client.get("/v1/gateways/gw-1")).json()["online"]:
            await asyncio.sleep(0.02)


async def test_a_revoked_gateway_is_thrown_out_and_stays_out(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        await site.client.post("/v1/gateways/gw-1/revoke")
        began = time.monotonic()
        assert (await link.ends()).code == "gateway_revoked"
        assert time.monotonic() - began < 1
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with open_link(site.url, site.board):
            pass
    assert refused.value.response.status_code == 403
    assert denial(refused.value)["code"] == "gateway_revoked"


async def test_a_gateway_revoked_between_its_token_and_its_hello_gets_no_further(site):
    async with open_link(site.url, site.board) as link:
        await site.client.post("/v1/gateways/gw-1/revoke")
        await link.hello()
        assert (await link.ends()).code == "gateway_revoked"
    await gone(site)


async def test_a_quantity_that_the_catalogue_does_not_know_has_no_known_unit(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        await link.bring(site.board.sealed(("meter-1", now_ms(), {"tilt_of_pole": 1.0, "power_factor_total": 1.0})))
    latest = (await site.client.get("/v1/devices/meter-1")).json()["latest"]
    assert {name: one["unit"] for name, one in latest.items()} == {"tilt_of_pole": None, "power_factor_total": "1"}


async def test_devices_of_a_gateway_that_is_not_there_are_not_found(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
    items = (await site.client.get("/v1/devices?gateway_id=gw-1")).json()["items"]
    assert [one["device_id"] for one in items] == ["lamp-1", "meter-1"]
    answer = await site.client.get("/v1/devices?gateway_id=gw-9")
    assert "gw-9" in problem(answer, 404, "unknown_gateway")["detail"]


async def test_a_board_with_a_wrong_clock_opens_its_link_by_the_nonce(site):
    wrong = int(time.time()) - 10**8
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with open_link(site.url, site.board, now_s=wrong):
            pass
    document = denial(refused.value)
    assert (refused.value.response.status_code, document["code"]) == (401, "clock_untrusted")
    async with open_link(site.url, site.board, now_s=wrong, nonce=document["nonce"]) as link:
        await link.hello()


@pytest.mark.parametrize("frame", [b"\xc1", b"", "text", b"\x93\xa1p\x01\x01"])
async def test_what_is_no_hello_is_answered_with_goodbye(site, frame):
    async with open_link(site.url, site.board) as link:
        await link.socket.send(frame)
        bye = await link.ends()
        assert (bye.code, bye.retry_after_s) == ("protocol", 60)
        assert bye.text


async def test_versions_that_do_not_meet_are_answered_with_goodbye(site):
    from lentera_model.protocol import Hello

    async with open_link(site.url, site.board) as link:
        await link.say(Hello([99], [1], "9", bytes(16), 1, 1, []))
        bye = await link.ends()
        assert "99" in bye.text


async def test_a_second_hello_ends_the_link(site):
    async with open_link(site.url, site.board) as link:
        await link.hello(LAMP)
        with pytest.raises(AssertionError, match="Bye"):
            await link.hello(LAMP)


async def test_posted_batches_are_judged_like_those_of_the_link(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
    good = site.board.sealed(
        ("meter-1", now_ms(), {"power_active_total": 3.0}), ("ghost", now_ms(), {"frequency": 50.0})
    )
    answer = await site.client.post("/v1/batches", content=good, headers=site.board.authorization())
    assert answer.status_code == 200
    assert answer.json()["refused"][0]["device_id"] == "ghost"
    assert await site.latest("meter-1") == {"power_active_total": 3.0}
    whole = site.board.sealed(("meter-1", now_ms(), {"power_active_total": 3.0}))
    bad = await site.client.post("/v1/batches", content=whole[:-3], headers=site.board.authorization())
    assert (bad.status_code, bad.json()["refusal"]) == (422, "truncated")
    huge = await site.client.post("/v1/batches", content=bytes(2 << 20), headers=site.board.authorization())
    assert (huge.status_code, huge.json()["code"]) == (413, "too_large")


async def test_many_links_are_written_in_groups_and_all_acknowledged(site):
    boards = [Board(f"gw-{number}") for number in range(10, 22)]
    for board in boards:
        await site.register(board)

    async def one(board: Board) -> None:
        device = f"meter-{board.gateway_id}"
        async with open_link(site.url, board) as link:
            from lentera_model.protocol import BatchFrame, DeviceDeclaration

            await link.hello(DeviceDeclaration(device, "meter", "p", "M", "b", "1"))
            for number in range(20):
                await link.say(BatchFrame(board.sealed((device, now_ms() + number, {"frequency": float(number)}))))
            acks = [await link.hear(Ack) for _ in range(20)]
            assert [ack.sequence for ack in acks] == list(range(1, 21))
        assert await site.latest(device) == {"frequency": 19.0}

    await asyncio.gather(*(one(board) for board in boards))


async def test_stopping_says_goodbye_within_two_seconds(settings, tmp_path):
    import httpx

    from lentera_cloud.bootstrap import create_tenant_and_token
    from tests.cloud.support import running_server

    token = await create_tenant_and_token(settings, "stabat", "admin", "desk")
    board = Board()
    context = running_server(settings)
    url = await context.__aenter__()
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        body = {"gateway_id": "gw-1", "public_key": board.public_key}
        assert (await client.post("/v1/gateways", json=body)).status_code == 201
        async with open_link(url, board) as link:
            await link.hello()
            command = {"target": {"device": "lamp-1"}, "name": "set_level", "args": {"level_percent": 1}}
            made = (await client.post("/v1/commands", json=command)).json()
            waiting = asyncio.create_task(client.get(f"/v1/commands/{made['command_id']}?wait_s=30", timeout=40))
            await asyncio.sleep(0.1)
            began = time.monotonic()
            stopping = asyncio.create_task(context.__aexit__(None, None, None))
            bye = await link.ends()
            assert (bye.code, isinstance(bye, Bye)) == ("stopping", True)
            assert (await waiting).json()["status"] == "running"
            await stopping
            assert time.monotonic() - began < 2
