"""The serial port on pseudo-terminals: bytes, locks, settings, the unplugged adapter; its health in a made-up sysfs."""

import asyncio
import errno
import os
import pty
import subprocess
import sys
import termios
import tty
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lentera_drivers.modbus import rs485 as rs485_module
from lentera_drivers.modbus.rs485 import Rs485
from lentera_drivers.modbus.serial_health import serial_health
from lentera_drivers.modbus.serial_port import open_serial
from lentera_drivers.modbus.transport import LineSettings

SETTINGS = LineSettings(9600, "N", 1)


class Terminal:
    """A pseudo-terminal; we are the adapter behind it."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = Path(os.ttyname(slave))
        os.close(slave)
        self.got: list[bytes] = []
        self.lost: list[Exception | None] = []
        self.news = asyncio.Event()

    def on_bytes(self, data: bytes) -> None:
        self.got.append(data)
        self.news.set()

    def on_lost(self, reason: Exception | None) -> None:
        self.lost.append(reason)
        self.news.set()

    def unplug(self) -> None:
        os.close(self.master)
        self.master = -1


@pytest.fixture
async def terminal() -> AsyncIterator[Terminal]:
    made = Terminal()
    yield made
    if made.master >= 0:
        made.unplug()


async def test_bytes_go_both_ways(terminal):
    port = await open_serial(terminal.port)(SETTINGS, terminal.on_bytes, terminal.on_lost)
    port.write(b"\x00\x11\x13\n\r\xff")
    assert os.read(terminal.master, 99) == b"\x00\x11\x13\n\r\xff", "nothing is translated, no flow control"
    os.write(terminal.master, b"\x03\x04\x00\xff\n")
    async with asyncio.timeout(5):
        await terminal.news.wait()
    assert b"".join(terminal.got) == b"\x03\x04\x00\xff\n"
    port.close()
    port.close()
    assert not port.is_open
    with pytest.raises(OSError, match="is closed"):
        port.write(b"x")
    with pytest.raises(OSError, match="is closed"):
        port.set_settings(SETTINGS)
    assert terminal.lost == []


async def test_a_port_in_use_is_refused_with_the_name_of_its_holder(terminal):
    script = (
        "import fcntl,sys; f=open(sys.argv[1],'rb+',0); fcntl.flock(f,2); print('held',flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(terminal.port)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(OSError, match=rf"is in use by .*\(pid {holder.pid}\); stop it first") as raised:
        await open_serial(terminal.port)(SETTINGS, terminal.on_bytes, terminal.on_lost)
    assert raised.value.errno == errno.EBUSY
    assert f"(pid {holder.pid})" in serial_health(terminal.port).held_by
    holder.communicate()
    port = await open_serial(terminal.port)(SETTINGS, terminal.on_bytes, terminal.on_lost)
    with pytest.raises(OSError, match="is in use by another program"):
        await open_serial(terminal.port)(SETTINGS, terminal.on_bytes, terminal.on_lost)
    port.close()


async def test_a_refused_opening_leaves_the_holders_settings_alone(terminal):
    port = await open_serial(terminal.port)(LineSettings(19200), terminal.on_bytes, terminal.on_lost)
    with pytest.raises(OSError):
        await open_serial(terminal.port)(LineSettings(2400), terminal.on_bytes, terminal.on_lost)
    assert termios.tcgetattr(terminal.master)[4] == termios.B19200
    port.close()


async def test_settings_change_while_open_and_drop_what_waits(terminal):
    port = await open_serial(terminal.port)(SETTINGS, terminal.on_bytes, terminal.on_lost)
    os.write(terminal.master, b"noise")
    port.set_settings(LineSettings(2400, "E", 1))
    assert port.settings == LineSettings(2400, "E", 1)
    assert termios.tcgetattr(terminal.master)[4] == termios.B2400
    os.write(terminal.master, b"answer")
    async with asyncio.timeout(5):
        await terminal.news.wait()
    assert terminal.got == [b"answer"]
    port.close()


async def test_an_unplugged_adapter_is_noticed_at_once(terminal):
    port = await open_serial(terminal.port)(SETTINGS, terminal.on_bytes, terminal.on_lost)
    terminal.unplug()
    async with asyncio.timeout(5):
        await terminal.news.wait()
    assert len(terminal.lost) == 1
    assert isinstance(terminal.lost[0], OSError)
    assert not port.is_open


async def test_a_port_that_takes_no_bytes_says_so_and_sends_no_half_frame(terminal):
    port = await open_serial(terminal.port)(SETTINGS, terminal.on_bytes, terminal.on_lost)

    def fill() -> None:
        for _ in range(10_000):
            port.write(bytes(256))

    with pytest.raises(OSError, match="takes no more bytes"):
        fill()
    port.close()


async def test_what_is_not_there_or_no_port(terminal, tmp_path):
    with pytest.raises(OSError, match="does not exist; plug the adapter in"):
        await open_serial(tmp_path / "none")(SETTINGS, terminal.on_bytes, terminal.on_lost)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be set to 9600 8N1"):
        await open_serial(tmp_path / "file")(SETTINGS, terminal.on_bytes, terminal.on_lost)


@pytest.mark.parametrize(("mode", "words"), [("kernel", "cannot switch an RS-485 transmitter"), ("rts", "has no RTS")])
async def test_direction_control_that_a_port_does_not_have_is_said(terminal, mode, words):
    with pytest.raises(OSError, match=words):
        await open_serial(terminal.port, Rs485(mode))(SETTINGS, terminal.on_bytes, terminal.on_lost)
    port = await open_serial(terminal.port)(SETTINGS, terminal.on_bytes, terminal.on_lost)
    port.close()


async def test_rts_is_high_from_before_the_frame_until_its_last_bit_is_out(monkeypatch):
    """The modem lines of a UART, which no pseudo-terminal has, are played by a function in place of ioctl."""
    events: list[str] = []
    unsent = [3, 0]

    def ioctl(_descriptor: int, request: int, argument: bytes) -> bytes:
        if request == termios.TIOCMBIS:
            events.append("up")
        elif request == termios.TIOCMBIC:
            events.append("down")
        elif request == termios.TIOCOUTQ:
            events.append("queue")
            return (unsent.pop(0) if unsent else 0).to_bytes(4, "little")
        else:
            raise OSError(errno.ENOTTY, "no line status")
        return argument

    monkeypatch.setattr(rs485_module.fcntl, "ioctl", ioctl)
    done = asyncio.Event()
    direction = rs485_module.RtsDirection(0, Rs485("rts", before_ms=1, after_ms=1), lambda _error: done.set())
    direction.send(b"frame", lambda data: events.append(data.decode()), 0.0001)
    async with asyncio.timeout(5):
        while events[-1] != "down" or len(events) < 3:
            await asyncio.sleep(0.001)
    assert events == ["down", "up", "frame", "queue", "queue", "down"]
    assert not done.is_set()


def test_the_health_of_an_adapter_with_a_slow_timer(tmp_path):
    by_id, sysfs, port = tmp_path / "by-id", tmp_path / "sys", tmp_path / "ttyUSB0"
    timer = sysfs / "bus/usb-serial/devices/ttyUSB0/latency_timer"
    driver = sysfs / "bus/usb-serial/drivers/ftdi_sio"
    device = sysfs / "class/tty/ttyUSB0/device"
    for folder in (by_id, timer.parent, driver, device):
        folder.mkdir(parents=True)
    port.write_text("")
    timer.write_text("16\n")
    (device / "driver").symlink_to(driver)
    (by_id / "usb-FTDI_RS485-if00").symlink_to(port)
    health = serial_health(port, sysfs=sysfs, by_id=by_id)
    assert (health.driver, health.latency_timer_ms) == ("ftdi_sio", 16)
    assert health.lasting_name == by_id / "usb-FTDI_RS485-if00"
    assert health.low_latency is None
    assert health.held_by == ""
    named = serial_health(by_id / "usb-FTDI_RS485-if00", sysfs=sysfs, by_id=by_id)
    assert named.latency_timer_ms == 16


async def test_opening_sets_the_slow_timer_of_an_adapter(terminal, tmp_path):
    timer = tmp_path / "bus/usb-serial/devices" / terminal.port.name / "latency_timer"
    timer.parent.mkdir(parents=True)
    timer.write_text("16\n")
    patient = await open_serial(terminal.port, low_latency=False, sysfs=tmp_path)(SETTINGS, print, print)
    assert timer.read_text() == "16\n"
    patient.close()
    port = await open_serial(terminal.port, sysfs=tmp_path)(SETTINGS, terminal.on_bytes, terminal.on_lost)
    assert timer.read_text() == "1\n"
    port.close()


def test_the_health_of_nothing(tmp_path):
    health = serial_health(tmp_path / "ttyUSB9")
    assert not health.exists
    assert not health.may_open
    assert health.latency_timer_ms is None
