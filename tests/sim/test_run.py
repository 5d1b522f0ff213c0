"""A whole street from its run folder, in this process and as a process of its own, on both brokers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import psutil
import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from lentera_drivers.profiles import load_located_yaml
from lentera_model.config import GatewayConfig
from lentera_model.readings import Reading
from lentera_sim.audit import audit
from lentera_sim.broker import BrokerChoice, answers, find_mosquitto, start_broker
from lentera_sim.errors import BrokerStartError, RunFolderError
from lentera_sim.ledger import read_ledger
from lentera_sim.run import StreetInfo, open_street, run_street
from lentera_sim.street import StreetPlan, build_street
from tests.services.process import missing
from tests.sim.conftest import until

BROKERS: tuple[BrokerChoice, ...] = ("mosquitto", "amqtt")


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> BrokerChoice:
    """Each broker in turn."""
    if request.param == "mosquitto" and find_mosquitto() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    return request.param


@asynccontextmanager
async def running_street(
    plan: StreetPlan, run_dir: Path, broker: BrokerChoice, *, energise_at_start: bool = False
) -> AsyncIterator[StreetInfo]:
    """A street until the end of the block."""
    infos: list[StreetInfo] = []
    stop = asyncio.Event()
    task = asyncio.create_task(
        run_street(plan, run_dir, broker, infos.append, stop, energise_at_start=energise_at_start)
    )
    await until(lambda: bool(infos) or task.done(), 20)
    try:
        if infos:
            yield infos[0]
    finally:
        stop.set()
        await task


class Reader:
    """A gateway in small: reads all wires, hears all lamps, and keeps what a store would hold."""

    def __init__(self, plan: StreetPlan, info: StreetInfo) -> None:
        self.street = build_street(plan)
        self.info = info
        self.stored: dict[str, list[Reading]] = {}

    def keep(self, device: str, values: dict[str, float]) -> None:
        self.stored.setdefault(device, []).append(Reading(device, "", time.time_ns() // 1_000_000, values))

    async def read_meters(self, rounds: int) -> None:
        serial = AsyncModbusSerialClient(self.info.tty, baudrate=9600, timeout=1, retries=0)
        tcp = AsyncModbusTcpClient("127.0.0.1", port=self.info.tcp_ports["meter-market"], timeout=1, retries=0)
        cabinet, market = (self.street.units[name].profile for name in ("meter-cabinet", "meter-market"))
        async with serial, tcp:
            for _ in range(rounds):
                words = (await serial.read_input_registers(200, count=70, device_id=1)).registers
                self.keep("meter-cabinet", cabinet.decode(dict(enumerate(words, 200))))
                words = (await tcp.read_input_registers(1, count=66, device_id=1)).registers
                self.keep("meter-market", market.decode(dict(enumerate(words, 1))))

    async def hear_lamps(self, subscribed: asyncio.Event) -> None:
        from lentera_drivers.profiles import decode_lamp_payload

        by_topic = {
            topic: lamp
            for lamp in self.street.lamps.values()
            for topic in (lamp.topics.state, lamp.topics.telemetry)
            if topic is not None
        }
        async with aiomqtt.Client(self.info.broker_host, self.info.broker_port) as client:
            for topic in by_topic:
                await client.subscribe(topic, qos=1)
            subscribed.set()
            async for message in client.messages:
                lamp = by_topic[message.topic.value]
                payload = bytes(message.payload)  # pyright: ignore[reportArgumentType]
                self.keep(lamp.device, decode_lamp_payload(lamp.profile, payload).values)


async def test_a_street_whose_every_answer_is_kept_audits_clean(tmp_path: Path, broker: BrokerChoice) -> None:
    plan = StreetPlan(lamps=6, lamp_every_s=0.5)
    async with running_street(plan, tmp_path, broker) as info:
        assert info.broker_kind == broker
        reader = Reader(plan, info)
        subscribed = asyncio.Event()
        hearing = asyncio.create_task(reader.hear_lamps(subscribed))
        await asyncio.wait_for(subscribed.wait(), 5)
        (tmp_path / "energise").touch()
        await reader.read_meters(4)
        await until(lambda: len(reader.stored) == 8)
        (tmp_path / "quiet").touch()
        await until((tmp_path / "quieted").exists)
        await asyncio.sleep(0.2)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
    result = audit(read_ledger(tmp_path / "ledger.jsonl"), reader.stored)
    assert (result.missing, result.duplicated) == (0, 0), result.details[:5]
    assert result.produced == result.stored > 300
    reader.stored["lamp-001"].pop()
    assert not audit(read_ledger(tmp_path / "ledger.jsonl"), reader.stored).clean


async def test_a_run_folder_holds_a_configuration_that_fits(tmp_path: Path) -> None:
    async with running_street(StreetPlan(), tmp_path, "auto", energise_at_start=True) as info:
        config = GatewayConfig.model_validate(load_located_yaml(Path(info.config)).data)
        street = json.loads((tmp_path / "street.json").read_text())
        assert street["meters"] == ["meter-cabinet", "meter-office", "meter-market"]
        buses = {bus.id: bus for bus in config.buses}
        assert str(buses["rs485-0"].port) == info.tty  # pyright: ignore[reportAttributeAccessIssue]
        assert Path(info.tty).resolve().exists()
        assert buses["lamps"].tcp_port == info.broker_port
        await until(lambda: any(entry.kind == "acted" for entry in read_ledger(Path(info.ledger))))
    assert not (tmp_path / "street.json").exists()
    assert not Path(info.tty).is_symlink()


async def test_a_street_that_cannot_be_described_leaves_nothing_behind(tmp_path: Path) -> None:
    before = psutil.Process().children()
    with pytest.raises(ValueError, match="url"):
        await open_street(StreetPlan(), tmp_path, "auto", cloud_url="not a link")
    assert not (tmp_path / "rs485-0").is_symlink()
    assert psutil.Process().children() == before


async def test_a_folder_with_an_older_runs_ledger_is_refused(tmp_path: Path) -> None:
    older = tmp_path / "ledger.jsonl"
    line = '{"k":"acted","device":"lamp-001","at_ms":1,"level_percent":100.0}\n'
    older.write_text(line)
    with pytest.raises(RunFolderError, match=r"ledger\.jsonl is the ledger of an older run.*take another folder"):
        await run_street(StreetPlan(), tmp_path, "auto", lambda _: None, asyncio.Event())
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.jsonl"]
    assert older.read_text() == line


async def test_a_street_is_dark_until_it_is_energised(tmp_path: Path) -> None:
    async with running_street(StreetPlan(), tmp_path, "auto"):
        await asyncio.sleep(0.2)
    assert list(read_ledger(tmp_path / "ledger.jsonl")) == []


CHILD = """
import sys
from pathlib import Path
from lentera_sim.run import main
main(Path(sys.argv[1]), broker=sys.argv[2], energise=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_street_process_ends_within_a_second_and_leaves_nothing(
    tmp_path: Path, broker: BrokerChoice, number: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path), broker, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    info = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 1
    started = time.monotonic()
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 5) == 0
    assert time.monotonic() - started < 1.5
    assert not psutil.pid_exists(children[0].pid)
    assert not await answers("127.0.0.1", info["broker_port"])
    assert any(entry.kind == "answered" for entry in read_ledger(tmp_path / "ledger.jsonl"))


async def test_a_killed_street_takes_its_broker_along(tmp_path: Path, broker: BrokerChoice) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path), broker, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))["broker_port"]
    process.kill()
    await process.wait()
    async with asyncio.timeout(5):
        while await answers("127.0.0.1", port):
            await asyncio.sleep(0.02)


async def test_a_broker_says_which_it_is_and_answers(tmp_path: Path, broker: BrokerChoice) -> None:
    started = await start_broker(broker, tmp_path)
    try:
        assert started.kind == broker
        assert await answers(started.host, started.port)
    finally:
        await started.stop()
    assert not await answers(started.host, started.port)


async def test_a_missing_mosquitto_is_said_or_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lentera_sim.broker.find_mosquitto", lambda: None)
    with pytest.raises(BrokerStartError, match="apt install mosquitto"):
        await start_broker("mosquitto", tmp_path)
    started = await start_broker("auto", tmp_path)
    await started.stop()
    assert started.kind == "amqtt"


async def test_a_broker_that_does_not_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "mosquitto"
    broken.write_text("#!/bin/sh\nexit 3\n")
    os.chmod(broken, 0o755)
    monkeypatch.setattr("lentera_sim.broker.find_mosquitto", lambda: broken)
    with pytest.raises(BrokerStartError, match=r"mosquitto does not answer on port \d+; see .*broker\.log"):
        await start_broker("auto", tmp_path)
