"""A simulated street, a gateway, a cloud, PostgreSQL, InfluxDB and Mosquitto, all real, all started again when killed.

Gateway and cloud are watched over by the demo's own supervisor, the broker by the street's, the two servers by this
one. Each waits half a second and starts the program again, as systemd would, however often it dies.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from lentera.client import AsyncClient
from lentera.demo.launch import (
    STATUS_FILE,
    cloud_part,
    cloud_settings,
    cloud_token,
    hold_cloud_port,
    introduce_gateway,
)
from lentera.demo.options import DemoOptions, InfluxOptions
from lentera.demo.parts import RESTART_PAUSE_S, Part, Parts
from lentera.errors import FrontDoorError
from lentera_sim.street import StreetPlan
from tests.faults.kills.judgement import Gap, Kill
from tests.services.process import Server
from tests.services.servers import Influx, Postgres

TENANT = "langkat"
START_WITHIN_S = 120.0
WELL_WITHIN_S = 240.0
"""After the last kill: the longest wait of the gateway's back-off twice, and some for a busy machine."""
_LOOK_S = 0.05
_PLAN = {"meters": 4, "lamps": 6, "plugs": 1, "tasmota": 1}
_EVERY = {"serial_every_s": 2.0, "tcp_every_s": 0.5, "lamp_every_s": 2.0, "plug_every_s": 2.0}


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def now_ms() -> int:
    """Return the wall clock in Unix ms, as the ledger has it."""
    return time.time_ns() // 1_000_000


class LastingPostgres(Postgres):
    """PostgreSQL that keeps its promises: a commit is with the operating system before it is answered."""

    def command(self) -> list[str]:
        """Return the argument vector."""
        return [part.replace("synchronous_commit=off", "synchronous_commit=on") for part in super().command()]


@dataclass
class Machine:
    """Everything that runs, and what was done to it."""

    folder: Path
    parts: Parts
    postgres: LastingPostgres
    influx: Influx
    url: str = ""
    token: str = ""
    kills: list[Kill] = field(default_factory=list)

    def strike(self, victims: tuple[str, ...]) -> None:
        """Kill -9 them in one instant, each with its children; who is down already is left out."""
        doomed = {victim: self._processes(victim) for victim in victims}
        for victim, processes in doomed.items():
            begun_ms, hit = now_ms(), False
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    hit = True
            if hit:
                self.kills.append(Kill(victim, begun_ms, now_ms()))

    def _processes(self, victim: str) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            if victim == "mosquitto":
                children = psutil.Process(self._part_pid("street")).children()
                return [child for child in children if "mosquitto" in child.name()]
            servers: dict[str, Server] = {"postgres": self.postgres, "influxdb": self.influx}
            pid = servers[victim].pid if victim in servers else self._part_pid(victim)
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                return [process, *process.children(recursive=True)]
        return []

    def _part_pid(self, name: str) -> int:
        process = self.parts[name].process
        assert process is not None, name
        return process.pid

    async def well(self) -> None:
        """Wait until everything is up, every device has answered anew, and the gateway has delivered what waited."""
        begun_ms = now_ms()
        async with AsyncClient(self.url, self.token) as client:
            await self._until(WELL_WITHIN_S, lambda: self._cloud_trouble(client))
        await self._until(WELL_WITHIN_S, lambda: self._gateway_trouble(begun_ms))

    @staticmethod
    async def _cloud_trouble(client: AsyncClient) -> str:
        try:
            health = await client.health()
        except FrontDoorError as error:
            return str(error)
        return "" if health.status == "ok" else f"registry {health.registry}, series {health.series}"

    async def _gateway_trouble(self, since_ms: int) -> str:
        status = self.gateway_status()
        if status.get("at_ms", 0) <= since_ms:
            return "the gateway writes no status"
        silent = [name for name, one in status["devices"].items() if (one["last_ok"] or 0) <= since_ms]
        if silent:
            return f"nothing from {', '.join(silent)}"
        waiting = status["journal"]["waiting_batches"]
        return "" if status["link"]["up"] and waiting <= 2 else f"{status['link']}, {waiting} batches wait"

    async def told_gaps(self) -> list[Gap]:
        """Wait until the cloud knows a gap for each kill of the gateway, and return all known gaps."""
        found: list[Gap] = []

        async def untold() -> str:
            found[:] = await self._known_gaps()
            missing = [one for one in self.kills if one.victim == "gateway" and not one.is_in(found)]
            return f"no known gap for {missing}" if missing else ""

        await self._until(WELL_WITHIN_S, untold)
        return found

    async def _known_gaps(self) -> list[Gap]:
        async with httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}) as client:
            asked = {"from": "-1d", "limit": 1000}
            answer = await client.get(f"/v1/gateways/{StreetPlan().gateway}/gaps", params=asked)
        answer.raise_for_status()
        return [
            Gap(_ms(one["from"]) - one["uncertainty_ms"], _ms(one["to"]) + one["uncertainty_ms"], one["reason"])
            for one in answer.json()["items"]
        ]

    def gateway_status(self) -> dict[str, Any]:
        """Return the gateway's newest word about itself, {} while there is none."""
        try:
            return json.loads((self.folder / STATUS_FILE).read_text())
        except (OSError, ValueError):
            return {}

    async def appears(self, name: str) -> None:
        """Wait until a file is there, for as long as every part lives."""

        async def missing() -> str:
            return "" if (self.folder / name).exists() else f"{name} is not there"

        await self._until(START_WITHIN_S, missing)

    async def _until(self, limit_s: float, ask: Callable[[], Any]) -> None:
        trouble, give_up_at = "", time.monotonic() + limit_s
        while trouble := await ask():
            if self.parts.death.done():
                self.parts.death.result()
            assert time.monotonic() < give_up_at, f"not well after {limit_s:g} s: {trouble}\n{self.logs()}"
            await asyncio.sleep(_LOOK_S)

    def logs(self) -> str:
        """Return the end of every log, for a run that went wrong."""
        servers = [server.folder / "server.log" for server in (self.postgres, self.influx)]
        logs = [*sorted(self.folder.glob("*.log")), *servers]
        return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-2500:]}" for log in logs if log.exists())

    async def end(self) -> None:
        """Quieten the street, let the gateway deliver what it holds, and stop it and the cloud."""
        (self.folder / "quiet").touch()
        await self.appears("quieted")
        for name in ("gateway", "cloud", "street"):
            went = await self.parts.stop(name, START_WITHIN_S)
            assert went, f"the {name} did not end by itself\n{self.logs()}"


async def _watch(server: Server) -> None:
    """Start a server again each time it has ended, until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_S)
        if server.ended:
            await asyncio.sleep(RESTART_PAUSE_S)
            server.spawn()


@asynccontextmanager
async def running_machine(folder: Path, seed: int) -> AsyncIterator[Machine]:
    """Start everything in an empty folder, light the street, and leave nothing behind."""
    async with AsyncExitStack() as stack:
        postgres, influx = LastingPostgres(), Influx()
        stack.push_async_callback(asyncio.to_thread, postgres.close)
        stack.push_async_callback(asyncio.to_thread, influx.close)
        await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(influx.start))
        parts = Parts(lambda _: None, folder / "pids.json")
        stack.push_async_callback(parts.stop_all, ())
        machine = Machine(folder, parts, postgres, influx)
        held = stack.enter_context(hold_cloud_port(0))
        await _light(machine, held.getsockname()[1], seed)
        parts.settle()
        for server in (postgres, influx):
            watcher = asyncio.create_task(_watch(server))
            stack.callback(watcher.cancel)
        yield machine


async def _light(machine: Machine, port: int, seed: int) -> None:
    folder, parts, info = machine.folder, machine.parts, machine.influx.info
    options = DemoOptions(influx=InfluxOptions(info.url, info.token, info.org), tenant=TENANT, seed=seed)
    registry = {"LENTERA_REGISTRY_URL": machine.postgres.info.url}
    machine.url = f"http://127.0.0.1:{port}"
    await parts.start(_street(folder, port, seed))
    await parts.start(cloud_part(folder, TENANT, cloud_settings(options, folder, port) | registry))
    await machine.appears("street.json")
    await machine.appears("token")
    machine.token = await cloud_token(folder, machine.url)
    await introduce_gateway(folder, machine.url, machine.token, StreetPlan().gateway)
    await parts.start(Part("gateway", "gateway", (str(folder / "gateway.yaml"),), folder / "gateway.log"))
    await machine.appears(str(STATUS_FILE))
    (folder / "energise").touch()


def _street(folder: Path, port: int, seed: int) -> Part:
    plan = json.dumps({"seed": seed, **_PLAN, **_EVERY})
    link, key = f"ws://127.0.0.1:{port}/v1/link", str(folder / "key.pem")
    arguments = (str(folder), plan, "mosquitto", link, key)
    # Its ledger ends with it: another street would be another run.
    return Part("street", "street", arguments, folder / "street.log", environ=dict(os.environ), replaceable=False)
