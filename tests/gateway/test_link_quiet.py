"""A link of version 2 that has little to say: beats instead of pings, and a dead one is seen without asking."""

import asyncio
import ctypes
import socket
import struct
from dataclasses import replace

import pytest

from lentera_gateway.journal.index import Key
from lentera_gateway.link import LinkTiming
from lentera_gateway.link.connection import worth_telling
from lentera_gateway.link.liveness import Liveness
from lentera_gateway.link.tcp import TcpCount, read_tcp_info, tcp_count
from lentera_gateway.link.websocket import END_BYTES
from lentera_model.protocol import SILENT_S, SetMode, Status
from tests.faults.network.frames import Cutter
from tests.gateway.line import line

QUIET = LinkTiming(open_within_s=5, say_within_s=0.2)
BOTH = (1, 2)
_SO_ATTACH_FILTER = 26
SYN_ACK = 52
"""The listening socket sends it, so the accepted one does not count it."""


def forget(connected: socket.socket) -> None:
    """Drop every packet that comes for this socket, as a NAT does that has forgotten the connection."""
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(drop))
    connected.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


async def becomes(condition, within_s: float = 15) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


def server_socket(it) -> socket.socket:
    assert it.cloud.connection is not None
    return it.cloud.connection.transport.get_extra_info("socket")


async def test_a_quiet_link_beats_and_asks_nothing(tmp_path):
    async with line(tmp_path, QUIET, mode="economy", versions=BOTH) as it:
        await it.cloud.until(lambda: it.cloud.kinds.count("Beat") >= 4)
        assert "Ping" not in it.cloud.kinds
        assert it.cloud.kinds.count("Status") == 1


async def test_what_is_said_anyway_takes_the_place_of_a_beat(tmp_path):
    async with line(tmp_path, replace(QUIET, say_within_s=30.0), versions=BOTH) as it:
        await it.give(*range(5))
        await it.until_empty()
        assert "Beat" not in it.cloud.kinds
        assert "Ping" not in it.cloud.kinds


async def test_a_cloud_of_version_1_is_pinged_and_hears_no_beat(tmp_path):
    timing = replace(QUIET, ping_every_s=0.2, say_within_s=0.1)
    async with line(tmp_path, timing, versions=BOTH, knows=(1,)) as it:
        await it.cloud.until(lambda: it.cloud.kinds.count("Ping") >= 3)
        assert it.cloud.kinds.count("Status") >= 2
        assert "Beat" not in it.cloud.kinds


async def test_a_connection_that_a_nat_forgot_is_seen_by_what_tcp_does_not_acknowledge(tmp_path):
    async with line(tmp_path, replace(QUIET, unacknowledged_within_s=1.0), versions=BOTH) as it:
        await it.cloud.until(lambda: it.client.state.up and "Beat" in it.cloud.kinds)
        forget(server_socket(it))
        await becomes(lambda: "TCP acknowledges nothing" in (it.client.state.error or ""))
        await it.give(5.0)
        await it.until_empty()
        assert it.stored() == [5.0]


async def test_a_batch_without_an_answer_makes_the_gateway_ask_whether_the_cloud_is_there(tmp_path):
    timing = replace(QUIET, doubt_after_s=0.3, answer_within_s=0.5, say_within_s=30.0)
    async with line(tmp_path, timing, versions=BOTH, acknowledge=False) as it:
        await it.give(1.0)
        await it.cloud.until(lambda: "Ping" in it.cloud.kinds)
        assert it.client.state.up
        it.cloud.answer = False
        await it.give(2.0)
        await becomes(lambda: "no answer to a ping" in (it.client.state.error or ""))


async def test_a_report_on_a_command_is_proved_soon(tmp_path):
    async with line(tmp_path, replace(QUIET, doubt_after_s=0.3), versions=BOTH) as it:
        await it.cloud.until(lambda: it.client.state.up)
        await it.cloud.command("e1", "lamp-1", 40)
        await it.cloud.until(lambda: it.cloud.states("e1")[-1:] == ["succeeded"])
        await becomes(lambda: len(it.client.parts.updates) == 0)


async def test_a_change_of_mode_is_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr("lentera_gateway.link.connection._STATUS_LOOK_MS", 100)
    async with line(tmp_path, QUIET, mode="economy", versions=BOTH) as it:
        await it.cloud.until(lambda: it.cloud.reports)
        await it.cloud.send(SetMode("live"))
        await it.cloud.until(lambda: it.cloud.reports[-1].mode == "live")
        await it.cloud.until(lambda: it.cloud.kinds.count("Beat") >= 5)
        assert [report.mode for report in it.cloud.reports] == ["economy", "live"]


async def test_the_kernels_count_is_what_the_other_side_counts(tmp_path):
    async with line(tmp_path, QUIET, versions=BOTH) as it:
        await it.give(*range(30))
        await it.until_empty()
        other = server_socket(it)
        counts = (0, 1)
        async with asyncio.timeout(10):
            while counts[0] != counts[1]:
                await asyncio.sleep(0.05)
                theirs = tcp_count(other)
                assert theirs is not None
                counts = (it.air.bytes, theirs.air_bytes + SYN_ACK)
        assert counts[0] > 30 * 40
        before = it.air.bytes
        it.cloud.cut()
        await it.cloud.until(lambda: len(it.cloud.hellos) == 2)
        await becomes(lambda: it.air.bytes > before + END_BYTES + 600)  # the opening is counted as well


async def test_what_is_said_together_travels_in_one_write(tmp_path):
    async with line(tmp_path, replace(QUIET, time_every_s=0.5), versions=BOTH) as it:
        await it.cloud.until(lambda: it.cloud.kinds.count("Ping") >= 2)
        websocket = it.client.websocket
        assert websocket is not None
        write = websocket.transport.write
        pings = it.cloud.kinds.count("Ping")
        proxy = _Noting(websocket.transport, write)
        vars(websocket)["transport"] = proxy
        await it.cloud.until(lambda: it.cloud.kinds.count("Ping") >= pings + 2)
        assert any(kinds == ["p", "s"] for kinds in proxy.together)


class _Noting:
    """A transport that notes which messages are written together."""

    def __init__(self, transport, write):
        self._transport, self._write = transport, write
        self.together: list[list[str]] = []

    def __getattr__(self, name):
        return getattr(self._transport, name)

    def write(self, data):
        cutter = Cutter()
        cutter._state = "frames"
        self.together.append([piece.kind for piece in cutter.feed(bytes(data))])
        self._write(data)


def test_silence_is_broken_before_the_cloud_gives_up():
    timing = LinkTiming()
    assert timing.say_within_s + timing.unacknowledged_within_s <= SILENT_S
    assert SILENT_S + 2 * timing.look_every_s < 60


def test_beats_and_pings_are_due_by_the_version():
    it = Liveness(LinkTiming())
    assert it.ping_due(1, 0)
    it.time_known(0)
    it.write_begins(0)
    assert not it.ping_due(1, 24_999)
    assert it.ping_due(1, 25_000)
    assert not it.ping_due(2, 599_999)
    assert it.ping_due(2, 600_000)
    assert not it.beat_due(2, 44_999)
    assert it.beat_due(2, 45_000)
    assert not it.beat_due(1, 45_000)
    it.write_begins(45_000)
    assert not it.beat_due(2, 89_999)


def test_a_doubt_is_asked_once_then_more_seldom():
    it = Liveness(LinkTiming())
    it.time_known(0)
    it.batch_begins(Key(1, 1), 5_000)
    assert not it.ping_due(2, 19_999)
    assert it.ping_due(2, 20_000)
    it.ping_begins(20_000)
    assert not it.ping_due(2, 60_000), "one question at a time"
    it.ping_answered()
    assert not it.ping_due(2, 79_999)
    assert it.ping_due(2, 80_000)
    it.batch_answered(Key(1, 1))
    assert not it.ping_due(2, 80_000)
    assert it.ping_due(2, 80_000, report_ms=65_000)


@pytest.mark.parametrize(
    ("looks", "dead_at_ms"),
    [
        ([(0, 1, 90_000), (13_000, 1, 103_000)], 13_000),  # idle for long, then something was sent
        ([(0, 1, 100), (10_000, 2, 100), (20_000, 1, 50)], None),  # always something on its way, acknowledged on and on
        ([(0, 1, 100), (5_000, 0, 10), (16_000, 1, 11_000)], None),  # all was acknowledged in between
        ([(0, 1, 100), (13_000, 3, 12_500)], 13_000),
    ],
)
def test_what_tcp_does_not_acknowledge_is_judged_since_its_last_sign(looks, dead_at_ms):
    it = Liveness(LinkTiming())
    for now_ms, unacknowledged, last_ack_ago_ms in looks:
        it.tcp_seen(now_ms, unacknowledged, last_ack_ago_ms)
        dead = it.complaint(now_ms) is not None
        assert dead == (now_ms == dead_at_ms), now_ms


def test_news_is_a_change_of_mode_or_detail_or_of_the_backlogs_size():
    told = Status(10, 0, None, "economy", 5, 0)
    assert not worth_telling(told, Status(60, 9_000, 3, "economy", 99, 0))
    assert worth_telling(told, replace_(told, mode="live"))
    assert worth_telling(told, replace_(told, detail_s=60))
    assert worth_telling(told, replace_(told, journal_waiting=128))
    assert not worth_telling(replace_(told, journal_waiting=128), replace_(told, journal_waiting=90))
    assert worth_telling(replace_(told, journal_waiting=128), told)


def replace_(status: Status, **changes) -> Status:
    from msgspec import structs

    return structs.replace(status, **changes)


def test_an_old_kernels_answer_is_no_count():
    assert read_tcp_info(bytes(104), 20) is None
    info = bytearray(232)
    info[5] = 1
    struct.pack_into("=I", info, 24, 3)
    struct.pack_into("=I", info, 56, 70)
    struct.pack_into("=Q", info, 128, 1_000)
    struct.pack_into("=II", info, 136, 5, 7)
    struct.pack_into("=Q", info, 200, 2_000)
    assert read_tcp_info(bytes(info), 40) == TcpCount(3_000 + 12 * (40 + 20 + 12), 3, 70)
