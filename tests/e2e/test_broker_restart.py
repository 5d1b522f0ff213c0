"""The lamps' broker dies and comes back: the street and the gateway find it again, and nothing is missing."""

import asyncio
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from lentera.client import Client
from lentera.demo.ledgercheck import split_own
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_model.readings import Reading
from lentera_sim.audit import audit
from lentera_sim.broker import find_mosquitto
from lentera_sim.ledger import read_ledger
from tests.e2e.harness import Demo, running_demo, until
from tests.services.process import missing


def broker_of(demo: Demo) -> psutil.Process:
    """The broker's process, a child of the street."""
    return next(child for child in psutil.Process(demo.pid("street")).children() if "mosquitto" in child.name())


def lamps_fresh_since(api: Client, moment: datetime) -> bool:
    """Whether every lamp has a reading younger than `moment`."""
    return all(lamp.last_reading_at and lamp.last_reading_at > moment for lamp in api.devices("luminaire"))


def quiet_then_stop(demo: Demo) -> None:
    """Let the lamps end their say, then end the demo in order."""
    (demo.run_dir / "quiet").touch()
    until(lambda: (demo.run_dir / "quieted").exists(), 10, f"quiet in the street\n{demo.log()}")
    demo.interrupt()
    demo.process.wait(10)


async def stored_readings(demo: Demo, devices: list[str]) -> dict[str, list[Reading]]:
    """All that the store has of the street's devices, the gateway's own words left out."""
    now_ms = time.time_ns() // 1_000_000
    series = SqliteSeries(demo.run_dir / "series")
    await series.start()
    try:
        rows = {
            device: [row async for row in series.raw("langkat", device, now_ms - 600_000, now_ms)] for device in devices
        }
    finally:
        await series.close()
    return split_own(rows)[0]


@pytest.mark.slow
def test_lamps_obey_again_after_the_broker_was_killed(tmp_path: Path) -> None:
    program = find_mosquitto()
    if program is None:
        missing("Mosquitto", "apt-get install mosquitto")
    with running_demo(tmp_path, "--broker", "mosquitto") as demo:
        demo.ready()
        with demo.client() as api:
            devices = [device.device_id for device in api.devices()]
            started_at = datetime.now(UTC) - timedelta(hours=1)
            until(lambda: lamps_fresh_since(api, started_at), 20, f"a reading of each lamp\n{demo.log()}")
            broker = broker_of(demo)
            broker.kill()
            until(lambda: broker.status() == psutil.STATUS_ZOMBIE, 5, "the broker's end")  # the street does not reap it
            gone_at = datetime.now(UTC)
            again = subprocess.Popen(
                [str(program), "-c", str(demo.run_dir / "mosquitto.conf")], stderr=subprocess.DEVNULL, process_group=0
            )
            try:
                until(lambda: lamps_fresh_since(api, gone_at), 30, f"readings after its return\n{demo.log()}")
                done = api.dim("lamp-002", 30)
                assert done.status == "succeeded", f"{done}\n{demo.log()}"
                quiet_then_stop(demo)
            finally:
                again.terminate()
                again.wait(5)
    stored = asyncio.run(stored_readings(demo, devices))
    # What the broker kept while the gateway was looking for it is stamped when it comes, some seconds late.
    result = audit(read_ledger(demo.run_dir / "ledger.jsonl"), stored, tolerance_ms=4500, repeat_window_ms=4500)
    assert result.produced > 300
    assert (result.missing, result.duplicated) == (0, 0), [str(finding) for finding in result.details]
