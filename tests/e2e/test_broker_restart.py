"""The lamps' broker dies and the street starts it again: everybody finds it, and nothing is missing."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lentera.client import Client
from lentera.demo.ledgercheck import read_report_rules
from lentera_sim.audit import audit
from lentera_sim.broker import find_mosquitto
from lentera_sim.ledger import read_ledger
from tests.e2e.harness import Demo, broker_of, running_demo, stored_readings, until
from tests.services.process import missing


def lamps_fresh_since(api: Client, moment: datetime) -> bool:
    """Whether every lamp has a reading younger than `moment`."""
    return all(lamp.last_reading_at and lamp.last_reading_at > moment for lamp in api.devices("luminaire"))


def quiet_then_stop(demo: Demo) -> None:
    """Let the lamps end their say, then end the demo in order."""
    (demo.run_dir / "quiet").touch()
    until(lambda: (demo.run_dir / "quieted").exists(), 10, f"quiet in the street\n{demo.log()}")
    demo.interrupt()
    demo.process.wait(10)


@pytest.mark.slow
def test_lamps_obey_again_after_the_broker_was_killed(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    with running_demo(tmp_path, "--broker", "mosquitto") as demo:
        demo.ready()
        with demo.client() as api:
            devices = [device.device_id for device in api.devices()]
            started_at = datetime.now(UTC) - timedelta(hours=1)
            until(lambda: lamps_fresh_since(api, started_at), 20, f"a reading of each lamp\n{demo.log()}")
            broker = broker_of(demo)
            broker.kill()
            broker.wait(5)
            gone_at = datetime.now(UTC)
            until(lambda: lamps_fresh_since(api, gone_at), 30, f"readings after its return\n{demo.log()}")
            done = api.dim("lamp-002", 30)
            assert done.status == "succeeded", f"{done}\n{demo.log()}"
            quiet_then_stop(demo)
    stored = asyncio.run(stored_readings(demo, devices))
    # What the broker kept while the gateway was looking for it is stamped when it comes, some seconds late.
    rules = read_report_rules(demo.run_dir / "gateway.yaml")
    entries = read_ledger(demo.run_dir / "ledger.jsonl")
    result = audit(entries, stored, tolerance_ms=4500, repeat_window_ms=4500, rules=rules)
    assert result.produced > 300
    assert (result.missing, result.duplicated) == (0, 0), [str(finding) for finding in result.details]
