"""The demo that cannot start says why at once, and keeps or removes its folder as it should."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lentera.answers import Health
from lentera.client import AsyncClient
from lentera.demo.influx import delete_bucket, knock
from lentera.demo.launch import well
from lentera.demo.options import InfluxOptions, unique_tenant
from lentera.errors import NotReadyError, StoreNotOpenError
from tests.lentera.test_cli import run
from tests.services.servers import InfluxInfo


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("demo", "--port", str(port), "--dir", str(tmp_path / "run"), TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1" in done.stderr
    assert "--port" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


class Refusing(BaseHTTPRequestHandler):
    """An InfluxDB that knows nobody."""

    def do_GET(self) -> None:
        """Answer 401 to everything."""
        body = json.dumps({"code": "unauthorized", "message": "unauthorized access"}).encode()
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a server that answers as InfluxDB does to a wrong token."""
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_wrong_token_is_refused_within_seconds_with_the_option_and_the_folder_stays(
    refusing: str, tmp_path: Path
) -> None:
    began = time.monotonic()
    options = ("--store", "influxdb", "--influx-url", refusing, "--influx-token", "wrong", "--influx-org", "o")
    done = run("demo", "--seconds", "5", *options, "--dir", str(tmp_path / "run"))
    assert done.returncode == 1
    assert time.monotonic() - began < 15
    assert "401" in done.stderr
    assert "Correct --influx-token" in done.stderr
    assert "cannot be reached" not in done.stderr
    assert f"left in {tmp_path / 'run'}" in done.stderr
    assert (tmp_path / "run").is_dir()


async def test_a_server_that_is_not_there_points_at_its_address() -> None:
    with pytest.raises(StoreNotOpenError, match=r"Correct --influx-url"):
        await knock(InfluxOptions("http://127.0.0.1:9", "t", "o"))


class Told(AsyncClient):
    """A client whose cloud answers what the test says, in turn; the last answer stays."""

    def __init__(self, *answers: Health | Exception) -> None:
        super().__init__("http://127.0.0.1:9", "t")
        self.answers = list(answers)

    async def health(self) -> Health:
        """The next answer."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def told(series: str) -> Health:
    """A cloud whose series store is as told."""
    return Health(status="ok" if series == "ok" else "degraded", version="1", registry="ok", series=series)


async def test_a_store_that_stays_away_ends_the_wait_with_the_clouds_newest_words() -> None:
    client = Told(NotReadyError("cannot be reached"), told("starting"), told("unavailable: the token is wrong"))
    with pytest.raises(StoreNotOpenError, match="the token is wrong") as caught:
        await well(client, "Its log is L.", store_limit_s=0.1)
    assert "cannot be reached" not in str(caught.value)
    await well(Told(told("unavailable: a moment"), told("ok")), "", store_limit_s=5)


async def test_only_the_runs_own_bucket_is_deleted(influxdb: InfluxInfo) -> None:
    from influxdb_client.client.influxdb_client import InfluxDBClient

    influx = InfluxOptions(influxdb.url, influxdb.token, influxdb.org)
    tenant = unique_tenant("langkat")
    with InfluxDBClient(url=influx.url, token=influx.token, org=influx.org) as client:
        buckets = client.buckets_api()
        buckets.create_bucket(bucket_name=f"lentera-{tenant}")
        other = buckets.create_bucket(bucket_name=f"lentera-{tenant}-x")
        assert "deleted again" in await delete_bucket(influx, tenant)
        assert buckets.find_bucket_by_name(f"lentera-{tenant}") is None
        assert buckets.find_bucket_by_name(f"lentera-{tenant}-x") is not None
        buckets.delete_bucket(other)
    assert "left no bucket" in await delete_bucket(influx, tenant)
    refused = await delete_bucket(InfluxOptions(influxdb.url, "wrong", influxdb.org), tenant)
    assert f"lentera-{tenant} is left" in refused
