"""Requests that are too large or never whole, from anybody: cut off, and never kept."""

import asyncio
import json

import pytest

from lentera_cloud.kit import bodies, http
from lentera_cloud.kit.bodies import JSON_BODY_BYTES
from tests.cloud.api.test_commands import DIM
from tests.cloud.support import problem


async def streamed(parts: int, taken: list[int]):
    """A body of unknown length."""
    for _ in range(parts):
        taken.append(1)
        yield bytes(16 << 10)
        await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["/v1/commands", "/v1/gateways", "/v1/batches"])
async def test_a_body_over_the_limit_is_cut_without_a_token(api, path):
    limit = bodies.JSON_BODY_BYTES if path != "/v1/batches" else 1 << 20
    answer = await api.client.post(path, content=bytes(limit + (8 << 10)))
    problem(answer, 413, "too_large")
    taken: list[int] = []
    headers = {"Content-Type": "application/json"}
    answer = await api.client.post(path, content=streamed(200, taken), headers=headers)
    if path == "/v1/batches":
        problem(answer, 401, "no_token")  # it is asked for before the body is read
    else:
        assert problem(answer, 413, "too_large")["detail"].startswith("The body may have at most 65536")


async def test_a_body_within_the_limit_passes(api):
    body = json.dumps(DIM).encode()
    padded = body + b" " * (JSON_BODY_BYTES - len(body))
    headers = {"Content-Type": "application/json"}
    problem(await api("POST", "/v1/commands", content=padded, headers=headers), 404, "unknown_device")


async def raw(site, *parts: bytes) -> bytes:
    """Send bytes and nothing after them; return the answer, up to the end of the connection."""
    host, port = site.url.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(parts))
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_body_that_never_comes_is_not_waited_for(site, monkeypatch):
    monkeypatch.setattr(bodies, "BODY_WITHIN_S", 0.2)
    head = b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    answer = await raw(site, head, b'{"target"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"too_slow"' in answer


@pytest.mark.parametrize("begun", [b"", b"GET /v1/health HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_never_comes_is_not_waited_for(site, monkeypatch, begun):
    monkeypatch.setattr(http, "HEAD_WITHIN_S", 0.2)
    assert await raw(site, begun) == b""


async def test_a_head_over_the_limit_is_refused(site):
    assert (await raw(site, b"GET / HTTP/1.1\r\nX: ", b"a" * (64 << 10))).startswith(b"HTTP/1.1 400 ")
