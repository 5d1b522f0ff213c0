"""A held port: nobody else is given it, and its server may come and go."""

import socket
import subprocess
import sys

import pytest

from lentera_sim.ports import LOOPBACK, hold_port, port_of

EXHAUST = """
import pathlib, socket
pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40049")
from lentera_sim.ports import hold_port, port_of
held = hold_port()
given, kept = set(), []
server = socket.create_server(("127.0.0.1", 2000), backlog=100)
for take in (hold_port, lambda: socket.create_connection(("127.0.0.1", 2000))):
    try:
        while True:
            kept.append(take())
            given.add(port_of(kept[-1]))
    except OSError:
        print(len(given), port_of(held) in given)
    while kept:
        kept.pop().close()
    given.clear()
"""


def listen_on(port: int):
    return socket.create_server((LOOPBACK, port))


def test_a_server_may_come_and_go_on_a_held_port():
    with hold_port() as held:
        for _ in range(2):
            with listen_on(port_of(held)) as server, socket.create_connection((LOOPBACK, port_of(held))):
                server.accept()[0].close()


def test_a_port_on_which_somebody_listens_cannot_be_held():
    with hold_port() as held, listen_on(port_of(held)), pytest.raises(OSError, match="in use"):
        hold_port(port_of(held))


def test_nobody_who_asks_for_any_port_is_given_a_held_one():
    """In a network of its own with 50 ports, all that are left are asked for: to listen, then to connect from."""
    network = ["unshare", "-rn", "sh", "-c"]
    lit = subprocess.run([*network, "ip link set lo up"], capture_output=True, text=True, timeout=60, check=False)
    if lit.returncode:
        pytest.skip(f"this machine lets nobody make a network of its own: {lit.stderr.strip()}")
    script = f"ip link set lo up && exec {sys.executable} -c '{EXHAUST}'"
    done = subprocess.run([*network, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["49 False", "49 False"]
