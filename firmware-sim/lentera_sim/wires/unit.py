"""One Modbus unit: a simulated meter behind a profile's register map."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from lentera_drivers.profiles import Endianness, MeterProfile, Register, encode_registers
from lentera_drivers.profiles.registers import RegisterOrder
from lentera_model.errors import LenteraError
from lentera_sim.errors import RegisterMapError
from lentera_sim.wires.identity_words import identity_words
from lentera_sim.wires.resolution import at_resolution
from lentera_sim.wires.unit_faults import UnitFaults

log = logging.getLogger(__name__)

READER_TIMEOUT_S = 1.0
"""How long the readers of a street's wires wait for an answer: the default of a gateway's configuration."""
SURE_SHARE = 0.8
"""An answer that took more than this share of the reader's timeout may have come too late: it is unsure."""
_HOLDING = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to send, the unit that gives it, and the configured quantities that the reply carries whole.

    Attributes:
        unit_id: the id that the unit takes once the reply is sent, where the question gave it one.
    """

    pdu: ModbusPDU
    device: str
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    unit_id: int | None = None


class ModbusUnit:
    """Answers read requests from one instant's values; gaps between registers read as 0, as most meters do.

    Attributes:
        faults: what is wrong with it now.
        unit_id: what its unit id register says; whoever puts the unit on a wire sets it.
    """

    def __init__(
        self,
        device: str,
        profile: MeterProfile,
        values: Callable[[], Mapping[str, float]],
        quantities: Collection[str] | None = None,
        fixed: Mapping[int, int] | None = None,
        *,
        order: RegisterOrder | None = None,
        shift: int = 0,
    ) -> None:
        """Take the device id, its profile, its values' source and the quantities its gateway reads (None: all).

        `fixed` are words that stand beside the values for the profile's function, such as a SunSpec map's. `order` is
        the order of bytes and words where this device differs from its profile, and `shift` is added to all addresses
        (1 or -1: the map of a device that counts differently).

        Raises:
            RegisterMapError: a value does not fit its register.
        """
        self.device = device
        self.profile = profile
        self.faults = UnitFaults()
        self.unit_id = 1 if profile.unit_id is None else profile.unit_id
        self._measured = values
        self._wanted = None if quantities is None else frozenset(quantities)
        self._order = order or profile.order
        self._shift = shift
        self._served = {code: mine for code in (3, 4) if (mine := _served_by(profile, code))}
        self._fixed = identity_words(profile, device)
        self._fixed.setdefault(profile.function_code, {}).update(fixed or {})
        for code, mine in self._served.items():
            last = max(register.end for register in mine)
            self._image(code, self.values(), min(register.address for register in mine), last)

    def values(self) -> Mapping[str, float]:
        """Return what the unit says now: its meter's values with the faults of its counters."""
        return self.faults.applied(self.profile, self._measured())

    def measured(self) -> Mapping[str, float]:
        """Return its meter's own values now, which no fault touches."""
        return self._measured()

    def answer(self, request: ModbusPDU) -> Answer | None:
        """Return the reply to a request, None where the unit stays silent."""
        if self.faults.dead:
            return None
        if isinstance(request, WriteSingleRegisterRequest | WriteMultipleRegistersRequest):
            return self._written(request)
        refusal = self._refusal(request)
        if refusal is not None:
            return Answer(ExceptionResponse(request.function_code, refusal), self.device)
        code, address = request.function_code, request.address - self._shift
        end = address + request.count
        values = self.values()
        try:
            image = self._image(code, values, address, end)
        except RegisterMapError as error:
            log.error("%s", error)
            return Answer(ExceptionResponse(code, ExcCodes.DEVICE_FAILURE), self.device)
        image = self._beside(code) | image
        words = [image.get(place, 0) for place in range(address, end)]
        reading = isinstance(request, ReadInputRegistersRequest)
        reply = (ReadInputRegistersResponse if reading else ReadHoldingRegistersResponse)(registers=words)
        return Answer(reply, self.device, self._told(code, values, address, end))

    def _told(self, code: int, values: Mapping[str, float], address: int, end: int) -> dict[str, float]:
        """Return what [address, end) says whole, as the meter knows it: nothing is decoded from what was sent."""
        return {
            register.quantity: at_resolution(register, values[register.quantity])
            for register in self._served.get(code, ())
            if address <= register.address
            and register.end <= end
            and (self._wanted is None or register.quantity in self._wanted)
            and not self._is_null(register, values)
        }

    def _beside(self, code: int) -> dict[int, int]:
        """Return the words of a function that are no values."""
        words = self._fixed.get(code, {})
        setting = self.profile.unit_id_register
        if setting is None or code != _HOLDING:
            return dict(words)
        return words | dict(enumerate(_id_words(self.profile, self.unit_id), start=setting.address))

    def _refusal(self, request: ModbusPDU) -> ExcCodes | int | None:
        known = self._beside(request.function_code)
        served = self._served.get(request.function_code, ())
        if not (served or known) or not isinstance(request, ReadHoldingRegistersRequest):
            return ExcCodes.ILLEGAL_FUNCTION
        if not 1 <= request.count <= self.profile.max_registers_per_read:
            return ExcCodes.ILLEGAL_VALUE
        address = request.address - self._shift
        end = address + request.count
        first = min((register.address for register in served), default=0)
        last = max((register.end for register in served), default=0)
        if not all(first <= place < last + last % 2 or place in known for place in range(address, end)):
            return ExcCodes.ILLEGAL_ADDRESS
        if self.profile.even_addresses and (address % 2 or request.count % 2):
            return ExcCodes.ILLEGAL_ADDRESS
        return self.faults.refusal(address, end)

    def _written(self, request: ModbusPDU) -> Answer:
        """Take a write to the unit id register, refuse all others."""
        setting, code = self.profile.unit_id_register, request.function_code
        if setting is None:
            return Answer(ExceptionResponse(code, ExcCodes.ILLEGAL_FUNCTION), self.device)
        words = list(request.registers)
        if request.address - self._shift != setting.address or len(words) != len(_id_words(self.profile, 1)):
            return Answer(ExceptionResponse(code, ExcCodes.ILLEGAL_ADDRESS), self.device)
        given = next((number for number in range(1, 248) if list(_id_words(self.profile, number)) == words), None)
        if given is None:
            return Answer(ExceptionResponse(code, ExcCodes.ILLEGAL_VALUE), self.device)
        if isinstance(request, WriteSingleRegisterRequest):
            reply: ModbusPDU = WriteSingleRegisterResponse(address=request.address, registers=words)
        else:
            reply = WriteMultipleRegistersResponse(address=request.address, count=len(words))
        self.unit_id = given
        return Answer(reply, self.device, unit_id=given)

    def _is_null(self, register: Register, values: Mapping[str, float]) -> bool:
        """Whether a register says that there is no value: asked to, or since its 0 means that."""
        if self.faults.no_values:
            return bool(register.null_markers) or register.type.is_float
        return 0 in register.null_markers and values[register.quantity] == 0

    def _image(self, code: int, values: Mapping[str, float], address: int, end: int) -> dict[int, int]:
        """Return address to word for every register of a function that touches [address, end)."""
        image: dict[int, int] = {}
        for register in self._served.get(code, ()):
            if register.end <= address or register.address >= end:
                continue
            words = self._words(register, values)
            for place, word in zip(range(register.address, register.end), words, strict=True):
                image[place] = image.get(place, 0) | word  # bit fields share a register, nothing else does
        return image

    def _words(self, register: Register, values: Mapping[str, float]) -> list[int]:
        try:
            # A fault that the drivers' encoder shares with their decoder is hidden from the ledger; the fixed
            # vectors of tests/drivers find it.
            value = None if self._is_null(register, values) else values[register.quantity]
            return encode_registers(register, value, self._order)
        except (LenteraError, KeyError) as error:
            raise RegisterMapError(
                f"{self.device}: profile {self.profile.id}, register {register.address} ({register.quantity}) "
                f"cannot carry the simulated value: {error}"
            ) from error


def _id_words(profile: MeterProfile, unit_id: int) -> tuple[int, ...]:
    """Return how an id stands in the meter's unit id register."""
    setting = profile.unit_id_register
    if setting is None or setting.type == "uint16":
        return (unit_id,)
    high, low = struct.unpack(">HH", struct.pack(">f", float(unit_id)))
    return (high, low) if profile.word_order is Endianness.BIG else (low, high)


def _served_by(profile: MeterProfile, code: int) -> tuple[Register, ...]:
    """Return the registers that a function reads: those of its own, and the others where the meter takes it."""
    usual = code in (profile.function_code, *profile.function_code_alternatives)
    return tuple(
        register for register in profile.registers if (register.function_code or (code if usual else None)) == code
    )


def respond(units: Mapping[int, ModbusUnit], request: ModbusPDU) -> Answer | None:
    """Return the reply of the unit that a request is for; None for a broadcast, an absent or a dead unit."""
    unit = units.get(request.dev_id)
    found = None if unit is None else unit.answer(request)
    if found is not None:
        found.pdu.dev_id = request.dev_id
        found.pdu.transaction_id = request.transaction_id
    return found
