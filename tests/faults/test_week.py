"""A week without a cloud, in accelerated time: every reading of it is stored afterwards, once, and as it was read.

The gateway's own journal takes the week as it comes, with restarts and reboots in between, and leaves it on the card;
then a real gateway starts on that card and brings it home to a real cloud over the link. LENTERA_FAULTS=long tells it
at the *cabinet* load, second by second; LENTERA_FAULTS_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_gateway.journal import Journal
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.link import load_key, make_key, public_key_text
from lentera_model.batch import ClockFit
from lentera_model.quantities import stored_precision
from lentera_model.readings import Sample
from lentera_sim.ports import hold_port, port_of
from tests.faults.network.rig import GATEWAY, TENANT, CloudProcess
from tests.faults.seeds import FIRST_SEED, LONG, quick_folder
from tests.gateway.board import GatewayProcess

WEEK_S = 7 * 86_400
STEP_S = 1 if LONG else 10
"""How often the journal is woken: a second as in life, or ten to be quick."""
SEAL_AGE_S = 60.0 if LONG else 600.0
LAMPS = 40 if LONG else 4
METER_EVERY_S = 10 if LONG else 60
LAMP_EVERY_S = 60 if LONG else 300
METER = ("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "power_active_total", "energy_active_import")
LAMP = ("level_percent", "power_active_total", "energy_active_import")
RESTARTS = 5
END_MS = 1_795_000_000_000
"""When the week ends, true time: in the past, as the cloud sees it."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600 if LONG else 400)]


@dataclass
class Week:
    """The week's clock, its devices, and what they were read to say: (device, quantity) -> time -> value."""

    dice: random.Random
    true_ms: int = END_MS - 1000 * WEEK_S
    booted_ms: int = END_MS - 1000 * WEEK_S - 60_000
    boot: int = 1
    said: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)

    def monotonic_ms(self) -> int:
        return self.true_ms - self.booted_ms

    def fit(self) -> ClockFit:
        return ClockFit(self.booted_ms, 5, "ntp")

    def reboot(self) -> None:
        """Let a minute pass; another boot begins."""
        self.true_ms += 60_000
        self.booted_ms, self.boot = self.true_ms - 5_000, self.boot + 1

    def samples(self) -> Iterator[Sample]:
        """What is read within this step."""
        second = self.true_ms // 1000
        if second % METER_EVERY_S < STEP_S:
            yield self._read("meter-1", METER)
        for number in range(LAMPS):
            if (second + number * STEP_S) % LAMP_EVERY_S < STEP_S:
                yield self._read(f"lamp-{number + 1}", LAMP)

    def _read(self, device: str, quantities: tuple[str, ...]) -> Sample:
        values = {name: self._value(device, name) for name in quantities}
        for name, value in values.items():
            self.said.setdefault((device, name), {})[self.true_ms] = stored_precision(name, value)
        return Sample(device, "of_the_week", self.monotonic_ms(), values)

    def _value(self, device: str, name: str) -> float:
        if name == "energy_active_import":
            self.counters[device] = self.counters.get(device, 1e6) + self.dice.randrange(50)
            return self.counters[device]
        if name == "level_percent":
            return float(self.dice.choice((40, 100)))
        return self.dice.randrange(200_000, 260_000) / 1000


async def live_through(week: Week, folder: Path) -> None:
    """Take the week into a journal; now and then the program stops, or the board reboots and loses its memory."""
    limits = JournalLimits(folder / "memory", folder / "card", seal_age_s=SEAL_AGE_S)
    ends = sorted(week.dice.randrange(WEEK_S) for _ in range(RESTARTS))
    for end_s in [*ends, WEEK_S]:
        boot_id = week.boot.to_bytes(16, "big")
        journal = Journal(GATEWAY, boot_id, limits, week.monotonic_ms, lambda: week.true_ms, week.fit)
        await journal.open()
        while week.true_ms < END_MS - 1000 * (WEEK_S - end_s):
            for sample in week.samples():
                journal.add(sample)
            await journal.tick()
            week.true_ms += 1000 * STEP_S
        await journal.close()
        if week.dice.random() < 0.5:
            week.reboot()
            shutil.rmtree(folder / "memory")


def write_config(folder: Path, cloud_port: int, nobody: int) -> None:
    """Write the configuration of a gateway that knows the week's devices and reaches none of them."""
    devices = [{"id": "meter-1", "profile": "eastron_sdm630", "bus": "line", "unit": 1, "every_s": 60}]
    devices += [
        {"id": f"lamp-{number + 1}", "profile": "eastron_sdm120", "bus": "line", "unit": number + 2, "every_s": 60}
        for number in range(LAMPS)
    ]
    cloud = {"url": f"ws://127.0.0.1:{cloud_port}/v1/link", "key_file": "key.pem"}
    bus = {"id": "line", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "tcp_port": nobody}
    config = {
        "version": 1,
        "gateway": {"id": GATEWAY},
        "cloud": cloud,
        "journal": {"memory_dir": "journal/memory", "card_dir": "journal/card"},
        "buses": [bus],
        "devices": devices,
    }
    (folder / "gateway.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


async def bring_home(folder: Path) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Start a real gateway on the card and a real cloud; return what is stored once nothing waits any more."""
    make_key(folder / "key.pem")
    cloud = CloudProcess(folder, None)
    gateway = GatewayProcess(run_dir=folder)
    with hold_port() as held:
        try:
            await cloud.prepare(public_key_text(load_key(folder / "key.pem")), asyncio.Lock())
            write_config(folder, cloud.port, port_of(held))
            await gateway.start()
            await gateway.until(lambda: is_home(gateway), 2_400 if LONG else 300)
            await gateway.stop()
        finally:
            if gateway.process is not None:
                await gateway.kill()
            await cloud.close()
    series = SqliteSeries(folder / "series")
    await series.start()
    stored: dict[tuple[str, str], list[tuple[int, float]]] = {}
    try:
        for device in devices():
            async for row in series.raw(TENANT, device, END_MS - 2000 * WEEK_S, END_MS + 1000 * WEEK_S):
                for name, value in row.values.items():
                    stored.setdefault((device, name), []).append((row.at_ms, value))
    finally:
        await series.close()
    return stored


def devices() -> list[str]:
    return ["meter-1", *(f"lamp-{number + 1}" for number in range(LAMPS))]


def is_home(gateway: GatewayProcess) -> bool:
    """Whether the card was read through and nothing waits on it."""
    found = gateway.status()
    journal = found.get("journal", {"waiting_batches": 1, "card_bytes": 1})
    return found.get("link", {}).get("up", False) and not journal["waiting_batches"] and not journal["card_bytes"]


@pytest.mark.asyncio
async def test_a_week_without_a_cloud_is_stored_once_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    week = Week(random.Random(FIRST_SEED))
    with quick_folder() as folder:
        await live_through(week, folder / "journal")
        stored = await bring_home(folder)
    values = sum(map(len, week.said.values()))
    for key, said in week.said.items():
        rows = stored.pop(key, [])
        times = [at_ms for at_ms, _ in rows]
        assert len(times) == len(set(times)), f"seed {FIRST_SEED}: {key} holds a time twice"
        assert dict(rows) == said, f"seed {FIRST_SEED}: {key}: {len(said)} said, {len(rows)} stored"
    assert not stored, f"seed {FIRST_SEED}: nobody said {list(stored)}"
    assert values > 80_000
    with capsys.disabled():
        print(f"\na week: seed {FIRST_SEED}, {week.boot} boots, {values} values, 0 missing, 0 doubled")
