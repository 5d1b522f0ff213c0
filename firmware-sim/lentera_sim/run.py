"""Running a street: broker, wires and lamps, from a run folder that other processes can watch.

Files in the run folder: `gateway.yaml` (a configuration that fits), `street.json` (written when everything answers),
`ledger.jsonl`, `rs485-0` (the serial line's path), `broker.log`. Signals to the street, as files: `energise` lights the
lamps (create it once the gateway has subscribed); `quiet` makes the lamps publish no more, and `quieted` appears when
the last message is with the broker, while the meters go on answering. The folder `faults` takes orders for faults
(lentera_sim.faults.mailbox).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from lentera_sim.broker import BrokerChoice, RunningBroker, start_broker
from lentera_sim.clock import wall_ms
from lentera_sim.errors import RunFolderError
from lentera_sim.faults.desk import FaultDesk
from lentera_sim.faults.mailbox import close_mailbox, follow_orders, open_mailbox
from lentera_sim.faults.order import FaultOrder
from lentera_sim.faults.targets import modbus_targets, mqtt_targets
from lentera_sim.gateway_config import street_config, write_config
from lentera_sim.lamps.bridge import DeviceBridge, LampBridge
from lentera_sim.lamps.device import NetworkLamp
from lentera_sim.lamps.homeassistant import HomeAssistantLights
from lentera_sim.lamps.mesh import Mesh
from lentera_sim.lamps.zigbee2mqtt import Zigbee2Mqtt
from lentera_sim.ledger import Ledger
from lentera_sim.modbus_wires import ModbusWires
from lentera_sim.plugs.fleet import plug_programs
from lentera_sim.plugs.plug import NetworkPlug
from lentera_sim.street import Street, StreetPlan, build_street
from lentera_sim.tasks import end

log = logging.getLogger(__name__)

DEFAULT_CLOUD_URL = "ws://127.0.0.1:8080/v1/link"
_WATCH_S = 0.05
_FLUSH_S = 1.0
_DELIVER_S = 0.15
"""What a broker on this machine needs to hand the last messages to its subscribers."""


@dataclass(frozen=True, slots=True)
class StreetInfo:
    """Where a running street is: paths, broker, and what hangs on it. `street.json` holds the same.

    `tty` is the serial line's path, empty where the line is behind a converter, which has `converter_port`.
    """

    run_dir: str
    config: str
    ledger: str
    tty: str
    converter_port: int | None
    broker_kind: Literal["mosquitto", "amqtt"]
    broker_host: str
    broker_port: int
    tcp_ports: dict[str, int]
    meters: list[str]
    lamps: list[str]
    plugs: list[str]
    gateway: str
    seed: int
    speed: float


class RunningStreet:
    """A street that answers. Made by `open_street`; `energise`, `quieten`, then `close`."""

    def __init__(self, street: Street, run_dir: Path, ledger: Ledger, broker: RunningBroker) -> None:
        """Put the street's devices on their wires; nothing answers before `open`."""
        self.street = street
        self.run_dir = run_dir
        self.ledger = ledger
        self.broker = broker
        self.wires = ModbusWires(street, run_dir, ledger)
        self.lamp_bridges: tuple[LampBridge, ...] = tuple(self._lamp_bridges())
        self.plug_bridges: tuple[DeviceBridge[NetworkPlug], ...] = tuple(
            plug_programs(street.plugs.values(), broker.host, broker.port, ledger, street.clock)
        )
        self.faults = FaultDesk(
            modbus_targets(street.units, self.wires.line, self.wires.hosts) | mqtt_targets(self.bridges, broker),
            lambda target, fault, on, value: ledger.fault(target, fault, on, value, wall_ms()),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._supervisor: asyncio.Task[None] | None = None
        self._energised = False

    @property
    def bridges(self) -> tuple[LampBridge | DeviceBridge[NetworkPlug], ...]:
        """Every program that speaks for devices on MQTT."""
        return (*self.lamp_bridges, *self.plug_bridges)

    def _lamp_bridges(self) -> list[LampBridge]:
        by_dialect: dict[str, list[NetworkLamp]] = {}
        for lamp in self.street.lamps.values():
            by_dialect.setdefault(lamp.profile.dialect, []).append(lamp)
        host, port, clock = self.broker.host, self.broker.port, self.street.clock
        mesh = Mesh(self.street.plan.seed) if self.street.plan.mesh else None
        found: list[LampBridge] = []
        if lamps := by_dialect.get("zigbee2mqtt"):
            found.append(Zigbee2Mqtt("sim-zigbee2mqtt", host, port, lamps, self.ledger, clock, mesh))
        if lamps := by_dialect.get("homeassistant_json"):
            found.append(HomeAssistantLights("sim-homeassistant_json", host, port, lamps, self.ledger, clock))
        return found

    async def open(self) -> None:
        """Open the wires and connect the bridges of lamps and plugs to the broker."""
        await self.wires.open()
        self._supervisor = asyncio.create_task(self.broker.supervise(), name="broker")
        self._tasks = [asyncio.create_task(bridge.run(), name=bridge.name) for bridge in self.bridges]
        self._tasks.append(asyncio.create_task(self._flush(), name="ledger"))
        for bridge in self.bridges:
            await bridge.connected.wait()

    def info(self) -> StreetInfo:
        """Return where everything is."""
        plan = self.street.plan
        return StreetInfo(
            run_dir=str(self.run_dir),
            config=str(self.run_dir / "gateway.yaml"),
            ledger=str(self.run_dir / "ledger.jsonl"),
            tty=str(self.wires.tty or ""),
            converter_port=self.wires.converter_port,
            broker_kind=self.broker.kind,
            broker_host=self.broker.host,
            broker_port=self.broker.port,
            tcp_ports=self.wires.tcp_ports,
            meters=list(self.street.meters),
            lamps=list(self.street.lamps),
            plugs=list(self.street.plugs),
            gateway=plan.gateway,
            seed=plan.seed,
            speed=plan.speed,
        )

    def energise(self) -> None:
        """Close the lamps' contactor, once; they come on and begin to publish."""
        if not self._energised:
            self._energised = True
            for bridge in self.bridges:
                bridge.energise()

    async def quieten(self) -> None:
        """Let the lamps publish what waits and then no more; the meters go on answering."""
        await asyncio.gather(*(bridge.quieten() for bridge in self.bridges))
        self.ledger.flush()

    async def close(self) -> None:
        """Stop everything in order: lamps, wires, broker, ledger. From here on a dead broker stays dead."""
        if self._supervisor is not None:
            await end(self._supervisor)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await self.quieten()
        await asyncio.sleep(_DELIVER_S)
        await self.faults.close()
        await self.wires.close()
        await end(*self._tasks)
        self.ledger.close()
        await self.broker.stop()

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            self.ledger.flush()


async def open_street(
    plan: StreetPlan,
    run_dir: Path,
    broker: BrokerChoice = "auto",
    *,
    cloud_url: str = DEFAULT_CLOUD_URL,
    key_file: str = "key.pem",
) -> RunningStreet:
    """Start a street in `run_dir` (made if missing) and write its gateway.yaml and street.json.

    Raises:
        PlanError, RegisterMapError: the plan cannot be built. BrokerStartError: no broker answers.
        RunFolderError: the folder holds an older run's ledger.
    """
    run_dir = run_dir.absolute()
    run_dir.mkdir(parents=True, exist_ok=True)
    _refuse_older_ledger(run_dir / "ledger.jsonl")
    for signal_file in ("quiet", "quieted", "street.json"):
        (run_dir / signal_file).unlink(missing_ok=True)
    street = build_street(plan)
    started = await start_broker(broker, run_dir)
    running = RunningStreet(street, run_dir, Ledger(run_dir / "ledger.jsonl"), started)
    try:
        await running.open()
        _describe(running, cloud_url, key_file)
    except BaseException:
        await running.close()
        raise
    return running


def _refuse_older_ledger(path: Path) -> None:
    """Raise RunFolderError if a ledger already holds lines: two runs in one would be audited as one."""
    if path.exists() and path.stat().st_size:
        raise RunFolderError(
            f"{path} is the ledger of an older run, and a ledger tells of one run only; "
            "take another folder, or move or delete this one"
        )


def _describe(running: RunningStreet, cloud_url: str, key_file: str) -> None:
    """Write gateway.yaml and, when that is there, street.json."""
    info = running.info()
    config = street_config(
        running.street.plan,
        serial=running.wires.tty or running.wires.converter_port or 0,
        tcp_ports=info.tcp_ports,
        broker=(info.broker_host, info.broker_port),
        cloud_url=cloud_url,
        key_file=key_file,
    )
    write_config(running.run_dir / "gateway.yaml", config)
    draft = running.run_dir / "street.draft"
    draft.write_text(json.dumps(asdict(info), indent=1), encoding="utf-8")
    draft.replace(running.run_dir / "street.json")


async def run_street(
    plan: StreetPlan,
    run_dir: Path,
    broker: BrokerChoice,
    ready: Callable[[StreetInfo], None],
    stop: asyncio.Event,
    *,
    cloud_url: str = DEFAULT_CLOUD_URL,
    key_file: str = "key.pem",
    energise_at_start: bool = False,
    faults: Sequence[FaultOrder] = (),
) -> None:
    """Run a street until `stop` is set; calls `ready` once everything answers. Ends within about a second.

    `faults` are put at the start, at their times. Raises what `open_street` raises, and FaultError.
    """
    running = await open_street(plan, run_dir, broker, cloud_url=cloud_url, key_file=key_file)
    open_mailbox(running.run_dir)
    watchers = [
        asyncio.create_task(_follow_files(running), name="signal files"),
        asyncio.create_task(follow_orders(running.run_dir, running.faults), name="orders for faults"),
    ]
    try:
        for order in faults:
            await running.faults.take(order)
        if energise_at_start:
            running.energise()
        ready(running.info())
        await stop.wait()
    finally:
        await end(*watchers)
        close_mailbox(running.run_dir)
        await running.close()
        (running.run_dir / "street.json").unlink(missing_ok=True)


async def _follow_files(running: RunningStreet) -> None:
    """Obey the files `energise` and `quiet`."""
    run_dir = running.run_dir
    while not (run_dir / "quiet").exists():
        if (run_dir / "energise").exists():
            running.energise()
        await asyncio.sleep(_WATCH_S)
    await running.quieten()
    (run_dir / "quieted").touch()


def main(
    run_dir: Path,
    plan: StreetPlan | None = None,
    broker: BrokerChoice = "auto",
    cloud_url: str = DEFAULT_CLOUD_URL,
    key_file: str = "key.pem",
    *,
    energise: bool = False,
    faults: Sequence[FaultOrder] = (),
    ready: Callable[[StreetInfo], None] | None = None,
) -> None:
    """Run a street as a process of its own until SIGTERM or SIGINT; ends within a second of either.

    `energise` lights the lamps at once; else they wait for the file `energise`. `faults` are put at the start, at their
    times. `ready` is told when everything answers; without it one JSON line (StreetInfo) goes to standard output.
    Raises what `run_street` raises.
    """

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_street(
            plan or StreetPlan(),
            run_dir,
            broker,
            ready or _print_info,
            stop,
            cloud_url=cloud_url,
            key_file=key_file,
            energise_at_start=energise,
            faults=faults,
        )

    asyncio.run(run())


def _print_info(info: StreetInfo) -> None:
    sys.stdout.write(json.dumps(asdict(info)) + "\n")
    sys.stdout.flush()
