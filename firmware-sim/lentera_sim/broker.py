"""The street's MQTT broker: Mosquitto where it is installed, amqtt in a child process elsewhere."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lentera_sim.errors import BrokerStartError
from lentera_sim.ports import LOOPBACK, hold_port, port_of

log = logging.getLogger(__name__)

BrokerChoice = Literal["auto", "mosquitto", "amqtt"]
_START_S = 15.0
_STOP_S = 0.7
_ATTEMPTS = 3
_LOOK_S = 0.1
"""How often the broker's process is looked at: its death is noticed within this time."""
_PAUSE_S = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Pause before the first, second, ... restart of a broker that keeps dying; then the last one."""
_STEADY_S = 10.0
"""A broker that lived this long counts as sound again."""
# MQTT 3.1.1, 3.1: CONNECT of a clean session of client "probe"; 3.2: CONNACK that accepts it.
_CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x05\x00\x05probe"
_ACCEPTED = b"\x20\x02\x00\x00"
_DISCONNECT = b"\xe0\x00"


def find_mosquitto() -> Path | None:
    """Return where Mosquitto is installed; Debian puts it into /usr/sbin, which is not in every PATH."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    return None if found is None else Path(found)


@dataclass
class RunningBroker:
    """A broker that answers on `host`:`port`. `kind` says which; `stop` ends it, `supervise` starts it again."""

    kind: Literal["mosquitto", "amqtt"]
    host: str
    port: int
    process: subprocess.Popen[bytes]
    command: Sequence[str]
    log_path: Path
    held_port: socket.socket
    restarts: int = 0
    """How often it has died and been started again."""

    async def supervise(self) -> None:
        """Start the broker again each time it has died, with the same command, so on the same port; until cancelled.

        Mosquitto finds its sessions again in its file; amqtt keeps none. Cancel this before `stop`.
        """
        loop = asyncio.get_running_loop()
        deaths, started_s = 0, loop.time()
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.process.poll() is None:
                continue
            if loop.time() - started_s > _STEADY_S:
                deaths = 0
            pause_s = _PAUSE_S[min(deaths, len(_PAUSE_S) - 1)]
            deaths += 1
            ended = f"{self.kind} on port {self.port} ended with {self.process.returncode}"
            log.warning("%s (see %s); starting it again in %g s", ended, self.log_path, pause_s)
            await asyncio.sleep(pause_s)
            self.process, started_s = _spawn(self.command, self.log_path), loop.time()
            self.restarts += 1

    async def stop(self) -> None:
        """Ask the broker to end, and kill it if it has not within 0.7 s."""
        self.process.terminate()
        deadline = asyncio.get_running_loop().time() + _STOP_S
        while self.process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                self.process.kill()
            await asyncio.sleep(0.01)
        self.held_port.close()


async def start_broker(choice: BrokerChoice, run_dir: Path) -> RunningBroker:
    """Start a broker on a free port of the loopback and wait until it answers; its log is run_dir/broker.log.

    Raises:
        BrokerStartError: the chosen broker is not installed, or does not answer within 15 s.
    """
    mosquitto = find_mosquitto() if choice != "amqtt" else None
    if choice == "mosquitto" and mosquitto is None:
        raise BrokerStartError("Mosquitto is not installed: `apt install mosquitto`, or choose the broker `amqtt`")
    for attempt in range(1, _ATTEMPTS + 1):
        held = hold_port()
        port = port_of(held)
        kind = "amqtt" if mosquitto is None else "mosquitto"
        command = _amqtt_command(port) if mosquitto is None else _mosquitto_command(mosquitto, port, run_dir)
        process = _spawn(command, run_dir / "broker.log")
        if await _await_answer(process, port):
            return RunningBroker(kind, LOOPBACK, port, process, command, run_dir / "broker.log", held)
        held.close()
        if attempt == _ATTEMPTS:
            raise BrokerStartError(f"{kind} does not answer on port {port}; see {run_dir / 'broker.log'}")
    raise AssertionError("unreachable")


def _mosquitto_command(program: Path, port: int, run_dir: Path) -> list[str]:
    """Write a configuration for one street: nobody but this machine, queues that hold while a gateway is away."""
    config = run_dir / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        # What is queued for a gateway outlives a killed broker: saved after each change.
        "persistence true",
        f"persistence_location {run_dir.resolve()}/",
        "persistence_file broker.db",
        "autosave_on_changes true",
        "autosave_interval 1",
        # Without it small messages wait up to 40 ms for an acknowledgement of the one before.
        "set_tcp_nodelay true",
        "max_queued_messages 100000",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "connection_messages false",
    ]
    if os.geteuid() == 0:
        # Mosquitto would change its user, which makes the kernel forget to end it with its parent.
        lines.append("user root")
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [str(program), "-c", str(config)]


def _amqtt_command(port: int) -> list[str]:
    return [sys.executable, "-m", "lentera_sim.amqtt_child", str(port)]


def _spawn(command: Sequence[str], log_path: Path) -> subprocess.Popen[bytes]:
    with log_path.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # In our process group: whoever kills the group, kills the broker with us.
            # Safe beside threads: the child makes one system call before it becomes the broker.
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def _die_with_parent() -> None:
    """Ask the kernel to end this child with its parent, however the parent ends (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


async def _await_answer(process: subprocess.Popen[bytes], port: int) -> bool:
    """Return whether the broker has accepted an MQTT connection before it ended or the time was over."""
    deadline = asyncio.get_running_loop().time() + _START_S
    while asyncio.get_running_loop().time() < deadline and process.poll() is None:
        if await answers("127.0.0.1", port):
            return True
        await asyncio.sleep(0.05)
    if process.poll() is None:
        process.kill()
        await asyncio.to_thread(process.wait)
    return False


async def answers(host: str, port: int) -> bool:
    """Return whether an MQTT broker accepts a connection there within a second."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_CONNECT)
                accepted = await reader.readexactly(4) == _ACCEPTED
                writer.write(_DISCONNECT)
                await writer.drain()
                return accepted
            finally:
                writer.close()
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return False
