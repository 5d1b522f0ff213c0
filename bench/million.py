"""A million polls of a wire that lies: how many wrong values a reader believes. In simulated time.

`python -m bench --only million`. Late replies, silence, noise, damaged and cut frames, exceptions and foreign frames
are mixed into a serial line, a line behind a converter and a socket (bench/hostile_wire.py; each value there says whose
it is and of when). Wrong is a value that was given out as good though it is another unit's, another register's, or was
read before it was asked for. The same wire in front of a plain pymodbus client shows that the harness does catch them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.hostile_wire import HostileWire, is_true
from lentera_drivers.driver import DriverError, open_driver
from lentera_drivers.profiles import MeterProfile
from lentera_model.config import DeviceConfig, ModbusBus
from lentera_model.readings import Quality
from lentera_sim.virtual_time import run_in_virtual_time

POLLS = 1_000_000
NAIVE_POLLS = 60_000
UNITS = 24
TIMEOUT_MS = 100
PAIRS: Mapping[int, int] = {0: 6, 1000: 6}
"""Two blocks of equal length in each unit: an answer to one looks like an answer to the other."""
KINDS: Mapping[str, float] = {"rtu": 0.6, "rtu_over_tcp": 0.25, "tcp": 0.15}
# No rule of plausibility knows these quantities, so none can hide a wrong value.
QUANTITIES = tuple(f"thd_{what}_{phase}" for what in ("voltage", "current") for phase in ("l1", "l2", "l3", "avg"))
_PLACES = [address // 2 + pair for address, pairs in PAIRS.items() for pair in range(pairs)]


@dataclass(slots=True)
class Tally:
    """What a reader made of the wire."""

    polls: int = 0
    failed: int = 0
    good_values: int = 0
    wrong_values: int = 0
    questions: int = 0
    faults: int = 0
    simulated_s: float = 0.0
    took_s: float = 0.0

    def add(self, other: Mapping[str, Any]) -> None:
        """Add another run's."""
        for name, value in other.items():
            setattr(self, name, getattr(self, name) + value)


def profile() -> MeterProfile:
    """A meter whose values are the wire's stamps as they are."""
    places = _PLACES[: len(QUANTITIES)] if len(QUANTITIES) < len(_PLACES) else _PLACES
    registers = [
        {"quantity": name, "address": 2 * place, "count": 2, "type": "uint32", "scale": 1, "unit": "%"}
        for name, place in zip(QUANTITIES, places, strict=False)
    ]
    data: dict[str, Any] = {
        "kind": "meter",
        "id": "stamps",
        "manufacturer": "Lentera",
        "model": "stamps",
        "phases": 3,
        "transport": ["rtu", "tcp"],
        "function_code": 3,
        "max_registers_per_read": 60,
        "even_addresses": True,
        "turnaround_ms": 5,
        "sources": [{"url": "bench/hostile_wire.py"}],
        "registers": registers,
    }
    return MeterProfile.model_validate(data)


def bus_of(kind: str) -> ModbusBus:
    """The bus as a configuration would have it."""
    where = {"port": "/dev/hostile"} if kind == "rtu" else {"host": "127.0.0.1"}
    data = {"id": "wire", "driver": "modbus", "transport": kind, "baud": 115_200, "timeout_ms": TIMEOUT_MS, **where}
    return ModbusBus.model_validate(data)


def judge(tally: Tally, unit: int, values: Iterable[tuple[int, int]], asked_s: float, answered_s: float) -> None:
    """Hold (place, value) pairs that a reader believes against the truth."""
    for place, value in values:
        if is_true(value, unit, place, asked_s, answered_s):
            tally.good_values += 1
        else:
            tally.wrong_values += 1


class OurReader:
    """The real driver on a hostile wire."""

    def __init__(self, wire: HostileWire) -> None:
        """Configure it for every unit of the wire."""
        loop = asyncio.get_running_loop()
        meter = profile()
        self._wire = wire
        self._place_of = {register.quantity: register.address // 2 for register in meter.registers}
        devices = [
            DeviceConfig.model_validate({"id": f"u{unit}", "profile": "stamps", "bus": "wire", "unit": unit})
            for unit in range(1, UNITS + 1)
        ]
        self.driver = open_driver(
            bus_of(wire.kind),
            devices,
            {"stamps": meter},
            lambda: round(loop.time() * 1000),
            lambda sample: None,
            lambda *_: None,
            connect=lambda _: wire.open,
        )

    async def poll(self, unit: int, tally: Tally) -> None:
        """Poll a unit once. One that rests is not asked, which is no poll."""
        asked_s, before = asyncio.get_running_loop().time(), self._wire.questions
        try:
            samples = await self.driver.read(f"u{unit}")
        except DriverError:
            samples = ()
            tally.failed += self._wire.questions > before
        tally.polls += self._wire.questions > before
        for sample in samples:
            if sample.quality in (Quality.GOOD, Quality.SUSPECT):
                values = ((self._place_of[name], int(value)) for name, value in sample.values.items())
                judge(tally, unit, values, asked_s, asyncio.get_running_loop().time())


async def read_with_ours(kind: str, polls: int, seed: int) -> Tally:
    """Poll with the real driver, one unit after the other without a pause."""
    wire = HostileWire(kind, PAIRS, TIMEOUT_MS / 1000, seed)
    reader, tally = OurReader(wire), Tally()
    await reader.driver.open()
    while tally.polls < polls:
        for unit in range(1, UNITS + 1):
            await reader.poll(unit, tally)
        await asyncio.sleep(0.5)  # those that rest are not asked; time passes all the same, and costs nothing
    await reader.driver.close()
    return _closed(tally, wire, asyncio.get_running_loop().time())


def _closed(tally: Tally, wire: HostileWire, now_s: float) -> Tally:
    tally.questions, tally.faults, tally.simulated_s = wire.questions, sum(wire.faults.values()), now_s
    return tally


class PlainReader:
    """pymodbus's client as its documentation uses it, its own retries left out."""

    def __init__(self, wire: HostileWire) -> None:
        """Take the wire."""
        from bench.plain_client import PlainClient

        self._client = PlainClient(wire.kind, wire, TIMEOUT_MS / 1000)

    async def poll(self, unit: int, tally: Tally) -> None:
        """Poll a unit's blocks once; `failed` counts blocks."""
        loop = asyncio.get_running_loop()
        tally.polls += 1
        for address, pairs in PAIRS.items():
            asked_s = loop.time()
            registers = await self._client.read(unit, address, 2 * pairs)
            if registers is None:
                tally.failed += 1
                continue
            words = zip(registers[::2], registers[1::2], strict=False)
            values = ((address // 2 + at, high << 16 | low) for at, (high, low) in enumerate(words))
            judge(tally, unit, values, asked_s, loop.time())


async def read_with_pymodbus(kind: str, polls: int, seed: int) -> Tally:
    """Poll with pymodbus, one unit after the other without a pause."""
    wire = HostileWire(kind, PAIRS, TIMEOUT_MS / 1000, seed)
    reader, tally = PlainReader(wire), Tally()
    while tally.polls < polls:
        for unit in range(1, UNITS + 1):
            await reader.poll(unit, tally)
    return _closed(tally, wire, asyncio.get_running_loop().time())


_READERS = {"lentera": read_with_ours, "pymodbus": read_with_pymodbus}


def run(reader: str, kind: str, polls: int, seed: int) -> Tally:
    """Poll a wire in simulated time."""
    began = time.perf_counter()
    tally = run_in_virtual_time(_READERS[reader](kind, polls, seed))
    tally.took_s = time.perf_counter() - began
    return tally


def measure(polls: int = POLLS, naive_polls: int = NAIVE_POLLS) -> dict[str, Any]:
    """Run both readers on the three kinds of wire, two processes at a time."""
    found: dict[str, Any] = {"load": f"{polls} polls of {UNITS} units, {UNITS and len(PAIRS)} requests each"}
    for reader, total in (("lentera", polls), ("pymodbus", naive_polls)):
        for kind, part in KINDS.items():
            count = round(total * part)
            print(f"  million: {reader} on {kind}, {count} polls", file=sys.stderr, flush=True)
            found[f"{reader}, {kind}"] = _described(_in_two_processes(reader, kind, count))
        found[f"{reader}, wrong values"] = sum(found[f"{reader}, {kind}"]["wrong_values"] for kind in KINDS)
    return found


def _in_two_processes(reader: str, kind: str, polls: int) -> Tally:
    commands = [
        [sys.executable, "-m", "bench.million", reader, kind, str(part), str(seed)]
        for seed, part in enumerate((polls // 2, polls - polls // 2), 1)
    ]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    tally = Tally()
    for child in children:
        out, _ = child.communicate()
        if child.returncode:
            raise RuntimeError(f"{reader} on {kind} ended with code {child.returncode}")
        tally.add(json.loads(out))
    return tally


def _described(tally: Tally) -> dict[str, Any]:
    return {name: round(value, 1) if isinstance(value, float) else value for name, value in asdict(tally).items()}


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    print(json.dumps(asdict(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))))
