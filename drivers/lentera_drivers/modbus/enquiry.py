"""Questions to one device at somebody's wish: its values or registers now, or a write that is read back.

They go between the polls of its bus, see `Between`. What a device answers is its values at that instant, whoever asked,
so the configured ones are handed on as samples too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from lentera_drivers.interface import (
    BusDownError,
    DeviceRefusedError,
    DeviceReplyError,
    DeviceTimeoutError,
    DriverError,
    OnSample,
    WallClock,
)
from lentera_drivers.modbus.blocks import ReadBlock
from lentera_drivers.modbus.contact import place
from lentera_drivers.modbus.holes import REFUSES_REGISTERS
from lentera_drivers.modbus.line import ModbusLine
from lentera_drivers.modbus.priority_lock import READ, WRITE
from lentera_drivers.modbus.question import Said
from lentera_drivers.modbus.reply import Reply
from lentera_drivers.modbus.unit import Unit
from lentera_drivers.profiles.register import Register
from lentera_model.readings import Quality

Between = Callable[[float, bool], AbstractAsyncContextManager[None]]
"""Holds the polls of the bus off for one question: its time on the wire in milliseconds, and whether it is urgent."""
_HOLDING: Final = 3
_TRIES: Final = 2
_REQUESTS: Final = 64
"""Questions that one wish may cost, whatever a device refuses."""


@dataclass(slots=True)
class Found:
    """What a device answered.

    Attributes:
        at_ms: stamp of the last answer, monotonic milliseconds; None without any.
        values: quantity -> value in SI units.
        quality: of the values against which something speaks.
        words: (function code, address) -> register, where registers were asked for.
        refused: what was not answered -> why.
    """

    at_ms: int | None = None
    values: dict[str, float] = field(default_factory=dict[str, float])
    quality: dict[str, Quality] = field(default_factory=dict[str, Quality])
    words: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    refused: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Written:
    """What registers held before a write (empty: they cannot be read), what was written, what they hold now."""

    before: tuple[int, ...]
    written: tuple[int, ...]
    after: tuple[int, ...]
    why_no_after: str = ""

    @property
    def confirmed(self) -> bool:
        """Whether the registers hold what was written."""
        return self.after == self.written


class Enquiry:
    """One wish about one device; `said` has the bytes of every question that it cost."""

    def __init__(self, unit: Unit, line: ModbusLine, wall_ms: WallClock, between: Between, on_sample: OnSample) -> None:
        """Nothing is asked yet; made by `ModbusDriver.enquiry`."""
        self._unit = unit
        self._line = line
        self._wall_ms = wall_ms
        self._between = between
        self._on_sample = on_sample
        self.said: list[Said] = []

    async def read_quantities(self, quantities: Iterable[str] | None) -> Found:
        """Read quantities of the device's profile; None: those that its configuration names.

        Raises:
            DriverError: as `Driver.read`, when nothing at all was answered.
        """
        unit = self._unit
        if not unit.resolved:
            await place(unit, self._ask_for, self._wall_ms())
        names = None if quantities is None else frozenset(quantities)
        found = Found()
        wanted = unit.wanted(names)
        absent = {one.quantity for one in wanted}.intersection(unit.absent(wanted))
        found.refused = dict.fromkeys(sorted(absent), f"{unit.model} has no such register")
        await self._read(unit.requests_for(wanted), found)
        if names is not None:
            found.values = {name: value for name, value in found.values.items() if name in names}
        found.words = {}
        return found

    async def read_registers(self, function_code: int, address: int, count: int) -> Found:
        """Read registers as they are; a value of the profile that lies in them as a whole is decoded too.

        Raises:
            DriverError: as `Driver.read`.
        """
        found = Found()
        await self._read([self._block(function_code, address, count)], found, halve=False)
        return found

    async def write(self, address: int, words: Sequence[int], function_code: int = 16) -> Written:
        """Write registers before any poll that waits, and read them back.

        Args:
            address: zero-based address of the first register.
            words: 1 to 123 numbers of 16 bits.
            function_code: 16, or 6 for a single register.

        Raises:
            ValueError: words or function that the protocol does not have.
            DriverError: the device did not take it, or did not say so.
        """
        unit, line = self._unit, self._line
        block = self._block(_HOLDING, address, len(words))
        async with self._between(3 * self._wire_ms(block.count), True):
            before, _ = await self._peek(block)
            await line.write(
                unit.device.id,
                unit.unit,
                address,
                words,
                function_code=function_code,
                gap_ms=unit.profile.gap_ms,
                trace=self.said,
            )
            after, why = await self._peek(block)
        first = address - block.address
        return Written(before[first:][: len(words)], tuple(words), after[first:][: len(words)], why)

    # --- one question -----------------------------------------------------------------------------------------------

    async def _read(self, blocks: Iterable[ReadBlock], found: Found, *, halve: bool = True) -> None:
        """Ask; what is refused is asked again in halves, and a device that falls silent is asked nothing more."""
        waiting = deque(blocks)
        refusal: DriverError | None = None
        while waiting:
            block = waiting.popleft()
            try:
                reply = await self._ask_for(self._unit, block)
            except DeviceRefusedError as error:
                refusal = error
                of_registers = error.exception_code in REFUSES_REGISTERS
                if halve and of_registers and block.seams() and len(self.said) < _REQUESTS:
                    waiting.extendleft(reversed(block.halves(even=self._unit.profile.even_addresses)))
                else:
                    found.refused[_name(block)] = str(error)
            except (DeviceTimeoutError, DeviceReplyError, BusDownError) as error:
                if found.at_ms is None:
                    raise
                found.refused |= {_name(one): str(error) for one in (block, *waiting)}
                return
            else:
                self._took(block, reply, found)
        if found.at_ms is None and refusal is not None:
            raise refusal

    async def _ask_for(self, unit: Unit, block: ReadBlock) -> Reply:
        """Ask between two polls, once more when the answer was broken or missing of a device that answers usually."""
        for _ in range(_TRIES - 1):
            if self._line.patience.misses(unit.unit):
                break
            try:
                return await self._ask_once(unit, block)
            except (DeviceTimeoutError, DeviceReplyError):
                continue
        return await self._ask_once(unit, block)

    async def _ask_once(self, unit: Unit, block: ReadBlock) -> Reply:
        async with self._between(self._wire_ms(block.count), False):
            return await self._ask(unit, block, READ)

    async def _ask(self, unit: Unit, block: ReadBlock, priority: int) -> Reply:
        unit.will_ask(block.count)
        return await self._line.read(
            unit.device.id,
            unit.unit,
            block,
            gap_ms=unit.profile.gap_ms,
            priority=priority,
            canaries=unit.canaries,
            hurried=True,
            trace=self.said,
        )

    async def _peek(self, block: ReadBlock) -> tuple[tuple[int, ...], str]:
        """Read what a write changes; it may be something that cannot be read, so that is no error."""
        try:
            reply = await self._ask(self._unit, block, WRITE)
        except DriverError as error:
            return (), str(error)
        self._took(block, reply, Found())
        return reply.words, ""

    def _took(self, block: ReadBlock, reply: Reply, found: Found) -> None:
        """Note an answer, and hand the configured values on."""
        unit = self._unit
        self._line.patience.answered(unit.unit, reply.monotonic_ms)  # who was silent need not rest any longer
        values = unit.decode_part(block, reply.data)
        found.at_ms = reply.monotonic_ms
        found.values |= values
        found.words |= {(block.function_code, block.address + at): word for at, word in enumerate(reply.words)}
        mine = {one.quantity for one in unit.wanted(None)}
        configured = {name: value for name, value in values.items() if name in mine}
        for sample in unit.samples(configured, reply.monotonic_ms) if configured else ():
            if sample.quality is not Quality.GOOD:
                found.quality |= dict.fromkeys(sample.values, sample.quality)
            self._on_sample(sample)

    def _block(self, function_code: int, address: int, count: int) -> ReadBlock:
        """Return the request for registers, with the profile's values that lie in them as a whole."""
        profile = self._unit.profile
        if profile.even_addresses:
            count += address % 2
            address -= address % 2
            count += count % 2
        end = address + count

        def is_read_so(register: Register) -> bool:
            others = profile.function_code_alternatives if register.function_code is None else ()
            return function_code in (profile.function_code_of(register), *others)

        inside = tuple(
            one for one in profile.registers if address <= one.address and one.end <= end and is_read_so(one)
        )
        scales = tuple(at for code, at in profile.scale_registers if code == function_code and address <= at < end)
        return ReadBlock(function_code, address, count, inside, scales)

    def _wire_ms(self, count: int) -> float:
        unit = self._unit
        return self._line.cost.read_ms(count, unit.planned_turnaround_ms + unit.profile.gap_ms)


def _name(block: ReadBlock) -> str:
    return f"function {block.function_code}, registers {block.address}..{block.end - 1}"
