"""An RS-485 line as a pseudo-terminal: bytes take the time they take at its baud rate, and units share it.

The reader opens a path like any serial port. If it sets another baud rate than the line's, its requests are noise and
nobody answers, as on a real line.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import struct
import termios
import time
import tty
from collections.abc import Callable, Mapping
from pathlib import Path

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from lentera_sim.clock import wall_ms
from lentera_sim.errors import PlanError
from lentera_sim.ledger import Ledger
from lentera_sim.wires.unit import READER_TIMEOUT_S, SURE_SHARE, Answer, ModbusUnit, respond

log = logging.getLogger(__name__)

Fault = Callable[[bytes], bytes | None]
"""Given the bytes of a frame, returns what is left of them on the wire (None: nothing)."""

_TICK_S = 0.006
"""Bytes of a reply are handed over in groups no longer than this."""
_UNREAD_WAIT_S = 1.0


class SerialLine:
    """A line with its units. `open`, then read through `path`; `close` ends it."""

    def __init__(
        self,
        path: Path,
        units: Mapping[int, ModbusUnit],
        ledger: Ledger,
        *,
        baud: int = 9600,
        bits_per_char: int = 10,
    ) -> None:
        """Describe the line; `path` becomes a symbolic link to the pseudo-terminal.

        Raises:
            PlanError: a baud rate that no serial port has.
        """
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise PlanError(f"a line of {baud} baud: serial ports know 1200, 2400, 4800, 9600, 19200, 38400 and so on")
        self.path = path
        self.units = units
        self.request_fault: Fault | None = None
        self.reply_fault: Fault | None = None
        self.extra_delay_s = 0.0
        self.timeout_s = READER_TIMEOUT_S
        self.busy_s = 0.0
        self._ledger = ledger
        self._speed: int = speed
        self._char_s = bits_per_char / baud
        # Modbus over serial line V1.02, 2.5.1.1: 3.5 characters of silence end a frame, never less than 1.75 ms.
        self._silence_s = max(3.5 * self._char_s, 0.00175)
        self._framer = FramerRTU(DecodePDU(True))
        self._received = bytearray()
        self._arrived = asyncio.Event()
        self._fds: tuple[int, int] | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Create the pseudo-terminal and its link, and begin to listen."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        settings = termios.tcgetattr(theirs)
        settings[4] = settings[5] = self._speed
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        os.set_blocking(ours, False)
        self._fds = (ours, theirs)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(theirs))
        asyncio.get_running_loop().add_reader(ours, self._readable)
        self._task = asyncio.create_task(self._serve(), name=f"line {self.path.name}")

    async def close(self) -> None:
        """Stop listening, remove the link and the pseudo-terminal."""
        if self._fds is None or self._task is None:
            return
        asyncio.get_running_loop().remove_reader(self._fds[0])
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for descriptor in self._fds:
            os.close(descriptor)
        self._fds = None
        self.path.unlink(missing_ok=True)

    def _descriptors(self) -> tuple[int, int]:
        if self._fds is None:
            raise RuntimeError(f"{self.path}: the line is not open")
        return self._fds

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptors()[0], 4096)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EAGAIN):
                raise
            return
        self._received += data
        self._arrived.set()

    async def _serve(self) -> None:
        while True:
            frame = await self._frame()
            asked_s = time.monotonic() - len(frame) * self._char_s - self._silence_s
            answer = self._answer(frame)
            if answer is not None:
                await self._reply(answer, asked_s)
            self.busy_s += time.monotonic() - asked_s

    async def _frame(self) -> bytes:
        """Wait for bytes, for the time that they take on the wire, and for the silence after them."""
        await self._arrived.wait()
        taken = 0
        while taken < len(self._received):
            fresh = len(self._received) - taken
            taken += fresh
            await asyncio.sleep(fresh * self._char_s + self._silence_s)
        frame = bytes(self._received)
        self._received.clear()
        self._arrived.clear()
        return frame

    def _answer(self, frame: bytes) -> Answer | None:
        if self.request_fault is not None:
            frame = self.request_fault(frame) or b""
        if not frame or termios.tcgetattr(self._descriptors()[1])[4] != self._speed:
            return None
        try:
            _, request = self._framer.handleFrame(frame, 0, 0)
        except ModbusException as error:
            log.debug("%s: unreadable request %s: %s", self.path, frame.hex(), error)
            return None
        return None if request is None else respond(self.units, request)

    async def _reply(self, answer: Answer, asked_s: float) -> None:
        """Send a reply to what was asked at `asked_s` (monotonic seconds), and write it down."""
        unit = self.units[answer.pdu.dev_id]
        await asyncio.sleep(unit.profile.turnaround_ms / 1000 + self.extra_delay_s)
        frame = self._framer.buildFrame(answer.pdu)
        sent = frame if self.reply_fault is None else self.reply_fault(frame) or b""
        await self._transmit(sent)
        at_ms = wall_ms()
        if sent != frame:
            return
        in_time = time.monotonic() - asked_s < SURE_SHARE * self.timeout_s
        arrived = False
        try:
            arrived = await self._was_read()
        finally:
            sure = arrived and in_time
            (self._ledger.answered if sure else self._ledger.unsure)(answer.device, answer.values, at_ms)

    async def _transmit(self, data: bytes) -> None:
        """Hand bytes over as their last bits would arrive; what comes in meanwhile collides and is lost."""
        begun = time.monotonic()
        at = 0
        while at < len(data):
            await asyncio.sleep(min(_TICK_S, (len(data) - at) * self._char_s))
            until = min(len(data), int((time.monotonic() - begun) / self._char_s))
            try:
                at += os.write(self._descriptors()[0], data[at:until]) if until > at else 0
            except BlockingIOError:
                log.debug("%s: nobody reads the line; the rest of a reply is lost", self.path)
                return
        self._received.clear()
        self._arrived.clear()

    async def _was_read(self) -> bool:
        """Return whether the reader has taken every byte of the reply."""
        deadline = time.monotonic() + _UNREAD_WAIT_S
        while True:
            await asyncio.sleep(0.002)
            waiting = fcntl.ioctl(self._descriptors()[1], termios.FIONREAD, b"\0" * 4)
            if struct.unpack("i", waiting)[0] == 0:
                return True
            if self._arrived.is_set() or time.monotonic() > deadline:
                return False
