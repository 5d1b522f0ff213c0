"""One request, and what a request costs on a wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles.meter import Register

_REQUEST_CHARACTERS: Final = 8
_REPLY_FRAME_CHARACTERS: Final = 5
_TCP_ROUND_TRIP_MS: Final = 2.0
_TCP_REGISTER_MS: Final = 0.002


@dataclass(frozen=True, slots=True)
class WireCost:
    """What a request costs on a bus, in milliseconds.

    Attributes:
        request_ms: fixed cost of a request with its reply, without the device's turnaround.
        register_ms: cost of one register in the reply.
        silence_ms: pause that must precede a frame; part of request_ms already.
    """

    request_ms: float
    register_ms: float
    silence_ms: float

    def read_ms(self, registers: int, turnaround_ms: float) -> float:
        """Time of one read of so many registers."""
        return self.request_ms + turnaround_ms + registers * self.register_ms

    def break_even_registers(self, turnaround_ms: float) -> int:
        """Largest hole, in registers, that is worth carrying instead of asking twice (at one pace)."""
        return int((self.request_ms + turnaround_ms) / self.register_ms)


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """One request and the values to decode from its reply.

    Attributes:
        function_code: 3 or 4.
        address: of the first register read.
        count: how many registers are read.
        registers: the values in the reply, lowest address first.
        scales: addresses in the reply that hold powers of ten of values, here or in other replies.
    """

    function_code: int
    address: int
    count: int
    registers: tuple[Register, ...]
    scales: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """Address after the last register read."""
        return self.address + self.count

    def seams(self) -> list[tuple[int, int]]:
        """Return where the request can be cut between values: (end before, address after)."""
        parts = [(register.address, register.end) for register in self.registers]
        parts += [(address, address + 1) for address in self.scales]
        parts.sort()
        found: list[tuple[int, int]] = []
        end = parts[0][1]
        for start, stop in parts[1:]:
            if start >= end:
                found.append((end, start))
            end = max(end, stop)
        return found

    def halves(self, *, even: bool = False) -> tuple[ReadBlock, ReadBlock]:
        """Cut in two between values: at the middle hole, or between the middle values where there is no hole.

        Args:
            even: whether the parts must start and end on even addresses too.

        Raises:
            ValueError: one value, or values that share registers, cannot be cut.
        """
        seams = self.seams()
        holes = [seam for seam in seams if seam[0] < seam[1]] or seams
        if not holes:
            raise ValueError("this request carries one value only")
        end, start = holes[len(holes) // 2]
        if even:
            return self.part(self.address, end + end % 2), self.part(start - start % 2, self.end)
        return self.part(self.address, end), self.part(start, self.end)

    def part(self, address: int, end: int) -> ReadBlock:
        """Return the request for a part of the registers, with the values that lie in it as a whole."""
        return ReadBlock(
            self.function_code,
            address,
            end - address,
            tuple(one for one in self.registers if address <= one.address and one.end <= end),
            tuple(one for one in self.scales if address <= one < end),
        )


def serial_cost(settings: LineSettings) -> WireCost:
    """Cost on a serial line in these settings."""
    character_ms, silence_ms = settings.character_s * 1000, settings.silence_s * 1000
    frames_ms = (_REQUEST_CHARACTERS + _REPLY_FRAME_CHARACTERS) * character_ms
    return WireCost(request_ms=frames_ms + 2 * silence_ms, register_ms=2 * character_ms, silence_ms=silence_ms)


def tcp_cost() -> WireCost:
    """Cost on a local network: a round trip, hardly anything for a register."""
    return WireCost(request_ms=_TCP_ROUND_TRIP_MS, register_ms=_TCP_REGISTER_MS, silence_ms=0.0)
