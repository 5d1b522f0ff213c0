"""What the benches of the ingest share: loads sealed before, a real cloud over a real store, and a measured pass."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.board import TENANT
from bench.ingest_load import key_of
from bench.leashed import leashed
from bench.processes import Alone, Child, bench_environ, read_json
from bench.progress import Progress
from bench.sealed import BEGIN_MS, BODIES, LAMP_QUANTITIES, SHAPES, Backlog, gateway_name, readings
from lentera_cloud.adapters.influx_series import InfluxSeries
from lentera_cloud.adapters.influx_series.lines import line
from lentera_cloud.adapters.series_common.records import to_records
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.domain.spans import StoredSpan
from lentera_cloud.ports import DeviceRow, GatewayRow
from lentera_model.readings import Reading
from lentera_sim.ports import hold_port, port_of
from tests.services.servers import Influx

GATEWAYS = 40
VALUES_A_SECOND = 300_000
"""What a pass is made for: it brings so many values times the seconds, however long that takes."""
THERE_DEVICES = 50_000
LINES_A_REQUEST = 5_000
CONNECTIONS = 4
_LIMIT_S = 600.0
_DAY_MS = 86_400_000
_A_WRITE = 5_000


class Load:
    """What the gateways bring in one shape of batch."""

    def __init__(self, name: str) -> None:
        """Take the shape's name."""
        self.name = name
        self._shape = SHAPES[name]
        self.batch_values = sum(len(one.values) for one in readings(0, 0, self._shape))

    def batches(self, seconds: float) -> int:
        """How many batches of each gateway a pass of about so many seconds has."""
        return max(1, round(seconds * VALUES_A_SECOND / self.batch_values / GATEWAYS))

    def values(self, count: int) -> int:
        """How many values so many batches of each gateway are."""
        return count * GATEWAYS * self.batch_values

    def lines(self, first: int, count: int) -> list[bytes]:
        """The same points as those batches of all gateways, as bodies of requests of a bare writer."""
        backlogs = [Backlog(number, self._shape) for number in range(GATEWAYS)]
        forms = [
            [
                [line(one).decode().rsplit(" ", 1) for one in to_records(readings(number, body, self._shape))]
                for body in range(BODIES)
            ]
            for number in range(GATEWAYS)
        ]
        found = [
            f"{start} {int(at_ms) + backlog.offset_ms(number)}"
            for number in range(first, first + count)
            for backlog, own in zip(backlogs, forms, strict=True)
            for start, at_ms in own[number % BODIES]
        ]
        return requests_of(found)


def requests_of(lines: Sequence[str]) -> list[bytes]:
    """Lines as bodies of requests."""
    return ["\n".join(lines[at : at + LINES_A_REQUEST]).encode() for at in range(0, len(lines), LINES_A_REQUEST)]


@dataclass(slots=True)
class Bench:
    """A cloud over a store, both processes of their own, and what a load's process needs to know of them."""

    folder: Path
    cloud: Child
    url: str
    influx: Influx | None
    apart: bool = False
    """InfluxDB has half of the processors to itself."""

    def watched(self) -> dict[str, Child | Alone]:
        """The processes whose CPU counts."""
        found: dict[str, Child | Alone] = {"cloud": self.cloud}
        if self.influx is not None:
            found["influxd"] = Alone("influxd", self.influx.pid)
        return found

    def links(self, load: Load, first: int, count: int, seconds: float | None = None) -> dict[str, Any]:
        """Options of the process that brings a load over links: so many batches of each gateway from `first` on."""
        return {
            "url": self.url.replace("http", "ws", 1) + "/v1/link",
            "shape": load.name,
            "gateways": GATEWAYS,
            "first": first,
            "count": count,
            "seconds": seconds,
        }

    def lines(self, requests: Sequence[bytes], bucket: str, zipped: bool) -> dict[str, Any]:
        """Options of the bare writer."""
        assert self.influx is not None
        place = self.folder / "requests"
        place.write_bytes(msgspec.msgpack.encode([gzip.compress(one, 1) for one in requests] if zipped else requests))
        return {
            "url": self.influx.info.url,
            "token": self.influx.info.token,
            "org": self.influx.info.org,
            "bucket": bucket,
            "lines": str(place),
            "gzip": zipped,
            "connections": CONNECTIONS,
        }


def load_process(stack: ExitStack, bench: Bench, options: dict[str, Any]) -> Child:
    """Start a load's process; returns it ready to begin, which it does once there is a file `go` in the folder."""
    for one in ("ready", "go", "result"):
        (bench.folder / one).unlink(missing_ok=True)
        options[one] = str(bench.folder / one)
    place = bench.folder / "options.json"
    place.write_text(json.dumps(options))
    command = leashed("bench.ingest_load", [str(place)])
    child = stack.enter_context(Child(command, bench.folder, "load", bench_environ()))
    child.wait_for((bench.folder / "ready").exists, _LIMIT_S)
    return child


def _place(bench: Bench, child: Child) -> None:
    """Give InfluxDB and the others their processors."""
    everything = sorted(os.sched_getaffinity(0))
    half = len(everything) // 2
    if bench.influx is None or half == 0:
        return
    own, others = (everything[:half], everything[half:]) if bench.apart else (everything, everything)
    for pid, processors in ((bench.influx.pid, own), (bench.cloud.pid, others), (child.pid, others)):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), processors)


def one_pass(bench: Bench, options: dict[str, Any], values: int, name: str) -> dict[str, Any]:
    """Bring a load; return values a second, and CPU seconds a million values of every process."""
    with ExitStack() as stack:
        child = load_process(stack, bench, options)
        _place(bench, child)
        watched = bench.watched()
        before = {who: one.usage().cpu_s for who, one in watched.items()}
        (bench.folder / "go").touch()
        child.wait_for((bench.folder / "result").exists, _LIMIT_S)
        used = {who: one.usage().cpu_s - before[who] for who, one in watched.items()}
        memory = {who: round(one.usage().rss_mb) for who, one in watched.items()}
        found = read_json(bench.folder / "result")
    if found["refused"]:
        raise RuntimeError(f"{name}: something was refused for good: {found['refused']}")
    return {
        "values_a_second": round(values / (found["end_s"] - found["begin_s"])),
        "cpu_s_a_million": {
            who: round(cpu_s * 1e6 / values, 2) for who, cpu_s in (used | {"load": found["cpu_s"]}).items()
        },
        "rss_mb": memory,
    }


def start_bench(stack: ExitStack, folder: Path, influx: Influx | None) -> Bench:
    """Fill the stores with what is there already, then start the cloud over them; it ends with the stack."""
    registry_url = f"sqlite+aiosqlite:///{folder / 'registry.db'}"
    asyncio.run(_fill(registry_url, _series(folder, influx)))
    cloud, url = start_cloud_at(stack, folder, registry_url, influx)
    return Bench(folder, cloud, url, influx)


def start_cloud_at(stack: ExitStack, folder: Path, registry_url: str, influx: Influx | None) -> tuple[Child, str]:
    """Start `lentera cloud serve` over a registry, with SQLite for series where there is no InfluxDB; wait for it."""
    held = stack.enter_context(hold_port())
    environ = {
        "LENTERA_REGISTRY_URL": registry_url,
        "LENTERA_SERIES": "sqlite" if influx is None else "influxdb",
        "LENTERA_SERIES_PATH": str(folder / "series"),
        "LENTERA_SECRET_FILE": str(folder / "secret"),
        "LENTERA_HOST": "127.0.0.1",
        "LENTERA_PORT": str(port_of(held)),
        "LENTERA_LOG_LEVEL": "warning",
    }
    if influx is not None:
        info = influx.info
        environ |= {
            "LENTERA_INFLUX_URL": info.url,
            "LENTERA_INFLUX_TOKEN": info.token,
            "LENTERA_INFLUX_ORG": info.org,
        }
    url = f"http://127.0.0.1:{port_of(held)}"
    command = leashed("lentera", ["cloud", "serve"])
    cloud = stack.enter_context(Child(command, folder, "cloud", bench_environ() | environ))
    cloud.wait_for(lambda: _is_well(url))
    return cloud, url


def _is_well(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/v1/health", timeout=5) as answer:
            return json.load(answer)["status"] == "ok"
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _series(folder: Path, influx: Influx | None) -> SqliteSeries | InfluxSeries:
    if influx is None:
        return SqliteSeries(folder / "series")
    return InfluxSeries(influx.info.url, influx.info.token, influx.info.org)


def there(at_ms: int) -> list[Reading]:
    """One row of each of the devices that are there already: six series each."""
    values = dict.fromkeys(LAMP_QUANTITIES, 1.0)
    return [Reading(f"there-{number:05}", "lamp", at_ms, values) for number in range(THERE_DEVICES)]


async def _fill(registry_url: str, series: SqliteSeries | InfluxSeries) -> None:
    registry = SqlRegistry(registry_url)
    await registry.start()
    await series.start()
    progress = Progress("ingest: the series that are there already", THERE_DEVICES)
    await registry.tenants.create_tenant(TENANT, "Bench", 1)
    for number in range(GATEWAYS):
        name = gateway_name(number)
        await registry.gateways.add(GatewayRow(TENANT, name, "", key_of(name).public_key().public_bytes_raw(), 1))
    await registry.gateways.add(GatewayRow(TENANT, "gw-there", "", bytes(32), 1))
    rows = there(BEGIN_MS - _DAY_MS)
    for begin in range(0, len(rows), _A_WRITE):
        part = rows[begin : begin + _A_WRITE]
        await registry.devices.upsert(
            TENANT,
            [DeviceRow(TENANT, one.device, "", "luminaire", "lamp", "gw-there", "mesh", "1", 1) for one in part],
        )
        await registry.spans.claim(TENANT, [StoredSpan(one.device, 1, one.at_ms, one.at_ms) for one in part], 1)
        await series.write(TENANT, part)
        progress.add(len(part))
    progress.end()
    await series.close()
    await registry.close()
