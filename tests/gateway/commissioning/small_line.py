"""A line in memory with meters on it: every character takes its time on the loop's clock, answers may collide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from lentera_drivers.modbus.transport import LineSettings, OnBytes, OnLost
from lentera_drivers.profiles import MeterProfile, encode_registers

FRAMER = FramerRTU(DecodePDU(True))
CHUNK = 8


@dataclass
class Meter:
    """A unit: its registers by function code, what it refuses, how long it thinks."""

    unit: int
    settings: LineSettings
    words: dict[int, dict[int, int]]
    functions: tuple[int, ...]
    most: int = 125
    even: bool = False
    turnaround_s: float = 0.02
    holes: bool = True
    writable: dict[int, int] = field(default_factory=dict)
    on_write: Callable[[Meter, int, tuple[int, ...]], bool] | None = None
    on: bool = True

    def answer(self, request: ModbusPDU) -> ModbusPDU:
        code = request.function_code
        if code in (6, 16):
            return self._write(request)
        if code not in self.functions:
            return ExceptionResponse(code, 1)
        if not 1 <= request.count <= self.most:
            return ExceptionResponse(code, 3)
        if self.even and (request.address % 2 or request.count % 2):
            return ExceptionResponse(code, 2)
        known = {**self.words.get(code, {}), **(self.writable if code == 3 else {})}
        wanted = range(request.address, request.address + request.count)
        first, last = min(known, default=0), max(known, default=-1)
        if not (first <= wanted[0] and wanted[-1] <= last + 1):
            return ExceptionResponse(code, 2)
        if not self.holes and any(at not in known for at in wanted):
            return ExceptionResponse(code, 2)
        kind = ReadInputRegistersResponse if code == 4 else ReadHoldingRegistersResponse
        return kind(registers=[known.get(at, 0) for at in wanted])

    def _write(self, request: ModbusPDU) -> ModbusPDU:
        words = tuple(request.registers)
        if self.on_write is None or not self.on_write(self, request.address, words):
            return ExceptionResponse(request.function_code, 2)
        from pymodbus.pdu.register_message import WriteMultipleRegistersResponse, WriteSingleRegisterResponse

        if request.function_code == 6:
            return WriteSingleRegisterResponse(address=request.address, registers=list(words))
        return WriteMultipleRegistersResponse(address=request.address, count=len(words))


def meter_of(
    profile: MeterProfile, unit: int, settings: LineSettings, values: Mapping[str, float], **more: object
) -> Meter:
    """Build a meter from a profile; quantities without a value read 0."""
    words: dict[int, dict[int, int]] = {}
    for register in profile.registers:
        known = words.setdefault(profile.function_code_of(register), {})
        encoded = encode_registers(register, values.get(register.quantity, 0.0), profile.order)
        known.update(zip(range(register.address, register.end), encoded, strict=True))
    functions = (*words, *profile.function_code_alternatives)
    for code in profile.function_code_alternatives:
        words.setdefault(code, words[profile.function_code])
    meter = Meter(unit, settings, words, functions, profile.max_registers_per_read, profile.even_addresses)
    for name, value in more.items():
        setattr(meter, name, value)
    return meter


class SmallLine:
    """A line; `open` is an `OpenSerial`."""

    def __init__(self, meters: list[Meter]) -> None:
        self.meters = meters
        self.is_open = False
        self.settings = LineSettings()
        self.reply_fault: Callable[[bytes], bytes] = lambda data: data
        self.echo = False
        self._busy_until = 0.0

    async def open(self, settings: LineSettings, on_bytes: OnBytes, on_lost: OnLost) -> SmallLine:
        self.settings, self._on_bytes, self.is_open = settings, on_bytes, True
        return self

    def set_settings(self, settings: LineSettings) -> None:
        self.settings = settings

    def close(self) -> None:
        self.is_open = False

    def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        character_s = self.settings.character_s
        end = loop.time() + len(data) * character_s
        if self.echo:
            loop.call_at(end, self._hand_over, data)
        if loop.time() < self._busy_until:
            return
        try:
            _, request = FRAMER.handleFrame(data, 0, 0)
        except Exception:  # noqa: BLE001 - noise on the line, whatever it is
            return
        if request is None:
            return
        talk: dict[int, int] = {}
        for meter in self.meters:
            if not meter.on or meter.settings != self.settings or meter.unit != request.dev_id:
                continue
            reply = meter.answer(request)
            reply.dev_id = request.dev_id
            start = round((3.5 * character_s + meter.turnaround_s) / character_s)
            for slot, byte in enumerate(FRAMER.buildFrame(reply)):
                talk[start + slot] = talk.get(start + slot, 0xFF) & byte
        self._say(talk, end, character_s)

    def _say(self, talk: dict[int, int], end: float, character_s: float) -> None:
        loop = asyncio.get_running_loop()
        slots = sorted(talk)
        if not slots:
            return
        data = self.reply_fault(bytes(talk[slot] for slot in slots))
        for at in range(0, len(data), CHUNK):
            piece = data[at : at + CHUNK]
            last = slots[min(at + len(piece), len(slots)) - 1]
            when = end + (last + 1) * character_s
            self._busy_until = max(self._busy_until, when)
            loop.call_at(when, self._hand_over, piece)

    def _hand_over(self, data: bytes) -> None:
        if self.is_open:
            self._on_bytes(data)
