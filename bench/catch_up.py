"""Measure how an outage's backlog is brought home: values a second into InfluxDB, and how old live data get meanwhile.

`python -m bench --only catch_up`. The *board*'s hundred Modbus TCP meters, 40 float32 values each second (97 of a
hundred of its values). Their backlog is made in accelerated time by the gateway's own journal, which leaves it on the
card as an outage would; then the real gateway starts on that card, with the meters alive, linked to the real cloud on a
real InfluxDB 2. Each second InfluxDB is asked for the newest stored reading of each meter of a few: the oldest of those
is how old live data are. `HOURS` of backlog; the machine's meters, gateway, cloud and InfluxDB share its processors.
"""

from __future__ import annotations

import asyncio
import csv
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from bench.board import (
    GATEWAY,
    ask,
    gateway_config,
    needs_influx,
    our_bucket,
    read_status,
    start_cloud,
    start_gateway,
    stored_values,
)
from bench.load import Image, quantities, write_profile
from bench.processes import ChildFailedError, pause
from bench.progress import Progress
from bench.tcp100 import EVERY_S, METERS, VALUES, MeterProcess, per_million
from lentera_gateway.journal import Journal
from lentera_gateway.journal.limits import JournalLimits
from lentera_model.batch import ClockFit
from lentera_model.readings import Sample
from tests.services.servers import Influx

HOURS = 2.0
_LOOKED_AT = tuple(f"meter-{number}" for number in range(0, METERS, METERS // 5))
"""Meters whose newest stored reading is looked for: a few, for each question costs the InfluxDB that is measured."""
_LOOK_BACK_S = 120
_LIMIT_S = 1_800
_LEFT_BATCHES = 5
"""Waiting at most, once the backlog is home: those of the last seconds."""
_LEFT_BYTES = 2 << 20
"""On the card at most by then: a segment that is still open, one that is about to be dropped."""


@dataclass(slots=True)
class _Time:
    """Milliseconds since a boot that pass when told to."""

    now_ms: int = 1_000_000

    def ms(self) -> int:
        return self.now_ms


def _samples(images: list[Image], profile: str, at_ms: int, wall_ms: int) -> Iterator[Sample]:
    """What all meters answer within one second, each a few milliseconds after the one before."""
    for number, image in enumerate(images):
        yield Sample(f"meter-{number}", profile, at_ms + 5 * number, image.values(wall_ms))


async def make_backlog(folder: Path, profile: str, hours: float, end_ms: int, meters: int = METERS) -> int:
    """Let a journal take so many hours that end at `end_ms` (Unix ms), in accelerated time; returns how many values."""
    clock = _Time()
    seconds = round(hours * 3600)
    offset_ms = end_ms - seconds * 1000 - clock.now_ms
    images = [Image(f"meter-{number}", VALUES, end_ms - seconds * 1000) for number in range(meters)]
    fit = ClockFit(offset_ms, 5, "ntp")
    journal = Journal(
        GATEWAY,
        b"catch-up's boot.",
        JournalLimits(folder / "memory", folder / "card"),
        clock.ms,
        lambda: offset_ms + clock.ms(),
        lambda: fit,
    )
    await journal.open()
    progress = Progress(f"catch_up: {hours:g} hours of backlog are made", seconds)
    for second in range(seconds):
        clock.now_ms += 1000
        for sample in _samples(images, profile, clock.now_ms, offset_ms + clock.now_ms):
            journal.add(sample)
        await journal.tick()
        progress.reach(second + 1)
    progress.end()
    await journal.close()
    return seconds * meters * VALUES


def _newest_ms(influx: Influx, device: str) -> int | None:
    """When the newest stored reading of a device was taken (Unix ms); None where there is none of late."""
    flux = (
        f'from(bucket: "{our_bucket()}") |> range(start: -{_LOOK_BACK_S}s) '
        f'|> filter(fn: (r) => r.device == "{device}" and r._field == "{quantities(1)[0][0]}") |> last()'
    )
    try:
        return newest_in(ask(influx, flux))
    except HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:  # the cloud makes the bucket with the first reading
            return None
        raise


def newest_in(table: str) -> int | None:
    """The newest `_time` of InfluxDB's CSV in Unix ms; None where it has no row."""
    times = [row["_time"] for row in csv.DictReader(io.StringIO(table)) if row.get("_time")]
    return max((round(datetime.fromisoformat(text).timestamp() * 1000) for text in times), default=None)


def _age_s(influx: Influx) -> float | None:
    """How old the oldest of the newest readings is, when its question was put; None while a device has none of late."""
    ages: list[float] = []
    for device in _LOOKED_AT:
        asked_s = time.time()
        newest = _newest_ms(influx, device)
        if newest is None:
            return None
        ages.append(asked_s - newest / 1000)
    return max(ages)


def _drain(folder: Path, influx: Influx, card_bytes: int, gateway_tail: str) -> tuple[float, list[tuple[float, float]]]:
    """Watch until the backlog is home; returns its seconds and, for each look, (second, age of live data in s)."""
    progress = Progress("catch_up: the backlog goes home", card_bytes)
    ages: list[tuple[float, float]] = []
    began_s = time.monotonic()
    while True:
        status = read_status(folder)["journal"]
        if (age_s := _age_s(influx)) is not None:
            ages.append((time.monotonic() - began_s, age_s))
        progress.reach(max(0, card_bytes - status["card_bytes"]))
        if status["card_bytes"] <= _LEFT_BYTES and status["waiting_batches"] <= _LEFT_BATCHES and len(ages) > 1:
            break
        if time.monotonic() - began_s > _LIMIT_S:
            raise ChildFailedError(f"after {_LIMIT_S} s {status['card_bytes']} bytes still wait; {gateway_tail}")
        pause(1.0)
    progress.end()
    return time.monotonic() - began_s, ages


def figures(values: int, took_s: float, ages: list[tuple[float, float]]) -> dict[str, Any]:
    """The figures of a backlog that is home; `ages` are (second, age of live data in s), from the first that came."""
    ordered = sorted(age_s for _, age_s in ages)
    return {
        "backlog_values": values,
        "drained_in_s": round(took_s, 1),
        "values_a_second": round(values / took_s),
        "first_live_reading_seen_after_s": round(ages[0][0], 1),
        "live_age_s_median": round(ordered[len(ordered) // 2], 2),
        "live_age_s_p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
        "live_age_s_most": round(ordered[-1], 2),
    }


def _run(influx: Influx, hours: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lentera-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        profile = write_profile(folder, VALUES, 0)
        values = asyncio.run(make_backlog(folder / "journal", profile.removesuffix(".yaml"), hours, _now_ms()))
        card_bytes = sum(file.stat().st_size for file in (folder / "journal" / "card" / "segments").iterdir())
        meters = MeterProcess(stack, folder, "meters")
        cloud = start_cloud(stack, folder, influx)
        buses, devices = meters.as_configured(profile)
        gateway = start_gateway(stack, folder, gateway_config(cloud.url, "economy", buses, devices), cloud)
        before = gateway.usage().cpu_s, cloud.child.usage().cpu_s
        took_s, ages = _drain(folder, influx, card_bytes, gateway.tail())
        spent = gateway.usage().cpu_s - before[0], cloud.child.usage().cpu_s - before[1]
        gateway.stop()
        answered = VALUES * sum(map(len, meters.questions().values()))
        stored = stored_values(influx, our_bucket(), ["quality"])
    return figures(values, took_s, ages) | {
        "backlog_bytes_a_value": round(card_bytes / values, 2),
        "gateway_cpu_s_per_million_values": per_million(spent[0], values),
        "cloud_cpu_s_per_million_values": per_million(spent[1], values),
        "missing_values": values + answered - stored,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def measure(hours: float = HOURS) -> dict[str, Any]:
    """Make the backlog, bring it home, and count what is stored."""
    load = f"{hours:g} h of {METERS} Modbus TCP meters x {VALUES} float32 each {EVERY_S:g} s, and the same live"
    if (why := needs_influx()) is not None:
        return {"load": load, "not_measured": why}
    server = Influx()
    server.start()
    try:
        return {"load": load} | _run(server, hours)
    finally:
        server.close()


def table(found: Any) -> str:
    """The figures as lines that line up."""
    from bench.demo_bench import table as lines

    return lines(found)


if __name__ == "__main__":
    print(table(measure(float(sys.argv[1]) if len(sys.argv) > 1 else HOURS)))
