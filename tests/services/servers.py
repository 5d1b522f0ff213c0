"""The real servers: Mosquitto, PostgreSQL and InfluxDB 2, each as one class that knows how to run it for a test."""

import asyncio
import json
import os
import pwd
import secrets
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.services.process import Server, ServerError, find_program

ANSWER_TIMEOUT_S = 2


@dataclass(frozen=True, slots=True)
class BrokerInfo:
    """Where an MQTT broker listens; anybody may connect."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class PostgresInfo:
    """A PostgreSQL database: ``url`` for SQLAlchemy with asyncpg, ``dsn`` the same for asyncpg itself."""

    url: str

    @property
    def dsn(self) -> str:
        """The address without SQLAlchemy's driver name."""
        return self.url.replace("postgresql+asyncpg", "postgresql", 1)


@dataclass(frozen=True, slots=True)
class InfluxInfo:
    """An InfluxDB 2 server: its address, an all-access token and the organization it belongs to."""

    url: str
    token: str
    org: str


class Mosquitto(Server):
    """The broker that most sites have, without persistence and open to everybody on 127.0.0.1."""

    name = "mosquitto"
    # CONNECT of MQTT 3.1.1: clean session, keep-alive 10 s, client id "ready?"
    _CONNECT = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x0a\x00\x06ready?"

    @staticmethod
    def program() -> Path | None:
        """Return where it is installed, None where it is not."""
        return find_program("mosquitto")

    @property
    def info(self) -> BrokerInfo:
        """What a client needs."""
        return BrokerInfo(self.host, self.port)

    def command(self) -> list[str]:
        """Return the argument vector; its configuration is written anew each time."""
        config = self.folder / "mosquitto.conf"
        # Started as root it would change to a user that may not read this folder.
        keep_user = "user root\n" if os.geteuid() == 0 else ""
        options = f"listener {self.port} {self.host}\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
        config.write_text(options + keep_user)
        return [str(self.program()), "-c", str(config)]

    def answers(self) -> bool:
        """Say whether it accepts an MQTT connection."""
        with socket.create_connection((self.host, self.port), ANSWER_TIMEOUT_S) as connection:
            connection.settimeout(ANSWER_TIMEOUT_S)
            connection.sendall(self._CONNECT)
            return connection.recv(4) == b"\x20\x02\x00\x00"


class Postgres(Server):
    """PostgreSQL with a fresh cluster that spares the disk: its data need not outlive the test run."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": rolls back what is open instead of waiting for it

    def __init__(self) -> None:
        """Make the cluster (initdb), as the user postgres when root, since the server refuses to run as root."""
        super().__init__()
        self._bin = self.program_folder()
        if os.geteuid() == 0:
            self.user = "postgres"
            entry = pwd.getpwnam(self.user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        made = subprocess.run(
            [
                *(str(self._bin / "initdb"), "--pgdata", str(self.folder / "data"), "--username", "postgres"),
                *("--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
            check=False,
        )
        if made.returncode:
            raise ServerError(f"initdb failed: {made.stdout[-1000:]}{made.stderr[-1000:]}")

    @staticmethod
    def installed() -> bool:
        """Say whether initdb is on PATH or where Debian puts it."""
        return find_program("initdb", also=_debian_postgres()) is not None

    @staticmethod
    def program_folder() -> Path:
        """Return the folder of initdb and postgres, links resolved: they look for their files beside themselves."""
        initdb = find_program("initdb", also=_debian_postgres())
        if initdb is None:
            raise ServerError("initdb is not installed")
        return initdb.resolve().parent

    @property
    def info(self) -> PostgresInfo:
        """The maintenance database."""
        return self.database("postgres")

    def database(self, name: str) -> PostgresInfo:
        """Return how to reach the database ``name``."""
        return PostgresInfo(f"postgresql+asyncpg://postgres@{self.host}:{self.port}/{name}")

    def command(self) -> list[str]:
        """Return the argument vector; the switched-off syncs halve the time of a test that commits."""
        options = {
            "listen_addresses": self.host,
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "100",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *settings]

    def answers(self) -> bool:
        """Say whether it answers a query."""
        try:
            self.execute("SELECT 1")
        except (asyncpg.PostgresError, TimeoutError):
            return False  # "the database system is starting up"
        return True

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction in the maintenance database."""

        async def run() -> None:
            connection = await asyncpg.connect(self.info.dsn, timeout=ANSWER_TIMEOUT_S)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        _run_apart(run)


class Influx(Server):
    """InfluxDB 2, set up by its own HTTP API with a user, an organization and an all-access token."""

    name = "influxd"
    org = "lentera"

    def __init__(self) -> None:
        """Choose the token; ``start`` sets the server up with it."""
        super().__init__()
        self.token = secrets.token_urlsafe(32)
        self._is_set_up = False

    @staticmethod
    def program() -> Path | None:
        """Return influxd from $LENTERA_INFLUXD, PATH, or where tests/services/build-influxd keeps it."""
        named = os.environ.get("LENTERA_INFLUXD")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        built = cache / "lentera" / "bin" / "influxd"
        if named:
            return find_program(also=[Path(named)])
        return find_program("influxd", also=[built])

    @property
    def info(self) -> InfluxInfo:
        """What a client needs."""
        return InfluxInfo(f"http://{self.host}:{self.port}", self.token, self.org)

    def environment(self) -> Mapping[str, str]:
        """Keep it away from the configuration of an InfluxDB that this machine may have."""
        return {"INFLUXD_CONFIG_PATH": str(self.folder / "none"), "HOME": str(self.folder)}

    def command(self) -> list[str]:
        """Return the argument vector; every path lies in the server's own folder."""
        return [
            *(str(self.program()), "--http-bind-address", f"{self.host}:{self.port}", "--reporting-disabled"),
            *("--bolt-path", str(self.folder / "bolt"), "--sqlite-path", str(self.folder / "sqlite")),
            *("--engine-path", str(self.folder / "engine"), "--log-level", "warn"),
        ]

    def answers(self) -> bool:
        """Say whether it is healthy; right after the first start, set it up."""
        if self._call("GET", "/health").get("status") != "pass":
            return False
        if not self._is_set_up:
            credentials = {"username": "lentera", "password": self.token, "token": self.token}
            self._call("POST", "/api/v2/setup", {**credentials, "org": self.org, "bucket": "first"})
            self._is_set_up = True
        return True

    def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.info.url}{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        # A proxy that the environment names would not reach this machine's own ports.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=ANSWER_TIMEOUT_S * 5) as response:
            return json.load(response)


def _debian_postgres() -> list[Path]:
    """Return every initdb where Debian keeps them apart by version, the newest first."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return sorted(found, key=lambda path: float(path.parts[4]), reverse=True)


def _run_apart(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a loop and thread of its own: a fixture must not disturb its test's loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()
