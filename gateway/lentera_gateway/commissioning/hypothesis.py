"""What a unit may be: a profile as written, or with its words in the other order, or one register off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lentera_drivers.profiles import AddressMode, Endianness, Identity, MeterProfile, Register
from lentera_gateway.commissioning.image import Span

LAST_ADDRESS: Final = 65535
MERGE_HOLE: Final = 12
"""Registers without a value that a question may carry to save another one."""
MERGE_MOST: Final = 60
"""Registers of one question: longer ones cost much when they are garbled."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A profile that a unit may have.

    Attributes:
        profile: as the unit would have it: addresses shifted, word order swapped.
        base: id of the profile as written.
        swapped: whether the words of a value come in the other order than written.
        shift: by how many registers the unit's map lies higher than written.
    """

    profile: MeterProfile
    base: str
    swapped: bool = False
    shift: int = 0

    @property
    def tier(self) -> int:
        """How many things differ from the profile as written."""
        return int(self.swapped) + int(self.shift != 0)

    def touches(self, span: Span) -> bool:
        """Whether an answer to the span may say something about this hypothesis."""
        if any(identity_span(self.profile, entry) == span for entry in self.profile.identity):
            return True
        return any(
            register.address < span.end
            and register.end > span.address
            and self.profile.function_code_of(register) == span.function_code
            for register in self.profile.registers
        )

    @property
    def name(self) -> str:
        """For people: eastron_sdm630, words swapped, addresses +1."""
        parts = [self.base]
        if self.swapped:
            parts.append("words swapped")
        if self.shift:
            parts.append(f"addresses {self.shift:+d}")
        return ", ".join(parts)


class _Catalogue:
    """Profiles that are the same objects: a scan asks for their variants anew for every unit, and they are many."""

    def __init__(self, profiles: Iterable[MeterProfile]) -> None:
        self.profiles = tuple(profiles)

    def __hash__(self) -> int:
        return hash(tuple(map(id, self.profiles)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Catalogue) or len(self.profiles) != len(other.profiles):
            return False
        return all(mine is yours for mine, yours in zip(self.profiles, other.profiles, strict=True))


def hypotheses(profiles: Iterable[MeterProfile], tier: int) -> tuple[Hypothesis, ...]:
    """Return what a unit may be, with exactly `tier` things different from what is written (0, 1 or 2)."""
    return _hypotheses(_Catalogue(profiles), tier)


@lru_cache(maxsize=8)
def _hypotheses(catalogue: _Catalogue, tier: int) -> tuple[Hypothesis, ...]:
    found: list[Hypothesis] = []
    for profile in catalogue.profiles:
        if profile.address_mode is AddressMode.RELATIVE:
            continue  # where it stands is found by walking the device's models
        for swapped in (False, True):
            for shift in (0, 1, -1):
                if int(swapped) + int(shift != 0) != tier:
                    continue
                varied = vary(profile, swapped=swapped, shift=shift)
                if varied is not None:
                    found.append(Hypothesis(varied, profile.id, swapped, shift))
    return tuple(found)


def vary(profile: MeterProfile, *, swapped: bool, shift: int) -> MeterProfile | None:
    """Return the profile with its words swapped and its addresses shifted; None where that makes no difference."""
    if swapped and all(register.count == 1 for register in profile.registers):
        return None
    if any(not 0 <= register.address + shift <= LAST_ADDRESS for register in profile.registers):
        return None
    if not swapped and not shift:
        return profile
    changes: dict[str, object] = {
        "registers": tuple(_moved(register, swapped, shift) for register in profile.registers),
        "even_addresses": profile.even_addresses and not shift % 2,
    }
    if swapped:
        changes["word_order"] = _other(profile.word_order)
    return profile.model_copy(update=changes)


def _moved(register: Register, swapped: bool, shift: int) -> Register:
    changes: dict[str, object] = {"address": register.address + shift}
    if register.scale_register is not None:
        changes["scale_register"] = register.scale_register + shift
    if swapped and register.word_order is not None:
        changes["word_order"] = _other(register.word_order)
    return register.model_copy(update=changes)


def _other(order: Endianness) -> Endianness:
    return Endianness.LITTLE if order is Endianness.BIG else Endianness.BIG


def is_identifying(register: Register) -> bool:
    """Whether a register tells what stands on the line even without load: volts between phase and neutral, hertz."""
    return register.quantity in ("voltage_l1", "voltage_l2", "voltage_l3", "frequency")


def identity_span(profile: MeterProfile, entry: Identity) -> Span:
    """Return the question for something that a meter tells about itself."""
    return Span(entry.function_code or profile.function_code, entry.address, entry.count)


def runs(profile: MeterProfile, registers: Iterable[Register]) -> Iterator[Span]:
    """Yield questions that ask for these registers and for no other: a refusal of one refutes the profile."""
    yield from _spans(profile, registers, hole=0)


def merged(profile: MeterProfile, registers: Iterable[Register]) -> Iterator[Span]:
    """Yield fewer, longer questions that carry small holes between the registers."""
    yield from _spans(profile, registers, hole=MERGE_HOLE)


def _spans(profile: MeterProfile, registers: Iterable[Register], hole: int) -> Iterator[Span]:
    most = min(MERGE_MOST, profile.max_registers_per_read)
    begun: Span | None = None
    for register in sorted(registers, key=lambda one: (profile.function_code_of(one), one.address)):
        code = profile.function_code_of(register)
        if begun is not None and begun.function_code == code and register.address - begun.end <= hole:
            longer = Span(code, begun.address, register.end - begun.address)
            if longer.count <= most:
                begun = longer
                continue
        if begun is not None:
            yield begun
        begun = Span(code, register.address, register.count)
    if begun is not None:
        yield begun
