"""A technician's own questions: reading one device now, or writing to it, on buses that are ours.

The running gateway answers them through its control socket, between its polls; where none runs, a command answers them
itself with the same words on the same configuration (`direct`).
"""

from __future__ import annotations

import difflib
import pwd
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec

from lentera_drivers.driver import Driver, OnSample
from lentera_drivers.profiles import MeterProfile, Register, RegisterValueError, decode_registers, encode_registers
from lentera_gateway.config import LoadedConfig
from lentera_gateway.control import Control, ControlRequestError, Peer, Request
from lentera_model.config import DeviceConfig
from lentera_model.errors import LenteraError

if TYPE_CHECKING:
    from lentera_drivers.modbus.enquiry import Enquiry, Found, Written

ANSWER_WITHIN_S: Final = 60.0
"""The longest that a question may take: many requests, each between two polls of a slow line."""
MOST_REGISTERS: Final = 125
LAST_ADDRESS: Final = 65535
_SPAN: Final = re.compile(r"([34]):(\d{1,5})(?:-(\d{1,5}))?")
_WRITES_MANY: Final = 16
_W = TypeVar("_W", bound=msgspec.Struct)
Note = Callable[[str, Mapping[str, Any]], None]
Between = Callable[[str, float, bool], AbstractAsyncContextManager[None]]
"""Holds the polls of a bus (its id) off for a question of so many milliseconds; urgent or not."""


class WriteDeniedError(ControlRequestError):
    """A write that is not let through."""

    code = "write_denied"


class ReadWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be asked.

    Attributes:
        device: its id.
        quantities: of its profile; None reads what its configuration names.
        registers: FUNCTION:FIRST-LAST instead of quantities, such as 4:0-5.
    """

    do: str
    peer: Peer
    device: str
    quantities: Annotated[list[str], msgspec.Meta(min_length=1, max_length=512)] | None = None
    registers: str | None = None


class WriteWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be written: a value by its quantity, or words from an address on."""

    do: str
    peer: Peer
    device: str
    quantity: str | None = None
    value: float | None = None
    address: Annotated[int, msgspec.Meta(ge=0, le=LAST_ADDRESS)] | None = None
    words: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]], msgspec.Meta(max_length=123)] = []


@dataclass(frozen=True, slots=True)
class ByHand:
    """Answers `read` and `write`.

    Args:
        loaded: the configuration.
        drivers: bus id -> driver.
        take: takes what devices answer of their configured quantities.
        wall_ms: of a monotonic stamp, the wall clock in Unix milliseconds.
        note: keeps a record of each write: an event and its facts.
        between: see there; absent where nobody polls.
    """

    loaded: LoadedConfig
    drivers: Mapping[str, Driver]
    take: OnSample
    wall_ms: Callable[[int], int]
    note: Note
    between: Between | None = None

    def register(self, control: Control) -> None:
        """Let the control socket ask."""
        control.register("read", self.read, ANSWER_WITHIN_S)
        control.register("write", self.write, ANSWER_WITHIN_S)

    async def read(self, request: Request) -> Mapping[str, Any]:
        """Answer `{"do": "read", "device": ..., "quantities": [...]}`, or with `registers` instead.

        Raises:
            ControlRequestError: there is no such thing here; the words name what there is.
            DriverError: the device did not answer.
        """
        wish = _wish(request, ReadWish)
        device = find_device(self.loaded, wish.device)
        profile = polled_profile(self.loaded, device)
        enquiry = self._enquiry(device)
        if wish.registers is not None:
            found = await enquiry.read_registers(*parse_span(wish.registers))
        else:
            for name in wish.quantities or ():
                find_register(profile, name)
            found = await enquiry.read_quantities(wish.quantities)
        return {**_head(device), **self._plain(found), "raw": _raw(enquiry)}

    async def write(self, request: Request) -> Mapping[str, Any]:
        """Answer `{"do": "write", "device": ..., "quantity": ..., "value": ...}`, or with `address` and `words`.

        Raises:
            WriteDeniedError: it is not let through. ControlRequestError: there is no such thing here.
            DriverError: the device did not take it.
        """
        wish = _wish(request, WriteWish)
        device = find_device(self.loaded, wish.device)
        profile = polled_profile(self.loaded, device)
        register = None if wish.quantity is None else writable_register(profile, wish.quantity)
        address, words, code = _what_to_write(profile, register, wish)
        enquiry = self._enquiry(device)
        facts: dict[str, Any] = {"device": device.id, "unit": device.unit, "address": address, "words": list(words)}
        facts |= {"quantity": wish.quantity, "value": wish.value, **who(wish.peer)}
        self.note("write_asked", facts)
        try:
            written = await enquiry.write(address, words, code)
        except LenteraError as error:
            self.note("write_failed", facts | {"error": str(error)})
            raise
        self.note("written", facts | {"before": written.before, "after": written.after, "kept": written.confirmed})
        plain = {**_head(device), "address": address, "function_code": code, **_plain_write(written)}
        return {**plain, **_as_values(profile, register, written), "raw": _raw(enquiry)}

    def _enquiry(self, device: DeviceConfig) -> Enquiry:
        # Imported here: a board without a line never loads pymodbus.
        from lentera_drivers.modbus.driver import ModbusDriver

        driver = self.drivers[device.bus]
        if not isinstance(driver, ModbusDriver):
            raise ControlRequestError(f"{device.id} is on bus {device.bus}, where nothing is asked by hand")
        between = self.between

        def turn(needs_ms: float, urgent: bool) -> AbstractAsyncContextManager[None]:
            return nullcontext() if between is None else between(device.bus, needs_ms, urgent)

        return driver.enquiry(device.id, turn, self.take)

    def _plain(self, found: Found) -> dict[str, Any]:
        return {
            "at_ms": None if found.at_ms is None else self.wall_ms(found.at_ms),
            "values": found.values,
            "quality": {name: quality.word for name, quality in found.quality.items()},
            "registers": {f"{code}:{at}": word for (code, at), word in sorted(found.words.items())},
            "refused": found.refused,
        }


def find_device(loaded: LoadedConfig, name: str) -> DeviceConfig:
    """Return a device of a configuration.

    Raises:
        ControlRequestError: there is none of that name; the words say which there are.
    """
    devices = {device.id: device for device in loaded.config.devices}
    if name not in devices:
        raise ControlRequestError(f"this gateway has no device {name!r}; {hint(name, list(devices))}")
    return devices[name]


def polled_profile(loaded: LoadedConfig, device: DeviceConfig) -> MeterProfile:
    """Return the profile of a device that can be asked.

    Raises:
        ControlRequestError: the device reports by itself.
    """
    profile = loaded.profile(device)
    if not isinstance(profile, MeterProfile):
        raise ControlRequestError(
            f"{device.id} ({profile.id}) reports by itself on MQTT and is not asked; see what it said last with "
            f"`lentera devices {device.id}`, and why with `lentera gateway why`"
        )
    return profile


def find_register(profile: MeterProfile, quantity: str) -> Register:
    """Return where a quantity stands.

    Raises:
        ControlRequestError: the profile has none such.
    """
    known = {register.quantity: register for register in profile.registers}
    if quantity not in known:
        raise ControlRequestError(f"profile {profile.id} has no {quantity!r}; {hint(quantity, list(known))}")
    return known[quantity]


def writable_register(profile: MeterProfile, quantity: str) -> Register:
    """Return a register that may be set by its quantity.

    Raises:
        ControlRequestError: the profile has none such. WriteDeniedError: the profile does not let it be written.
    """
    register = find_register(profile, quantity)
    if register.write_function_code is None:
        raise WriteDeniedError(
            f"profile {profile.id} names no way to write {quantity}: if the meter's manual has one, add "
            "`write_function_code` to the register in a profile of your own, or give the register's address"
        )
    return register


def words_of(profile: MeterProfile, register: Register, value: float) -> list[int]:
    """Return the words that set a value.

    Raises:
        WriteDeniedError: the value lies outside the register's limits, or does not fit it.
    """
    if not register.is_plausible(value):
        limits = f"{register.minimum} to {register.maximum}"
        raise WriteDeniedError(f"{register.quantity}: {value:g} lies outside the profile's limits, {limits}")
    try:
        return encode_registers(register, value, profile.order)
    except RegisterValueError as error:
        raise WriteDeniedError(str(error)) from error


def parse_span(text: str) -> tuple[int, int, int]:
    """Read registers such as 4:0-5; returns function code, first address and count.

    Raises:
        ControlRequestError: it is no such thing.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ControlRequestError(f"{text!r} names no registers; write FUNCTION:FIRST-LAST, such as 4:0-5")
    first = int(found[2])
    last = int(found[3] or first)
    if not first <= last <= LAST_ADDRESS or last - first >= MOST_REGISTERS:
        raise ControlRequestError(f"{text!r}: from 0 to {LAST_ADDRESS}, at most {MOST_REGISTERS} registers at once")
    return int(found[1]), first, last - first + 1


def hint(name: str, known: list[str]) -> str:
    """Say what was meant, or what there is."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"it has {', '.join(known[:20])}"


def _wish(request: Request, kind: type[_W]) -> _W:
    try:
        return msgspec.convert(request, kind)
    except msgspec.ValidationError as error:
        raise ControlRequestError(f"{request.get('do')}: {error}") from error


def _what_to_write(profile: MeterProfile, register: Register | None, wish: WriteWish) -> tuple[int, Sequence[int], int]:
    """Return address, words and function code."""
    if register is not None and wish.value is not None and wish.address is None and not wish.words:
        code = register.write_function_code or _WRITES_MANY
        return register.address, words_of(profile, register, wish.value), code
    if register is not None or wish.value is not None or wish.address is None or not wish.words:
        raise ControlRequestError("write takes `quantity` and `value`, or `address` and `words`")
    if wish.address + len(wish.words) - 1 > LAST_ADDRESS:
        raise ControlRequestError(f"the last register would lie beyond {LAST_ADDRESS}")
    _spare_the_unit_id(profile, wish.address, len(wish.words))
    return wish.address, wish.words, _WRITES_MANY


def unit_id_among(profile: MeterProfile, address: int, count: int) -> int | None:
    """Return the register of the meter's unit id if some holding registers reach into it, else None."""
    setting = profile.unit_id_register
    if setting is None:
        return None
    size = 2 if setting.type == "float32" else 1
    return setting.address if address < setting.address + size and setting.address < address + count else None


def _spare_the_unit_id(profile: MeterProfile, address: int, count: int) -> None:
    unit_id = unit_id_among(profile, address, count)
    if unit_id is not None:
        raise WriteDeniedError(
            f"register {unit_id} of {profile.id} is its unit id: with another one the gateway loses the "
            "meter. Stop the gateway and use `lentera gateway readdress`"
        )


def _as_values(profile: MeterProfile, register: Register | None, written: Written) -> dict[str, Any]:
    """Say in the quantity's unit what was there and what is there."""
    if register is None:
        return {}
    plain: dict[str, Any] = {"quantity": register.quantity, "unit_symbol": register.unit}
    for name, words in (("value_before", written.before), ("value", written.after)):
        plain[name] = decode_registers(register, words, profile.order) if words else None
    return plain


def _plain_write(written: Written) -> dict[str, Any]:
    return {
        "before": written.before,
        "written": written.written,
        "after": written.after,
        "confirmed": written.confirmed,
        "why_no_after": written.why_no_after,
    }


def _head(device: DeviceConfig) -> dict[str, Any]:
    return {"device": device.id, "unit": device.unit}


def _raw(enquiry: Enquiry) -> list[dict[str, str]]:
    return [{"asked": one.asked.hex(), "heard": one.heard.hex()} for one in enquiry.said]


def who(peer: Peer) -> dict[str, Any]:
    """Return who asks, for a log."""
    try:
        return {"uid": peer.uid, "user": pwd.getpwuid(peer.uid).pw_name}
    except KeyError:
        return {"uid": peer.uid}
