"""Compare the store with the simulator's ledger, value by value, and make the report of a counted run.

The store is read through its TimeSeries adapter, not through the API and not from our own counters; by then the gateway
has ended and the cloud has stopped, so nothing is on its way any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lentera.demo.dimmer import Tally
from lentera.demo.launch import Launched
from lentera.demo.options import DemoOptions
from lentera.demo.verdict import CountedRun, faults_of, is_subsequence, silent_devices

if TYPE_CHECKING:
    from lentera_cloud.ports import TimeSeries
    from lentera_model.config import ReportByException
    from lentera_model.readings import Reading

DAY_MS = 86_400_000
COMMANDED = "level_commanded_percent"
DEVICE_FAULT = "device_fault"
SHOWN_FINDINGS = 20


async def check(
    options: DemoOptions, launched: Launched, tally: Tally, seconds: float, note: Callable[[str], None]
) -> CountedRun:
    """What was produced, stored, missing and doubled, what became of the commands, and every fault in words."""
    from lentera_sim.audit import audit
    from lentera_sim.ledger import read_ledger

    entries = list(read_ledger(launched.ledger))
    devices = sorted({entry.device for entry in entries} | set(launched.meters) | set(launched.lamps))
    note(f"comparing the {options.store} store with the ledger of {len(devices)} devices")
    answered, own = split_own(await read_store(options, launched, devices))
    config = launched.run_dir / "gateway.yaml"
    result = audit(entries, answered, rules=read_report_rules(config))
    for finding in result.details[:SHOWN_FINDINGS]:
        note(str(finding))
    contradicted = own_faults(own, tally)
    silent = silent_devices(entries, read_intervals(config), seconds)
    for text in (*contradicted, *silent):
        note(text)
    report = {
        "seconds": int(seconds) if seconds == int(seconds) else seconds,
        "store": options.store,
        "gateways": 1,
        "meters": len(launched.meters),
        "luminaires": len(launched.lamps),
        "readings": {
            "produced": result.produced,
            "stored": result.stored,
            "suppressed": result.suppressed,
            "missing": result.missing,
            "duplicated": result.duplicated,
        },
        "commands": tally.report(),
    }
    return CountedRun(report, faults_of(report, result.out_of_order, contradicted, silent))


def read_intervals(config: Path) -> dict[str, float]:
    """How often each device of a gateway's configuration is due, s."""
    import yaml

    return {one["id"]: float(one["every_s"]) for one in yaml.safe_load(config.read_text())["devices"]}


def read_report_rules(config: Path) -> dict[str, ReportByException]:
    """The devices of a gateway's configuration that report by exception, with their rules."""
    import yaml

    from lentera_model.config import ReportByException

    devices = yaml.safe_load(config.read_text())["devices"]
    return {one["id"]: ReportByException.model_validate(one["report"]) for one in devices if one.get("report")}


def split_own(stored: Mapping[str, list[Reading]]) -> tuple[dict[str, list[Reading]], dict[str, list[float]]]:
    """Take the gateway's own statements out: what remains are devices' answers, which alone the ledger can judge.

    The gateway stores the level it commanded beside what the lamp then reports, and that a meter is at fault where it
    refused with the exception that says so. No simulated device ever answers either.
    """
    answered: dict[str, list[Reading]] = {}
    own: dict[str, list[float]] = {}
    for device, readings in stored.items():
        answered[device] = []
        for reading in readings:
            values = dict(reading.values)
            commanded = values.pop(COMMANDED, None)
            values.pop(DEVICE_FAULT, None)
            if commanded is not None:
                own.setdefault(device, []).append(commanded)
            if values:
                answered[device].append(replace(reading, values=values))
    return answered, own


def own_faults(own: Mapping[str, list[float]], tally: Tally) -> list[str]:
    """Where the stored commanded levels of a lamp are not those of the commands that succeeded, in order.

    After a command that we gave up more may be stored, because the lamp may have obeyed later; but what succeeded must
    be there.
    """
    lamps = sorted(set(own) | set(tally.proved))
    return [
        f"{lamp}: commanded levels stored {own.get(lamp, [])}, commands that succeeded {tally.proved.get(lamp, [])}"
        for lamp in lamps
        if own.get(lamp, []) != tally.proved.get(lamp, [])
        and not (tally.failed and is_subsequence(tally.proved.get(lamp, []), own.get(lamp, [])))
    ]


async def read_store(options: DemoOptions, launched: Launched, devices: Iterable[str]) -> dict[str, list[Reading]]:
    """Every stored row of every device, straight from the store."""
    now_ms = time.time_ns() // 1_000_000
    series = open_series(options, launched)
    await series.start()
    try:
        return {
            device: [row async for row in series.raw(launched.tenant, device, now_ms - DAY_MS, now_ms + DAY_MS)]
            for device in devices
        }
    finally:
        await series.close()


def open_series(options: DemoOptions, launched: Launched) -> TimeSeries:
    """The adapter of the store that the demo's cloud wrote to."""
    if options.influx:
        from lentera_cloud.adapters.influx_series import InfluxSeries

        return InfluxSeries(options.influx.url, options.influx.token, options.influx.org)
    from lentera_cloud.adapters.sqlite_series import SqliteSeries

    return SqliteSeries(Path(launched.settings["LENTERA_SERIES_PATH"]))
