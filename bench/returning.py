"""Measure a thousand gateways that return from an outage at once to one cloud process.

`python -m bench --only returning [--seconds N]`. Every gateway has real tokens, the real window and the real rules of
waiting (`bench/sim_gateway.py`), and a backlog of `BATCHES` batches of a cabinet's lamps, 240 values each; every fifth
speaks version 1 of the link and brings batches of format 1, as the last version did. All begin to connect in the same
second, from two processes, with nothing known of the cloud. Measured: what was refused for good (nothing may be), how
long the last waited for its Welcome, the time until all was acknowledged, and the cloud's memory meanwhile, against
what it had before the first came. `--seconds` bounds the time to drain, past which the bench fails.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.board import TENANT
from bench.ingest_load import key_of
from bench.ingest_parts import start_cloud_at
from bench.processes import Child, bench_environ, pause, read_json
from bench.progress import Progress
from bench.sealed import BOOT, Backlog, Shape, declared, gateway_name, readings
from bench.sim_gateway import SimGateway, Told
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.ports import GatewayRow
from lentera_model.batch import FORMAT_VERSIONS
from lentera_model.protocol import PROTOCOL_VERSIONS, Hello

GATEWAYS = 1_000
BATCHES = 20
PROCESSES = 2
OLD_EVERY = 5
SECONDS = 240
SHAPE = Shape(3, 0, 4, 10)
"""Ten lamps for four minutes: 40 rows, 240 values."""
_LOOK_EVERY_S = 0.1


def is_old(number: int) -> bool:
    """Whether that gateway runs the last version: link protocol 1, batch format 1."""
    return number % OLD_EVERY == 0


def gateway(url: str, number: int, told: Told) -> SimGateway:
    """One returning gateway."""
    name, old = gateway_name(number), is_old(number)
    versions = [1] if old else [*map(int, PROTOCOL_VERSIONS)]
    formats = [1] if old else [*map(int, FORMAT_VERSIONS)]
    hello = Hello(versions, formats, "0.1.0", BOOT, SHAPE.epoch, 1, declared(readings(number, 0, SHAPE)))
    backlog = Backlog(number, SHAPE, formats[-1])
    return SimGateway(url, name, key_of(name), hello, backlog.batch, told)


async def come_back(url: str, numbers: Sequence[int], batches: int) -> Told:
    """Let gateways return at once; returns once the last has delivered its backlog."""
    told = Told()
    await asyncio.gather(*(gateway(url, number, told).deliver(batches) for number in numbers))
    return told


async def register(registry_url: str, tenant: str, numbers: Sequence[int]) -> None:
    """Make the tenant, and the gateways known."""
    registry = SqlRegistry(registry_url)
    await registry.start()
    await registry.tenants.create_tenant(tenant, "Bench", 1)
    for number in numbers:
        name = gateway_name(number)
        await registry.gateways.add(GatewayRow(tenant, name, "", key_of(name).public_key().public_bytes_raw(), 1))
    await registry.close()


def main() -> None:
    """Be one of the processes of the gateways."""
    options = json.loads(sys.argv[1])
    began_s = time.monotonic()
    told = asyncio.run(come_back(options["url"], options["numbers"], options["batches"]))
    found = {
        "began_s": began_s,
        "acked": told.acked,
        "refused": told.refused,
        "turned_away": told.turned_away,
        "welcomed_s": sorted(told.welcomed_s.values()),
        "drained_s": max(told.drained_s.values()),
    }
    place = Path(options["result"])
    part = place.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(place)


def figures(parts: Sequence[dict[str, Any]], before_mb: float, most_mb: float, batches: int) -> dict[str, Any]:
    """The figures of what the processes of the gateways were told."""
    began_s = min(one["began_s"] for one in parts)
    welcomed = sorted(at_s - began_s for one in parts for at_s in one["welcomed_s"])
    turned_away: Counter[str] = sum((Counter(one["turned_away"]) for one in parts), Counter())
    refused: Counter[str] = sum((Counter(one["refused"]) for one in parts), Counter())
    return {
        "gateways": len(welcomed),
        "batches": batches,
        "acknowledged": sum(one["acked"] for one in parts),
        "refused_for_good": dict(refused),
        "turned_away": dict(turned_away),
        "welcomed_s_half": round(welcomed[len(welcomed) // 2], 1),
        "welcomed_s_last": round(welcomed[-1], 1),
        "drained_s": round(max(one["drained_s"] for one in parts) - began_s, 1),
        "cloud_mb_before": round(before_mb, 1),
        "cloud_mb_at_most": round(most_mb, 1),
    }


def _gateways(stack: ExitStack, folder: Path, url: str) -> list[tuple[Child, Path]]:
    found: list[tuple[Child, Path]] = []
    for at in range(PROCESSES):
        result = folder / f"returned-{at}.json"
        numbers = list(range(at, GATEWAYS, PROCESSES))
        options = json.dumps({"url": url, "numbers": numbers, "batches": BATCHES, "result": str(result)})
        command = [sys.executable, "-m", "bench.returning", options]
        found.append((stack.enter_context(Child(command, folder, f"gateways-{at}", bench_environ())), result))
    return found


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Return the figures."""
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        registry_url = f"sqlite+aiosqlite:///{folder / 'registry.db'}"
        asyncio.run(register(registry_url, TENANT, range(GATEWAYS)))
        cloud, url = start_cloud_at(stack, folder, registry_url, None)
        before_mb = most_mb = cloud.usage().rss_mb
        gateways = _gateways(stack, folder, url.replace("http", "ws", 1) + "/v1/link")
        progress = Progress("returning: processes of gateways that have delivered all", PROCESSES)
        deadline_s = time.monotonic() + seconds
        while (done := sum(result.exists() for _, result in gateways)) < PROCESSES:
            most_mb = max(most_mb, cloud.usage().rss_mb)
            for child, result in gateways:
                if not result.exists():
                    child.usage()  # says so if it has failed
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"the backlogs are not home after {seconds:g} s")
            progress.reach(done)
            pause(_LOOK_EVERY_S)
        progress.end()
        return figures([read_json(result) for _, result in gateways], before_mb, most_mb, GATEWAYS * BATCHES)


def table(found: dict[str, Any]) -> str:
    """The figures as lines."""
    return "\n".join(f"{name.replace('_', ' '):20}{value}" for name, value in found.items())


if __name__ == "__main__":
    main()
