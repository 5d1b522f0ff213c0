"""The one small interface between the gateway and every kind of bus.

A polled device (a meter) is read when the gateway asks; one that reports by itself (a lamp on MQTT) hands its
samples to `on_sample` whenever they come. Both take a level the same way, and answer with what the confirmation rests
on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol

from lentera_drivers.profiles import LampProfile, MeterProfile, SensorProfile
from lentera_model.commands import ConfirmedBy, Reason
from lentera_model.errors import LenteraError
from lentera_model.readings import Quality, Sample

Profile = MeterProfile | LampProfile | SensorProfile
Clock = Callable[[], int]
"""Milliseconds of the boot's monotonic clock."""
WallClock = Callable[[], int]
"""Best knowledge of the wall clock in Unix milliseconds."""
OnSample = Callable[[Sample], None]
OnStatus = Callable[[str, bool, str], None]
"""Called with (device id, online, reason) when a device comes or goes, or speaks of its own fault.

The reason is for people.
"""


class DriverError(LenteraError):
    """Base of what can go wrong between a gateway and a device. `device` is the device's id."""

    code: ClassVar[str] = "driver"

    def __init__(self, device: str, message: str) -> None:
        """Name the device; the message says the rest."""
        super().__init__(f"{device}: {message}")
        self.device = device


class DeviceTimeoutError(DriverError):
    """The device did not answer in its time."""

    code: ClassVar[str] = "device_timeout"


class DeviceRestingError(DeviceTimeoutError):
    """The device has not answered lately and is not asked for now, so that the others on its bus keep their pace."""

    code: ClassVar[str] = "device_resting"


class DeviceRefusedError(DriverError):
    """The device answered with a Modbus exception. `exception_code` is its number."""

    code: ClassVar[str] = "device_refused"

    def __init__(self, device: str, message: str, exception_code: int) -> None:
        """Keep the exception's number beside the text."""
        super().__init__(device, message)
        self.exception_code = exception_code


class DeviceReplyError(DriverError):
    """The device answered something that does not fit the question; nothing of it is used."""

    code: ClassVar[str] = "device_reply"


class BusDownError(DriverError):
    """The bus itself (port, host, broker) cannot be reached."""

    code: ClassVar[str] = "bus_down"


class DriverSetupError(LenteraError):
    """A device, its profile and its bus do not fit together."""

    code: ClassVar[str] = "driver_setup"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How an action on a device ended, and what that knowledge rests on.

    Attributes:
        outcome: `succeeded` only with a proof; `unproved` when the device echoed the wish and nothing more was learnt.
        confirmed_by: the proof, or ECHO with `unproved`; None when it failed.
        reason: why it did not succeed.
        reason_text: the same for people.
        measured: what the device last said of itself, quantity -> value in SI units.
    """

    outcome: Literal["succeeded", "unproved", "failed"]
    confirmed_by: ConfirmedBy | None = None
    reason: Reason | None = None
    reason_text: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One thing that a driver will do on its bus, for people to see before anything starts.

    Attributes:
        device: device id.
        bus: bus id.
        target: what is asked, such as `unit 1, function 4, registers 0..79`, or the topic that is listened to.
        quantities: what the answer brings.
        every_s: how often; for a device that reports by itself, the longest silence before it is asked.
        wire_ms: estimated time on the wire in milliseconds, with gaps and turnaround; None where it does not matter.
        turnaround_ms: time that the device is expected to take before it answers, part of `wire_ms`; where several
            requests go out together, each has its part of it there.
        break_even_registers: largest hole that is worth carrying instead of asking twice, at this device's turnaround.
        absent: quantities of the profile that the device's model is known to lack.
    """

    device: str
    bus: str
    target: str
    quantities: tuple[str, ...]
    every_s: float
    wire_ms: float | None
    turnaround_ms: float | None = None
    break_even_registers: int | None = None
    absent: tuple[str, ...] = ()


class OutcomeKind(StrEnum):
    """How the last attempt to read a quantity ended."""

    OK = "ok"
    NO_VALUE = "no_value"
    """It answered, and said that it has no value now (a null marker)."""
    REFUSED = "refused"
    """It answered with an exception, see `exception_code`."""
    ABSENT = "absent"
    """This kind of meter has no such register; it is not asked for any more."""
    LATE = "late"
    """No answer in time, though the device answered lately."""
    DEAD = "dead"
    """It has been silent for so long that it is only probed now and then."""
    UNREADABLE = "unreadable"
    """It answered something that does not fit the question."""
    BUS_DOWN = "bus_down"
    """Port or host cannot be reached."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the last attempt to read a quantity ended.

    Attributes:
        kind: see `OutcomeKind`.
        at_ms: when, on the boot's monotonic clock.
        ok_at_ms: when a value last came, None if never.
        exception_code: the Modbus exception, for `REFUSED` and `ABSENT`.
        detail: the same for people.
        quality: of the value that last came. doubt: why that is not good, for people.
    """

    kind: OutcomeKind
    at_ms: int
    ok_at_ms: int | None = None
    exception_code: int | None = None
    detail: str = ""
    quality: Quality = Quality.GOOD
    doubt: str = ""


class Driver(Protocol):
    """A driver of one bus."""

    @property
    def is_up(self) -> bool:
        """Whether port, host or broker could be reached when it was last needed."""
        ...

    async def open(self) -> None:
        """Start; returns at once, even when the bus is down (devices then report so by `on_status`)."""
        ...

    async def close(self) -> None:
        """Stop, and give back port, sockets and tasks."""
        ...

    async def read(self, device_id: str, pace: int = 0) -> Sequence[Sample]:
        """Poll what a device is due to give at one of its paces; nothing when it reports by itself.

        Args:
            device_id: the device.
            pace: index into the device's `pace_table`; 0 is its `every_s`.

        Returns:
            The samples of this poll. Values of different quality come in samples of their own with the same stamp.
            Values of a part that failed are absent; only when every part failed is the error raised.

        Raises:
            DeviceTimeoutError: it did not answer (DeviceRestingError: it was not even asked).
            DeviceRefusedError: it answered with an exception.
            DeviceReplyError: it answered something that does not fit.
            BusDownError: its bus cannot be reached.
            DriverSetupError: the driver has no such device.
        """
        ...

    async def set_level(self, device_id: str, level_percent: float, timeout_s: float) -> Confirmation:
        """Ask a luminaire for a level in percent and find out whether it acted; never raises for the device's sake."""
        ...

    def outcomes(self, device_id: str) -> Mapping[str, Outcome]:
        """Return how the last attempt at each polled quantity of a device ended; empty before the first.

        Raises:
            DriverSetupError: the driver has no such device.
        """
        ...

    def describe_plan(self) -> list[PlannedRequest]:
        """Say what the driver does on its bus."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return what was counted on the bus since the start, as plain data for status.json."""
        ...
