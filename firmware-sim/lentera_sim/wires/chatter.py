"""One that talks on a line without being asked: a lighting panel that reports by itself, another master."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lentera_sim.wires.crc import crc16
from lentera_sim.wires.medium import Medium
from lentera_sim.wires.settings import WireSettings

_PANEL = 250
_ANSWER = bytes([_PANEL, 3, 4, 0x01, 0x2C, 0x00, 0x64])
PANEL_FRAMES = (_ANSWER + crc16(_ANSWER), b"LP3 CH1=ON CH2=OFF\r\n")
"""What looks like a whole answer of Modbus, of a unit that nobody asked, and what a panel says in its own words."""


class Chatterer:
    """Says a frame every `every_s` seconds, over whatever is on the line, until `stop`."""

    def __init__(
        self, medium: Medium, settings: WireSettings, every_s: float, frames: Sequence[bytes] = PANEL_FRAMES
    ) -> None:
        """Begin to talk after the first pause, one of the frames after the other."""
        self._medium = medium
        self._settings = settings
        self._every_s = every_s
        self._frames = frames
        self._said = 0
        self._timer = asyncio.get_running_loop().call_later(every_s, self._talk)

    def stop(self) -> None:
        """Be silent from now on."""
        self._timer.cancel()

    def _talk(self) -> None:
        self._medium.talk(self._frames[self._said % len(self._frames)], self._settings)
        self._said += 1
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._talk)
