"""What happens in the cloud and concerns more than one feature; ``app.py`` decides who hears of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from lentera_model.commands import Event, Execution
from lentera_model.readings import Reading


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """A gateway's link is ready: its Hello was answered and its devices are known."""

    tenant: str
    gateway: str


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """A gateway has no link any more (not said when a newer link took the older one's place)."""

    tenant: str
    gateway: str


@dataclass(frozen=True, slots=True)
class ReadingsStored:
    """Readings are durable in the store; they may be shown."""

    tenant: str
    readings: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class ExecutionReported:
    """A gateway said where an execution stands, as an event of its state machine."""

    tenant: str
    gateway: str
    execution_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class SendRequested:
    """An execution was stored as sent and must now be written to its gateway's link."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class SendWanted:
    """An execution waits in the queue, and its gateway has no link here: perhaps at another replica."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class CommandChanged:
    """An execution of a command moved; whoever waits for the command reads it again."""

    tenant: str
    command_id: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The gateway should drop an execution that it has not begun."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class GatewayRevoked:
    """A gateway lost its right to speak."""

    tenant: str
    gateway: str


@dataclass(frozen=True, slots=True)
class DeliveryChanged:
    """How a gateway should deliver was changed, or somebody watches it; whoever has its link tells it."""

    tenant: str
    gateway: str


@dataclass(frozen=True, slots=True)
class DeviceMoved:
    """A person gave a device to another gateway."""

    tenant: str
    device: str
    gateway: str
