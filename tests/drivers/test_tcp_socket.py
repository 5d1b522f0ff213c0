"""The TCP socket as a transport: its options, its ends, its errors."""

import asyncio
import socket

import pytest

from lentera_drivers.modbus.tcp_socket import TcpSocket, open_tcp


async def test_bytes_go_both_ways_and_the_end_is_told():
    got: list[bytes] = []
    lost: list[Exception | None] = []
    ended, answered = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == b"hello"
        writer.write(b"world")
        await writer.drain()
        assert await reader.read(1) == b"!"
        writer.close()

    def on_bytes(data: bytes) -> None:
        got.append(data)
        answered.set()

    def on_lost(reason: Exception | None) -> None:
        lost.append(reason)
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    opened = await open_tcp("127.0.0.1", server.sockets[0].getsockname()[1], 2)(on_bytes, on_lost)
    assert isinstance(opened, TcpSocket)
    assert opened._transport is not None
    raw = opened._transport.get_extra_info("socket")
    assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 20
    async with asyncio.timeout(5):
        opened.write(b"hello")
        await answered.wait()
        assert opened.is_open
        opened.write(b"!")
        await ended.wait()
    assert (b"".join(got), lost) == (b"world", [None])
    assert not opened.is_open
    with pytest.raises(OSError, match=r"the connection to 127\.0\.0\.1:\d+ is closed"):
        opened.write(b"x")
    server.close()


async def test_closing_is_not_reported_as_a_loss():
    lost: list[Exception | None] = []
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
        finally:
            gone.set()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    opened = await open_tcp("127.0.0.1", server.sockets[0].getsockname()[1], 2)(lambda _: None, lost.append)
    opened.close()
    opened.close()
    async with asyncio.timeout(5):
        await gone.wait()
    assert lost == []
    server.close()


async def test_a_host_that_refuses(held_port):
    with pytest.raises(ConnectionRefusedError, match="refuses the connection: nothing listens there"):
        await open_tcp("127.0.0.1", held_port, 2)(lambda _: None, lambda _: None)


async def test_a_host_that_does_not_answer_costs_its_time_only():
    """A listener whose queue is full accepts nobody more: the packets of later callers are dropped."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = []
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
            waiting.append(caller)
        with pytest.raises(TimeoutError, match=r"does not take the connection within 0\.2 s"):
            await open_tcp("127.0.0.1", full.getsockname()[1], 0.2)(lambda _: None, lambda _: None)
        for caller in waiting:
            caller.close()
