"""How characters look on a simulated line; structurally what drivers call line settings, without importing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from lentera_sim.errors import PlanError

Parity = Literal["N", "E", "O"]
SLOWEST, FASTEST = 1200, 115_200


class AnySettings(Protocol):
    """Anything that says baud, parity and stop bits."""

    @property
    def baud(self) -> int:
        """Bits a second."""
        ...

    @property
    def parity(self) -> Parity:
        """None, even or odd."""
        ...

    @property
    def stop_bits(self) -> Literal[1, 2]:
        """One or two."""
        ...


@dataclass(frozen=True, slots=True)
class WireSettings:
    """Settings of one unit or reader; 8 data bits always. Raises PlanError for a baud rate outside 1200 to 115200."""

    baud: int = 9600
    parity: Parity = "N"
    stop_bits: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        """Refuse what no meter has."""
        if not SLOWEST <= self.baud <= FASTEST:
            raise PlanError(f"a line of {self.baud} baud: simulated lines run at {SLOWEST} to {FASTEST}")

    @classmethod
    def of(cls, settings: AnySettings) -> WireSettings:
        """Take over anybody's settings."""
        return cls(settings.baud, settings.parity, settings.stop_bits)

    @property
    def bits(self) -> int:
        """Bits of a character: start, eight, the parity bit if any, stop bits."""
        return 9 + (self.parity != "N") + self.stop_bits

    @property
    def character_s(self) -> float:
        """Time of one character in seconds."""
        return self.bits / self.baud

    @property
    def silence_s(self) -> float:
        """Silence that ends a frame: 3.5 characters, never below 1.75 ms (Modbus over serial line V1.02, 2.5.1.1)."""
        return max(3.5 * self.character_s, 0.00175)

    def is_heard_by(self, other: WireSettings) -> bool:
        """Whether a receiver with other settings reads whole frames: stop bits do not matter, a receiver wants one."""
        return self.baud == other.baud and self.parity == other.parity

    def __str__(self) -> str:
        """For people: 9600 8N1."""
        return f"{self.baud} 8{self.parity}{self.stop_bits}"
