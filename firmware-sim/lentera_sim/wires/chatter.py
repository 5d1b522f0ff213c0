"""One that talks without being asked: a lighting panel that shares the line and reports by itself."""

from __future__ import annotations

import asyncio

from lentera_sim.wires.crc import crc16
from lentera_sim.wires.medium import Medium
from lentera_sim.wires.settings import WireSettings

_PANEL = 250
_FRAMES = (
    # What looks like a whole answer of Modbus, of a unit that nobody asked, and what a panel says in its own words.
    bytes([_PANEL, 3, 4, 0x01, 0x2C, 0x00, 0x64]),
    b"LP3 CH1=ON CH2=OFF\r\n",
)


class Chatterer:
    """Says a frame every `every_s` seconds, over whatever is on the line, until `stop`."""

    def __init__(self, medium: Medium, settings: WireSettings, every_s: float) -> None:
        """Begin to talk, after the first pause."""
        self._medium = medium
        self._settings = settings
        self._every_s = every_s
        self._said = 0
        self._timer = asyncio.get_running_loop().call_later(every_s, self._talk)

    def stop(self) -> None:
        """Be silent from now on."""
        self._timer.cancel()

    def _talk(self) -> None:
        frame = _FRAMES[self._said % len(_FRAMES)]
        self._said += 1
        self._medium.talk(frame + crc16(frame) if frame[0] == _PANEL else frame, self._settings)
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._talk)
