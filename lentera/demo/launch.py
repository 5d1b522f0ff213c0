"""Start the three programs, make them known to one another through the public API, and light the street."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lentera.client import AsyncClient
from lentera.demo.options import DemoOptions, unique_tenant
from lentera.demo.parts import Part, Parts
from lentera.errors import CannotListenError, FrontDoorError, NotReadyError, StoreNotOpenError

START_LIMIT_S = 60.0
QUIET_LIMIT_S = 10.0
LOOK_EVERY_S = 0.05
# A store that the cloud has told to be away for so long is not merely starting.
STORE_LIMIT_S = 5.0
STATUS_FILE = Path("journal/memory/status.json")


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """What the gateway's status file tells; None where it does not yet exist."""

    ready: bool = False
    waiting_batches: int | None = None
    values_total: int | None = None


@dataclass(frozen=True, slots=True)
class Launched:
    """A lit street and how to reach it."""

    run_dir: Path
    url: str
    token: str
    tenant: str
    broker: str
    gateway: str
    meters: list[str]
    lamps: list[str]
    settings: dict[str, str]

    @property
    def ledger(self) -> Path:
        """What the simulated devices say they answered."""
        return self.run_dir / "ledger.jsonl"

    def gateway_status(self) -> GatewayStatus:
        """The gateway's own newest word about itself."""
        return read_status(self.run_dir / STATUS_FILE)

    async def quiet(self) -> None:
        """Let the lamps say their last word, and wait until the broker has it. Raises NotReadyError."""
        (self.run_dir / "quiet").touch()
        await appears(self.run_dir / "quieted", QUIET_LIMIT_S, "the street did not fall quiet")


async def launch(options: DemoOptions, run_dir: Path, port: int, parts: Parts, note: Callable[[str], None]) -> Launched:
    """Start everything, the cloud on `port`, and return once the lamps are lit.

    Raises DemoError subclasses, and what the API refuses.
    """
    if options.influx:
        from lentera.demo.influx import knock

        await knock(options.influx)
    tenant = unique_tenant(options.tenant) if options.influx else options.tenant
    settings = cloud_settings(options, run_dir, port)

    def log_of(part: str) -> str:
        return str(run_dir / f"{part}.log")

    note("starting the simulated street and the cloud")
    await parts.start(street_part(options, run_dir, port))
    await parts.start(cloud_part(run_dir, tenant, settings))
    await appears(run_dir / "street.json", START_LIMIT_S, f"the street did not answer; see {log_of('street')}")
    street = json.loads((run_dir / "street.json").read_text())
    meters, lamps, broker = street["meters"] + street["plugs"], street["lamps"], street["broker_kind"]
    note(f"the street answers: {len(meters)} meters, {len(lamps)} lamps, broker {broker}")
    url = f"http://127.0.0.1:{port}"
    token = await cloud_token(run_dir, url)
    note(f"the cloud answers at {url}")
    await introduce_gateway(run_dir, url, token, street["gateway"])
    await parts.start(Part("gateway", "gateway", (str(run_dir / "gateway.yaml"),), run_dir / "gateway.log"))
    status = run_dir / STATUS_FILE
    await until(lambda: read_status(status).ready, START_LIMIT_S, f"the gateway was not ready; see {log_of('gateway')}")
    note("the gateway is linked and listening; lighting the lamps")
    (run_dir / "energise").touch()
    return Launched(
        run_dir=run_dir,
        url=url,
        token=token,
        tenant=tenant,
        broker=broker,
        gateway=street["gateway"],
        meters=meters,
        lamps=lamps,
        settings=settings,
    )


def hold_cloud_port(port: int) -> socket.socket:
    """Hold `port` of the loopback for the cloud (0: a free one). Raises CannotListenError if another program has it."""
    from lentera_sim.ports import hold_port

    try:
        return hold_port(port)
    except OSError as error:
        raise CannotListenError(
            f"The demo cannot listen on port {port} of 127.0.0.1: {error.strerror}. Name another port with --port, "
            "or leave it out and a free one is taken."
        ) from error


def street_part(options: DemoOptions, run_dir: Path, port: int) -> Part:
    """The simulated street, whose gateway will talk to the cloud at `port`."""
    plan: dict[str, Any] = {"seed": options.seed, "plugs": 1, "tasmota": 1}
    if options.meters is not None:
        plan["meters"] = options.meters
    if options.lamps is not None:
        plan["lamps"] = options.lamps
    arguments = (
        str(run_dir),
        json.dumps(plan),
        options.broker,
        f"ws://127.0.0.1:{port}/v1/link",
        str(run_dir / "key.pem"),
    )
    # Its ledger, ports and wires end with it: another street would be another run.
    return Part("street", "street", arguments, run_dir / "street.log", replaceable=False)


def cloud_settings(options: DemoOptions, run_dir: Path, port: int) -> dict[str, str]:
    """The cloud's settings as its environment carries them."""
    settings = {
        "LENTERA_REGISTRY_URL": f"sqlite+aiosqlite:///{run_dir / 'registry.db'}",
        "LENTERA_SERIES": options.store,
        "LENTERA_SERIES_PATH": str(run_dir / "series"),
        "LENTERA_SECRET_FILE": str(run_dir / "secret"),
        "LENTERA_HOST": "127.0.0.1",
        "LENTERA_PORT": str(port),
        "LENTERA_LOG_LEVEL": "info",
    }
    if options.influx:
        settings["LENTERA_INFLUX_URL"] = options.influx.url
        settings["LENTERA_INFLUX_TOKEN"] = options.influx.token
        settings["LENTERA_INFLUX_ORG"] = options.influx.org
    return settings


def cloud_part(run_dir: Path, tenant: str, settings: dict[str, str]) -> Part:
    """The cloud; its child makes the tenant and the first token before it serves."""
    arguments = (tenant, str(run_dir / "token"))
    return Part("cloud", "cloud", arguments, run_dir / "cloud.log", environ=settings)


async def until(ask: Callable[[], bool], limit_s: float, otherwise: str) -> None:
    """Ask another process's files again and again. Raises NotReadyError with the words `otherwise` after `limit_s`."""
    try:
        async with asyncio.timeout(limit_s):
            while not ask():  # noqa: ASYNC110 - another process cannot set an event of ours
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise NotReadyError(f"After {limit_s:g} s {otherwise}.") from error


async def appears(path: Path, limit_s: float, otherwise: str) -> None:
    """Wait until a file is there. Raises NotReadyError."""
    await until(path.exists, limit_s, otherwise)


async def cloud_token(run_dir: Path, url: str) -> str:
    """The demo's token, once the cloud is well. Raises NotReadyError, StoreNotOpenError."""
    await appears(run_dir / "token", START_LIMIT_S, f"the cloud made no token; see {run_dir / 'cloud.log'}")
    token = (run_dir / "token").read_text()
    async with AsyncClient(url, token) as client:
        await well(client, f"Its log is {run_dir / 'cloud.log'}.")
    return token


async def well(client: AsyncClient, hint: str, store_limit_s: float = STORE_LIMIT_S) -> None:
    """Wait until the cloud says that it is well; the words of its newest answer go into the error, never older ones.

    Raises StoreNotOpenError once its series store has been away for `store_limit_s`, NotReadyError in the end.
    """
    now_s = asyncio.get_running_loop().time
    deadline, away_since = now_s() + START_LIMIT_S, None
    problem = ""
    while now_s() < deadline:
        try:
            health = await client.health()
        except FrontDoorError as error:
            problem, away_since = str(error), None
        else:
            if health.status == "ok":
                return
            problem = f"registry: {health.registry}; series: {health.series}"
            away_since = (away_since or now_s()) if health.series not in ("ok", "starting") else None
            if away_since is not None and now_s() - away_since > store_limit_s:
                raise StoreNotOpenError(
                    f"The cloud cannot use its series store: {health.series}. Check --influx-url, "
                    f"--influx-token and --influx-org. {hint}"
                )
        await asyncio.sleep(LOOK_EVERY_S)
    raise NotReadyError(f"The cloud was not well after {START_LIMIT_S:g} s ({problem}). {hint}")


async def introduce_gateway(run_dir: Path, url: str, token: str, gateway: str) -> None:
    """Make the gateway's key and register its public half, as a technician would. Raises what the API refuses."""
    from lentera_gateway.link.key import make_key

    public_key = make_key(run_dir / "key.pem")
    async with AsyncClient(url, token) as client:
        await client.register_gateway(gateway, "Jalan Merdeka, Stabat", public_key)


def read_status(path: Path) -> GatewayStatus:
    """What the gateway's status file tells; the empty status while there is none."""
    try:
        status = json.loads(path.read_text())
    except (OSError, ValueError):
        return GatewayStatus()
    journal = status.get("journal") or {}
    return GatewayStatus(
        ready=bool(status.get("ready")) and bool(status.get("link", {}).get("up")),
        waiting_batches=journal.get("waiting_batches"),
        values_total=journal.get("values_total"),
    )
