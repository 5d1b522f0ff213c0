"""A link that seems to live: a peer that takes nothing, a window in bytes, waits that do not come in step."""

import asyncio
import random
import socket

import pytest
from websockets.asyncio.client import ClientConnection, connect

import lentera_gateway.link.client
from lentera_gateway.clock import monotonic_ms
from lentera_gateway.delivery.rate import BacklogWindow
from lentera_gateway.journal.index import Key
from lentera_gateway.link import LinkTiming
from lentera_gateway.link.liveness import Liveness
from lentera_model.protocol import Bye, CommandUpdate, decode_gateway_message
from lentera_model.readings import Sample
from tests.gateway.cloud import OpenCloud
from tests.gateway.line import Line, line

TIMING = LinkTiming(answer_within_s=20, acknowledge_within_s=180, send_within_s=60)


async def give_noise(it: Line, batches: int, samples: int) -> None:
    """Seal batches that do not compress: four values a sample, some 4 bytes each."""
    noise = random.Random(7)
    names = ("voltage_l1", "voltage_l2", "voltage_l3", "frequency")
    for _ in range(batches):
        start = monotonic_ms()
        for index in range(samples):
            it.journal.add(Sample("m1", "p", start + index, {name: noise.random() for name in names}))
        await it.journal.tick(seal_now=True)


def test_what_waits_too_long_is_named():
    idle = Liveness(TIMING)
    assert idle.complaint(10**9) is None
    ping, batch, write = Liveness(TIMING), Liveness(TIMING), Liveness(TIMING)
    ping.ping_begins(0)
    ping.ping_written(1_000)
    assert ping.complaint(21_000) is None
    assert "no answer to a ping within 20 s" in (ping.complaint(21_001) or "")
    batch.batch_begins(Key(1, 1), 0)
    batch.batch_begins(Key(1, 2), 170_000)
    assert batch.complaint(180_000) is None
    assert "unacknowledged for 180 s" in (batch.complaint(180_001) or "")
    number = write.write_begins(0)
    write.write_begins(50_000)
    assert write.complaint(60_000) is None
    assert "takes nothing for 60 s" in (write.complaint(60_001) or "")
    for healed, heal in (
        (ping, ping.ping_answered),
        (batch, lambda: batch.batch_answered(Key(1, 1))),
        (write, lambda: write.write_ended(number)),
    ):
        heal()
        assert healed.complaint(100_000) is None


def test_a_ping_whose_answer_comes_before_its_write_returns_is_answered():
    liveness = Liveness(TIMING)
    liveness.ping_begins(0)
    liveness.ping_answered()
    liveness.ping_written(5)
    assert not liveness.ping_waits
    assert liveness.complaint(10**6) is None


def test_a_ping_behind_a_full_buffer_is_judged_as_a_write():
    liveness = Liveness(TIMING)
    liveness.write_begins(0)
    liveness.ping_begins(0)
    assert liveness.complaint(59_000) is None


@pytest.fixture
def small_buffers(monkeypatch):
    """Give both ends of the link the buffers of a slow, small one."""
    start_cloud = OpenCloud.start

    async def start_small(cloud):
        await start_cloud(cloud)
        for listening in cloud._server.sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def connect_small(url, **options):
        connected = socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        connected.setblocking(False)
        return connect(url, sock=connected, **options)

    monkeypatch.setattr(lentera_gateway.link.client, "connect", connect_small)
    monkeypatch.setattr(OpenCloud, "start", start_small)


async def test_a_half_open_link_is_noticed_though_the_send_buffer_is_full(tmp_path, small_buffers):
    timing = LinkTiming(
        open_within_s=2, ping_every_s=60, answer_within_s=60, acknowledge_within_s=60, send_within_s=0.4
    )
    async with line(tmp_path, timing) as it:
        await it.cloud.until(lambda: it.cloud.reports)
        stuck = it.cloud.connection
        assert stuck is not None
        stuck.transport.pause_reading()
        await give_noise(it, batches=2, samples=3_500)
        async with asyncio.timeout(8):
            while "takes nothing" not in (it.client.state.error or ""):
                await asyncio.sleep(0.02)
        stuck.transport.abort()
        await it.cloud.until(lambda: len(it.cloud.hellos) == 2, within_s=3)


async def test_the_window_bounds_the_unacknowledged_bytes(tmp_path):
    async with line(tmp_path, LinkTiming(ping_every_s=0.2), acknowledge=False, start=False) as it:
        await give_noise(it, batches=8, samples=250)
        sizes = (await it.journal.status()).counters.sealed_bytes / 8
        await it.cloud.start()
        await it.cloud.until(lambda: len(it.cloud.reports) >= 2)
        fit = int(BacklogWindow().bytes // sizes) + 1
        assert 2 <= fit < 8
        assert len(it.cloud.arrivals) == fit


async def test_an_answered_ping_drops_the_reports_written_before_it_and_no_other(tmp_path, monkeypatch):
    may_report = asyncio.Event()
    send = ClientConnection.send

    async def send_ends_late(connection, message):
        decoded = decode_gateway_message(message)
        if isinstance(decoded, CommandUpdate) and decoded.state == "succeeded":
            await may_report.wait()
        await send(connection, message)

    monkeypatch.setattr(ClientConnection, "send", send_ends_late)
    async with line(tmp_path) as it:
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.command("e1", "lamp-1", 40)
        await it.cloud.until(lambda: it.cloud.states("e1") == ["accepted", "running"])
        pings = len(it.cloud.reports)
        await it.cloud.until(lambda: len(it.cloud.reports) > pings + 2)
        assert it.cloud.states("e1") == ["accepted", "running"]
        it.cloud.cut()
        may_report.set()
        await it.cloud.until(lambda: it.cloud.states("e1")[-1:] == ["succeeded"])
        await it.cloud.until(lambda: len(it.client.parts.updates) == 0)


@pytest.mark.parametrize(("chance", "wait_s"), [(0.0, 60.0), (1.0, 90.0)])
async def test_a_goodbye_is_heeded_with_jitter(tmp_path, chance, wait_s):
    async with line(tmp_path) as it:
        it.client.chance = lambda: chance
        waits: asyncio.Queue[float] = asyncio.Queue()

        async def pause(seconds):
            waits.put_nowait(seconds)
            return True

        it.client.pause = pause
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.send(Bye("busy", "come later", 60.0))
        assert await asyncio.wait_for(waits.get(), 5) == wait_s
