"""What is in effect at a serial port: its lasting name, who holds it, and the timers that make adapters slow.

An FTDI adapter hands its bytes on only every 16 ms unless its latency timer is set; at 19200 baud that doubles the
time of a transaction. Two switches exist: the flag ASYNC_LOW_LATENCY of the port, and `latency_timer` in sysfs.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lentera_drivers.modbus.rs485 import Rs485, kernel_setting

SYSFS: Final = Path("/sys")
BY_ID: Final = Path("/dev/serial/by-id")
PROC: Final = Path("/proc")
_TIOCGSERIAL: Final = 0x541E
_TIOCSSERIAL: Final = 0x541F
_ASYNC_LOW_LATENCY: Final = 1 << 13
_FLAGS_AT: Final = 16
"""Where `flags` stands in struct serial_struct of linux/serial.h (type, line, port, irq come first)."""
_SERIAL_STRUCT_BYTES: Final = 128
_FAST_TIMER_MS: Final = 1


@dataclass(frozen=True, slots=True)
class SerialHealth:
    """What a port is like just now. What cannot be known is None.

    Attributes:
        port: as it was given.
        exists: whether anything is there.
        may_open: whether this user may read and write it.
        held_by: the program that has it open, as `name (pid 12)`; empty when none is seen.
        lasting_name: its link in /dev/serial/by-id, which survives unplugging; None when it has none.
        driver: the kernel's driver, such as ftdi_sio or cp210x; empty when unknown.
        latency_timer_ms: how long the adapter keeps bytes back; None when it has no such timer.
        low_latency: whether the port's flag for low latency is set; None when the driver has no such flag.
        rs485: what the driver does about an RS-485 transmitter; None when it knows nothing of it.
    """

    port: Path
    exists: bool
    may_open: bool
    held_by: str = ""
    lasting_name: Path | None = None
    driver: str = ""
    latency_timer_ms: int | None = None
    low_latency: bool | None = None
    rs485: Rs485 | None = None


def serial_health(port: Path, *, sysfs: Path = SYSFS, by_id: Path = BY_ID, proc: Path = PROC) -> SerialHealth:
    """Look at a port without disturbing who uses it.

    Args:
        port: the device, best as /dev/serial/by-id/...
        sysfs: where the kernel tells of devices.
        by_id: folder of the lasting names.
        proc: where the kernel tells of processes.
    """
    if not port.exists():
        return SerialHealth(port, exists=False, may_open=False)
    low_latency = rs485 = None
    # Opening a port that somebody else has open changes nothing; if it is refused, the rest can still be told.
    with suppress(OSError):
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            low_latency, rs485 = _has_low_latency(descriptor), kernel_setting(descriptor)
        finally:
            os.close(descriptor)
    return SerialHealth(
        port,
        exists=True,
        may_open=os.access(port, os.R_OK | os.W_OK),
        held_by=holder_of(port, proc),
        lasting_name=_lasting_name(port, by_id),
        driver=_driver(port, sysfs),
        latency_timer_ms=_latency_timer_ms(port, sysfs),
        low_latency=low_latency,
        rs485=rs485,
    )


def hurry(descriptor: int, port: Path, sysfs: Path = SYSFS) -> None:
    """Ask the adapter to hand on each byte at once.

    What it or our rights do not allow is left as it is; `serial_health` shows it.

    Args:
        descriptor: the opened port.
        port: its device.
        sysfs: where the kernel's settings are.
    """
    with suppress(OSError):
        state = bytearray(fcntl.ioctl(descriptor, _TIOCGSERIAL, bytes(_SERIAL_STRUCT_BYTES)))
        (flags,) = struct.unpack_from("i", state, _FLAGS_AT)
        if not flags & _ASYNC_LOW_LATENCY:
            struct.pack_into("i", state, _FLAGS_AT, flags | _ASYNC_LOW_LATENCY)
            fcntl.ioctl(descriptor, _TIOCSSERIAL, bytes(state))
    timer_ms = _latency_timer_ms(port, sysfs)
    if timer_ms is not None and timer_ms > _FAST_TIMER_MS:
        with suppress(OSError):
            _timer_file(port, sysfs).write_text(f"{_FAST_TIMER_MS}\n")


def holder_of(port: Path, proc: Path = PROC) -> str:
    """Return the other program that has a port open, as `name (pid 12)`; empty when none can be seen."""
    device = port.resolve()
    for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        if process.name == str(os.getpid()):
            continue
        # A process that ends meanwhile, or is another user's, is passed over.
        with suppress(OSError):
            if any(os.readlink(handle) == str(device) for handle in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _has_low_latency(descriptor: int) -> bool | None:
    try:
        state = fcntl.ioctl(descriptor, _TIOCGSERIAL, bytes(_SERIAL_STRUCT_BYTES))
    except OSError:
        return None
    return bool(struct.unpack_from("i", state, _FLAGS_AT)[0] & _ASYNC_LOW_LATENCY)


def _timer_file(port: Path, sysfs: Path) -> Path:
    return sysfs / "bus" / "usb-serial" / "devices" / port.resolve().name / "latency_timer"


def _latency_timer_ms(port: Path, sysfs: Path) -> int | None:
    try:
        return int(_timer_file(port, sysfs).read_text())
    except (OSError, ValueError):
        return None


def _driver(port: Path, sysfs: Path) -> str:
    link = sysfs / "class" / "tty" / port.resolve().name / "device" / "driver"
    return link.resolve().name if link.exists() else ""


def _lasting_name(port: Path, by_id: Path) -> Path | None:
    if port.parent == by_id:
        return port
    try:
        links = sorted(by_id.iterdir())
    except OSError:
        return None
    return next((link for link in links if link.resolve() == port.resolve()), None)
