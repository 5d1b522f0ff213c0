"""Which registers go into which request: the cheapest set of requests by time on the wire. Pure.

Two registers with a hole between them go into one request when carrying the hole costs less than another request. On a
serial line a register costs two characters; a request costs 8 characters, a reply's frame 5 more, two silences of 3.5
characters and the device's turnaround (Modbus over Serial Line V1.02, 2.5.1). At 9600 baud 8N1 and a turnaround of
20 ms a hole of up to 19 registers is worth carrying. On TCP a request costs a round trip, so blocks grow to the limit.

Values with different intervals share a request where that needs less bus time per second: a slow value that lies in a
hole of a fast request rides along and is taken from it at its own interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from lentera_drivers.modbus.blocks import ReadBlock, WireCost, serial_cost, tcp_cost
from lentera_drivers.modbus.cover import Covering, Item, Rules, cover
from lentera_drivers.modbus.holes import AbsentValue, ClosedRange, Refusals
from lentera_drivers.profiles.meter import PROTOCOL_MAX_REGISTERS, MeterProfile, Register
from lentera_model.config import PaceRow

__all__ = [
    "PacedBlock",
    "ReadBlock",
    "WireCost",
    "bus_load",
    "plan_device",
    "plan_reads",
    "probe_block",
    "select_registers",
    "serial_cost",
    "tcp_cost",
    "turnaround_differs",
]

_NOTHING: Final = Refusals()
_MATERIAL_SHARE: Final = 0.3
_MATERIAL_MS: Final = 3.0


@dataclass(frozen=True, slots=True)
class PacedBlock:
    """A request, how often it is sent, and which of its values are taken when.

    Attributes:
        block: the request; its registers are all values that are ever taken from it.
        pace: index of the pace at which it is sent.
        every_s: interval of that pace.
        takes: pace -> the values that are taken at that pace; the request's own pace is among them.
    """

    block: ReadBlock
    pace: int
    every_s: float
    takes: Mapping[int, tuple[Register, ...]]


def select_registers(profile: MeterProfile, quantities: Iterable[str] | None) -> list[Register]:
    """Return the profile's registers, or only those of the wanted quantities (a name that it lacks is left out)."""
    if quantities is None:
        return list(profile.registers)
    wanted = frozenset(quantities)
    return [register for register in profile.registers if register.quantity in wanted]


def plan_device(
    profile: MeterProfile,
    paces: Sequence[PaceRow],
    cost: WireCost,
    turnaround_ms: float | None = None,
    refusals: Refusals = _NOTHING,
) -> tuple[PacedBlock, ...]:
    """Return the requests that carry a device's values, each in its time, with the least bus time per second.

    No other set of requests costs less; limits of the profile and of the protocol hold, and what the model refuses is
    left out. A request never mixes function codes.

    Args:
        profile: registers, limits, gap.
        paces: the device's `pace_table`.
        cost: of the bus.
        turnaround_ms: measured; the profile's figure when None.
        refusals: what the model is known to refuse.
    """
    expected_ms = profile.turnaround_ms if turnaround_ms is None else turnaround_ms
    limit = min(profile.max_registers_per_read, PROTOCOL_MAX_REGISTERS, refusals.limit or PROTOCOL_MAX_REGISTERS)
    request_ms = cost.request_ms + expected_ms + profile.gap_ms
    wanted = _wanted(profile, paces, refusals)
    planned: list[PacedBlock] = []
    for function_code in sorted({profile.function_code_of(register) for register, _ in wanted}):
        group = [one for one in wanted if profile.function_code_of(one[0]) == function_code]
        intervals = tuple(sorted({paces[pace].every_s for _, pace in group}))
        rules = Rules(
            rates=tuple(1 / interval for interval in intervals),
            request_ms=request_ms,
            register_ms=cost.register_ms,
            limit=limit,
            even=profile.even_addresses,
            closed=tuple((one.first, one.end) for one in refusals.closed if one.function_code == function_code),
        )
        planned += _plan_group(group, function_code, paces, intervals, rules)
    return tuple(planned)


def _wanted(profile: MeterProfile, paces: Sequence[PaceRow], refusals: Refusals) -> list[tuple[Register, int]]:
    """Return every value to be read with its pace."""
    own_pace = {name: pace for pace, row in enumerate(paces) if pace for name in row.quantities or ()}
    rest = None if paces[0].quantities is None else frozenset(paces[0].quantities)

    def is_absent(register: Register) -> bool:
        code = profile.function_code_of(register)
        needed = (register.address, register.scale_register)
        return any(at is not None and AbsentValue(code, at) in refusals.absent for at in needed)

    return [
        (register, own_pace.get(register.quantity, 0))
        for register in profile.registers
        if (register.quantity in own_pace or rest is None or register.quantity in rest) and not is_absent(register)
    ]


def _plan_group(
    group: Sequence[tuple[Register, int]],
    function_code: int,
    paces: Sequence[PaceRow],
    intervals: Sequence[float],
    rules: Rules,
) -> list[PacedBlock]:
    """Plan the values of one function code."""
    parts: list[_Part] = [_Part(one.address, one.end, intervals.index(paces[at].every_s), at, one) for one, at in group]
    for address in {one.scale_register for one, _ in group if one.scale_register is not None}:
        fastest = min((paces[at].every_s, at) for one, at in group if one.scale_register == address)
        parts.append(_Part(address, address + 1, intervals.index(fastest[0]), fastest[1], None))
    parts.sort(key=lambda part: (part.address, part.end))
    items, members = _items(parts)
    return [
        _paced_block(covering, [parts[one] for item in covering.items for one in members[item]], function_code, paces)
        for covering in cover(items, rules)
    ]


class _Part(NamedTuple):
    """A value, or without a register a power of ten, that is to be read."""

    address: int
    end: int
    interval: int
    pace: int
    register: Register | None


def _items(parts: Sequence[_Part]) -> tuple[list[Item], list[list[int]]]:
    """Return what must be read, parts that share registers as one, and the positions in `parts` of each."""
    items: list[Item] = []
    members: list[list[int]] = []
    for position, part in enumerate(parts):
        if items and part.address < items[-1].end:
            last = items[-1]
            items[-1] = Item(last.address, max(last.end, part.end), min(last.pace, part.interval))
            members[-1].append(position)
        else:
            items.append(Item(part.address, part.end, part.interval))
            members.append([position])
    return items, members


def _paced_block(
    covering: Covering, served: Sequence[_Part], function_code: int, paces: Sequence[PaceRow]
) -> PacedBlock:
    takes: dict[int, tuple[Register, ...]] = {}
    for part in served:
        takes[part.pace] = (*takes.get(part.pace, ()), *(() if part.register is None else (part.register,)))
    own = min(takes, key=lambda pace: (paces[pace].every_s, pace))
    address, end = covering.span
    registers = tuple(part.register for part in served if part.register is not None)
    scales = tuple(part.address for part in served if part.register is None)
    block = ReadBlock(function_code, address, end - address, registers, scales)
    return PacedBlock(block, own, paces[own].every_s, takes)


def plan_reads(
    registers: Sequence[Register], profile: MeterProfile, cost: WireCost, *, allow_holes: bool = True
) -> tuple[ReadBlock, ...]:
    """Return the cheapest requests that carry all registers at one pace.

    Args:
        registers: the values wanted, in any order.
        profile: limits, function codes, turnaround.
        cost: of the bus.
        allow_holes: False for a device that refuses to answer for registers that no value needs.
    """
    paces = (PaceRow(1.0, tuple(register.quantity for register in registers)),)
    refusals = _NOTHING if allow_holes else _every_hole(registers, profile)
    return tuple(paced.block for paced in plan_device(profile, paces, cost, refusals=refusals))


def _every_hole(registers: Sequence[Register], profile: MeterProfile) -> Refusals:
    closed: set[ClosedRange] = set()
    for function_code in {profile.function_code_of(register) for register in registers}:
        mine = [register for register in registers if profile.function_code_of(register) == function_code]
        seams = ReadBlock(function_code, 0, 0, tuple(mine)).seams()
        closed |= {ClosedRange(function_code, first, end) for first, end in seams if first < end}
    return Refusals(frozenset(closed))


def bus_load(planned: Iterable[PacedBlock], cost: WireCost, turnaround_ms: float) -> float:
    """Return the share of each second that requests need on the wire; `turnaround_ms` includes the profile's gap."""
    return sum(cost.read_ms(one.block.count, turnaround_ms) / 1000 / one.every_s for one in planned)


def turnaround_differs(planned_ms: float, measured_ms: float) -> bool:
    """Whether a measured turnaround is so far from the one planned with that the plan should be made again."""
    return abs(measured_ms - planned_ms) > max(_MATERIAL_MS, _MATERIAL_SHARE * planned_ms)


def probe_block(blocks: Sequence[ReadBlock], profile: MeterProfile, taken: Iterable[int] = ()) -> ReadBlock:
    """Return a short read that tells whether a silent device is back, or whether answers match questions again.

    Its length differs from that of every planned block, so that a late reply to one of them cannot pass for its answer.
    It carries the registers that lie in it as a whole.

    Args:
        blocks: the planned requests, at least one.
        profile: of the device.
        taken: lengths of other requests that are asked now and then.
    """
    lengths = {block.count for block in blocks}.union(taken)
    step = 2 if profile.even_addresses else 1
    count = next(count for count in range(step, len(lengths) * step + 2 * step, step) if count not in lengths)
    first = blocks[0]
    end = first.address + count
    whole = tuple(register for register in first.registers if register.end <= end)
    return ReadBlock(first.function_code, first.address, count, whole)
