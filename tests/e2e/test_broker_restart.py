"""The lamps' broker dies and comes back: the street and the gateway find it again by themselves."""

import subprocess
from pathlib import Path

import psutil
import pytest

from lentera_sim.broker import find_mosquitto
from tests.e2e.harness import Demo, running_demo, until
from tests.services.process import missing


def broker_of(demo: Demo) -> psutil.Process:
    """The broker's process, a child of the street."""
    return next(child for child in psutil.Process(demo.pid("street")).children() if "mosquitto" in child.name())


def lamps_fresh_since(demo: Demo, moment: str) -> bool:
    """Whether every lamp has a reading younger than `moment` (RFC 3339, compares as text)."""
    found = demo.json("devices", "--kind", "luminaire")
    return all((lamp["last_reading_at"] or "") > moment for lamp in found)


@pytest.mark.slow
def test_lamps_obey_again_after_the_broker_was_killed(tmp_path: Path) -> None:
    program = find_mosquitto()
    if program is None:
        missing("Mosquitto", "apt-get install mosquitto")
    with running_demo(tmp_path, "--broker", "mosquitto") as demo:
        demo.ready()
        until(lambda: lamps_fresh_since(demo, ""), 20, f"a reading of each lamp\n{demo.log()}")
        broker = broker_of(demo)
        broker.kill()
        broker.wait(5)
        gone_at = demo.json("devices", "meter-cabinet")["last_reading_at"]
        again = subprocess.Popen(
            [str(program), "-c", str(demo.run_dir / "mosquitto.conf")], stderr=subprocess.DEVNULL, process_group=0
        )
        try:
            until(lambda: lamps_fresh_since(demo, gone_at), 30, f"readings after the broker's return\n{demo.log()}")
            assert "lamp-002 is at 30 %" in demo.lentera("dim", "lamp-002", "30").stdout
        finally:
            again.terminate()
            again.wait(5)
