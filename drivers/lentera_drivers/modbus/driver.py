"""The Modbus driver: polls the planned requests of a meter and turns the replies into samples."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from math import ceil
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
    WallClock,
)
from lentera_drivers.modbus.blocks import ReadBlock
from lentera_drivers.modbus.contact import identify, place
from lentera_drivers.modbus.enquiry import Between, Enquiry
from lentera_drivers.modbus.holes import REFUSES_REGISTERS, Findings, HoleBook, search
from lentera_drivers.modbus.line import ModbusLine
from lentera_drivers.modbus.quality import DEVICE_FAILURE, FAULT
from lentera_drivers.modbus.reply import Reply
from lentera_drivers.modbus.unit import LiveBlock, Unit
from lentera_drivers.profiles import MeterProfile
from lentera_model.commands import Reason
from lentera_model.config import DeviceConfig, ModbusBus
from lentera_model.readings import Sample

if TYPE_CHECKING:
    from lentera_drivers.modbus.transport import OpenTransport

_NOTHING: Final[tuple[Sample, ...]] = ()


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
        *,
        connect: Callable[[ModbusBus], OpenTransport] | None = None,
        wall_ms: WallClock | None = None,
        holes: HoleBook | None = None,
    ) -> None:
        """Plan the requests of every device; see `open_driver` for the arguments."""
        self._bus = bus
        self._clock = clock
        self._wall_ms = wall_ms or _no_wall_clock
        self.on_sample = on_sample
        self.on_status = on_status
        meters = [
            (device, device.unit, profile)
            for device in devices
            if isinstance(profile := profiles[device.profile], MeterProfile) and device.unit is not None
        ]
        self._most_at_once = min((profile.window for *_, profile in meters), default=1) if bus.transport == "tcp" else 1
        self._line = ModbusLine(
            bus, clock, connect=None if connect is None else connect(bus), window=self._most_at_once
        )
        self._line.on_canary = self._took_aside
        book = HoleBook() if holes is None else holes
        self._units = {
            device.id: Unit(device, unit, profile, self._line.cost, book, self._wall_ms())
            for device, unit, profile in meters
        }

    @property
    def is_up(self) -> bool:
        """Whether the port or host could be opened when it was last needed."""
        return not self._line.is_down

    async def open(self) -> None:
        """Do nothing yet: the first request opens the port or socket, so a bus that is down delays nobody."""

    async def close(self) -> None:
        """Close the port or socket once the running request has ended."""
        await self._line.close()

    async def read(self, device_id: str, pace: int = 0) -> Sequence[Sample]:
        """Poll a device once; see `Driver.read`."""
        unit = self._unit(device_id)
        if not unit.online:
            self._refuse_resting(unit)
        try:
            live = unit.only_request(pace)
            if live is None:
                return await self._poll(unit, pace)
            try:
                reply = await self._line.read(
                    device_id, unit.unit, live.paced.block, gap_ms=unit.profile.gap_ms, canaries=unit.canaries
                )
            except DeviceRefusedError as error:
                return await self._finish(unit, self._note_refusal(live, error, _Poll()))
            return unit.samples(unit.decode(live, reply.data, reply.monotonic_ms), reply.monotonic_ms)
        except (DeviceTimeoutError, DeviceReplyError, BusDownError) as error:
            self._missed(unit, error)
            raise

    def _unit(self, device_id: str) -> Unit:
        unit = self._units.get(device_id)
        if unit is None:
            raise DriverSetupError(f"bus {self._bus.id!r} has no device {device_id!r}")
        return unit

    def _refuse_resting(self, unit: Unit) -> None:
        patience = self._line.patience
        rests_ms = patience.rests_for_ms(unit.unit, self._clock())
        if rests_ms > 0:
            misses = f"no answer {patience.misses(unit.unit)} times"
            raise DeviceRestingError(
                unit.device.id, f"unit {unit.unit}: {misses}, asked again in {rests_ms / 1000:.1f} s"
            )

    # --- polling ----------------------------------------------------------------------------------------------------

    async def _poll(self, unit: Unit, pace: int) -> Sequence[Sample]:
        """Read every request of a pace; a refusal or a failure in one leaves the values of the others."""
        if not unit.resolved:
            await place(unit, self._ask, self._wall_ms())
        if self._line.patience.misses(unit.unit):
            await self._probe(unit)
        if unit.wants_a_look():
            unit.refresh(self._wall_ms(), self._line.turnaround_ms(unit.unit))
        waiting = unit.begin(pace)
        if not waiting:
            return _NOTHING
        poll = _Poll()
        if len(waiting) == 1:
            await self._read(unit, waiting[0], poll)
        elif self._line.window > 1:
            await asyncio.gather(*(self._read(unit, live, poll) for live in waiting))
        else:
            for live in waiting:
                await self._read(unit, live, poll)
                if poll.silence is not None:
                    break
        return await self._finish(unit, poll)

    async def _read(self, unit: Unit, live: LiveBlock, poll: _Poll) -> None:
        """Read one request into a poll; never raises for the device's sake."""
        try:
            reply = await self._ask(unit, live.paced.block)
        except DeviceRefusedError as error:
            self._note_refusal(live, error, poll)
        except (DeviceTimeoutError, DeviceReplyError, BusDownError) as error:
            live.ended(_kind_of(error), self._clock(), str(error))
            poll.silence = error
        else:
            poll.took(unit.decode(live, reply.data, reply.monotonic_ms), reply)

    def _note_refusal(self, live: LiveBlock, error: DeviceRefusedError, poll: _Poll) -> _Poll:
        live.ended(OutcomeKind.REFUSED, self._clock(), str(error), error.exception_code)
        poll.refused.append((live, error))
        return poll

    async def _finish(self, unit: Unit, poll: _Poll) -> Sequence[Sample]:
        """Look into what was refused, then say what came: samples, or the error when nothing came."""
        if poll.silence is not None:
            if poll.stamp_ms is None:
                raise poll.silence
            self._missed(unit, poll.silence)
            return unit.samples(poll.values, poll.stamp_ms)
        for live, error in poll.refused:
            await self._look_into(unit, live.paced.block, error, poll)
        if unit.suspects:
            await self._ask_suspect(unit, poll)
        self._tell(unit, True, "answers")
        was_at_fault = bool(unit.quality.fault)
        failure = next((error for _, error in poll.refused if error.exception_code == DEVICE_FAILURE), None)
        if failure is not None and unit.is_at_fault():
            unit.quality.fault = str(failure)
            poll.values = poll.values | {FAULT: 1.0}
        samples = unit.samples(poll.values, poll.stamp_ms or self._clock()) if poll.values else []
        if was_at_fault is not bool(unit.quality.fault):
            self.on_status(unit.device.id, True, unit.quality.fault or "answers, and is no longer at fault")
        if poll.stamp_ms is None:
            for sample in samples:
                self.on_sample(sample)
            raise poll.refused[0][1]
        if unit.identity is None and unit.profile.identity:
            await identify(unit, self._ask)
        return samples

    async def _ask(self, unit: Unit, block: ReadBlock) -> Reply:
        unit.will_ask(block.count)
        return await self._line.read(
            unit.device.id, unit.unit, block, gap_ms=unit.profile.gap_ms, canaries=unit.canaries
        )

    async def _probe(self, unit: Unit) -> None:
        """Ask a unit that was silent for one short block; an exception is an answer too.

        Values in the answer are a sample of their own, since what is read next has another stamp, or fails.
        """
        block = self._line.canary_for(unit.device.id, unit.unit, unit.canaries)
        patience = self._line.patience
        try:
            # A canary itself: an answer that is not its own has another length.
            reply = await self._line.read(unit.device.id, unit.unit, block, gap_ms=unit.profile.gap_ms)
        except DeviceRefusedError:
            patience.answered(unit.unit, self._clock())
            return
        patience.answered(unit.unit, self._clock())
        self._took_aside(unit.device.id, block, reply)

    def _took_aside(self, device_id: str, block: ReadBlock, reply: Reply) -> None:
        """Pass on what a probe or a canary gave: the device has answered it, and nothing else will bring it."""
        unit = self._unit(device_id)
        values = unit.decode_part(block, reply.data) if reply.is_in_step else None
        if values:
            for sample in unit.samples(values, reply.monotonic_ms):
                self.on_sample(sample)

    # --- refusals ---------------------------------------------------------------------------------------------------

    async def _look_into(self, unit: Unit, block: ReadBlock, error: DeviceRefusedError, poll: _Poll) -> None:
        """Find out what a device refuses about a request; the parts that it answers are values of this poll."""
        if error.exception_code not in REFUSES_REGISTERS or self._clock() < unit.search_after_ms:
            return
        steps = search(block, error.exception_code, even=unit.profile.even_addresses)
        answered = poll.stamp_ms is not None
        try:
            part, code = next(steps), None
            while True:
                try:
                    reply = await self._ask(unit, part)
                except DeviceRefusedError as refusal:
                    code = refusal.exception_code
                    if code not in REFUSES_REGISTERS:
                        return  # it has a trouble of its own; nothing is learnt from that
                else:
                    code = None
                    poll.took(unit.decode_part(part, reply.data), reply)
                part = steps.send(code)
        except StopIteration as end:
            found: Findings = end.value
            if not (found.accepted or answered):
                found = Findings()  # it refuses everything at present: that says nothing about registers
            unit.learn(found, block.registers, self._clock(), self._wall_ms())
        except (DeviceTimeoutError, DeviceReplyError, BusDownError) as silence:
            if poll.stamp_ms is None:
                raise
            self._missed(unit, silence)

    async def _ask_suspect(self, unit: Unit, poll: _Poll) -> None:
        """Ask once more for one value that was refused; only then is it believed to be absent."""
        due = unit.suspect_due(self._clock()) if poll.stamp_ms is not None else None
        if due is None:
            return
        value, block = due
        try:
            reply = await self._ask(unit, block)
        except DeviceRefusedError as error:
            if error.exception_code in REFUSES_REGISTERS:
                unit.judge_suspect(value, self._wall_ms(), absent=True)
        except (DeviceTimeoutError, DeviceReplyError, BusDownError):
            return  # asked again at the next poll
        else:
            poll.took(unit.decode_part(block, reply.data), reply)
            unit.judge_suspect(value, self._wall_ms(), absent=False)

    # --- asking, planning, telling ----------------------------------------------------------------------------------

    def enquiry(self, device_id: str, between: Between, on_sample: OnSample) -> Enquiry:
        """Begin to ask a device at somebody's wish, or to write to it.

        Args:
            device_id: the device.
            between: holds the polls of this bus off for a question.
            on_sample: takes what the device answers of its configured quantities.

        Raises:
            DriverSetupError: the driver has no such device.
        """
        return Enquiry(self._unit(device_id), self._line, self._wall_ms, between, on_sample)

    async def set_level(self, device_id: str, level_percent: float, timeout_s: float) -> Confirmation:
        """Say no: a meter has no level."""
        unit = self._units.get(device_id)
        if unit is None:
            return Confirmation(
                "failed",
                reason=Reason.DEVICE_UNKNOWN,
                reason_text=f"no device {device_id!r} on bus {self._bus.id!r}",
            )
        return Confirmation(
            "failed",
            reason=Reason.NOT_SUPPORTED,
            reason_text=f"{device_id} is a meter ({unit.profile.id}), it has no level",
        )

    def outcomes(self, device_id: str) -> Mapping[str, Outcome]:
        """Return how the last attempt at each quantity ended; see `Driver.outcomes`."""
        return self._unit(device_id).outcomes()

    def describe_plan(self) -> list[PlannedRequest]:
        """Return every request of every device with its time on the wire."""
        return [
            PlannedRequest(
                device=unit.device.id,
                bus=self._bus.id,
                target=f"unit {unit.unit}, function {block.function_code}, registers {block.address}..{block.end - 1}",
                quantities=tuple(register.quantity for register in block.registers),
                every_s=live.paced.every_s,
                wire_ms=self._line.cost.read_ms(block.count, self._own_turnaround_ms(unit, live) + unit.profile.gap_ms),
                turnaround_ms=unit.planned_turnaround_ms,
                break_even_registers=self._line.cost.break_even_registers(
                    unit.planned_turnaround_ms + unit.profile.gap_ms
                ),
                absent=tuple(unit.absent()),
            )
            for unit in self._units.values()
            for live in unit.blocks
            for block in (live.paced.block,)
        ]

    def _own_turnaround_ms(self, unit: Unit, live: LiveBlock) -> float:
        """Return a request's part of the turnarounds of its poll: those that go out together wait together."""
        requests = len(unit.by_pace[live.paced.pace])
        return unit.planned_turnaround_ms * ceil(requests / self._most_at_once) / requests

    def status(self) -> Mapping[str, Any]:
        """Return what was counted on the line; see `Driver.status`."""
        return self._line.status()

    def _missed(self, unit: Unit, error: DriverError) -> None:
        """Note a silence, an answer that cannot be used, or a bus that is down (which is no fault of the device)."""
        if isinstance(error, DeviceRestingError):
            return  # it was not asked
        kind = _kind_of(error)
        if kind is not OutcomeKind.BUS_DOWN:
            self._line.patience.missed(unit.unit, self._clock())
            kind = OutcomeKind.DEAD if self._line.patience.misses(unit.unit) > 1 else kind
        unit.fault = Outcome(kind, self._clock(), None, None, str(error))
        self._tell(unit, False, str(error))

    def _tell(self, unit: Unit, online: bool, reason: str) -> None:
        """Report a change, not a state."""
        if unit.online is not online:
            unit.online = online
            if online:
                self._line.patience.answered(unit.unit, self._clock())
            else:
                unit.lost()
            self.on_status(unit.device.id, online, reason)


class _Poll:
    """What a poll has brought so far."""

    __slots__ = ("refused", "silence", "stamp_ms", "values")

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.stamp_ms: int | None = None
        self.silence: DeviceTimeoutError | DeviceReplyError | BusDownError | None = None
        self.refused: list[tuple[LiveBlock, DeviceRefusedError]] = []

    def took(self, values: dict[str, float], reply: Reply) -> None:
        """Add the values of a reply."""
        self.values = self.values | values if self.values else values
        self.stamp_ms = reply.monotonic_ms


def _kind_of(error: DriverError) -> OutcomeKind:
    if isinstance(error, BusDownError):
        return OutcomeKind.BUS_DOWN
    return OutcomeKind.LATE if isinstance(error, DeviceTimeoutError) else OutcomeKind.UNREADABLE


def _no_wall_clock() -> int:
    return 0
