"""Fixtures of the cloud's tests: fresh registries on both databases."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from glob import glob
from pathlib import Path

import asyncpg
import pytest

from lentera_cloud.adapters.sql import SqlRegistry


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def local_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Start a PostgreSQL server of our own on a free port."""
    binaries = sorted(glob("/usr/lib/postgresql/*/bin"))
    if not binaries:
        message = "PostgreSQL is not installed: `apt-get install postgresql`"
        if os.environ.get("LENTERA_REQUIRE_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(f"/tmp/lentera-cloud-pg-{os.getpid()}")
    folder.mkdir()
    user = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": "postgres", "group": account.pw_gid, "extra_groups": []}
    data, port = folder / "data", _free_port()
    subprocess.run(
        [f"{binaries[-1]}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
        check=True,
        capture_output=True,
        **user,
    )
    server = subprocess.Popen(
        [
            f"{binaries[-1]}/postgres",
            "-D",
            data,
            "-p",
            str(port),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=16MB",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        **user,
    )
    try:
        yield port, folder
    finally:
        server.send_signal(2)
        server.wait(10)
        shutil.rmtree(folder)


@pytest.fixture
async def postgres_url(local_postgres: tuple[int, Path], request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Make an empty database."""
    port, _ = local_postgres
    name = f"t{abs(hash(request.node.nodeid)):x}"
    for _ in range(100):
        try:
            connection = await asyncpg.connect(host="127.0.0.1", port=port, user="postgres", database="postgres")
            break
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.1)
    else:
        pytest.fail("PostgreSQL did not start")
    await connection.execute(f'CREATE DATABASE "{name}"')
    yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}/{name}"
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a fresh database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'registry.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def registry(registry_url: str) -> AsyncIterator[SqlRegistry]:
    """Give a started, empty registry."""
    one = SqlRegistry(registry_url)
    await one.start()
    yield one
    await one.close()
