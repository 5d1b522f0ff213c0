"""A whole chain of real processes with a wire that goes wrong: street, gateway, wire, cloud, store; judged at the end.

The judge is the simulator's ledger: what the devices say that they answered, against what lies in the store, value by
value. Everything random of a run follows from its seed, which every run prints.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from lentera.demo.ledgercheck import read_report_rules, split_own
from lentera_cloud.adapters.influx_series import InfluxSeries
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.settings import Settings
from lentera_gateway.link import load_key, make_key, public_key_text
from lentera_sim.audit import AuditResult, audit
from lentera_sim.ledger import LedgerEntry, read_ledger
from lentera_sim.ports import hold_port, port_of
from lentera_sim.street import StreetPlan
from tests.faults.network.wire import Wire, open_wire
from tests.gateway.board import GatewayProcess
from tests.services.servers import Influx, InfluxInfo

if TYPE_CHECKING:
    from lentera_cloud.ports import TimeSeries

TENANT = "langkat"
DAY_MS = 86_400_000
READY_WITHIN_S = 60.0
DELIVERED_WITHIN_S = 150.0
"""After the last fault: the longest wait of the back-off twice, and some."""
_SERVE = "from lentera_cloud.serve import main; from lentera_cloud.settings import Settings; main(Settings())"
_STREET = """
import json, pathlib, sys
from lentera_sim.run import main
from lentera_sim.street import StreetPlan
folder, plan, url = sys.argv[1:]
main(pathlib.Path(folder), StreetPlan(**json.loads(plan)), "mosquitto", url)
"""
_LOOK_S = 0.05


Plan = Mapping[str, float | str]
PLAN: Plan = {
    "meters": 3,
    "lamps": 3,
    "serial_every_s": 1.0,
    "tcp_every_s": 0.5,
    "lamp_every_s": 1.0,
}
"""A small street that answers often."""
GATEWAY = StreetPlan().gateway
GATEWAY_COMMAND = (sys.executable, "-m", "lentera_gateway")


class StreetProcess:
    """The street as a process of its own: what this one does never makes a meter answer late."""

    def __init__(self, run_dir: Path, plan: Plan) -> None:
        """Keep everything in the run's folder."""
        self.run_dir = run_dir
        self.plan = plan
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, seed: int, url: str) -> None:
        """Start it and wait until everything on it answers."""
        plan = json.dumps({**self.plan, "seed": seed})
        words = (str(self.run_dir), plan, url)
        with (self.run_dir / "street.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _STREET, *words, stdout=log, stderr=log
            )
        await self._until("street.json")

    def energise(self) -> None:
        """Light the lamps."""
        (self.run_dir / "energise").touch()

    async def quieten(self) -> None:
        """Let the lamps publish no more; the meters go on answering."""
        (self.run_dir / "quiet").touch()
        await self._until("quieted")

    async def _until(self, name: str) -> None:
        assert self.process is not None
        async with asyncio.timeout(READY_WITHIN_S):
            while not (self.run_dir / name).exists():
                assert self.process.returncode is None, (self.run_dir / "street.log").read_text()
                await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """End it; its ledger is whole then."""
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 15)


class CloudProcess:
    """The cloud as a process of its own, on a port that it keeps."""

    def __init__(self, run_dir: Path, influx: InfluxInfo | None) -> None:
        """Keep everything in the run's folder; readings in InfluxDB where one is given."""
        self._held = hold_port()
        self.port = port_of(self._held)
        self.run_dir = run_dir
        self.environ: dict[str, str] = {
            "LENTERA_REGISTRY_URL": f"sqlite+aiosqlite:///{run_dir}/registry.db",
            "LENTERA_SERIES_PATH": str(run_dir / "series"),
            "LENTERA_SECRET_FILE": str(run_dir / "secret"),
            "LENTERA_PORT": str(self.port),
        }
        self._influx = influx
        if influx is not None:
            self.environ |= {"LENTERA_SERIES": "influxdb", "LENTERA_INFLUX_URL": influx.url}
            self.environ |= {"LENTERA_INFLUX_TOKEN": influx.token, "LENTERA_INFLUX_ORG": influx.org}
        self.process: asyncio.subprocess.Process | None = None
        self._client: httpx.AsyncClient | None = None

    @property
    def series_file(self) -> Path:
        """The SQLite file of the tenant's readings."""
        return self.run_dir / "series" / f"{TENANT}.series.sqlite3"

    def log(self) -> str:
        """What it has said so far."""
        return (self.run_dir / "cloud.log").read_text()

    async def prepare(self, public_key: str, migrating: asyncio.Lock) -> None:
        """Make the tenant, start, and register the gateway."""
        settings = Settings.model_validate({key[8:].lower(): value for key, value in self.environ.items()})
        async with migrating:
            token = await create_tenant_and_token(settings, TENANT, "admin", "faults")
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, trust_env=False)
        await self.start()
        await self.register(GATEWAY, public_key)

    async def register(self, gateway: str, public_key: str) -> None:
        """Make a gateway known."""
        assert self._client is not None
        body = {"gateway_id": gateway, "name": "", "public_key": public_key}
        answer = await self._client.post("/v1/gateways", json=body)
        assert answer.status_code == 201, answer.text

    async def start(self) -> None:
        """Start and wait until it answers."""
        path = self.run_dir / "cloud.log"
        path.touch()
        before = path.stat().st_size
        with path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _SERVE, stdout=log, stderr=log, env=os.environ | self.environ
            )
        async with asyncio.timeout(READY_WITHIN_S):
            while b"cloud_ready" not in path.read_bytes()[before:]:
                assert self.process.returncode is None, self.log()
                await asyncio.sleep(_LOOK_S)

    async def ask(self, path: str) -> Any:
        """Ask the API."""
        return json.loads(await self.text(path))

    async def text(self, path: str) -> str:
        """Ask the API for what is no JSON."""
        assert self._client is not None
        answer = await self._client.get(path)
        answer.raise_for_status()
        return answer.text

    async def end(self, how: signal.Signals) -> None:
        """End it: SIGKILL as a crash does, SIGTERM in order."""
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            process.send_signal(how)
            await asyncio.wait_for(process.wait(), 15)

    async def close(self) -> None:
        """End it and let the port go."""
        await self.end(signal.SIGKILL)
        if self._client is not None:
            await self._client.aclose()
        self._held.close()

    def open_series(self) -> TimeSeries:
        """The adapter of the store that it wrote to."""
        if self._influx is not None:
            return InfluxSeries(self._influx.url, self._influx.token, self._influx.org)
        return SqliteSeries(self.run_dir / "series")


@dataclass
class Rig:
    """The running chain."""

    seed: int
    dice: random.Random
    street: StreetProcess
    gateway: GatewayProcess
    wire: Wire
    cloud: CloudProcess
    influx: Influx | None = None
    notes: list[str] = field(default_factory=list)

    def link(self) -> Mapping[str, Any]:
        """What the gateway says of its link."""
        return self.gateway.status().get("link", {"up": False, "connections": 0, "error": None})

    async def until_up(self, within_s: float = DELIVERED_WITHIN_S) -> None:
        """Wait until the gateway's link carries."""
        await self.gateway.until(lambda: self.link()["up"], within_s)

    async def until_stored(self, batches: int = 2) -> None:
        """Wait until so many more acknowledgements have passed the wire."""
        await self.wire.until_more("down", "A", batches)

    async def cloud_sees_it(self) -> bool:
        """Whether the cloud counts the gateway as connected."""
        return (await self.cloud.ask(f"/v1/gateways/{GATEWAY}"))["online"]

    async def settle(self, judged: Callable[[LedgerEntry], bool] = lambda entry: True) -> AuditResult:
        """Heal the wire, let everything arrive, end the chain in order, and judge; `judged` chooses the answers."""
        await self.wire.mend()
        await self.until_up()
        await self.street.quieten()
        waiting = self.gateway.status
        await self.gateway.until(lambda: waiting()["journal"]["waiting_batches"] <= 2, DELIVERED_WITHIN_S)
        await self.gateway.stop()
        await self.street.close()
        await self.cloud.end(signal.SIGTERM)
        return await self._judge(judged)

    async def _judge(self, judged: Callable[[LedgerEntry], bool]) -> AuditResult:
        entries = [entry for entry in read_ledger(self.gateway.run_dir / "ledger.jsonl") if judged(entry)]
        now_ms = max(entry.at_ms for entry in entries)
        series = self.cloud.open_series()
        await series.start()
        try:
            stored = {
                device: [row async for row in series.raw(TENANT, device, now_ms - DAY_MS, now_ms + DAY_MS)]
                for device in {entry.device for entry in entries}
            }
        finally:
            await series.close()
        return audit(entries, split_own(stored)[0], rules=read_report_rules(self.gateway.run_dir / "gateway.yaml"))


def assert_whole(result: AuditResult, rig: Rig) -> None:
    """Nothing missing, nothing doubled, and enough of it that this says something."""
    details = "\n".join(map(str, result.details[:10]))
    logs = f"--- gateway\n{rig.gateway.log()[-2500:]}\n--- cloud\n{rig.cloud.log()[-2500:]}"
    counts = f"seed {rig.seed}: {result.missing} missing, {result.duplicated} doubled"
    assert (result.missing, result.duplicated) == (0, 0), f"{counts}\n{details}\n{logs}"
    assert result.produced > 100, f"seed {rig.seed}: only {result.produced} values\n{logs}"


@asynccontextmanager
async def open_rig(
    run_dir: Path,
    seed: int,
    migrating: asyncio.Lock,
    influx: Influx | None = None,
    *,
    plan: Plan = PLAN,
    command: Sequence[str] = GATEWAY_COMMAND,
    host: str = "127.0.0.1",
) -> AsyncIterator[Rig]:
    """Start the chain and wait until the first batches are stored.

    `migrating` lets one registry at a time be made in this process: alembic's state is the process's. `plan` is the
    street's, `command` runs the gateway, `host` is the cloud's name in its configuration.
    """
    dice = random.Random(seed)
    run_dir.mkdir(parents=True, exist_ok=True)
    make_key(run_dir / "key.pem")
    async with AsyncExitStack() as stack:
        cloud = CloudProcess(run_dir, influx and influx.info)
        stack.push_async_callback(cloud.close)
        await cloud.prepare(public_key_text(load_key(run_dir / "key.pem")), migrating)
        wire = await stack.enter_async_context(open_wire(cloud.port, dice))
        street = StreetProcess(run_dir, plan)
        stack.push_async_callback(street.close)
        await street.start(seed, f"ws://{host}:{wire.port}/v1/link")
        gateway = GatewayProcess(run_dir=run_dir, command=list(command))
        rig = Rig(seed, dice, street, gateway, wire, cloud, influx)
        stack.push_async_callback(_end_gateway, rig)
        await rig.gateway.start()
        street.energise()
        await wire.until(lambda: wire.seen["down", "A"] >= 2)
        yield rig


async def _end_gateway(rig: Rig) -> None:
    if rig.gateway.process is not None:
        await rig.gateway.kill()


def seen(rig: Rig) -> str:
    """What passed the wire, for the run's line."""
    counts = {f"{kind} {direction}": count for (direction, kind), count in sorted(rig.wire.seen.items())}
    return json.dumps(counts)
