"""A serial port as a `SerialTransport`: pyserial makes the settings, the event loop moves the bytes.

- A frame leaves in one write, or not at all: half a frame on a line is noise for everybody.
- The port is ours alone while it is open: two masters on one line read each other's answers.
- An adapter that is pulled out is noticed by its hang-up, not by the next time-out.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import termios
from contextlib import suppress
from pathlib import Path
from typing import Final

import serial

from lentera_drivers.modbus.rs485 import ADAPTER_DOES_IT, Rs485, RtsDirection, enable_in_kernel
from lentera_drivers.modbus.serial_health import SYSFS, holder_of, hurry
from lentera_drivers.modbus.transport import LineSettings, OnBytes, OnLost, OpenSerial

_CHUNK_BYTES: Final = 4096
_PSEUDO_TERMINALS: Final = range(136, 144)
"""Their major device numbers (the kernel's admin-guide/devices.txt)."""
_IN_USE: Final = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)


class PortInUseError(OSError):
    """Another program has the port.

    Attributes:
        holder: that program, as `name (pid 12)`; empty when none can be seen.
    """

    def __init__(self, port: Path, holder: str) -> None:
        """Take the port and who has it."""
        who = holder or "another program"
        super().__init__(
            errno.EBUSY, f"{port} is in use by {who}; stop it first, two masters on one line read nonsense"
        )
        self.holder = holder


class SerialPort:
    """An opened serial port; made by `open_serial`."""

    def __init__(
        self, port: serial.Serial, settings: LineSettings, rs485: Rs485, on_bytes: OnBytes, on_lost: OnLost
    ) -> None:
        """Begin to listen; the port is open and locked.

        Raises:
            OSError: the port's RS-485 transmitter cannot be switched as wished.
        """
        self._port = port
        self._name = str(port.name)
        self._descriptor: int = port.fileno()
        self._settings = settings
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._open = True
        self._direction: RtsDirection | None = None
        if rs485.mode == "kernel":
            enable_in_kernel(self._descriptor, self._name, rs485)
        elif rs485.mode == "rts":
            try:
                self._direction = RtsDirection(self._descriptor, rs485, self._lose)
            except OSError as error:
                words = f"{self._name} has no RTS line; set `rs485: none` or `kernel`"
                raise OSError(error.errno, words) from error
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._readable)

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be written."""
        return self._open

    @property
    def settings(self) -> LineSettings:
        """The settings now."""
        return self._settings

    def set_settings(self, settings: LineSettings) -> None:
        """Change the settings, and drop the bytes that wait on either side; see `SerialTransport`."""
        if not self._open:
            raise OSError(errno.ENODEV, f"{self._name} is closed")
        if self._direction is not None:
            self._direction.stop()
        try:
            self._port.apply_settings(_for_pyserial(settings, _has_parity(Path(self._name))))
            termios.tcflush(self._descriptor, termios.TCIOFLUSH)
        except (ValueError, termios.error) as error:
            raise OSError(errno.EINVAL, f"{self._name} does not take {settings}: {error}") from error
        self._settings = settings

    def write(self, data: bytes) -> None:
        """Send a frame as one piece; raises OSError when the port is gone or takes no bytes."""
        if not self._open:
            raise OSError(errno.ENODEV, f"{self._name} is closed")
        if self._direction is None:
            self._put(data)
        else:
            self._direction.send(data, self._put, self._settings.character_s)

    def close(self) -> None:
        """Give the port back."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._descriptor)
        if self._direction is not None:
            self._direction.stop()
        # A port that is gone refuses these. Bytes that nobody takes would make close wait for up to 30 s.
        with suppress(OSError, termios.error):
            termios.tcflush(self._descriptor, termios.TCOFLUSH)
            fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
        with suppress(OSError):
            self._port.close()

    def _put(self, data: bytes) -> None:
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            with suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCOFLUSH)
            raise OSError(errno.EAGAIN, f"{self._name} takes no more bytes; unplug the adapter and plug it in again")

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._on_bytes(data)
        else:
            self._lose(OSError(errno.ENODEV, "the adapter was unplugged"))

    def _lose(self, reason: OSError) -> None:
        if self._open:
            self.close()
            self._on_lost(reason)


def open_serial(
    port: Path, rs485: Rs485 = ADAPTER_DOES_IT, low_latency: bool = True, sysfs: Path = SYSFS
) -> OpenSerial:
    """Return a function that opens a port.

    Args:
        port: the device, best as /dev/serial/by-id/..., a name that survives unplugging.
        rs485: who switches the transmitter.
        low_latency: ask the adapter to hand on each byte at once, as far as it and our rights allow.
        sysfs: where the kernel's settings of adapters are.
    """

    async def open_port(settings: LineSettings, on_bytes: OnBytes, on_lost: OnLost) -> SerialPort:
        device = _opened(port, settings, raise_rts=rs485.mode != "rts")
        try:
            fcntl.ioctl(device.fileno(), termios.TIOCEXCL)
            if low_latency:
                hurry(device.fileno(), port, sysfs)
            return SerialPort(device, settings, rs485, on_bytes, on_lost)
        except OSError:
            device.close()
            raise

    return open_port


def _opened(port: Path, settings: LineSettings, raise_rts: bool) -> serial.Serial:
    """Open and lock a port; raises OSError with words for people."""
    # `exclusive` takes the lock before a setting is changed: whoever has the port keeps its baud rate.
    # `inter_byte_timeout` 0 makes a read without bytes say so, which tells it from a hang-up.
    device = serial.Serial(timeout=0, exclusive=True, inter_byte_timeout=0)
    device.port = str(port)
    if not raise_rts:
        device.rts = False
    try:
        device.apply_settings(_for_pyserial(settings, _has_parity(port)))
        device.open()
    except (OSError, ValueError, termios.error) as error:
        raise _explained(port, settings, error) from error
    return device


def _explained(port: Path, settings: LineSettings, error: Exception) -> OSError:
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
    if number in _IN_USE:
        return PortInUseError(port, holder_of(port))
    if number == errno.ENOENT:
        return OSError(number, f"{port} does not exist; plug the adapter in, and see `ls /dev/serial/by-id`")
    if number == errno.EACCES:
        return OSError(number, f"{port} may not be opened by this user; add it to the group dialout and log in again")
    return OSError(number, f"{port} cannot be set to {settings}: {error}")


def _has_parity(port: Path) -> bool:
    """Whether a port knows parity bits: a pseudo-terminal carries characters whole, and refuses to hear of parity."""
    return os.major(port.stat().st_rdev) not in _PSEUDO_TERMINALS


def _for_pyserial(settings: LineSettings, with_parity: bool) -> dict[str, object]:
    return {
        "baudrate": settings.baud,
        "bytesize": serial.EIGHTBITS,
        "parity": settings.parity if with_parity else serial.PARITY_NONE,
        "stopbits": settings.stop_bits,
    }
