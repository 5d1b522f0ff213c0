"""A gateway as a process of its own, on a simulated street with real wires and a real broker, and a test cloud."""

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lentera_gateway.clock import system_wall_ms
from lentera_gateway.link import load_key, make_key
from lentera_model.readings import Reading
from lentera_sim.audit import REPEAT_WINDOW_MS, AuditResult, audit
from lentera_sim.ledger import read_ledger
from lentera_sim.run import RunningStreet, open_street
from lentera_sim.street import StreetPlan
from tests.gateway.cloud import OpenCloud

READY_WITHIN_S = 30.0
_OWN_WORDS = ("level_commanded_percent", "device_fault")


@dataclass(kw_only=True)
class GatewayProcess:
    """A gateway as a process of its own: its run folder holds its configuration, its log and its journal."""

    run_dir: Path
    process: asyncio.subprocess.Process | None = None
    command: list[str] = field(default_factory=lambda: [sys.executable, "-m", "lentera_gateway"])
    peak_rss_bytes: int = 0

    @property
    def status_file(self) -> Path:
        return self.run_dir / "journal" / "memory" / "status.json"

    def status(self) -> dict[str, Any]:
        return json.loads(self.status_file.read_text()) if self.status_file.exists() else {}

    def log(self) -> str:
        return (self.run_dir / "gateway.log").read_text()

    async def start(self) -> None:
        """Start the gateway and wait until it says that it is ready."""
        self.status_file.unlink(missing_ok=True)
        with (self.run_dir / "gateway.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, str(self.run_dir / "gateway.yaml"), stderr=log, stdout=log, env=os.environ
            )
        await self.until(lambda: self.status().get("ready"), READY_WITHIN_S)

    async def until(self, condition: Callable[[], object], within_s: float = 15.0) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    assert self.process is None or self.process.returncode is None, self.log()
                    self.peak_rss_bytes = max(self.peak_rss_bytes, self.rss_bytes())
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise AssertionError(
                f"not within {within_s} s; status {self.status()}; log:\n{self.log()[-3000:]}"
            ) from error

    def rss_bytes(self) -> int:
        """Peak resident memory of the gateway's process so far, as the kernel counts it."""
        if self.process is None:
            return 0
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)

    async def kill(self) -> int:
        """SIGKILL; returns the instant in Unix ms."""
        assert self.process is not None
        self.peak_rss_bytes = max(self.peak_rss_bytes, self.rss_bytes())
        at_ms = system_wall_ms()
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.process = None
        return at_ms

    async def stop(self) -> float:
        """SIGTERM; returns the seconds that the end took."""
        assert self.process is not None
        self.peak_rss_bytes = max(self.peak_rss_bytes, self.rss_bytes())
        loop = asyncio.get_running_loop()
        begin = loop.time()
        self.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self.process.wait(), 10)
        assert self.process.returncode == 0, self.log()
        self.process = None
        return loop.time() - begin


@dataclass(kw_only=True)
class Board(GatewayProcess):
    """A gateway, its street and its test cloud, and what to ask of them."""

    cloud: OpenCloud
    street: RunningStreet

    def audit(
        self, counts: Callable[[int], bool] = lambda at_ms: True, repeat_window_ms: int = REPEAT_WINDOW_MS
    ) -> AuditResult:
        """Compare what the devices say they answered with what the cloud has; the gateway's own words left out.

        `counts` chooses the answers that must be found by their instant (Unix ms); `repeat_window_ms` is how late the
        stamp of a value may be that repeats.
        """
        self.street.ledger.flush()
        stored: dict[str, list[Reading]] = defaultdict(list)
        for reading in self.cloud.readings():
            values = {name: value for name, value in reading.values.items() if name not in _OWN_WORDS}
            if values:
                stored[reading.device].append(Reading(reading.device, "", reading.at_ms, values, reading.quality))
        entries = (entry for entry in read_ledger(self.run_dir / "ledger.jsonl") if counts(entry.at_ms))
        return audit(entries, stored, repeat_window_ms=repeat_window_ms, rules=self.street.street.plan.reports)


@asynccontextmanager
async def board(run_dir: Path, plan: StreetPlan, start: bool = True, **knobs: Any) -> AsyncIterator[Board]:
    """A lit street, a cloud and a gateway; the lamps come on once the gateway is subscribed."""
    run_dir.mkdir(parents=True, exist_ok=True)
    make_key(run_dir / "key.pem")
    cloud = OpenCloud(load_key(run_dir / "key.pem").public_key(), gateway=plan.gateway, **knobs)
    await cloud.start()
    street = await open_street(plan, run_dir, cloud_url=cloud.url, key_file="key.pem")
    it = Board(run_dir=run_dir, cloud=cloud, street=street)
    try:
        if start:
            await it.start()
            street.energise()
        yield it
    finally:
        if it.process is not None:
            it.process.kill()
            await it.process.wait()
        await street.close()
        await cloud.stop()
