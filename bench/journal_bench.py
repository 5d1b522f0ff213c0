"""Measure the journal on the *cabinet* load, in live and in economy mode, and on the *board* load: bytes a value.

`python -m bench.journal_bench [MINUTES]`. The loads of bench/cabinet.py and bench/full_board.py go in accelerated time
through the gateway's own journal, whose batches are acknowledged at once. The peers, of the same samples in the same
batches: our own first batch format, packed float32 (4 bytes a value, nothing else), and gzipped JSON lines.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench.cabinet import START_MS, Cabinet
from bench.demo_bench import table
from bench.full_board import FullBoard
from lentera_gateway.journal import Journal
from lentera_gateway.journal.framing import frame
from lentera_gateway.journal.limits import JournalLimits
from lentera_gateway.journal.records import BatchRecord, encode_record
from lentera_model.batch import FORMAT_VERSION, FORMAT_VERSIONS, ClockFit, decode, encode
from lentera_model.readings import Sample

MINUTES = 60
BOARD_S = 60
BOOT = bytes(range(1, 17))
FIT = ClockFit(START_MS, 5, "ntp")


class _Load(Protocol):
    """Devices whose time passes when told to."""

    def ms(self) -> int:
        """The present of the simulated board."""
        ...

    def second(self) -> Iterator[Sample]:
        """Let a second pass; yield what is answered in it."""
        ...


@dataclass
class _Peers:
    """Bytes of the same samples in other forms, and seconds of CPU that packing and unpacking each format takes."""

    record_bytes: int = 0
    sent_bytes: int = 0
    float32_bytes: int = 0
    gzipped_json_bytes: int = 0
    sealed_bytes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(FORMAT_VERSIONS, 0))
    pack_s: dict[int, float] = field(default_factory=lambda: dict.fromkeys(FORMAT_VERSIONS, 0.0))
    unpack_s: dict[int, float] = field(default_factory=lambda: dict.fromkeys(FORMAT_VERSIONS, 0.0))

    def add(self, sent: bytes) -> None:
        """Pack a batch's samples again in every form."""
        batch = decode(sent)
        header, samples = batch.header, batch.samples
        self.sent_bytes += len(sent)
        for version in FORMAT_VERSIONS:
            begin = time.process_time()
            sealed = encode(header.key, BOOT, header.sealed_monotonic_ms, samples, header.clock, version)
            packed = time.process_time()
            decode(sealed)
            self.unpack_s[version] += time.process_time() - packed
            self.pack_s[version] += packed - begin
            self.sealed_bytes[version] += len(sealed)
            if version == FORMAT_VERSION:
                self.record_bytes += len(frame(encode_record(BatchRecord(sealed))))
        lines = "\n".join(
            json.dumps({"device": s.device, "at": s.monotonic_ms, **{k: round(v, 6) for k, v in s.values.items()}})
            for s in samples
        )
        self.float32_bytes += 4 * header.values
        self.gzipped_json_bytes += len(gzip.compress(lines.encode(), 6))


async def _run(load: _Load, seconds: int, live: bool) -> dict[str, Any]:
    peers = _Peers()
    ticking_s = 0.0
    with tempfile.TemporaryDirectory(prefix="lentera-journal-") as folder:
        limits = JournalLimits(Path(folder) / "memory", Path(folder) / "card")
        journal = Journal("gw-bench", BOOT, limits, load.ms, lambda: START_MS + load.ms(), lambda: FIT)
        await journal.open()
        journal.live = live
        for _ in range(seconds):
            for sample in load.second():
                journal.add(sample)
            begin = time.process_time()
            await journal.tick()
            ticking_s += time.process_time() - begin
            while (batch := await journal.next_batch(0)) is not None:
                peers.add(batch.sealed)
                await journal.acknowledge(batch.key)
        status = await journal.status()
        await journal.close()
    counters, values = status.counters, status.values_total
    return {
        "values": values,
        "values_a_batch": round(values / status.sequence),
        "sealed_bytes_a_value": round(status.bytes_a_value, 2),
        "on_disk_bytes_a_value": round(peers.record_bytes / values, 2),
        "sent_bytes_a_value": round(peers.sent_bytes / values, 2),
        "format_1_bytes_a_value": round(peers.sealed_bytes[1] / values, 2),
        "of_float32": round(counters.sealed_bytes / peers.float32_bytes, 2),
        "of_gzipped_json": round(counters.sealed_bytes / peers.gzipped_json_bytes, 2),
        "written_memory_bytes_a_value": round(counters.written_memory_bytes / values, 2),
        "written_card_bytes_a_value": round(counters.written_card_bytes / values, 2),
        "pack_us_a_value": round(peers.pack_s[FORMAT_VERSION] / values * 1e6, 2),
        "pack_us_a_value_format_1": round(peers.pack_s[1] / values * 1e6, 2),
        "unpack_us_a_value": round(peers.unpack_s[FORMAT_VERSION] / values * 1e6, 2),
        "unpack_us_a_value_format_1": round(peers.unpack_s[1] / values * 1e6, 2),
        "logged_and_sealed_values_a_cpu_second": round(values / ticking_s),
    }


def measure(minutes: int = MINUTES) -> dict[str, Any]:
    """Return the figures of the cabinet in both modes and of the board."""
    return {
        "load": f"{minutes} simulated minutes of the cabinet, {BOARD_S} s of the board; acknowledged at once",
        "cabinet_live": asyncio.run(_run(Cabinet(), minutes * 60, live=True)),
        "cabinet_economy": asyncio.run(_run(Cabinet(), minutes * 60, live=False)),
        "board_economy": asyncio.run(_run(FullBoard(), BOARD_S, live=False)),
    }


if __name__ == "__main__":
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)))
