"""A serial line in memory: all that a line of copper does to bytes, on the clock of the event loop.

In `run_in_virtual_time` minutes of a slow line pass in a second. `MemoryLine.open` has the shape of the drivers' way
to open a port, so what reads ports reads it without knowing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from lentera_sim.wires.medium import Medium, Speaker
from lentera_sim.wires.settings import AnySettings, WireSettings

S = TypeVar("S", bound=AnySettings)
OnBytes = Callable[[bytes], None]
OnLost = Callable[[Exception | None], None]


class MemoryPort(Generic[S]):
    """A port of the line that somebody has opened."""

    def __init__(self, line: MemoryLine, settings: S, on_lost: OnLost) -> None:
        """Hold the line; `MemoryLine.open` makes ports."""
        self._line = line
        self._settings = settings
        self._on_lost = on_lost
        self._open = True

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be written."""
        return self._open

    @property
    def settings(self) -> S:
        """The settings now, as they were given."""
        return self._settings

    def set_settings(self, settings: S) -> None:
        """Change them; a question that was being sent is spoiled."""
        self._line.medium.reader_settings = WireSettings.of(settings)
        self._line.medium.settle()
        self._settings = settings

    def write(self, data: bytes) -> None:
        """Send bytes at the pace of the line. Raises OSError when the port is closed or unplugged."""
        if not self._open:
            raise OSError("the simulated port is closed")
        if data:
            self._line.medium.say(bytes(data))

    def close(self) -> None:
        """Give the line back."""
        if self._open:
            self._open = False
            self._line.released(self)

    def lose(self, error: Exception | None) -> None:
        """Tell the holder that the port is gone."""
        if self._open:
            self._open = False
            self._on_lost(error)


class MemoryLine:
    """A line and its stations. `open` is what drivers call; one reader at a time."""

    def __init__(self, stations: Sequence[Speaker] = (), *, seed: int = 0) -> None:
        """Lay the line; everything random on it follows from `seed`."""
        self.medium = Medium(stations, self._deliver, seed=seed)
        self._port: MemoryPort[Any] | None = None
        self._on_bytes: OnBytes | None = None
        self._plugged = True

    @property
    def stations(self) -> list[Speaker]:
        """Those that hang on the line; may be changed while it is open."""
        return self.medium.stations

    async def open(self, settings: S, on_bytes: OnBytes, on_lost: OnLost) -> MemoryPort[S]:
        """Open the port.

        Raises:
            OSError: the adapter is unplugged, or another reader has the port.
        """
        await asyncio.sleep(0)
        if not self._plugged:
            raise FileNotFoundError("no such port: the simulated adapter is unplugged")
        if self._port is not None:
            raise OSError("the simulated port is another reader's; close that one first")
        self.medium.reader_settings = WireSettings.of(settings)
        self._on_bytes = on_bytes
        self._port = MemoryPort(self, settings, on_lost)
        return self._port

    def unplug(self) -> None:
        """Pull the adapter out: the reader loses its port and none can be opened until `plug`."""
        self._plugged = False
        port = self._port
        if port is not None:
            self.released(port)
            port.lose(OSError("the simulated adapter was unplugged"))

    def plug(self) -> None:
        """Put the adapter back."""
        self._plugged = True

    def released(self, port: MemoryPort[Any]) -> None:
        """Forget a port that is closed; what is under way is heard by nobody."""
        if port is self._port:
            self._port = self._on_bytes = None
            self.medium.settle()

    def _deliver(self, data: bytes) -> None:
        if self._on_bytes is not None:
            self._on_bytes(data)
