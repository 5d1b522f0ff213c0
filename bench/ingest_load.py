"""A process of the bench of the ingest that brings values: `python -m bench.ingest_load OPTIONS.json`.

Either as gateways over links (`gateways`), or as the bare writer of line protocol (`lines`), which posts requests that
were made before, over some connections at once. It makes the file `ready` when it could begin, begins when there is a
file `go`, and writes what came of it into `result`, times in monotonic seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec

from bench.processes import pause
from bench.sealed import BOOT, SHAPES, Backlog, declared, gateway_name, readings
from bench.sim_gateway import SimGateway, Told
from lentera_model.batch import FORMAT_VERSIONS
from lentera_model.protocol import PROTOCOL_VERSIONS, Hello

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LOOK_EVERY_S = 0.01


def key_of(name: str) -> Ed25519PrivateKey:
    """The private key of a simulated gateway, the same in every process."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def _wait(ready: Callable[[], bool]) -> None:
    while not ready():
        pause(_LOOK_EVERY_S)


def _batches(options: dict[str, Any], gateway: int) -> Callable[[int], bytes]:
    """The batches of a gateway; sealed now, unless they are as many as fit into some time."""
    backlog = Backlog(gateway, SHAPES[options["shape"]])
    if options["seconds"]:
        return backlog.batch
    first, count = options["first"], options["count"]
    return {number: backlog.batch(number) for number in range(first, first + count)}.__getitem__


async def _links(options: dict[str, Any]) -> dict[str, Any]:
    shape = SHAPES[options["shape"]]
    told, go = Told(), asyncio.Event()
    gateways: list[SimGateway] = []
    for number in range(options["gateways"]):
        name = gateway_name(number)
        batch = _batches(options, number)
        versions, formats = [*map(int, PROTOCOL_VERSIONS)], [*map(int, FORMAT_VERSIONS)]
        hello = Hello(versions, formats, "bench", BOOT, shape.epoch, 1, declared(readings(number, 0, shape)))
        gateways.append(
            SimGateway(options["url"], name, key_of(name), hello, batch, told, go=go, next_number=options["first"])
        )
    begin_s = cpu_s = 0.0

    async def begin() -> None:
        nonlocal begin_s, cpu_s
        await asyncio.to_thread(_wait, lambda: len(told.welcomed_s) == len(gateways))
        Path(options["ready"]).touch()
        await asyncio.to_thread(_wait, Path(options["go"]).exists)
        begin_s, cpu_s = time.monotonic(), time.process_time()
        for one in gateways:
            one.until_s = begin_s + (options["seconds"] or float("inf"))
        go.set()

    await asyncio.gather(begin(), *(one.deliver(options["count"]) for one in gateways))
    last = max(one.next_number for one in gateways)
    return {
        "begin_s": begin_s,
        "cpu_s": cpu_s,
        "end_s": max(told.drained_s.values()),
        "acked": told.acked,
        "refused": dict(told.refused),
        "turned_away": dict(told.turned_away),
        "next": last,
    }


def _lines(options: dict[str, Any]) -> dict[str, Any]:
    requests: list[bytes] = msgspec.msgpack.decode(Path(options["lines"]).read_bytes())
    left = iter(requests)
    refused: list[str] = []
    lock = threading.Lock()
    url = urlsplit(options["url"])
    path = f"/api/v2/write?bucket={quote(options['bucket'])}&org={quote(options['org'])}&precision=ms"
    headers = {"Authorization": f"Token {options['token']}", "Content-Type": "text/plain; charset=utf-8"}
    if options["gzip"]:
        headers["Content-Encoding"] = "gzip"

    def post() -> None:
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=120)
        while True:
            with lock:
                body = next(left, None)
            if body is None:
                connection.close()
                return
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != http.HTTPStatus.NO_CONTENT:
                refused.append(f"{answer.status} {text[:200]!r}")

    threads = [threading.Thread(target=post) for _ in range(options["connections"])]
    Path(options["ready"]).touch()
    _wait(Path(options["go"]).exists)
    begin_s, cpu_s = time.monotonic(), time.process_time()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return {"begin_s": begin_s, "cpu_s": cpu_s, "end_s": time.monotonic(), "refused": refused}


def main() -> None:
    """Bring what the options say."""
    options = json.loads(Path(sys.argv[1]).read_text())
    found = asyncio.run(_links(options)) if "gateways" in options else _lines(options)
    found["cpu_s"] = time.process_time() - found["cpu_s"]
    result = Path(options["result"])
    part = result.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(result)


if __name__ == "__main__":
    main()
