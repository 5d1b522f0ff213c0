"""One Modbus unit: a simulated meter behind a profile's register map."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
)

from lentera_drivers.profiles import MeterProfile, encode_registers
from lentera_model.errors import LenteraError
from lentera_sim.errors import RegisterMapError
from lentera_sim.wires.resolution import at_resolution

log = logging.getLogger(__name__)

READER_TIMEOUT_S = 1.0
"""How long the readers of a street's wires wait for an answer: the default of a gateway's configuration."""
SURE_SHARE = 0.8
"""An answer that took more than this share of the reader's timeout may have come too late: it is unsure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to send, the unit that gives it, and the configured quantities that the reply carries whole."""

    pdu: ModbusPDU
    device: str
    values: Mapping[str, float] = field(default_factory=dict[str, float])


class ModbusUnit:
    """Answers read requests from one instant's values; gaps between registers read as 0, as most meters do."""

    def __init__(
        self,
        device: str,
        profile: MeterProfile,
        values: Callable[[], Mapping[str, float]],
        quantities: Collection[str] | None = None,
    ) -> None:
        """Take the device id, its profile, its values' source and the quantities its gateway reads (None: all).

        Raises:
            RegisterMapError: a value does not fit its register.
        """
        self.device = device
        self.profile = profile
        self.dead = False
        self._values = values
        self._wanted = None if quantities is None else frozenset(quantities)
        self._first = min(register.address for register in profile.registers)
        self._end = max(register.end for register in profile.registers)
        self._image(self._values(), self._first, self._end)

    def answer(self, request: ModbusPDU) -> Answer | None:
        """Return the reply to a request, None where the unit stays silent."""
        if self.dead:
            return None
        refusal = self._refusal(request)
        if refusal is not None:
            return Answer(ExceptionResponse(request.function_code, refusal), self.device)
        address, end = request.address, request.address + request.count
        values = self._values()
        try:
            image = self._image(values, address, end)
        except RegisterMapError as error:
            log.error("%s", error)
            return Answer(ExceptionResponse(request.function_code, ExcCodes.DEVICE_FAILURE), self.device)
        words = [image.get(place, 0) for place in range(address, end)]
        reading = isinstance(request, ReadInputRegistersRequest)
        reply = (ReadInputRegistersResponse if reading else ReadHoldingRegistersResponse)(registers=words)
        return Answer(reply, self.device, self._told(values, address, end))

    def _told(self, values: Mapping[str, float], address: int, end: int) -> dict[str, float]:
        """Return what [address, end) says whole, as the meter knows it: nothing is decoded from what was sent."""
        return {
            register.quantity: at_resolution(register, values[register.quantity])
            for register in self.profile.registers
            if address <= register.address
            and register.end <= end
            and (self._wanted is None or register.quantity in self._wanted)
        }

    def _refusal(self, request: ModbusPDU) -> ExcCodes | None:
        allowed = (self.profile.function_code, *self.profile.function_code_alternatives)
        if request.function_code not in allowed or not isinstance(request, ReadHoldingRegistersRequest):
            return ExcCodes.ILLEGAL_FUNCTION
        if not 1 <= request.count <= self.profile.max_registers_per_read:
            return ExcCodes.ILLEGAL_VALUE
        end = request.address + request.count
        if request.address < self._first or end > self._end + end % 2:
            return ExcCodes.ILLEGAL_ADDRESS
        if self.profile.even_addresses and (request.address % 2 or request.count % 2):
            return ExcCodes.ILLEGAL_ADDRESS
        return None

    def _image(self, values: Mapping[str, float], address: int, end: int) -> dict[int, int]:
        """Return address to word for every register that touches [address, end)."""
        image: dict[int, int] = {}
        for register in self.profile.registers:
            if register.end <= address or register.address >= end:
                continue
            try:
                # A fault that the drivers' encoder shares with their decoder is hidden from the ledger; the fixed
                # vectors of tests/drivers find it.
                words = encode_registers(register, values[register.quantity], self.profile.order)
            except (LenteraError, KeyError) as error:
                raise RegisterMapError(
                    f"{self.device}: profile {self.profile.id}, register {register.address} ({register.quantity}) "
                    f"cannot carry the simulated value: {error}"
                ) from error
            image.update(zip(range(register.address, register.end), words, strict=True))
        return image


def respond(units: Mapping[int, ModbusUnit], request: ModbusPDU) -> Answer | None:
    """Return the reply of the unit that a request is for; None for a broadcast, an absent or a dead unit."""
    unit = units.get(request.dev_id)
    found = None if unit is None else unit.answer(request)
    if found is not None:
        found.pdu.dev_id = request.dev_id
        found.pdu.transaction_id = request.transaction_id
    return found
