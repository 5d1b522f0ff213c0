"""Running a scene's line as a pseudo-terminal: a line to scan, read and mend from another shell.

Files in the run folder: `line` (the port's path), `truth.json` (what hangs where, to hold a scan against), and the
folder `faults`, which takes orders (lentera_sim.faults.mailbox). Meters are called `unit-ID`, a second one on the same
id `unit-ID-2`; the line is called `line`. A meter that is switched off has the fault `dead`.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lentera_sim.clock import wall_ms
from lentera_sim.errors import PlanError
from lentera_sim.faults.desk import FaultDesk
from lentera_sim.faults.kinds import Faults
from lentera_sim.faults.mailbox import close_mailbox, follow_orders, open_mailbox
from lentera_sim.faults.meter_faults import meter_faults
from lentera_sim.faults.order import FaultOrder
from lentera_sim.faults.wire_faults import line_faults
from lentera_sim.ledger import Ledger
from lentera_sim.scenes import SCENES, Scene, SceneMeter, chatterer_of, mixed, station_of
from lentera_sim.tasks import end
from lentera_sim.wires.chatter import Chatterer
from lentera_sim.wires.serial_line import SerialLine
from lentera_sim.wires.settings import Parity
from lentera_sim.wires.station import Station

LINE = "line"


@dataclass(frozen=True, slots=True)
class LineInfo:
    """Where a running line is, and how many meters it has.

    Attributes:
        left_out: meters of the scene whose parity is another, which a pseudo-terminal cannot carry.
    """

    run_dir: str
    port: str
    scene: str
    meters: int
    left_out: int


def scene_of(name: str, seed: int) -> Scene:
    """Return a scene by its name; those that are drawn by chance take the seed. Raises PlanError for another name."""
    made = SCENES.get(name)
    if made is None:
        raise PlanError(f"there is no scene {name!r}; there are {', '.join(SCENES)}")
    return mixed(seed) if made is mixed else made()


class RunningLine:
    """A scene on a pseudo-terminal. `open`, then `close`."""

    def __init__(self, scene: Scene, run_dir: Path, parity: Parity) -> None:
        """Hang the scene's meters of one parity on a line."""
        self.run_dir = run_dir
        self.meters = [meter for meter in scene.meters if meter.settings.parity == parity]
        self.left_out = len(scene.meters) - len(self.meters)
        self._scene = scene
        self._ledger = Ledger(run_dir / "ledger.jsonl")
        stations = {name: station_of(meter) for name, meter in _named(self.meters).items()}
        self.line = SerialLine(run_dir / LINE, list(stations.values()), self._ledger)
        self.line.medium.faults = scene.faults
        self.faults = FaultDesk(self._targets(stations), self._noted)
        self._tasks: list[asyncio.Task[None]] = []
        self._chatterer: Chatterer | None = None

    def _targets(self, stations: Mapping[str, Station]) -> dict[str, Faults]:
        found: dict[str, Faults] = {name: meter_faults(station.unit) for name, station in stations.items()}
        return found | {LINE: line_faults(self.line)}

    def _noted(self, target: str, fault: str, on: bool, value: float | None) -> None:
        self._ledger.fault(target, fault, on, value, wall_ms())

    async def open(self) -> None:
        """Open the line; meters of the scene that are switched off answer nothing."""
        await self.line.open()
        for station, (name, meter) in zip(self.line.medium.stations, _named(self.meters).items(), strict=True):
            station.powered = True
            if not meter.powered:
                await self.faults.take(FaultOrder(name, "dead"))
        self._chatterer = chatterer_of(self._scene, self.line.medium)
        open_mailbox(self.run_dir)
        self._tasks.append(asyncio.create_task(follow_orders(self.run_dir, self.faults), name="orders for faults"))
        truth = [
            {"name": name, "unit": one.unit, "settings": str(one.settings), "model": one.profile.id, "known": one.known}
            for name, one in _named(self.meters).items()
        ]
        (self.run_dir / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")

    async def close(self) -> None:
        """Close everything; the port's path is gone."""
        await end(*self._tasks)
        if self._chatterer is not None:
            self._chatterer.stop()
        close_mailbox(self.run_dir)
        await self.faults.close()
        await self.line.close()
        self._ledger.close()


def _named(meters: Sequence[SceneMeter]) -> dict[str, SceneMeter]:
    """Return meters by their names: `unit-7`, and `unit-7-2` for a second one on the same id."""
    found: dict[str, SceneMeter] = {}
    for meter in meters:
        name, number = f"unit-{meter.unit}", 1
        while name in found:
            number += 1
            name = f"unit-{meter.unit}-{number}"
        found[name] = meter
    return found


def main(
    scene: str,
    run_dir: Path,
    seed: int,
    parity: Parity,
    faults: Sequence[FaultOrder],
    ready: Callable[[LineInfo], None],
) -> None:
    """Run a scene's line until SIGTERM or SIGINT; `ready` is told once the port answers.

    Raises:
        PlanError: there is no such scene, or none of its meters has this parity. FaultError: of an order.
    """

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        run_dir.mkdir(parents=True, exist_ok=True)
        line = RunningLine(scene_of(scene, seed), run_dir.absolute(), parity)
        if not line.meters:
            raise PlanError(f"the scene {scene} has no meter of parity {parity}; take the other")
        await line.open()
        try:
            for order in faults:
                await line.faults.take(order)
            ready(LineInfo(str(line.run_dir), str(line.line.path), scene, len(line.meters), line.left_out))
            await stop.wait()
        finally:
            await line.close()

    asyncio.run(run())
