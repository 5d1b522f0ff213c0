"""The Modbus driver: polls the planned blocks of a meter and turns them into a sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lentera_drivers.interface import (
    BusDownError,
    Clock,
    Confirmation,
    DeviceRefusedError,
    DeviceReplyError,
    DeviceRestingError,
    DeviceTimeoutError,
    DriverError,
    DriverSetupError,
    OnSample,
    OnStatus,
    Outcome,
    OutcomeKind,
    PlannedRequest,
    Profile,
)
from lentera_drivers.modbus.breaker import Breaker
from lentera_drivers.modbus.line import ModbusLine
from lentera_drivers.modbus.plan import ReadBlock, plan_reads, probe_block, select_registers
from lentera_drivers.profiles import MeterProfile, decode_registers
from lentera_model.commands import Reason
from lentera_model.config import DeviceConfig, ModbusBus
from lentera_model.readings import Quality, Sample

if TYPE_CHECKING:
    from lentera_drivers.modbus.transport import OpenTransport

_REFUSES_HOLES: Final = (2, 3)
"""Exceptions that a meter answers when a block covers registers that it does not have."""


@dataclass(slots=True)
class _Unit:
    """What the driver keeps of one device."""

    device: DeviceConfig
    unit: int
    profile: MeterProfile
    blocks: tuple[ReadBlock, ...]
    breaker: Breaker = field(default_factory=Breaker)
    online: bool | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)


class ModbusDriver:
    """Driver of one Modbus bus."""

    def __init__(
        self,
        bus: ModbusBus,
        devices: Sequence[DeviceConfig],
        profiles: Mapping[str, Profile],
        clock: Clock,
        on_sample: OnSample,
        on_status: OnStatus,
        connect: Callable[[ModbusBus], OpenTransport] | None = None,
    ) -> None:
        """Plan the requests of every device; see `open_driver` for the arguments."""
        self._bus = bus
        self._clock = clock
        self.on_sample = on_sample
        self.on_status = on_status
        options: dict[str, Any] = {} if connect is None else {"connect": connect(bus)}
        self._line = ModbusLine(bus, clock, **options)
        self._units: dict[str, _Unit] = {}
        for device in devices:
            profile = profiles[device.profile]
            if isinstance(profile, MeterProfile) and device.unit is not None:
                self._units[device.id] = _Unit(device, device.unit, profile, self._plan(device, profile))

    def _plan(self, device: DeviceConfig, profile: MeterProfile) -> tuple[ReadBlock, ...]:
        registers = select_registers(profile, device.quantities)
        if not registers:
            wanted = ", ".join(device.quantities or ())
            raise DriverSetupError(
                f"device {device.id!r}: profile {profile.id!r} has none of {wanted}; choose among its quantities"
            )
        return plan_reads(registers, profile, self._line.cost)

    async def open(self) -> None:
        """Do nothing yet: the first request opens the port or socket, so a bus that is down delays nobody."""

    async def close(self) -> None:
        """Close the port or socket once the running request has ended."""
        await self._line.close()

    async def read(self, device_id: str, pace: int = 0) -> Sequence[Sample]:
        """Poll a device once; see `Driver.read`."""
        unit = self._unit(device_id)
        now_ms = self._clock()
        if unit.breaker.is_resting(now_ms):
            rest_s = (unit.breaker.rests_until_ms - now_ms) / 1000
            misses = f"no answer {unit.breaker.misses} times"
            raise DeviceRestingError(device_id, f"unit {unit.unit}: {misses}, asked again in {rest_s:.1f} s")
        try:
            sample = await self._poll(unit)
        except BusDownError as error:
            self._tell(unit, False, str(error))
            raise
        except (DeviceTimeoutError, DeviceReplyError) as error:
            unit.breaker = unit.breaker.missed(self._clock())
            self._tell(unit, False, str(error))
            raise
        return (sample,)

    def _unit(self, device_id: str) -> _Unit:
        unit = self._units.get(device_id)
        if unit is None:
            raise DriverSetupError(f"bus {self._bus.id!r} has no device {device_id!r}")
        return unit

    async def _poll(self, unit: _Unit) -> Sample:
        """Read every block; a refusal or a failure in one leaves the values of the others."""
        if unit.breaker.needs_probe:
            await self._probe(unit)
        values: dict[str, float] = {}
        stamp_ms: int | None = None
        failure: DriverError | None = None
        waiting = deque(unit.blocks)
        while waiting:
            block = waiting.popleft()
            try:
                reply = await self._line.read(unit.device.id, unit.unit, block, unit.profile.gap_ms)
            except DeviceRefusedError as error:
                failure = error
                if error.exception_code in _REFUSES_HOLES and block.has_holes:
                    waiting.extendleft(reversed(self._split(unit, block)))
                continue
            except (DeviceTimeoutError, DeviceReplyError, BusDownError) as error:
                if stamp_ms is None:
                    raise
                unit.breaker = unit.breaker.missed(self._clock())
                self._tell(unit, False, str(error))
                break
            stamp_ms = reply.monotonic_ms
            values |= _decode(unit.profile, block, reply.words)
            unit.outcomes.update(
                (register.quantity, Outcome(OutcomeKind.OK, stamp_ms, stamp_ms)) for register in block.registers
            )
        else:
            self._tell(unit, True, "answers")
        if stamp_ms is None:
            raise failure or DeviceReplyError(unit.device.id, "the profile has nothing to read")
        return _sample(unit, values, stamp_ms)

    def _split(self, unit: _Unit, refused: ReadBlock) -> tuple[ReadBlock, ...]:
        """Replace a block that covers registers which the meter does not have by blocks without holes, for good."""
        pieces = plan_reads(refused.registers, unit.profile, self._line.cost, allow_holes=False)
        at = unit.blocks.index(refused)
        unit.blocks = (*unit.blocks[:at], *pieces, *unit.blocks[at + 1 :])
        return pieces

    async def _probe(self, unit: _Unit) -> None:
        """Ask a unit that was silent for one short block; an exception is an answer too.

        Values in the answer are a sample of their own, since what is read next has another stamp, or fails.
        """
        block = probe_block(unit.blocks, unit.profile)
        try:
            reply = await self._line.read(unit.device.id, unit.unit, block, unit.profile.gap_ms)
        except DeviceRefusedError:
            unit.breaker = unit.breaker.answered()
            return
        unit.breaker = unit.breaker.answered()
        values = _decode(unit.profile, block, reply.words)
        if values:
            self.on_sample(_sample(unit, values, reply.monotonic_ms))

    async def set_level(self, device_id: str, level_percent: float, timeout_s: float) -> Confirmation:
        """Refuse: no profile of a Modbus luminaire exists."""
        unit = self._units.get(device_id)
        if unit is None:
            return Confirmation(
                "failed", reason=Reason.DEVICE_UNKNOWN, reason_text=f"no device {device_id!r} on this bus"
            )
        return Confirmation(
            "failed",
            reason=Reason.NOT_SUPPORTED,
            reason_text=f"{device_id} is a meter ({unit.profile.id}), it has no level",
        )

    def outcomes(self, device_id: str) -> Mapping[str, Outcome]:
        """Return how the last attempt at each quantity ended; see `Driver.outcomes`."""
        return self._unit(device_id).outcomes

    def describe_plan(self) -> list[PlannedRequest]:
        """Return every request of every device with its time on the wire."""
        return [
            PlannedRequest(
                device=unit.device.id,
                bus=self._bus.id,
                target=f"unit {unit.unit}, function {block.function_code}, registers {block.address}..{block.end - 1}",
                quantities=tuple(register.quantity for register in block.registers),
                every_s=unit.device.every_s,
                wire_ms=self._line.cost.read_ms(block.count, unit.profile.turnaround_ms + unit.profile.gap_ms),
            )
            for unit in self._units.values()
            for block in unit.blocks
        ]

    def _tell(self, unit: _Unit, online: bool, reason: str) -> None:
        """Report a change, not a state."""
        if unit.online is not online:
            unit.online = online
            self.on_status(unit.device.id, online, reason)


def _decode(profile: MeterProfile, block: ReadBlock, words: Sequence[int]) -> dict[str, float]:
    values: dict[str, float] = {}
    for register in block.registers:
        start = register.address - block.address
        value = decode_registers(register, words[start : start + register.count], profile.order)
        if value is not None:
            values[register.quantity] = value
    return values


def _sample(unit: _Unit, values: Mapping[str, float], stamp_ms: int) -> Sample:
    quality = Quality.SUSPECT if unit.profile.implausible(values) else Quality.GOOD
    return Sample(unit.device.id, unit.profile.id, stamp_ms, values, quality)
