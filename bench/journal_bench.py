"""Measure the journal on the *cabinet* load: bytes a value, sealed and written, in live and in economy mode.

`python -m bench.journal_bench [MINUTES]`. The street's simulated meter (30 values each 10 s) and 40 lamps (6 values
each 60 s, dimmed once an hour) are read through their profiles in accelerated time and go through the gateway's own
journal, whose batches are acknowledged at once. Noise of the data, from one reading to the next: volts and amperes
0.14 %, frequency 0.015 %, power as steady as LED drivers hold it; float32 registers, lamps in tenths of a watt. The
peers, of the same samples in the same batches: packed float32 (4 bytes a value, nothing else), and gzipped JSON lines.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.demo_bench import table
from lentera_drivers.profiles import MeterProfile, decode_lamp_payload, encode_registers, encode_state, load_profile
from lentera_gateway.journal import Journal
from lentera_gateway.journal.limits import JournalLimits
from lentera_model.batch import ClockFit, decode
from lentera_model.readings import Sample
from lentera_sim.clock import SimClock
from lentera_sim.street import Street, StreetPlan, build_street

MINUTES = 60
METER_VALUES = 30
LAMP_QUANTITIES = (
    "power_active_total",
    "energy_active_import",
    "voltage_l1",
    "current_l1",
    "power_factor_total",
)
"""With level_percent, the six values of a lamp."""
START_MS = 1_760_000_000_000


class _Time:
    """Seconds that pass when told to."""

    now_s = 1000.0

    def seconds(self) -> float:
        return self.now_s

    def ms(self) -> int:
        return round(self.now_s * 1000)


def _read_meter(street: Street, profile: MeterProfile, at_ms: int) -> Sample:
    values = street.meters["meter-cabinet"].values(street.clock.now_ms())
    words: dict[int, int] = {}
    for register in profile.registers[:METER_VALUES]:
        encoded = encode_registers(register, values[register.quantity], profile.order)
        words |= dict(zip(range(register.address, register.end), encoded, strict=True))
    return Sample("meter-cabinet", profile.id, at_ms, profile.decode(words))


def _read_lamp(street: Street, name: str, at_ms: int) -> Sample:
    lamp = street.lamps[name]
    measured = {key: value for key, value in lamp.measure().items() if key in LAMP_QUANTITIES}
    payload = encode_state(lamp.profile, lamp.level_percent(), measured)
    return Sample(name, lamp.profile.id, at_ms, decode_lamp_payload(lamp.profile, payload).values)


def _second(street: Street, profile: MeterProfile, time: _Time) -> Iterator[Sample]:
    """Everything that the cabinet's devices answer in one second: lamps are spread over their minute."""
    second = int(time.now_s)
    if second % 10 == 0:
        yield _read_meter(street, profile, time.ms() + 3)
    for number, name in enumerate(street.lamps):
        if second % 3600 == number * 90 % 3600:
            street.lamps[name].luminaire.command(
                40.0 if second // 3600 % 2 == 0 else 100.0, street.clock.now_ms(), None
            )
        if second % 60 == number * 60 // len(street.lamps):
            yield _read_lamp(street, name, time.ms() + 10 + number)


def _peer_sizes(sealed: bytes) -> tuple[int, int]:
    """Bytes of a batch's values as bare float32, and of its samples as gzipped JSON lines."""
    samples = decode(sealed).samples
    lines = "\n".join(
        json.dumps({"device": s.device, "at": s.monotonic_ms, **{k: round(v, 6) for k, v in s.values.items()}})
        for s in samples
    )
    return 4 * sum(len(s.values) for s in samples), len(gzip.compress(lines.encode(), 6))


async def _run(minutes: int, live: bool) -> dict[str, Any]:
    time = _Time()
    street = build_street(StreetPlan(meters=1, lamps=40), SimClock(1.0, START_MS, time.seconds))
    for lamp in street.lamps.values():
        lamp.luminaire.energise(street.clock.now_ms())
    profile = load_profile("eastron_sdm630")
    assert isinstance(profile, MeterProfile)
    peers = [0, 0]
    with tempfile.TemporaryDirectory(prefix="lentera-journal-") as folder:
        limits = JournalLimits(Path(folder) / "memory", Path(folder) / "card")
        fit = ClockFit(START_MS, 5, "ntp")
        journal = Journal("gw-bench", bytes(16), limits, time.ms, lambda: START_MS + time.ms(), lambda: fit)
        await journal.open()
        journal.live = live
        for _ in range(minutes * 60):
            time.now_s += 1
            for sample in _second(street, profile, time):
                journal.add(sample)
            await journal.tick()
            while (batch := await journal.next_batch(0)) is not None:
                sizes = _peer_sizes(batch.sealed)
                peers = [peers[0] + sizes[0], peers[1] + sizes[1]]
                await journal.acknowledge(batch.key)
        status = await journal.status()
        await journal.close()
    counters, values = status.counters, status.values_total
    return {
        "values": values,
        "sealed_bytes_a_value": round(status.bytes_a_value, 2),
        "of_float32": round(counters.sealed_bytes / peers[0], 2),
        "of_gzipped_json": round(counters.sealed_bytes / peers[1], 2),
        "written_memory_bytes_a_value": round(counters.written_memory_bytes / values, 2),
        "written_card_bytes_a_value": round(counters.written_card_bytes / values, 2),
    }


def measure(minutes: int = MINUTES) -> dict[str, Any]:
    """Return the figures of both modes."""
    return {
        "load": f"cabinet, {minutes} simulated minutes, every batch acknowledged at once",
        "live": asyncio.run(_run(minutes, live=True)),
        "economy": asyncio.run(_run(minutes, live=False)),
    }


if __name__ == "__main__":
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)))
