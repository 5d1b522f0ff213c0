"""A million polls of a wire that lies: how many wrong values a reader believes. In simulated time.

`python -m bench --only million`. Late replies, silence, noise, damaged and cut frames, exceptions and foreign frames
are mixed into a serial line, a line behind a converter and a socket (bench/hostile_wire.py; each value there says whose
it is and of when). Wrong is a value that was given out as good though it is another unit's, another register's, or was
read before it was asked for. The same wire in front of a plain pymodbus client shows that the harness does catch them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any

from bench.hostile_wire import LONGEST_S, HostileWire, is_true
from bench.progress import Progress
from lentera_drivers.driver import DriverError, open_driver
from lentera_drivers.profiles import MeterProfile
from lentera_model.config import DeviceConfig, ModbusBus
from lentera_model.readings import Quality, Sample
from lentera_sim.virtual_time import run_in_virtual_time

POLLS = 1_000_000
NAIVE_POLLS = 60_000
PART_POLLS = 25_000
"""A worker's part: seconds of work, so that the bar moves, and simulated hours, which the stamps can tell apart."""
UNITS = 24
TIMEOUT_MS = 100
PAIRS: Mapping[int, int] = {0: 6, 1000: 6}
"""Two blocks of equal length in each unit: an answer to one looks like an answer to the other."""
KINDS: Mapping[str, float] = {"rtu": 0.6, "rtu_over_tcp": 0.25, "tcp": 0.15}
SCALE = 1e-4
"""From a stamp of 32 bits to a value that is not beyond what can be measured."""
# Within that no rule of plausibility knows these quantities, so none can hide a wrong value.
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
    """A meter whose values are the wire's stamps, scaled."""
    places = _PLACES[: len(QUANTITIES)] if len(QUANTITIES) < len(_PLACES) else _PLACES
    registers = [
        {"quantity": name, "address": 2 * place, "count": 2, "type": "uint32", "scale": SCALE, "unit": "%"}
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


def bus_of(kind: str, timeout_ms: int) -> ModbusBus:
    """The bus as a configuration would have it."""
    where = {"port": "/dev/hostile"} if kind == "rtu" else {"host": "127.0.0.1"}
    data = {"id": "wire", "driver": "modbus", "transport": kind, "baud": 115_200, "timeout_ms": timeout_ms, **where}
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
        self._probed: list[Sample] = []
        self._place_of = {register.quantity: register.address // 2 for register in meter.registers}
        devices = [
            DeviceConfig.model_validate({"id": f"u{unit}", "profile": "stamps", "bus": "wire", "unit": unit})
            for unit in range(1, UNITS + 1)
        ]
        self.driver = open_driver(
            bus_of(wire.kind, round(1000 * wire.timeout_s)),
            devices,
            {"stamps": meter},
            lambda: round(loop.time() * 1000),
            self._probed.append,
            lambda *_: None,
            connect=lambda _: wire.open,
        )

    async def poll(self, unit: int, tally: Tally) -> None:
        """Poll a unit once. One that rests is not asked, which is no poll."""
        asked_s, before = asyncio.get_running_loop().time(), self._wire.questions
        self._probed.clear()
        try:
            samples = await self.driver.read(f"u{unit}")
        except DriverError:
            samples = ()
            tally.failed += self._wire.questions > before
        tally.polls += self._wire.questions > before
        for sample in (*self._probed, *samples):
            if sample.quality in (Quality.GOOD, Quality.SUSPECT):
                said = sample.values.items()  # a unit may also say that it is at fault: that is no value of the wire
                values = (
                    (self._place_of[name], round(value / SCALE)) for name, value in said if name in self._place_of
                )
                judge(tally, unit, values, asked_s, asyncio.get_running_loop().time())


async def read_with_ours(kind: str, polls: int, seed: int) -> Tally:
    """Poll with the real driver, one unit after the other without a pause."""
    wire = HostileWire(kind, PAIRS, TIMEOUT_MS / 1000, seed)
    reader, tally = OurReader(wire), Tally()
    await reader.driver.open()
    while tally.polls < polls:
        for unit in range(1, UNITS + 1):
            await reader.poll(unit, tally)
        await asyncio.sleep(2.0)  # those that rest are not asked; time passes all the same, and costs nothing
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


@dataclass(frozen=True, slots=True)
class Part:
    """So many polls of one wire by one reader; each part has faults of its own."""

    reader: str
    kind: str
    polls: int
    seed: int


def parts(reader: str, polls: int, most: int = PART_POLLS) -> list[Part]:
    """Cut a reader's polls over the kinds of wire by their shares into parts of at most `most`, none with a seed twice.

    The shares are rounded so that the polls add up to exactly `polls`.
    """
    found: list[Part] = []
    given, share = 0, 0.0
    for kind, part in KINDS.items():
        share += part
        left = round(polls * share) - given
        given += left
        while left > 0:
            found.append(Part(reader, kind, min(left, most), len(found) + 1))
            left -= found[-1].polls
    return found


def run(reader: str, kind: str, polls: int, seed: int) -> Tally:
    """Poll a wire in simulated time. Raises ValueError when the simulated time outran the stamps."""
    began = time.perf_counter()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # a line for each question would cost more than the bench
    tally = run_in_virtual_time(_READERS[reader](kind, polls, seed))
    tally.took_s = time.perf_counter() - began
    if tally.simulated_s >= LONGEST_S:
        raise ValueError(f"{tally.simulated_s:.0f} s were simulated, stamps last for {LONGEST_S:.0f} s: poll less")
    return tally


def run_part(part: Part) -> tuple[Part, Tally]:
    """Run one part; what a worker process does."""
    return part, run(part.reader, part.kind, part.polls, part.seed)


def measure(polls: int = POLLS, naive_polls: int = NAIVE_POLLS) -> dict[str, Any]:
    """Run both readers on the three kinds of wire, as many parts at a time as there are processors."""
    work = parts("lentera", polls) + parts("pymodbus", naive_polls, PART_POLLS // 4)
    # The longest first, so that no processor waits for another's last part.
    work.sort(key=lambda part: part.polls, reverse=True)
    tallies: dict[tuple[str, str], list[Tally]] = {}
    progress = Progress("million", polls + naive_polls)
    began = time.perf_counter()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run_part, part) for part in work]):
            part, tally = done.result()
            tallies.setdefault((part.reader, part.kind), []).append(tally)
            progress.add(part.polls)
    progress.end()
    found: dict[str, Any] = {"load": f"{polls} polls of {UNITS} units, {len(PAIRS)} requests each"}
    for reader in _READERS:
        for kind in KINDS:
            found[f"{reader}, {kind}"] = summed(tallies.get((reader, kind), []))
        for what in ("polls", "good_values", "wrong_values"):
            found[f"{reader}, {what}"] = sum(found[f"{reader}, {kind}"][what] for kind in KINDS)
    return found | {"took_s": round(time.perf_counter() - began, 1)}


def summed(tallies: Sequence[Tally]) -> dict[str, Any]:
    """Add runs up; their number, and of wrong values a run the range too."""
    total = Tally()
    for tally in tallies:
        total.add(asdict(tally))
    found: dict[str, Any] = {name: round(n, 1) if isinstance(n, float) else n for name, n in asdict(total).items()}
    wrong = [tally.wrong_values for tally in tallies]
    return found | {"runs": len(tallies), "wrong_values_a_run": f"{min(wrong, default=0)} to {max(wrong, default=0)}"}


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(asdict(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))))
    else:
        polls = int(sys.argv[1]) if len(sys.argv) > 1 else POLLS
        print(table(measure(polls, max(1, polls * NAIVE_POLLS // POLLS))))
