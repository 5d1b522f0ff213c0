"""Who turns an RS-485 transmitter on and off: the adapter itself, the kernel, or we by the RTS line.

Most USB adapters do it alone (`none`). A UART of the board whose driver knows RS-485 is told once (`kernel`, by
TIOCSRS485), and turns the transmitter off with the precision of a driver. Where neither works, `rts` raises the RTS
line for the time of a frame: the event loop does it, so it takes devices that leave a character or two before they
answer.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

_TIOCGRS485: Final = 0x542E
_TIOCSRS485: Final = 0x542F
_TIOCSERGETLSR: Final = 0x5459
_TRANSMITTER_EMPTY: Final = 0x01
_ENABLED: Final = 1 << 0
_RTS_ON_SEND: Final = 1 << 1
_RTS_AFTER_SEND: Final = 1 << 2
_LAYOUT: Final = "8I"
"""struct serial_rs485 of linux/serial.h: flags, delay before, delay after (both in ms), five words of padding."""
_PATIENCE_S: Final = 0.1
_RTS: Final = struct.pack("I", termios.TIOCM_RTS)


@dataclass(frozen=True, slots=True)
class Rs485:
    """How the direction of a line is controlled; the delays are for `kernel` and `rts`.

    Attributes:
        mode: none (the adapter does it), kernel or rts.
        before_ms: from raising the transmitter to the first bit.
        after_ms: from the last bit to lowering the transmitter.
    """

    mode: Literal["none", "kernel", "rts"] = "none"
    before_ms: int = 0
    after_ms: int = 0


ADAPTER_DOES_IT: Final = Rs485()


def enable_in_kernel(descriptor: int, port: str, rs485: Rs485) -> None:
    """Tell the port's driver to switch the transmitter.

    Raises:
        OSError: the driver cannot; the message says what to choose instead.
    """
    flags = _ENABLED | _RTS_ON_SEND
    wish = struct.pack(_LAYOUT, flags, rs485.before_ms, rs485.after_ms, 0, 0, 0, 0, 0)
    try:
        fcntl.ioctl(descriptor, _TIOCSRS485, wish)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{port}: its driver cannot switch an RS-485 transmitter; set `rs485: none` for an adapter that does it "
            "itself, or `rs485: rts`",
        ) from error


def kernel_setting(descriptor: int) -> Rs485 | None:
    """Return what the port's driver does about RS-485; None when it knows nothing of it."""
    try:
        answer = fcntl.ioctl(descriptor, _TIOCGRS485, bytes(struct.calcsize(_LAYOUT)))
    except OSError:
        return None
    flags, before_ms, after_ms, *_ = struct.unpack(_LAYOUT, answer)
    return Rs485("kernel" if flags & _ENABLED else "none", before_ms, after_ms)


class RtsDirection:
    """Holds RTS high while a frame leaves, by the event loop's clock."""

    def __init__(self, descriptor: int, rs485: Rs485, fail: Callable[[OSError], None]) -> None:
        """Lower RTS: the line listens. `fail` takes what goes wrong after `send` has returned.

        Raises:
            OSError: the port has no RTS line.
        """
        self._descriptor = descriptor
        self._before_s = rs485.before_ms / 1000
        self._after_s = rs485.after_ms / 1000
        self._fail = fail
        self._next: asyncio.TimerHandle | None = None
        self._listen()

    def send(self, frame: bytes, put: Callable[[bytes], None], character_s: float) -> None:
        """Raise RTS, send by `put`, and lower RTS once the last bit is out."""
        self.stop()
        fcntl.ioctl(self._descriptor, termios.TIOCMBIS, _RTS)
        if self._before_s > 0:
            self._later(self._before_s, self._start, frame, put, character_s)
        else:
            self._start(frame, put, character_s)

    def stop(self) -> None:
        """Give up what is still to be done."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _start(self, frame: bytes, put: Callable[[bytes], None], character_s: float) -> None:
        put(frame)
        took_s = len(frame) * character_s
        latest = asyncio.get_running_loop().time() + 2 * took_s + _PATIENCE_S
        self._later(took_s, self._lower_when_empty, latest, character_s)

    def _lower_when_empty(self, latest: float, character_s: float) -> None:
        if not self._is_empty() and asyncio.get_running_loop().time() < latest:
            self._later(character_s / 2, self._lower_when_empty, latest, character_s)
        elif self._after_s > 0:
            self._later(self._after_s, self._listen)
        else:
            self._listen()

    def _is_empty(self) -> bool:
        """Whether the last bit has left; a driver that cannot say so is believed when its queue is empty."""
        if struct.unpack("I", fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, bytes(4)))[0]:
            return False
        try:
            status = fcntl.ioctl(self._descriptor, _TIOCSERGETLSR, bytes(4))
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EINVAL):
                return True
            raise
        return bool(struct.unpack("I", status)[0] & _TRANSMITTER_EMPTY)

    def _listen(self) -> None:
        fcntl.ioctl(self._descriptor, termios.TIOCMBIC, _RTS)

    def _later(self, delay_s: float, step: Callable[..., None], *arguments: object) -> None:
        def run() -> None:
            self._next = None
            try:
                step(*arguments)
            except OSError as error:
                self._fail(error)

        self._next = asyncio.get_running_loop().call_later(delay_s, run)
