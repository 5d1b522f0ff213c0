"""Run the demo as a newcomer does: a process of its own, watched from outside."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from lentera.client import Client
from lentera.demo.ledgercheck import split_own
from lentera.session import read_session
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_model.readings import Reading

T = TypeVar("T")

LENTERA = (sys.executable, "-m", "lentera")


def until(ask: Callable[[], T | None], timeout_s: float, what: str) -> T:
    """The first answer that is not None or False; fails after `timeout_s` naming `what` was waited for."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.05)):
        if answer := ask():
            return answer
        pause.wait(0.05)
    raise AssertionError(f"waited {timeout_s} s in vain: {what}")


def processes_of(run_dir: Path) -> list[psutil.Process]:
    """Every process that carries the run's folder in its arguments or environment, or works in it."""
    found = []
    for process in psutil.process_iter(["pid"]):
        if process.pid == os.getpid():
            continue
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            words = [*process.cmdline(), *process.environ().values(), process.cwd()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(run_dir) in word for word in words):
            found.append(process)
    return found


@dataclass
class Demo:
    """A running demo."""

    process: subprocess.Popen[str]
    run_dir: Path
    environ: dict[str, str]
    errors: Path

    def lentera(self, *arguments: str, check: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a second shell."""
        done = subprocess.run(
            [*LENTERA, *arguments],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stderr}\n{self.log()}"
        return done

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and read what it prints."""
        return json.loads(self.lentera(*arguments, "--json").stdout)

    def client(self) -> Client:
        """The API in this process: quicker than a command, for what is asked again and again."""
        session = read_session(Path(self.environ["LENTERA_SESSION_FILE"]))
        assert session is not None
        return Client(session.url, session.token)

    def pid(self, part: str) -> int:
        """The process id of a part: street, cloud, gateway."""
        return json.loads((self.run_dir / "demo.json").read_text())["pids"][part]

    def ready(self, timeout_s: float = 40) -> None:
        """Wait until the demo has written its session: the street is lit."""

        def lit() -> bool:
            assert self.process.poll() is None, self.log()
            return Path(self.environ["LENTERA_SESSION_FILE"]).exists()

        until(lit, timeout_s, f"the demo's session\n{self.log()}")

    def log(self) -> str:
        """What the demo and its parts have said, for a failing test."""
        logs = [self.errors, *sorted(self.run_dir.glob("*.log"))]
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in logs if path.exists())

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)


@contextmanager
def running_demo(folder: Path, *arguments: str) -> Iterator[Demo]:
    """Start `lentera demo` in a process group of its own, and leave nothing of it behind."""
    run_dir = folder / "run"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LENTERA_")}
    environ |= {"LENTERA_SESSION_FILE": str(folder / "session.json"), "LENTERA_LANG": "en"}
    errors = folder / "demo.err"
    with errors.open("w") as sink:
        process = subprocess.Popen(
            [*LENTERA, "demo", "--dir", str(run_dir), "--keep", *arguments],
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            env=environ,
            process_group=0,
        )
    try:
        yield Demo(process, run_dir, environ, errors)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for left in processes_of(run_dir):
            left.kill()


def report_of(demo: Demo, timeout_s: float = 90) -> dict[str, Any]:
    """Wait for the end of a counted run and read the one JSON object that it printed."""
    out, _ = demo.process.communicate(timeout=timeout_s)
    assert out.strip(), demo.log()
    return json.loads(out)


def broker_of(demo: Demo) -> psutil.Process:
    """The broker's process, a child of the street."""
    return next(child for child in psutil.Process(demo.pid("street")).children() if "mosquitto" in child.name())


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


def let_run(seconds: float) -> None:
    """Let a counted run go on for a while before something is done to it."""
    threading.Event().wait(seconds)
