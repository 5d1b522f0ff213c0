"""Starting, awaiting and ending one real server of a test run.

A server gets a process group of its own, which is ended as a whole; the kernel ends it too if the test run is killed.
Ready means that it answered in its own protocol, never that some time has passed.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lentera_sim.ports import hold_port, port_of

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.05
_PR_SET_PDEATHSIG = 1


class ServerError(Exception):
    """A server did not start; the message holds the end of its own log."""


def missing(server: str, remedy: str) -> None:
    """Skip the test because ``server`` is not installed; with LENTERA_REQUIRE_SERVICES=1 fail it."""
    reason = f"{server} is not installed: {remedy}; `make services` does it on Debian as root"
    if os.environ.get("LENTERA_REQUIRE_SERVICES") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def find_program(*names: str, also: Sequence[Path] = ()) -> Path | None:
    """Return the first of ``names`` on PATH or in /usr/sbin, else the first existing file of ``also``."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found:
            return Path(found)
    return next((path for path in also if os.access(path, os.X_OK)), None)


def _die_with_parent() -> None:
    """Ask the kernel, in the child, to end it when the test run dies without a word (kill -9)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Server(ABC):
    """One real server on a free port of 127.0.0.1, with a folder of its own under the system's temporary one.

    ``start`` after ``stop`` or ``kill`` brings it back on the same port with the same data, so that a test can see
    what its peers do while it is away.
    """

    name: str
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None

    def __init__(self) -> None:
        """Make the folder and choose a port; nothing runs before ``start``."""
        self.host = "127.0.0.1"
        # Held while the server is away too: its port is never somebody else's when it comes back.
        self._held_port = hold_port()
        self.port = port_of(self._held_port)
        # Not pytest's folder: that is closed to the user a server may run as.
        self.folder = Path(tempfile.mkdtemp(prefix=f"lentera-{self.name}-"))
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return the argument vector that runs it in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether it answers in its own protocol; a refused connection (OSError) means not yet."""

    def environment(self) -> Mapping[str, str]:
        """Return what its environment holds beyond the test run's own."""
        return {}

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it was started and its process has come to an end by itself or by another's hand."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start it and return once it answers; raises ServerError with the end of its log when it does not."""
        self.spawn()
        try:
            self._await_answer()
        except ServerError:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in its own orderly way; what is left of its process group is killed."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        self._held_port.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self) -> None:
        """Start it without waiting for its answer, as a supervisor does."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                start_new_session=True,
                preexec_fn=_die_with_parent,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
            )

    def _await_answer(self) -> None:
        process = self._process
        assert process is not None
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up_at:
            try:
                if self.answers():
                    return
            except OSError:
                pass
            try:
                # Waiting for its end is the pause between two tries: a server that gave up is seen at once.
                process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue
            raise ServerError(f"{self.name} ended by itself (code {process.returncode}):\n{self.log_tail()}")
        raise ServerError(f"{self.name} did not answer within {START_TIMEOUT_S:.0f} s:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the end of its log."""
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_TIMEOUT_S)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the whole group is gone already
