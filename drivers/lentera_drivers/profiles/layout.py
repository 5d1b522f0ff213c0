"""How a profile's registers lie beside each other: what must not overlap, what must not be given twice."""

from __future__ import annotations

from collections.abc import Sequence

from lentera_drivers.profiles.register import Register
from lentera_drivers.profiles.validation import Found


def layout_problems(registers: Sequence[Register], function_code: int) -> list[Found]:
    """Return every overlap and every repetition; `function_code` is that of registers without their own."""
    found = _repeats(registers)
    for code in (3, 4):
        mine = [
            (position, register)
            for position, register in enumerate(registers)
            if (register.function_code or function_code) == code
        ]
        found += _overlaps(mine) + _scale_overlaps(mine)
    return found


def _overlaps(registers: Sequence[tuple[int, Register]]) -> list[Found]:
    """Two values must not share a register, unless they are different bits of the same ones."""
    found: list[Found] = []
    ordered = sorted(registers, key=lambda item: item[1].address)
    furthest: Register | None = None
    taken = 0
    for position, register in ordered:
        if furthest is not None and register.address < furthest.end:
            if _same_registers(register, furthest):
                mask = register.bit_mask or 0
                if mask & taken:
                    what = f"{register.quantity} takes bits that another quantity has, {mask & taken:#x}"
                    found.append((("registers", position, "address"), what, "correct `bit` or `mask`"))
                taken |= mask
                continue
            what = (
                f"{register.quantity} ({register.address}..{register.end - 1}) overlaps "
                f"{furthest.quantity} ({furthest.address}..{furthest.end - 1})"
            )
            found.append((("registers", position, "address"), what, "correct one of the two addresses or counts"))
        if furthest is None or register.end > furthest.end:
            furthest = register
            taken = register.bit_mask or 0
    return found


def _same_registers(one: Register, other: Register) -> bool:
    return one.type.is_bits and one.type is other.type and one.address == other.address


def _scale_overlaps(registers: Sequence[tuple[int, Register]]) -> list[Found]:
    """A power of ten is no part of a value."""
    owners = {address: one for _, one in registers for address in range(one.address, min(one.end, one.address + 4))}
    return [
        (
            ("registers", position, "scale_register"),
            f"register {register.scale_register} belongs to {owners[register.scale_register].quantity}",
            "give the address of the scale factor",
        )
        for position, register in registers
        if register.scale_register in owners and not register.address <= register.scale_register < register.end
    ]


def _repeats(registers: Sequence[Register]) -> list[Found]:
    """One quantity has one register."""
    seen: set[str] = set()
    found: list[Found] = []
    for position, register in enumerate(registers):
        if register.quantity in seen:
            path = ("registers", position, "quantity")
            found.append((path, f"{register.quantity} is given twice", "keep the register that is to be read"))
        seen.add(register.quantity)
    return found
