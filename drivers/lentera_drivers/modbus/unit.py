"""What the driver keeps of one device: its plan, how replies are decoded, and how the last attempts ended. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from lentera_drivers.interface import DriverSetupError, Outcome, OutcomeKind
from lentera_drivers.modbus.blocks import ReadBlock, WireCost
from lentera_drivers.modbus.decode import Decoder, compile_decoder, words_of
from lentera_drivers.modbus.doubt import CANARIES, LEAST_CANARIES
from lentera_drivers.modbus.holes import ABSENT_AGAIN_AFTER_MS, AbsentValue, Findings, HoleBook, Refusals
from lentera_drivers.modbus.plan import PacedBlock, plan_device, probe_block, select_registers, turnaround_differs
from lentera_drivers.modbus.quality import DEVICE_FAILURE, QualityOf
from lentera_drivers.profiles import MeterProfile
from lentera_drivers.profiles.register import Register
from lentera_drivers.profiles.registers import exponent_of
from lentera_model.config import DeviceConfig, PaceRow
from lentera_model.readings import Sample

_PLANS_KEPT: Final = 256
_LOOK_EVERY: Final = 64
"""Polls between two looks at whether the measured turnaround, or an absent value's age, asks for another plan."""


@dataclass(slots=True)
class LiveBlock:
    """A planned request at work.

    Attributes:
        paced: the request and which values are taken at which pace.
        due: paces of values that ride in it and are to be taken from its next reply.
        kind, at_ms, ok_at_ms, exception_code, detail: how the last attempt ended; see `Outcome`.
        values: what the last good reply gave.
    """

    paced: PacedBlock
    due: set[int] = field(default_factory=set)
    decoders: dict[frozenset[int], Decoder] = field(default_factory=dict)
    kind: OutcomeKind | None = None
    at_ms: int = 0
    ok_at_ms: int | None = None
    exception_code: int | None = None
    detail: str = ""
    values: dict[str, float] = field(default_factory=dict)

    def ended(self, kind: OutcomeKind, at_ms: int, detail: str = "", exception_code: int | None = None) -> None:
        """Note how an attempt ended."""
        self.kind, self.at_ms, self.detail, self.exception_code = kind, at_ms, detail, exception_code

    def outcome(self, quantity: str) -> Outcome | None:
        """Return how the last attempt at one of its values ended."""
        if self.kind is None:
            return None
        kind = self.kind
        if kind is OutcomeKind.OK and quantity not in self.values:
            kind = OutcomeKind.NO_VALUE
        return Outcome(kind, self.at_ms, self.ok_at_ms, self.exception_code, self.detail)


@dataclass(slots=True)
class Suspect:
    """A value that was refused alone once: since when, and the exception."""

    since_ms: int
    exception_code: int
    registers: tuple[Register, ...]


class Unit:
    """One device on a bus."""

    def __init__(
        self, device: DeviceConfig, unit: int, profile: MeterProfile, cost: WireCost, book: HoleBook, wall_ms: int
    ) -> None:
        """Make the first plan.

        Raises:
            DriverSetupError: the profile has none of the device's quantities.
        """
        if not select_registers(profile, device.quantities):
            wanted = ", ".join(device.quantities or ())
            raise DriverSetupError(
                f"device {device.id!r}: profile {profile.id!r} has none of {wanted}; choose among its quantities"
            )
        self.device = device
        self.unit = unit
        self.written = profile
        self.profile = profile
        self.online: bool | None = None
        self.identity: str | None = None
        self.resolved = False
        self.suspects: dict[AbsentValue, Suspect] = {}
        self.search_after_ms = 0
        self.quality = QualityOf(device.id, profile)
        self.fault: Outcome | None = None
        self.planned_turnaround_ms = float(profile.turnaround_ms)
        self._paces = device.pace_table()
        self._cost = cost
        self._book = book
        self._exponents: dict[tuple[int, int], int | None] = {}
        self._polls_left = _LOOK_EVERY
        self.blocks: list[LiveBlock] = []
        self.by_pace: dict[int, list[LiveBlock]] = {}
        self.riding: dict[int, list[LiveBlock]] = {}
        self.canaries: tuple[ReadBlock, ...] = ()
        self._lengths: set[int] = set()
        self._seen: tuple[Refusals, Refusals] | None = None
        self._version = -1
        self.refresh(wall_ms)

    # --- the plan ---------------------------------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """The key under which holes are remembered: the profile, with the device's identity where it is known."""
        return f"{self.profile.id}/{self.identity}" if self.identity else self.profile.id

    @property
    def absent_key(self) -> str:
        """The key for absent values: while the model is not known they are this device's, as a family may differ."""
        return self.model if self.identity else f"{self.profile.id}@{self.device.id}"

    def refresh(self, wall_ms: int, measured_ms: float | None = None, *, anyway: bool = False) -> None:
        """Plan anew if the model's refusals or the turnaround are no longer those that were planned with."""
        seen = (self._book.refusals(self.model, wall_ms), self._book.refusals(self.absent_key, wall_ms))
        same = self._seen is not None and seen[0] is self._seen[0] and seen[1] is self._seen[1]
        if measured_ms is not None and turnaround_differs(self.planned_turnaround_ms, measured_ms):
            self.planned_turnaround_ms, same = measured_ms, False
        if same and not anyway:
            self._version = self._book.version
            return
        self._seen = seen
        self._version = self._book.version
        refusals = Refusals(seen[0].closed, seen[1].absent | frozenset(self.suspects), seen[0].limit)
        self._adopt(plan_once(self.profile, self._paces, self._cost, self.planned_turnaround_ms, refusals))

    def wants_a_look(self) -> bool:
        """Whether the plan may be out of date: something was learnt of a model, or it is time to look anyway."""
        if self._version == self._book.version and self._polls_left > 0:
            self._polls_left -= 1
            return False
        self._polls_left = _LOOK_EVERY
        return True

    def only_request(self, pace: int) -> LiveBlock | None:
        """Return the one request of a pace when a poll has nothing else to do, as nearly all have."""
        waiting = self.by_pace.get(pace)
        if waiting is None or len(waiting) != 1 or not self.online or self.suspects or self.quality.fault:
            return None
        if not self.resolved or pace in self.riding or (self.identity is None and self.profile.identity):
            return None
        if self._polls_left <= 0 or self._version != self._book.version:
            return None
        self._polls_left -= 1
        return waiting[0]

    def use_profile(self, profile: MeterProfile, wall_ms: int) -> None:
        """Take the profile with the addresses that this device has."""
        self.profile = profile
        self.resolved = True
        self.quality.use_profile(profile)
        self.refresh(wall_ms, anyway=True)

    def lost(self) -> None:
        """The device was lost: another may come back in its place, with its model elsewhere and another identity."""
        self.identity = None
        self.resolved = False
        self._exponents.clear()
        for live in self.blocks:
            live.decoders.clear()

    def _adopt(self, planned: Sequence[PacedBlock]) -> None:
        before = {id(live.paced): live for live in self.blocks}  # plans are kept: an unchanged request is the same one
        self.blocks = [before.get(id(paced)) or LiveBlock(paced) for paced in planned]
        self.by_pace, self.riding = {}, {}
        for live in self.blocks:
            self.by_pace.setdefault(live.paced.pace, []).append(live)
            for pace in live.paced.takes:
                if pace != live.paced.pace:
                    self.riding.setdefault(pace, []).append(live)
        self._lengths = {live.paced.block.count for live in self.blocks}
        self._choose_canaries()

    def _choose_canaries(self) -> None:
        requests = [live.paced.block for live in self.blocks]
        lengths, found = set(self._lengths), list[ReadBlock]()
        while requests and len(found) < CANARIES:
            canary = probe_block(requests, self.profile, lengths)
            if len(found) >= LEAST_CANARIES and canary.count > requests[0].count:
                break  # beyond the registers that are known the device may refuse, which proves nothing
            found.append(canary)
            lengths.add(canary.count)
        self.canaries = tuple(found)

    def will_ask(self, count: int) -> None:
        """Keep the canaries' lengths different from those of everything that is asked, planned or not."""
        if count not in self._lengths:
            self._lengths.add(count)
            self._choose_canaries()

    def begin(self, pace: int) -> Sequence[LiveBlock]:
        """Return the requests of a pace; its values that ride in others will be taken from their next replies."""
        for live in self.riding.get(pace, ()):
            live.due.add(pace)
        return self.by_pace.get(pace, ())

    # --- replies ----------------------------------------------------------------------------------------------------

    def decode(self, live: LiveBlock, data: bytes, stamp_ms: int) -> dict[str, float]:
        """Decode a reply: the values of the request's own pace, and of the paces that are due."""
        block = live.paced.block
        if block.scales:
            self._note_scales(block, data)
        taken = frozenset((live.paced.pace, *live.due)) if live.due else _OWN
        decoder = live.decoders.get(taken)
        if decoder is None:
            paces = (live.paced.pace, *live.due)
            registers = [one for pace in paces for one in live.paced.takes.get(pace, ())]
            decoder = live.decoders[taken] = self._decoder(block, registers)
        live.due.clear()
        values = decoder(data)
        live.kind, live.at_ms, live.ok_at_ms = OutcomeKind.OK, stamp_ms, stamp_ms
        live.exception_code, live.detail = None, ""
        live.values = values if len(live.paced.takes) == 1 else live.values | values
        return values

    def decode_part(self, block: ReadBlock, data: bytes) -> dict[str, float]:
        """Decode the reply to a request outside the plan: a probe, or a part of a request that was refused."""
        if block.scales:
            self._note_scales(block, data)
        return self._decoder(block, block.registers)(data)

    def _decoder(self, block: ReadBlock, registers: Sequence[Register]) -> Decoder:
        exponents = {at: exponent for (code, at), exponent in self._exponents.items() if code == block.function_code}
        return compile_decoder(registers, block.address, self.profile.order, exponents)

    def _note_scales(self, block: ReadBlock, data: bytes) -> None:
        """Keep the powers of ten in a reply; decoders that were prepared with others are prepared anew."""
        words = words_of(data)
        found = {(block.function_code, at): exponent_of(words[at - block.address]) for at in block.scales}
        if any(self._exponents.get(place, _UNKNOWN) != exponent for place, exponent in found.items()):
            self._exponents |= found
            for live in self.blocks:
                live.decoders.clear()

    def samples(self, values: dict[str, float], stamp_ms: int) -> list[Sample]:
        """Return what a poll gave, apart by quality; see `QualityOf`."""
        return self.quality.samples(values, stamp_ms, over=not (self.quality.fault and self.is_at_fault()))

    def is_at_fault(self) -> bool:
        """Whether it answers a request with its own failure: one that it has answered, or all."""
        failing = [live for live in self.blocks if live.kind is not None and live.exception_code == DEVICE_FAILURE]
        return any(live.ok_at_ms is not None for live in failing) or (0 < len(failing) == len(self.blocks))

    # --- refusals ---------------------------------------------------------------------------------------------------

    def learn(self, found: Findings, registers: Sequence[Register], now_ms: int, wall_ms: int) -> None:
        """Take over what a search has found; what was refused alone is asked for again before it is believed."""
        self._book.learn(self.model, found)
        for value, code in found.absent.items():
            mine = tuple(one for one in registers if one.address == value.address)
            self.suspects.setdefault(value, Suspect(now_ms, code, mine))
        if not (found.closed or found.limit or found.absent):
            self.search_after_ms = now_ms + ABSENT_AGAIN_AFTER_MS
        self.refresh(wall_ms, anyway=True)

    def suspect_due(self, now_ms: int) -> tuple[AbsentValue, ReadBlock] | None:
        """Return a value that was refused a minute ago and is to be asked for again, and the request for it."""
        for value, suspect in self.suspects.items():
            if now_ms - suspect.since_ms >= ABSENT_AGAIN_AFTER_MS:
                end = max((one.end for one in suspect.registers), default=value.address + 1)
                scales = () if suspect.registers else (value.address,)
                count = end - value.address
                count += count % 2 if self.profile.even_addresses else 0
                return value, ReadBlock(value.function_code, value.address, count, suspect.registers, scales)
        return None

    def judge_suspect(self, value: AbsentValue, wall_ms: int, *, absent: bool) -> None:
        """A suspect was refused again, and is absent for the model; or it was answered, and is read from now on."""
        suspect = self.suspects.pop(value, None)
        if suspect is not None and absent:
            self._book.learn_absent(self.absent_key, value, wall_ms)
        self.refresh(wall_ms, anyway=True)

    # --- what is known ----------------------------------------------------------------------------------------------

    def outcomes(self) -> dict[str, Outcome]:
        """Return how the last attempt at each quantity ended; without the values that were never asked for."""
        found: dict[str, Outcome] = {}
        for live in self.blocks:
            for register in live.paced.block.registers:
                outcome = live.outcome(register.quantity)
                if self.fault is not None and (outcome is None or outcome.at_ms < self.fault.at_ms):
                    outcome = Outcome(self.fault.kind, self.fault.at_ms, live.ok_at_ms, None, self.fault.detail)
                if outcome is not None:
                    found[register.quantity] = self._doubted(register.quantity, outcome)
        for suspect in self.suspects.values():
            for register in suspect.registers:
                detail = "refused alone once; asked again before it is believed to be absent"
                found[register.quantity] = Outcome(
                    OutcomeKind.REFUSED, suspect.since_ms, None, suspect.exception_code, detail
                )
        for quantity in self.absent():
            found.setdefault(quantity, Outcome(OutcomeKind.ABSENT, 0, None, 2, f"{self.model} has no such register"))
        return found

    def _doubted(self, quantity: str, outcome: Outcome) -> Outcome:
        doubt = self.quality.doubts.get(quantity)
        return outcome if doubt is None else replace(outcome, quality=doubt[0], doubt=doubt[1])

    def wanted(self, quantities: Iterable[str] | None) -> list[Register]:
        """Return the registers of some quantities; None: of those that the configuration names."""
        return select_registers(self.profile, self.device.quantities if quantities is None else quantities)

    def requests_for(self, registers: Iterable[Register]) -> list[ReadBlock]:
        """Return the requests that read some values once, outside the plan."""
        seen = self._seen or (Refusals(), Refusals())
        refusals = Refusals(seen[0].closed, seen[1].absent, seen[0].limit)
        row = PaceRow(1.0, tuple(one.quantity for one in registers))
        planned = plan_device(self.profile, (row,), self._cost, self.planned_turnaround_ms, refusals)
        return [paced.block for paced in planned]

    def absent(self, among: Iterable[Register] | None = None) -> list[str]:
        """Return the quantities that this model lacks, of those that are configured or of some others."""
        known = frozenset[AbsentValue]() if self._seen is None else self._seen[1].absent
        return [
            one.quantity
            for one in (self.wanted(None) if among is None else among)
            if AbsentValue(self.profile.function_code_of(one), one.address) in known
        ]


_OWN: Final = frozenset[int]()
_UNKNOWN: Final = -1000


class _Same:
    """A profile as a key: equal only to itself, without comparing hundreds of registers."""

    __slots__ = ("profile",)

    def __init__(self, profile: MeterProfile) -> None:
        self.profile = profile

    def __hash__(self) -> int:
        return id(self.profile)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.profile is self.profile


@lru_cache(maxsize=_PLANS_KEPT)
def _plan_once(
    profile: _Same, paces: tuple[PaceRow, ...], cost: WireCost, turnaround_ms: float, refusals: Refusals
) -> tuple[PacedBlock, ...]:
    return plan_device(profile.profile, paces, cost, turnaround_ms, refusals)


def plan_once(
    profile: MeterProfile,
    paces: tuple[PaceRow, ...],
    cost: WireCost,
    turnaround_ms: float,
    refusals: Refusals,
) -> tuple[PacedBlock, ...]:
    """Plan as `plan_device` does, once for all devices that have everything in common."""
    return _plan_once(_Same(profile), paces, cost, turnaround_ms, refusals)
