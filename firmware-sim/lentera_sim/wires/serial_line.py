"""An RS-485 line as a pseudo-terminal: a reader opens a path like any serial port, and bytes take the line's time.

The copper is `Medium`'s. A pseudo-terminal shows the baud rate that its reader has set, so a reader at another rate is
noise to the stations and they to it; it does not carry the parity, which is taken to be the stations' own.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import struct
import termios
import tty
from collections.abc import Mapping, Sequence
from pathlib import Path

from lentera_sim.clock import wall_ms
from lentera_sim.errors import PlanError
from lentera_sim.ledger import Ledger
from lentera_sim.tasks import end
from lentera_sim.wires.medium import Medium
from lentera_sim.wires.settings import FASTEST, SLOWEST, WireSettings
from lentera_sim.wires.station import Station
from lentera_sim.wires.unit import READER_TIMEOUT_S, SURE_SHARE, Answer, ModbusUnit

log = logging.getLogger(__name__)

_UNREAD_WAIT_S = 1.0
_UNREAD_LOOK_S = 0.002
_KERNEL_S = 0.005
"""The kernel brings bytes from one end of a pseudo-terminal to the other by a thread of its own: only then are they
counted as unread."""
_BAUDS = {
    getattr(termios, f"B{baud}"): baud
    for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115_200)
    if SLOWEST <= baud <= FASTEST
}
_SPEEDS = {baud: speed for speed, baud in _BAUDS.items()}


class SerialLine:
    """A line with its stations. `open`, then read through `path`; `close` ends it.

    Attributes:
        medium: the copper, with its faults.
        timeout_s: how long the reader waits for an answer, by which the ledger judges what came in time.
    """

    def __init__(self, path: Path, stations: Sequence[Station], ledger: Ledger, *, seed: int = 0) -> None:
        """Describe the line; `path` becomes a symbolic link to the pseudo-terminal.

        Raises:
            PlanError: the stations' parities differ, which a pseudo-terminal cannot carry, or a baud rate that no
                serial port has.
        """
        self.path = path
        self.timeout_s = READER_TIMEOUT_S
        self.medium = Medium(stations, self._deliver, seed=seed)
        self._own = stations[0].settings if stations else WireSettings()
        self._check(stations)
        for station in stations:
            station.note = self._note
        self._ledger = ledger
        self._questions = 0
        self._fds: tuple[int, int] | None = None
        self._notes: set[asyncio.Task[None]] = set()

    def _check(self, stations: Sequence[Station]) -> None:
        for settings in (station.settings for station in stations):
            if settings.baud not in _SPEEDS:
                raise PlanError(f"a line of {settings.baud} baud: serial ports know {', '.join(map(str, _SPEEDS))}")
            if settings.parity != self._own.parity:
                raise PlanError(
                    f"{self.path.name}: stations of parity {self._own.parity} and {settings.parity} on one "
                    "pseudo-terminal, which carries no parity; give all the same, or take a line in memory"
                )

    async def open(self) -> None:
        """Create the pseudo-terminal and its link, and begin to listen."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        settings = termios.tcgetattr(theirs)
        settings[4] = settings[5] = _SPEEDS[self._own.baud]
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        os.set_blocking(ours, False)
        self._fds = (ours, theirs)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(theirs))
        asyncio.get_running_loop().add_reader(ours, self._readable)

    async def close(self) -> None:
        """Stop listening, remove the link and the pseudo-terminal; what nobody has read by now is unsure."""
        if self._fds is None:
            return
        fds, self._fds = self._fds, None
        asyncio.get_running_loop().remove_reader(fds[0])
        self.medium.close()
        await end(*self._notes)
        for descriptor in fds:
            os.close(descriptor)
        self.path.unlink(missing_ok=True)

    @property
    def is_plugged(self) -> bool:
        """Whether the adapter is there."""
        return self._fds is not None

    async def unplug(self) -> None:
        """Pull the adapter out: the reader loses its port, and the path is gone until `plug`."""
        await self.close()

    async def plug(self) -> None:
        """Put the adapter back, as another device behind the same path."""
        if self._fds is None:
            await self.open()

    def _readable(self) -> None:
        if self._fds is None:
            return
        ours, theirs = self._fds
        try:
            data = os.read(ours, 4096)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EAGAIN):
                raise
            return
        baud = _BAUDS.get(termios.tcgetattr(theirs)[4])
        if baud is None:
            log.debug("%s: the reader's baud rate is no station's", self.path)
            return
        if baud != self.medium.reader_settings.baud or self.medium.reader_settings.parity != self._own.parity:
            self.medium.settle()
        self.medium.reader_settings = WireSettings(baud, self._own.parity, self._own.stop_bits)
        self._questions += 1
        self.medium.say(data)

    def _deliver(self, data: bytes) -> None:
        if self._fds is None:
            return
        try:
            os.write(self._fds[0], data)
        except BlockingIOError:
            log.debug("%s: nobody reads the line; the rest of a reply is lost", self.path)

    def _note(self, answer: Answer, whole: bool, took_s: float) -> None:
        """Write an answer down once its reader has taken it, or will not."""
        if not whole:
            return
        at_ms = wall_ms()
        task = asyncio.get_running_loop().create_task(self._write_down(answer, took_s, at_ms), name="answer")
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write_down(self, answer: Answer, took_s: float, at_ms: int) -> None:
        arrived = False
        try:
            arrived = await self._was_read()
        finally:
            sure = arrived and took_s < SURE_SHARE * self.timeout_s
            (self._ledger.answered if sure else self._ledger.unsure)(answer.device, answer.values, at_ms)

    async def _was_read(self) -> bool:
        """Return whether the reader has taken every byte of the answer."""
        loop = asyncio.get_running_loop()
        deadline_s, question = loop.time() + _UNREAD_WAIT_S, self._questions
        await asyncio.sleep(_KERNEL_S)
        while self._fds is not None:
            waiting = fcntl.ioctl(self._fds[1], termios.FIONREAD, b"\0" * 4)
            if struct.unpack("i", waiting)[0] == 0:
                return True
            if self._questions != question or loop.time() > deadline_s:
                return False
            await asyncio.sleep(_UNREAD_LOOK_S)
        return False


def stations_of(units: Mapping[int, ModbusUnit], settings: WireSettings | None = None, seed: int = 0) -> list[Station]:
    """Hang units (by their id) on a line that all read with the same settings."""
    return [Station(unit, number, settings, seed=seed) for number, unit in units.items()]
