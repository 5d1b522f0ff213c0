"""Which registers go into which request: the cheapest set of requests by time on the wire.

Two registers with a hole between them go into one request when carrying the hole costs less than another request. On a
serial line a register costs two characters; a request costs 8 characters, a reply's frame 5 more, two silences of 3.5
characters and the device's turnaround (Modbus over Serial Line V1.02, 2.5.1). At 9600 baud 8N1 and a turnaround of
20 ms a hole of up to 19 registers is worth carrying. On TCP a request costs a round trip, so blocks grow to the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lentera_drivers.profiles.meter import PROTOCOL_MAX_REGISTERS, MeterProfile, Register

_REQUEST_CHARACTERS: Final = 8
_REPLY_FRAME_CHARACTERS: Final = 5
_SILENCE_CHARACTERS: Final = 3.5
_MINIMUM_SILENCE_MS: Final = 1.75
_FAST_BAUD: Final = 19200
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


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """One request: `count` registers from `address` on, and the values to decode from the reply."""

    function_code: int
    address: int
    count: int
    registers: tuple[Register, ...]

    @property
    def end(self) -> int:
        """Address after the last register read."""
        return self.address + self.count

    @property
    def has_holes(self) -> bool:
        """Whether registers are read that no value needs."""
        return sum(register.count for register in self.registers) < self.count


def serial_cost(baud: int, parity: str, stop_bits: int) -> WireCost:
    """Cost on a serial line: a character is a start bit, 8 bits, the parity bit if any, and the stop bits.

    The silence is 3.5 characters, and 1.75 ms above 19200 baud (Modbus over Serial Line V1.02, 2.5.1.1).
    """
    character_ms = (9 + (parity != "N") + stop_bits) * 1000 / baud
    silence_ms = (
        _MINIMUM_SILENCE_MS if baud > _FAST_BAUD else max(_MINIMUM_SILENCE_MS, _SILENCE_CHARACTERS * character_ms)
    )
    frames_ms = (_REQUEST_CHARACTERS + _REPLY_FRAME_CHARACTERS) * character_ms
    return WireCost(request_ms=frames_ms + 2 * silence_ms, register_ms=2 * character_ms, silence_ms=silence_ms)


def tcp_cost() -> WireCost:
    """Cost on a local network: a round trip, hardly anything for a register."""
    return WireCost(request_ms=_TCP_ROUND_TRIP_MS, register_ms=_TCP_REGISTER_MS, silence_ms=0.0)


def select_registers(profile: MeterProfile, quantities: Iterable[str] | None) -> list[Register]:
    """Return the profile's registers, or only those of the wanted quantities (a name that it lacks is left out)."""
    if quantities is None:
        return list(profile.registers)
    wanted = frozenset(quantities)
    return [register for register in profile.registers if register.quantity in wanted]


def plan_reads(
    registers: Sequence[Register], profile: MeterProfile, cost: WireCost, *, allow_holes: bool = True
) -> tuple[ReadBlock, ...]:
    """Return the cheapest requests that carry all registers.

    Every split of the registers in order of address is considered (the best split of the first n follows from the best
    splits of fewer), so no other set of requests costs less. Limits of the profile and of the protocol hold.

    Args:
        registers: the values wanted, in any order.
        profile: limits, function code, turnaround.
        cost: of the bus.
        allow_holes: False for a device that refuses to answer for registers that no value needs.
    """
    ordered = sorted(registers, key=lambda register: register.address)
    limit = min(profile.max_registers_per_read, PROTOCOL_MAX_REGISTERS)
    turnaround_ms = profile.turnaround_ms + profile.gap_ms
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of the first n registers, where their last block starts
    for end in range(1, len(ordered) + 1):
        candidates: list[tuple[float, int]] = []
        for start in range(end - 1, -1, -1):
            address, count = _span(ordered[start:end], profile.even_addresses)
            torn = start < end - 1 and not allow_holes and ordered[start].end != ordered[start + 1].address
            if candidates and (count > limit or torn):
                break
            candidates.append((best[start][0] + cost.read_ms(count, turnaround_ms), start))
        best.append(min(candidates))
    blocks: list[ReadBlock] = []
    end = len(ordered)
    while end > 0:
        start = best[end][1]
        address, count = _span(ordered[start:end], profile.even_addresses)
        blocks.append(ReadBlock(profile.function_code, address, count, tuple(ordered[start:end])))
        end = start
    return tuple(reversed(blocks))


def probe_block(blocks: Sequence[ReadBlock], profile: MeterProfile) -> ReadBlock:
    """Return a short read that tells whether a silent device is back.

    Its length differs from that of every planned block, so that a late reply to one of them cannot pass for its answer.
    It carries the registers that lie in it as a whole.
    """
    lengths = {block.count for block in blocks}
    step = 2 if profile.even_addresses else 1
    count = next(count for count in range(step, len(lengths) * step + 2 * step, step) if count not in lengths)
    first = blocks[0]
    end = first.address + count
    whole = tuple(register for register in first.registers if register.end <= end)
    return ReadBlock(first.function_code, first.address, count, whole)


def _span(registers: Sequence[Register], even: bool) -> tuple[int, int]:
    """Return address and count of the request for registers in order of address."""
    address, end = registers[0].address, registers[-1].end
    if even:
        address -= address % 2
        end += end % 2
    return address, end - address
