"""The demo's children: started, stopped, restarted, and gone when the parent is gone, with real processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

LEASHED = """
import os, signal, sys, threading
from lentera.demo.leash import put_on_leash
put_on_leash(int(sys.argv[1]), grace_s=0.3)
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
threading.Event().wait()
"""

PARENT = """
import os, subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", {leashed!r}, str(os.getpid()), *sys.argv[1:]], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("stubborn", [[], ["stubborn"]])
def test_a_child_dies_with_its_parent_even_if_the_parent_is_killed(stubborn: list[str]) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(leashed=LEASHED), *stubborn], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([child], timeout=5)
    assert not alive


def test_a_child_ignores_ctrl_c() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", LEASHED, str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    child.stdin.close()
    assert child.wait(5) == -signal.SIGTERM


async def test_a_part_that_dies_before_the_demo_is_ready_is_named_with_its_log(tmp_path: Path) -> None:
    from lentera.demo.parts import Part, Parts
    from lentera.errors import PartDiedError

    parts = Parts(lambda text: None, tmp_path / "demo.json")
    await parts.start(Part("gateway", "no-such-role", (), tmp_path / "gateway.log"))
    with pytest.raises(PartDiedError, match=r"(?s)The gateway ended with code 2.*no-such-role") as caught:
        await asyncio.wait_for(parts.death, 10)
    assert str(tmp_path / "gateway.log") in str(caught.value)
    await parts.stop_all([])


async def test_a_part_that_dies_later_is_started_again_and_stops_when_told(tmp_path: Path) -> None:
    from lentera.demo.parts import Part, Parts

    notes: list[str] = []
    parts = Parts(notes.append, tmp_path / "demo.json")
    part = Part("idler", "idle", (), tmp_path / "idle.log")
    await parts.start(part)
    parts.settle()
    assert part.process is not None
    first = part.process.pid
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(10):
        while part.restarts == 0 or not part.running or part.process.pid == first:
            await asyncio.sleep(0.02)
    assert "starting it again" in notes[0]
    second = psutil.Process(part.process.pid)
    assert json.loads((tmp_path / "demo.json").read_text())["pids"] == {"idler": second.pid}
    await parts.stop_all([("idler", 5)])
    assert not part.running
    assert not second.is_running()


async def test_a_part_that_cannot_be_replaced_ends_the_demo_when_it_dies_later(tmp_path: Path) -> None:
    from lentera.demo.parts import Part, Parts
    from lentera.errors import PartDiedError

    parts = Parts(lambda text: None, tmp_path / "demo.json")
    street = Part("street", "idle", (), tmp_path / "street.log", replaceable=False)
    await parts.start(street)
    parts.settle()
    assert street.process is not None
    street.process.kill()
    with pytest.raises(PartDiedError, match="what it held is gone with it"):
        await asyncio.wait_for(parts.death, 10)
    assert street.restarts == 0
    await parts.stop_all([])
