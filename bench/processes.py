"""Child processes of a bench: started in a session of their own, watched through /proc, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import psutil

from bench.progress import Progress

STOP_LIMIT_S = 10.0
START_LIMIT_S = 60.0
_LOOK_EVERY_S = 0.02


class ChildFailedError(Exception):
    """A child process ended or was not ready in time; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used until an instant: CPU seconds (user and system), resident MB, monotonic seconds."""

    cpu_s: float
    rss_mb: float
    at_s: float


class Watched(Protocol):
    """What `watch` looks at."""

    @property
    def name(self) -> str:
        """What its figures are called."""
        ...

    def usage(self) -> Usage:
        """What it has used by now."""
        ...


@dataclass(frozen=True, slots=True)
class Alone:
    """One process without its children, whoever started it."""

    name: str
    pid: int

    def usage(self) -> Usage:
        """What it has used by now. Raises ChildFailedError if it has ended."""
        try:
            return _used([psutil.Process(self.pid)])
        except psutil.NoSuchProcess as error:
            raise ChildFailedError(f"{self.name} (process {self.pid}) has ended") from error


def _used(processes: Sequence[psutil.Process]) -> Usage:
    times = [process.cpu_times() for process in processes]
    cpu_s = sum(one.user + one.system for one in times)
    return Usage(cpu_s, sum(one.memory_info().rss for one in processes) / 1e6, time.monotonic())


class Child:
    """A running program with a log. A context manager: it is stopped, and whatever is left of its group killed."""

    def __init__(
        self, command: Sequence[str], folder: Path, name: str, environ: Mapping[str, str] | None = None
    ) -> None:
        """Start it in `folder`; its output goes to NAME.log there."""
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def usage(self) -> Usage:
        """What it and its children have used by now. Raises ChildFailedError if it has ended."""
        if self._process.poll() is not None:
            raise ChildFailedError(f"{self.name} ended with code {self._process.returncode}:\n{self.tail()}")
        return _used([root := psutil.Process(self.pid), *root.children(recursive=True)])

    def wait_for(self, ready: Callable[[], bool], limit_s: float = START_LIMIT_S, what: str = "not ready") -> None:
        """Wait until `ready` says so. Raises ChildFailedError when the child ends first or the time is over."""
        deadline = time.monotonic() + limit_s
        while not ready():
            if self._process.poll() is not None:
                raise ChildFailedError(f"{self.name} ended with code {self._process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ChildFailedError(f"{self.name} was {what} after {limit_s:g} s:\n{self.tail()}")
            pause(_LOOK_EVERY_S)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it in order, then kill what is left of its group."""
        if self._process.poll() is None:
            self._process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT_S)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def bench_environ() -> dict[str, str]:
    """What the environment of a child must hold that runs a module of the benches."""
    root = str(Path(__file__).resolve().parents[1])
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def pause(seconds: float) -> None:
    """Wait: a bench measures what passes in real time."""
    threading.Event().wait(seconds)


def read_json(path: Path) -> Any:
    """A JSON file that another process writes; None while it is not there or not whole."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Span:
    """What happened between two instants.

    Attributes:
        begin_s, end_s: monotonic seconds, which all processes of a machine share.
        cpu_s: child name -> CPU seconds.
        rss_mb: child name -> the largest resident memory seen.
        thirds: the same for each third of the time, to show how far figures spread; empty in a third itself.
    """

    begin_s: float
    end_s: float
    cpu_s: Mapping[str, float]
    rss_mb: Mapping[str, float]
    thirds: tuple[Span, ...] = ()

    @property
    def took_s(self) -> float:
        """Seconds between the two instants."""
        return self.end_s - self.begin_s


def watch(children: Sequence[Watched], seconds: float, what: str) -> Span:
    """Let `seconds` pass and return what the children used of them, looking at their memory each second.

    Args:
        children: whom to look at.
        seconds: for how long.
        what: name of the progress bar.
    """
    progress = Progress(what, seconds)
    begin_s = time.monotonic()
    looks = [_look(children)]
    rss_mb = [dict.fromkeys(looks[0], 0.0) for _ in range(3)]
    for third in range(3):
        while (left_s := begin_s + (third + 1) * seconds / 3 - time.monotonic()) > 0:
            pause(min(1.0, left_s))
            for name, usage in _look(children).items():
                rss_mb[third][name] = max(rss_mb[third][name], usage.rss_mb)
            progress.reach(time.monotonic() - begin_s)
        looks.append(_look(children))
    progress.end()
    thirds = tuple(_between(looks[at], looks[at + 1], rss_mb[at]) for at in range(3))
    cpu_s = {name: looks[3][name].cpu_s - used.cpu_s for name, used in looks[0].items()}
    most_mb = {name: max(third.rss_mb[name] for third in thirds) for name in cpu_s}
    return Span(thirds[0].begin_s, thirds[-1].end_s, cpu_s, most_mb, thirds)


def _look(children: Sequence[Watched]) -> dict[str, Usage]:
    return {child.name: child.usage() for child in children}


def _between(before: Mapping[str, Usage], after: Mapping[str, Usage], rss_mb: Mapping[str, float]) -> Span:
    cpu_s = {name: after[name].cpu_s - used.cpu_s for name, used in before.items()}
    first, last = (min(usage.at_s for usage in look.values()) for look in (before, after))
    return Span(first, last, cpu_s, rss_mb)


def spread(values: Iterable[float | None], digits: int = 2) -> str:
    """From the least to the most of some figures, those that are missing left out."""
    known = [value for value in values if value is not None]
    return f"{min(known):.{digits}f} to {max(known):.{digits}f}" if known else "none"
