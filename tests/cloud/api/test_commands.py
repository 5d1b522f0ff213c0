"""A click becomes a command, a command becomes light: on a real server with a gateway that answers."""

import asyncio

import pytest

from lentera_model.protocol import CancelMessage, CommandMessage
from tests.cloud.support import Board, open_link, problem

DIM = {"target": {"device": "lamp-1"}, "name": "set_level", "args": {"level_percent": 40}}


async def dim(site, headers=None, **changes) -> dict:
    answer = await site.client.post("/v1/commands", json=DIM | changes, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def follow(site, command: dict, wait_s: float = 0) -> dict:
    return (await site.client.get(f"/v1/commands/{command['command_id']}", params={"wait_s": wait_s})).json()


@pytest.fixture
async def known(site):
    """The site after its gateway has declared a lamp and a meter, and gone again."""
    async with open_link(site.url, site.board) as link:
        await link.hello()
    async with asyncio.timeout(5):
        while (await site.client.get("/v1/gateways/gw-1")).json()["online"]:
            await asyncio.sleep(0.02)
    return site


async def test_a_lamp_is_dimmed_and_the_proof_is_told(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        command = await dim(site)
        (execution,) = command["executions"]
        assert (command["status"], execution["state"], command["created_by"]) == ("running", "sent", "desk")
        waiting = asyncio.create_task(follow(site, command, wait_s=20))
        message = await link.hear(CommandMessage)
        asked = (await site.client.get("/v1/devices/lamp-1")).json()
        assert asked["level"]["commanded_percent"] is None
        assert (message.device, message.args, message.attempt) == ("lamp-1", {"level_percent": 40.0}, 1)
        await link.report(message, "accepted")
        await link.report(message, "running")
        await link.report(message, "succeeded", confirmed_by="readback", result={"level_percent": 40.0})
        done = await asyncio.wait_for(waiting, 5)
        (execution,) = done["executions"]
        assert (done["status"], done["counts"], execution["state"]) == ("succeeded", {"succeeded": 1}, "succeeded")
        assert (execution["confirmed_by"], execution["result"]) == ("readback", {"level_percent": 40.0})
        lamp = (await site.client.get("/v1/devices/lamp-1")).json()
        assert lamp["level"]["commanded_percent"] == 40
        listed = (await site.client.get("/v1/commands?limit=5")).json()["items"]
        assert listed == [done]


async def test_an_echo_is_no_success(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        command = await dim(site)
        message = await link.hear(CommandMessage)
        await link.report(message, "unproved", reason="unproved", reason_text="only an echo", confirmed_by="echo")
        done = await follow(site, command, wait_s=5)
        assert (done["status"], done["counts"]) == ("failed", {"unproved": 1})
        assert done["executions"][0]["reason"] == {"code": "unproved", "text": "only an echo"}


async def test_words_of_a_newer_gateway_do_not_cost_the_outcome(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        command = await dim(site, retries=0)
        message = await link.hear(CommandMessage)
        await link.report(message, "pondering")
        await link.report(message, "failed", reason="moon_phase", confirmed_by="oracle")
        done = await follow(site, command, wait_s=5)
        assert done["executions"][0]["reason"]["code"] == "internal"
        assert "moon_phase" in done["executions"][0]["reason"]["text"]


async def test_a_failure_that_may_pass_is_tried_again(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        command = await dim(site, retries=1)
        first = await link.hear(CommandMessage)
        await link.report(first, "failed", reason="bus_timeout", reason_text="no answer")
        second = await link.hear(CommandMessage)
        assert (second.execution_id, second.attempt) == (first.execution_id, 2)
        await link.report(second, "failed", reason="bus_timeout", reason_text="still none")
        done = await follow(site, command, wait_s=5)
        assert (done["status"], done["executions"][0]["attempt"]) == ("failed", 2)


async def test_commands_to_one_lamp_keep_their_order(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        for level in (10, 20, 30):
            await dim(site, args={"level_percent": level})
        messages = [await link.hear(CommandMessage) for _ in range(3)]
        assert [message.sequence for message in messages] == [1, 2, 3]
        assert [message.args["level_percent"] for message in messages] == [10, 20, 30]


async def test_an_offline_lamps_command_waits_and_goes_when_the_link_is_there(known):
    command = await dim(known)
    assert command["executions"][0]["state"] == "queued"
    async with open_link(known.url, known.board) as link:
        await link.hello()
        message = await link.hear(CommandMessage)
        assert message.execution_id == command["executions"][0]["execution_id"]


async def test_a_lost_link_puts_a_command_back_and_the_next_link_gets_it_again(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        command = await dim(site)
        first = await link.hear(CommandMessage)
    async with asyncio.timeout(5):
        while (await follow(site, command))["executions"][0]["state"] != "queued":
            await asyncio.sleep(0.02)
    async with open_link(site.url, site.board) as link:
        await link.hello()
        second = await link.hear(CommandMessage)
        assert (second.execution_id, second.attempt) == (first.execution_id, 1)
        await link.report(second, "succeeded", confirmed_by="power")
        assert (await follow(site, command, wait_s=5))["status"] == "succeeded"


async def test_what_a_gateway_has_accepted_goes_on_without_a_link(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        command = await dim(site)
        message = await link.hear(CommandMessage)
        await link.report(message, "accepted")
    async with open_link(site.url, site.board) as link:
        await link.hello()
        assert (await follow(site, command))["executions"][0]["state"] == "accepted"
        await link.report(message, "succeeded", confirmed_by="readback")
        assert (await follow(site, command, wait_s=5))["status"] == "succeeded"


async def test_a_replaced_link_hands_its_commands_on(site):
    async with open_link(site.url, site.board) as older:
        await older.hello()
        command = await dim(site)
        await older.hear(CommandMessage)
        async with open_link(site.url, site.board) as newer:
            await newer.hello()
            message = await newer.hear(CommandMessage)
            await newer.report(message, "succeeded", confirmed_by="readback")
            assert (await follow(site, command, wait_s=5))["status"] == "succeeded"


async def test_an_offline_lamps_command_expires(known):
    command = await dim(known, ttl_s=1)
    done = await follow(known, command, wait_s=10)
    assert (done["status"], done["counts"]) == ("failed", {"expired": 1})
    assert done["executions"][0]["reason"]["code"] == "expired"
    lamp = (await known.client.get("/v1/devices/lamp-1")).json()
    assert lamp["level"]["commanded_percent"] is None
    async with open_link(known.url, known.board) as link:
        await link.hello()
        with pytest.raises(TimeoutError):
            await link.hear(CommandMessage, within_s=0.3)


async def test_a_silent_gateways_command_times_out(site):
    async with open_link(site.url, site.board) as link:
        await link.hello()
        command = await dim(site, timeout_s=1, retries=0)
        done = await follow(site, command, wait_s=10)
        assert done["executions"][0]["reason"]["code"] == "timed_out"


async def test_a_waiting_command_is_cancelled_and_a_sent_one_asked_back(known):
    command = await dim(known)
    done = (await known.client.post(f"/v1/commands/{command['command_id']}/cancel")).json()
    assert done["counts"] == {"cancelled": 1}
    async with open_link(known.url, known.board) as link:
        await link.hello()
        command = await dim(known)
        message = await link.hear(CommandMessage)
        await known.client.post(f"/v1/commands/{command['command_id']}/cancel")
        assert (await link.hear(CancelMessage)).execution_id == message.execution_id
        await link.report(message, "cancelled", reason="cancelled")
        assert (await follow(known, command, wait_s=5))["counts"] == {"cancelled": 1}


async def test_a_report_on_anothers_execution_is_ignored(site):
    other = Board("gw-2")
    await site.register(other)
    async with open_link(site.url, site.board) as mine, open_link(site.url, other) as theirs:
        await mine.hello()
        from tests.cloud.support import DeviceDeclaration

        await theirs.hello(DeviceDeclaration("lamp-9", "luminaire", "p", "L", "b", "9"))
        command = await dim(site)
        message = await mine.hear(CommandMessage)
        await theirs.report(message, "succeeded", confirmed_by="readback")
        await mine.report(message, "accepted")
        async with asyncio.timeout(5):
            while (await follow(site, command))["executions"][0]["state"] == "sent":
                await asyncio.sleep(0.02)
        assert (await follow(site, command))["executions"][0]["state"] == "accepted"


async def test_waiting_ends_when_the_time_is_over(known):
    command = await dim(known)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await follow(known, command, wait_s=0.5))["status"] == "running"
    assert 0.4 < loop.time() - began < 3


# -------------------------------------------------------------------------------------------------------- bad input


async def test_an_unknown_lamp_and_another_tenants_are_answered_alike(known, settings):
    from lentera_cloud.bootstrap import create_tenant_and_token

    stranger = await create_tenant_and_token(settings, "binjai", "admin", "them")
    foreign = await known.client.post("/v1/commands", json=DIM, headers={"Authorization": f"Bearer {stranger}"})
    unknown = await known.client.post("/v1/commands", json=DIM | {"target": {"device": "lamp-x"}})
    one, other = problem(foreign, 404, "unknown_device"), problem(unknown, 404, "unknown_device")
    assert one["detail"] == other["detail"].replace("lamp-x", "lamp-1")
    command = await dim(known)
    hidden = await known.client.get(
        f"/v1/commands/{command['command_id']}", headers={"Authorization": f"Bearer {stranger}"}
    )
    problem(hidden, 404, "unknown_command")


async def test_a_meter_cannot_be_dimmed(known):
    answer = await known.client.post("/v1/commands", json=DIM | {"target": {"device": "meter-1"}})
    assert "meter-1" in problem(answer, 422, "not_a_luminaire")["detail"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"args": {"level_percent": 140}}, "body.args.level_percent"),
        ({"args": {"level_percent": -1}}, "body.args.level_percent"),
        ({"args": {"level_percent": "bright"}}, "body.args.level_percent"),
        ({"args": {}}, "body.args.level_percent"),
        ({"args": {"level_percent": 1, "colour": 2}}, "body.args.colour"),
        ({"name": "explode"}, "body.name"),
        ({"target": {"device": "no spaces"}}, "body.target.device"),
        ({"target": {"group": "street"}}, "body.target.device"),
        ({"ttl_s": 0}, "body.ttl_s"),
        ({"ttl_s": 86_401}, "body.ttl_s"),
        ({"timeout_s": 601}, "body.timeout_s"),
        ({"retries": 6}, "body.retries"),
        ({"level": 40}, "body.level"),
    ],
)
async def test_a_command_that_does_not_fit_names_the_field(known, changes, field):
    answer = await known.client.post("/v1/commands", json=DIM | changes)
    document = problem(answer, 422, "invalid_request")
    assert field in [error["field"] for error in document["errors"]]
    assert (await known.client.get("/v1/commands")).json() == {"items": []}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"args": NaN}', b"\xff\xfe"])
async def test_a_body_that_is_no_json_object_is_refused(known, body):
    answer = await known.client.post("/v1/commands", content=body, headers={"content-type": "application/json"})
    problem(answer, 422, "invalid_request")


async def test_an_idempotency_key_makes_one_command_of_many_requests(known):
    key = {"Idempotency-Key": "1b4e28ba"}
    first, *others = [await dim(known, headers=key) for _ in range(3)]
    assert all(other == first for other in others)
    raced = await asyncio.gather(*(dim(known, headers={"Idempotency-Key": "raced"}) for _ in range(5)))
    assert len({one["command_id"] for one in raced}) == 1
    answer = await known.client.post("/v1/commands", json=DIM | {"args": {"level_percent": 41}}, headers=key)
    problem(answer, 409, "idempotency_key_reused")
    bad = await known.client.post("/v1/commands", json=DIM, headers={"Idempotency-Key": "x" * 256})
    problem(bad, 422, "invalid_request")
    assert len((await known.client.get("/v1/commands")).json()["items"]) == 2
