"""The client and the commands against a real cloud: uvicorn on a free port, SQLite stores."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lentera import AsyncClient, Client
from lentera.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthorizedError,
    UnreachableError,
)
from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.serve import serve
from lentera_cloud.settings import Settings
from lentera_gateway.link.key import make_key


@dataclass(frozen=True)
class Cloud:
    """A running cloud and the tokens of one tenant."""

    url: str
    admin: str
    analyst: str


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Serve in a thread with its own loop until the module's tests are done."""
    folder = tmp_path_factory.mktemp("cloud")
    settings = Settings.model_validate(
        {
            "registry_url": f"sqlite+aiosqlite:///{folder}/registry.db",
            "series_path": folder / "series",
            "secret_file": folder / "secret",
            "port": 0,
        }
    )
    ready: list[str] = []
    up = threading.Event()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        ended = asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))

        def at(url: str) -> None:
            ready.append(url)
            up.set()

        await serve(settings, ready=at, stop=ended)

    loop = asyncio.new_event_loop()
    admin = asyncio.run(create_tenant_and_token(settings, "langkat", "admin", "tests"))
    analyst = asyncio.run(create_tenant_and_token(settings, "langkat", "analyst", "tests"))
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert up.wait(20)
    yield Cloud(ready[0], admin, analyst)
    stop[0]()
    thread.join(10)
    loop.close()


@pytest.fixture
def client(cloud: Cloud) -> Iterator[Client]:
    """A client with every right in its tenant."""
    with Client(cloud.url, cloud.admin) as opened:
        yield opened


def lentera(cloud: Cloud, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the cloud."""
    place = {"LENTERA_URL": cloud.url, "LENTERA_TOKEN": cloud.admin, "LENTERA_LANG": "en"}
    return subprocess.run(
        [sys.executable, "-m", "lentera", *arguments],
        env={**os.environ, **place, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_cloud_is_well(client: Client) -> None:
    health = client.health()
    assert health.status == "ok"
    assert health.registry == "ok"


def test_a_gateway_is_registered_and_listed(client: Client, tmp_path: Path) -> None:
    made = client.register_gateway("gw-1", "Jalan Merdeka", make_key(tmp_path / "key.pem"))
    assert made.gateway_id == "gw-1"
    assert made.online is False
    assert "gw-1" in [gateway.gateway_id for gateway in client.gateways()]
    with pytest.raises(InvalidRequestError) as caught:
        client.register_gateway("gw-1", "again", make_key(tmp_path / "other.pem"))
    assert caught.value.problem_code == "already_exists"


def test_a_role_that_may_not_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with Client(cloud.url, cloud.analyst) as analyst:
        assert analyst.devices() == []
        with pytest.raises(ForbiddenError, match="role"):
            analyst.register_gateway("gw-2", "", make_key(tmp_path / "key.pem"))


def test_an_unknown_token_is_refused_with_the_remedy(cloud: Cloud) -> None:
    with (
        Client(cloud.url, "lnt_0000000000000000_nonsense") as stranger,
        pytest.raises(UnauthorizedError, match="LENTERA_TOKEN"),
    ):
        stranger.devices()


def test_what_is_not_there_is_named(client: Client) -> None:
    now = datetime.now(UTC)
    with pytest.raises(NotFoundError, match="lamp-999"):
        client.device("lamp-999")
    with pytest.raises(NotFoundError, match="lamp-999"):
        client.dim("lamp-999", 40)
    with pytest.raises(NotFoundError):
        client.series("lamp-999", ["power_active_total"], now - timedelta(hours=1), now)
    with pytest.raises(NotFoundError):
        client.command("c_nothing")


def test_what_is_not_there_is_named_in_indonesian(cloud: Cloud) -> None:
    for arguments in (["devices", "lamp-999"], ["dim", "lamp-999", "40"], ["series", "lamp-999"]):
        done = lentera(cloud, *arguments, LENTERA_LANG="id")
        assert done.returncode == 1
        assert "Tidak ada perangkat lamp-999" in done.stderr
        assert "There is" not in done.stderr
    plain = lentera(cloud, "devices", "lamp-999", "--json")
    assert (plain.returncode, plain.stdout) == (1, "")
    assert '"error": "unknown_device"' in plain.stderr


def test_an_impossible_level_names_the_field(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="level_percent") as caught:
        client.send_level("lamp-999", 140)
    assert caught.value.status == 422
    assert caught.value.errors


def test_nobody_at_home_is_said_so() -> None:
    with Client("http://127.0.0.1:9", "t") as client, pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        client.devices()


async def test_the_asynchronous_client_answers_alike(cloud: Cloud) -> None:
    async with AsyncClient(cloud.url, cloud.admin) as client:
        assert (await client.health()).status == "ok"
        assert await client.devices() == []
        assert await client.commands() == []
        with pytest.raises(NotFoundError):
            await client.send_level("lamp-999", 40)


def test_a_token_is_made_on_the_clouds_machine(tmp_path: Path, cloud: Cloud) -> None:
    place = {"LENTERA_REGISTRY_URL": f"sqlite+aiosqlite:///{tmp_path}/registry.db"}
    done = lentera(cloud, "cloud", "token", "--tenant", "t", "--label", "x", "--role", "operator", "--json", **place)
    assert done.returncode == 0, done.stderr
    assert '"role": "operator"' in done.stdout
    assert '"token": "lnt_' in done.stdout
    bad = lentera(cloud, "cloud", "token", "--tenant", "../t", "--label", "x", **place)
    assert bad.returncode == 1
    assert "tenant" in bad.stderr


def test_no_devices_yet_is_no_table(cloud: Cloud) -> None:
    done = lentera(cloud, "devices", LENTERA_LANG="id")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Belum ada perangkat" in done.stderr
    assert lentera(cloud, "devices", "--json").stdout.strip() == "[]"


def test_a_setting_that_does_not_fit_is_named(cloud: Cloud) -> None:
    done = lentera(cloud, "cloud", "serve", LENTERA_PORT="many")
    assert done.returncode == 1
    assert "LENTERA_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(cloud: Cloud, tmp_path: Path) -> None:
    place = {
        "LENTERA_PORT": cloud.url.rsplit(":", 1)[1],
        "LENTERA_SECRET_FILE": str(tmp_path / "secret"),
        "LENTERA_REGISTRY_URL": f"sqlite+aiosqlite:///{tmp_path}/registry.db",
        "LENTERA_SERIES_PATH": str(tmp_path / "series"),
    }
    done = lentera(cloud, "cloud", "serve", **place)
    assert done.returncode == 1
    assert place["LENTERA_PORT"] in done.stderr
    assert "Traceback" not in done.stderr


def test_gateways_are_listed_set_and_watched_by_commands(cloud: Cloud, client: Client, tmp_path: Path) -> None:
    client.register_gateway("gw-sim", "SIM", make_key(tmp_path / "key.pem"))
    listed = lentera(cloud, "gateways", "list")
    assert next(line.split()[:3] for line in listed.stdout.splitlines() if "SIM" in line) == ["gw-sim", "no", "-"]
    assert client.receipts("gw-sim") == []
    assert "Nothing" in lentera(cloud, "gateways", "receipts", "gw-sim").stderr
    done = lentera(cloud, "gateways", "delivery", "gw-sim", "--quota-mb", "100", "--mode", "live", "--json")
    assert (json.loads(done.stdout)["quota_bytes"], json.loads(done.stdout)["mode"]) == (100_000_000, "live")
    done = lentera(cloud, "gateways", "delivery", "gw-sim", "--month-day", "15", "--mode", "own", "--json")
    said = json.loads(done.stdout)
    assert (said["quota_bytes"], said["mode"], said["month_day"]) == (100_000_000, None, 15)
    assert "100 MB" in lentera(cloud, "gateways", "delivery", "gw-sim").stdout
    assert "is live until" in lentera(cloud, "gateways", "watch", "gw-sim", "--for", "60").stderr
    assert client.delivery("gw-sim").watched_until is not None
    assert client.watch_gateway("gw-sim", 0).watched_until is None
    nobody = lentera(cloud, "gateways", "delivery", "gw-nobody", "--json")
    assert nobody.returncode == 1
    assert "gw-nobody" in json.loads(nobody.stderr)["text"]
