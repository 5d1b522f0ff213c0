"""What carries bytes between a gateway and a Modbus line or host: one small interface, whatever is behind it.

A serial port, a TCP socket and a line in memory (for simulations on a clock of their own) all look the same to what
stands above: it writes, it is told of bytes and of the end. Nothing here knows frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

_FAST_BAUD: Final = 19200
_LEAST_SILENCE_S: Final = 0.00175
_SILENCE_CHARACTERS: Final = 3.5
OnBytes = Callable[[bytes], None]
"""Called in the event loop with the bytes that have come, in order."""
OnLost = Callable[[Exception | None], None]
"""Called once when the port or socket is gone without having been closed by us; the reason if one is known."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How characters look on a serial line; 8 data bits always."""

    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1

    @property
    def character_s(self) -> float:
        """Time of one character in seconds: start bit, 8 bits, the parity bit if any, stop bits."""
        return (9 + (self.parity != "N") + self.stop_bits) / self.baud

    @property
    def silence_s(self) -> float:
        """The silence that ends a frame, in seconds: 3.5 characters, and 1.75 ms above 19200 baud.

        Modbus over Serial Line V1.02, 2.5.1.1.
        """
        if self.baud > _FAST_BAUD:
            return _LEAST_SILENCE_S
        return max(_LEAST_SILENCE_S, _SILENCE_CHARACTERS * self.character_s)

    def __str__(self) -> str:
        """For people: 9600 8N1."""
        return f"{self.baud} 8{self.parity}{self.stop_bits}"


class ByteTransport(Protocol):
    """An opened port, socket or simulated line. All methods belong to one event loop, none of them blocks."""

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be written."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes; they leave in order and as one piece. Raises OSError when the transport is gone."""
        ...

    def close(self) -> None:
        """Give the port or socket back; `OnLost` is not called for it."""
        ...


class SerialTransport(ByteTransport, Protocol):
    """A serial line, whose settings can change while it is open (a scan walks through them)."""

    @property
    def settings(self) -> LineSettings:
        """The settings now."""
        ...

    def set_settings(self, settings: LineSettings) -> None:
        """Change them; bytes that wait on either side are dropped. Raises OSError when the port refuses them."""
        ...


class OpenTransport(Protocol):
    """Opens a TCP socket or the like."""

    async def __call__(self, on_bytes: OnBytes, on_lost: OnLost) -> ByteTransport:
        """Open; raises OSError (with words for people) when it cannot be reached."""
        ...


class OpenSerial(Protocol):
    """Opens a serial line."""

    async def __call__(self, settings: LineSettings, on_bytes: OnBytes, on_lost: OnLost) -> SerialTransport:
        """Open; raises OSError (with words for people) when the port is absent or somebody else's."""
        ...
