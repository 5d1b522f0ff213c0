"""The lamps' broker dies and comes back: the street and the gateway find it again by themselves."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from lentera.client import Client
from lentera_sim.broker import find_mosquitto
from tests.e2e.harness import Demo, running_demo, until
from tests.services.process import missing


def broker_of(demo: Demo) -> psutil.Process:
    """The broker's process, a child of the street."""
    return next(child for child in psutil.Process(demo.pid("street")).children() if "mosquitto" in child.name())


def lamps_fresh_since(api: Client, moment: datetime) -> bool:
    """Whether every lamp has a reading younger than `moment`."""
    return all(lamp.last_reading_at and lamp.last_reading_at > moment for lamp in api.devices("luminaire"))


@pytest.mark.slow
def test_lamps_obey_again_after_the_broker_was_killed(tmp_path: Path) -> None:
    program = find_mosquitto()
    if program is None:
        missing("Mosquitto", "apt-get install mosquitto")
    with running_demo(tmp_path, "--broker", "mosquitto") as demo:
        demo.ready()
        with demo.client() as api:
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
            finally:
                again.terminate()
                again.wait(5)
