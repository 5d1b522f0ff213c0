"""However the demo ends, nothing of it is left."""

import os
import signal
import time
from pathlib import Path

import psutil

from tests.e2e.harness import processes_of, running_demo, until


def test_ctrl_c_stops_everything_within_three_seconds(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        demo.ready()
        before = processes_of(demo.run_dir)
        assert len(before) >= 4
        started = time.monotonic()
        demo.interrupt()
        demo.process.wait(10)
        took_s = time.monotonic() - started
        assert took_s < 3, demo.log()
        assert demo.process.returncode == 0, demo.log()
        assert processes_of(demo.run_dir) == []
        assert not Path(demo.environ["LENTERA_SESSION_FILE"]).exists()


def test_ctrl_c_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        until(lambda: len(processes_of(demo.run_dir)) >= 2, 20, "the first parts")
        demo.interrupt()
        demo.process.wait(10)
        assert processes_of(demo.run_dir) == []


def test_a_killed_demo_takes_its_parts_with_it(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        demo.ready()
        parts = [process for process in processes_of(demo.run_dir) if process.pid != demo.process.pid]
        assert len(parts) >= 3
        os.kill(demo.process.pid, signal.SIGKILL)
        demo.process.wait(5)
        _, alive = psutil.wait_procs(parts, timeout=8)
        assert not alive
        assert processes_of(demo.run_dir) == []


def test_the_run_folder_is_removed_unless_kept(tmp_path: Path) -> None:
    with running_demo(tmp_path, "--seconds", "2", "--json", "--no-keep") as demo:
        demo.process.wait(60)
        assert not demo.run_dir.exists()
