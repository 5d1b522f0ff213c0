"""The link against a real websockets server: identity, acknowledgements, loss and return, half-open, refusals."""

import asyncio
from dataclasses import replace

from lentera_gateway.clock import system_wall_ms
from lentera_gateway.link import load_key, make_key
from lentera_model.batch import peek
from lentera_model.protocol import Bye, CancelMessage, Refusal, SetMode
from tests.gateway.line import QUICK, lamp, line


async def test_batches_arrive_once_and_are_forgotten(tmp_path):
    async with line(tmp_path) as it:
        await it.give(*range(50))
        await it.until_empty()
        assert it.stored() == list(range(50))
        assert len(it.cloud.arrivals) == 50
        assert peek(next(iter(it.cloud.batches.values()))).clock is not None


async def test_the_token_says_who_and_for_how_long(tmp_path):
    async with line(tmp_path) as it:
        await it.cloud.until(lambda: it.cloud.hellos)
        (claims,) = it.cloud.tokens
        assert claims["iss"] == "gw-test"
        assert claims["aud"] == "lentera-link"
        assert claims["exp"] - claims["iat"] <= 120
        assert "nonce" not in claims


async def test_a_board_with_a_wrong_clock_opens_with_the_servers_nonce(tmp_path):
    async with line(tmp_path, fit=False, wants_nonce="n-123") as it:
        await it.cloud.until(lambda: it.client.state.up)
        await it.give(1.0)
        await it.until_empty()
        assert it.cloud.tokens[0]["nonce"] == "n-123"
        assert len(it.cloud.refused_tokens) == 1, "the answer to the nonce follows at once"


async def test_another_key_is_refused_and_the_reason_is_kept(tmp_path):
    async with line(tmp_path) as it:
        make_key(tmp_path / "other.pem")
        it.cloud.public_key = load_key(tmp_path / "other.pem").public_key()
        it.cloud.cut()
        await it.cloud.until(lambda: len(it.cloud.refused_tokens) > 1)
        assert "401" in (it.client.state.error or "")
        assert "registered with its present public key" in (it.client.state.error or "")
        await it.give(7.0)
        assert (await it.journal.status()).waiting_batches == 1


async def test_batches_sealed_before_the_time_was_known_wait_for_the_link(tmp_path):
    async with line(tmp_path, fit=False, start=False, clock_offset_ms=5_000) as it:
        await it.give(1.0, 2.0)
        assert await it.journal.next_batch(0) is None
        await it.cloud.start()
        await it.cloud.until(lambda: it.client.state.up)
        await it.journal.tick()
        await it.until_empty()
        (one, two) = it.cloud.readings()
        assert it.keeper.fit is not None
        assert it.keeper.fit.source == "link"
        assert abs(one.at_ms - (system_wall_ms() + 5_000)) < 3_000
        assert two.at_ms >= one.at_ms


async def test_a_cloud_that_is_down_at_start_is_waited_for(tmp_path):
    async with line(tmp_path, start=False) as it:
        await it.give(1.0, 2.0, 3.0)
        async with asyncio.timeout(5):
            while it.client.state.error is None:
                await asyncio.sleep(0.01)
        assert not it.client.state.up
        await it.cloud.start()
        await it.until_empty()
        assert it.stored() == [1.0, 2.0, 3.0]


async def test_a_cut_link_comes_back_and_nothing_is_missing_or_different(tmp_path):
    async with line(tmp_path) as it:
        for start in range(0, 60, 10):
            await it.give(*range(start, start + 10))
            it.cloud.cut()
        await it.until_empty()
        assert it.stored() == list(range(60))
        assert it.cloud.contradictions == []
        assert it.client.state.connections > 1


async def test_unacknowledged_batches_are_sent_again_on_the_next_connection(tmp_path):
    async with line(tmp_path, acknowledge=False) as it:
        await it.give(1.0, 2.0)
        await it.cloud.until(lambda: len(it.cloud.arrivals) == 2)
        it.cloud.acknowledge = True
        it.cloud.cut()
        await it.until_empty()
        assert it.stored() == [1.0, 2.0]
        assert len(it.cloud.arrivals) == 4


async def test_a_half_open_connection_is_noticed(tmp_path):
    async with line(tmp_path) as it:
        await it.cloud.until(lambda: it.client.state.up)
        it.cloud.answer = False
        async with asyncio.timeout(5):
            while "half-open" not in (it.client.state.error or ""):
                await asyncio.sleep(0.01)
        it.cloud.answer = True
        await it.give(5.0)
        await it.until_empty()
        assert it.stored() == [5.0]


async def test_batches_unanswered_for_too_long_begin_anew(tmp_path):
    timing = replace(QUICK, acknowledge_within_s=0.3)
    async with line(tmp_path, timing, acknowledge=False) as it:
        await it.give(1.0)
        async with asyncio.timeout(5):
            while "unacknowledged" not in (it.client.state.error or ""):
                await asyncio.sleep(0.01)
        it.cloud.acknowledge = True
        await it.until_empty()
        assert it.stored() == [1.0]


async def test_a_refused_batch_goes_to_quarantine_and_the_rest_flows(tmp_path):
    async with line(tmp_path, refuse={2: ("from_future", "stamps lie in 2099")}) as it:
        await it.give(1.0, 2.0, 3.0)
        await it.until_empty()
        assert it.stored() == [1.0, 3.0]
        status = await it.journal.status()
        assert status.quarantined == 1
        (reason,) = (tmp_path / "card" / "quarantine").glob("*.json")
        assert "from_future" in reason.read_text()


async def test_refused_rows_are_set_aside_and_the_batch_is_forgotten(tmp_path):
    async with line(tmp_path, refuse_rows={1: Refusal("m1", "undeclared_device", "not in Hello")}) as it:
        await it.give(1.0)
        await it.until_empty()
        (reason,) = (tmp_path / "card" / "quarantine").glob("*.json")
        assert '"device": "m1"' in reason.read_text()


async def test_the_window_bounds_what_is_unacknowledged(tmp_path):
    async with line(tmp_path, acknowledge=False) as it:
        await it.give(*range(60))
        await it.cloud.until(lambda: len(it.cloud.arrivals) >= 32)
        await it.cloud.until(lambda: it.cloud.reports)
        assert len(it.cloud.arrivals) == 32


async def test_modes_come_from_the_config_then_from_the_cloud_and_end_with_the_link(tmp_path):
    async with line(tmp_path, mode="economy") as it:
        await it.cloud.until(lambda: it.client.state.up)
        assert it.journal.live is False
        await it.cloud.send(SetMode("live"))
        async with asyncio.timeout(5):
            while not it.journal.live:
                await asyncio.sleep(0.01)
        it.cloud.cut()
        await it.cloud.until(lambda: len(it.cloud.hellos) == 2)
        async with asyncio.timeout(5):
            while it.journal.live:
                await asyncio.sleep(0.01)


async def test_a_goodbye_is_heeded(tmp_path):
    async with line(tmp_path) as it:
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.send(Bye("busy", "come later", 60.0))
        async with asyncio.timeout(5):
            while "come later" not in (it.client.state.error or ""):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert len(it.cloud.hellos) == 1


async def test_garbage_from_the_cloud_closes_the_connection_and_nothing_else(tmp_path):
    async with line(tmp_path) as it:
        await it.cloud.until(lambda: it.client.state.up)
        assert it.cloud.connection is not None
        await it.cloud.connection.send(b"\xc1 no message")
        await it.cloud.until(lambda: len(it.cloud.hellos) == 2)
        await it.give(1.0)
        await it.until_empty()


async def test_a_command_travels_and_its_updates_come_back(tmp_path):
    async with line(tmp_path) as it:
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.command("e1", "lamp-1", 40)
        await it.cloud.until(lambda: it.cloud.states("e1")[-1:] == ["succeeded"])
        assert it.cloud.states("e1") == ["accepted", "running", "succeeded"]
        assert it.cloud.updates[-1].confirmed_by == "readback"


async def test_a_result_reached_while_the_link_was_down_is_reported_after(tmp_path):
    started, go = asyncio.Event(), asyncio.Event()

    async def slow(device, level_percent, timeout_s):
        started.set()
        await go.wait()
        return await lamp(device, level_percent, timeout_s)

    async with line(tmp_path, set_level=slow) as it:
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.command("e1", "lamp-1", 40)
        await started.wait()
        await it.cloud.stop()
        go.set()
        async with asyncio.timeout(5):
            while it.client.state.up:
                await asyncio.sleep(0.01)
        await it.cloud.start()
        await it.cloud.until(lambda: it.cloud.states("e1")[-1:] == ["succeeded"])


async def test_a_waiting_command_can_be_cancelled_over_the_link(tmp_path):
    started, go = asyncio.Event(), asyncio.Event()

    async def slow(device, level_percent, timeout_s):
        started.set()
        await go.wait()
        return await lamp(device, level_percent, timeout_s)

    async with line(tmp_path, set_level=slow) as it:
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.command("e1", "lamp-1", 40)
        await started.wait()
        await it.cloud.command("e2", "lamp-1", 50, sequence=2)
        await it.cloud.send(CancelMessage("e2"))
        await it.cloud.until(lambda: it.cloud.states("e2")[-1:] == ["cancelled"])
        go.set()
        await it.cloud.until(lambda: it.cloud.states("e1")[-1:] == ["succeeded"])


async def test_devices_are_reported_when_the_link_opens_and_when_they_change(tmp_path):
    async with line(tmp_path, start=False) as it:
        it.devices.status("m1", True, "answers", 5)
        await it.cloud.start()
        await it.cloud.until(lambda: it.cloud.statuses)
        it.devices.status("m1", False, "no answer 3 times", 9)
        await it.cloud.until(lambda: len(it.cloud.statuses) == 2)
        assert [(s.device, s.online) for s in it.cloud.statuses] == [("m1", True), ("m1", False)]
