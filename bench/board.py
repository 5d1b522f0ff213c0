"""A real cloud on a real InfluxDB and a real gateway, each a process of its own, and what lies in InfluxDB."""

from __future__ import annotations

import csv
import io
import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.processes import Child, read_json
from lentera.client import Client
from lentera.errors import FrontDoorError
from lentera_cloud.adapters.influx_series.store import bucket_of
from lentera_gateway.link.key import make_key
from lentera_sim.ports import hold_port, port_of
from tests.services.servers import Influx

TENANT = "bench"
GATEWAY = "gw-bench-01"
_CHILD = (sys.executable, "-m", "lentera.demo.child", str(os.getpid()))


def needs_influx() -> str | None:
    """Why nothing can be stored here, None when InfluxDB is there."""
    return None if Influx.program() else "InfluxDB 2 is not installed: tests/services/build-influxd builds it"


@dataclass(frozen=True, slots=True)
class RunningCloud:
    """A cloud that answers, its InfluxDB, and a token for its API."""

    child: Child
    influx: Influx
    url: str
    token: str


def start_cloud(stack: ExitStack, folder: Path, influx: Influx) -> RunningCloud:
    """Start the cloud on an InfluxDB that runs; it ends with the stack."""
    held = stack.enter_context(hold_port())
    url = f"http://127.0.0.1:{port_of(held)}"
    environ = {
        "LENTERA_REGISTRY_URL": f"sqlite+aiosqlite:///{folder / 'registry.db'}",
        "LENTERA_SERIES": "influxdb",
        "LENTERA_SECRET_FILE": str(folder / "secret"),
        "LENTERA_HOST": "127.0.0.1",
        "LENTERA_PORT": str(port_of(held)),
        "LENTERA_LOG_LEVEL": "info",
        "LENTERA_INFLUX_URL": influx.info.url,
        "LENTERA_INFLUX_TOKEN": influx.info.token,
        "LENTERA_INFLUX_ORG": influx.info.org,
    }
    token_file = folder / "token"
    child = stack.enter_context(Child([*_CHILD, "cloud", TENANT, str(token_file)], folder, "cloud", environ))
    child.wait_for(token_file.exists)
    token = token_file.read_text()

    def well() -> bool:
        with Client(url, token) as client:
            try:
                return client.health().status == "ok"
            except FrontDoorError:
                return False

    child.wait_for(well)
    return RunningCloud(child, influx, url, token)


def gateway_config(
    cloud_url: str, mode: str, buses: Sequence[Mapping[str, Any]], devices: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """A configuration whose files lie beside it."""
    return {
        "version": 1,
        "gateway": {"id": GATEWAY, "name": "Bench"},
        "cloud": {"url": cloud_url.replace("http", "ws", 1) + "/v1/link", "key_file": "key.pem", "mode": mode},
        "journal": {"memory_dir": "journal/memory", "card_dir": "journal/card"},
        "buses": list(buses),
        "devices": list(devices),
    }


def start_gateway(stack: ExitStack, folder: Path, config: Mapping[str, Any], cloud: RunningCloud | None) -> Child:
    """Start the gateway, known to the cloud if there is one; returns once it has tried every bus (and is linked)."""
    public_key = make_key(folder / "key.pem")
    if cloud is not None:
        with Client(cloud.url, cloud.token) as client:
            client.register_gateway(GATEWAY, "Bench", public_key)
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
    child = stack.enter_context(Child([*_CHILD, "gateway", str(path)], folder, "gateway"))

    def ready() -> bool:
        status = read_status(folder) or {}
        return bool(status.get("ready")) and (cloud is None or bool(status["link"]["up"]))

    child.wait_for(ready)
    return child


def read_status(folder: Path) -> Any:
    """The gateway's status.json, None while there is none."""
    return read_json(folder / "journal" / "memory" / "status.json")


def stored_values(influx: Influx, bucket: str, leave_out: Sequence[str] = ()) -> int:
    """How many values (fields of points) lie in a bucket."""
    left_out = "".join(f' |> filter(fn: (r) => r._field != "{name}")' for name in leave_out)
    flux = f'from(bucket: "{bucket}") |> range(start: 0){left_out} |> count() |> group() |> sum()'
    return sum_in(ask(influx, flux))


def ask(influx: Influx, flux: str) -> str:
    """InfluxDB's answer to a question in Flux, as annotated CSV. Raises HTTPError where it refuses."""
    request = urllib.request.Request(
        f"{influx.info.url}/api/v2/query?org={influx.info.org}",
        flux.encode(),
        {
            "Authorization": f"Token {influx.info.token}",
            "Content-Type": "application/vnd.flux",
            "Accept": "application/csv",
        },
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return answer.read().decode()


def sum_in(table: str) -> int:
    """The sum of the column _value of InfluxDB's annotated CSV; 0 where it holds nothing."""
    rows = csv.DictReader(io.StringIO(table))
    return sum(int(row["_value"]) for row in rows if row.get("_value"))


def make_bucket(influx: Influx, name: str) -> None:
    """Make a bucket for a peer."""
    from influxdb_client.client.influxdb_client import InfluxDBClient

    with InfluxDBClient(url=influx.info.url, token=influx.info.token, org=influx.info.org) as client:
        client.buckets_api().create_bucket(bucket_name=name, org=influx.info.org)


def our_bucket() -> str:
    """The bucket in which our cloud keeps the bench's tenant."""
    return bucket_of(TENANT)
