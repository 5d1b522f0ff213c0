"""One connection as the gateway sees it: order of the handshake, the window of unacknowledged batches, the clock.

No I/O: the caller sends what `opening` returns, feeds every message to `receive`, and acts on the events.
"""

from __future__ import annotations

from dataclasses import dataclass

from lentera_model.protocol.messages import (
    Ack,
    Bye,
    CancelMessage,
    CloudMessage,
    CommandMessage,
    Hello,
    Mode,
    Noted,
    Ping,
    Pong,
    ProtocolError,
    Refusal,
    Refuse,
    SetDelivery,
    SetMode,
    Welcome,
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The cloud answered the Hello: batches may go."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The store has this batch, but for the rows in `refused`."""

    epoch: int
    sequence: int
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class BatchRefused:
    """This batch will never be stored; set it aside with the reason."""

    epoch: int
    sequence: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class CommandArrived:
    """A command for a device of this gateway."""

    command: CommandMessage


@dataclass(frozen=True, slots=True)
class CancelArrived:
    """A command is taken back."""

    execution_id: str


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """The cloud wants batches this way for as long as the link lasts."""

    mode: Mode


@dataclass(frozen=True, slots=True)
class DeliveryChanged:
    """What the operator set for this gateway's SIM."""

    delivery: SetDelivery


@dataclass(frozen=True, slots=True)
class ReportNoted:
    """The cloud has kept a GapReport or Tally."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """The cloud's time when `monotonic_ms` was half way from question to answer; the error is half the round trip."""

    server_time_ms: int
    monotonic_ms: int
    uncertainty_ms: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The cloud said goodbye: why, and when to come again."""

    code: str
    text: str
    retry_after_s: float


LinkEvent = (
    Opened
    | Acknowledged
    | BatchRefused
    | CommandArrived
    | CancelArrived
    | ModeChanged
    | DeliveryChanged
    | ReportNoted
    | ClockSeen
    | Closed
)


class GatewayLink:
    """State of one connection to the cloud; make a new one for each connection.

    Args:
        hello: what the gateway says first.
        window: how many batches may wait for their acknowledgement at once.
    """

    def __init__(self, hello: Hello, window: int = 32) -> None:
        """Begin with nothing sent."""
        self._hello = hello
        self._window = window
        self._welcome: Welcome | None = None
        self._hello_sent_ms = hello.monotonic_ms
        self._waiting: set[tuple[int, int]] = set()
        self._pings: dict[int, int] = {}
        self._next_nonce = 0

    @property
    def is_open(self) -> bool:
        """Whether the cloud has answered the Hello."""
        return self._welcome is not None

    @property
    def protocol_version(self) -> int:
        """What both sides speak; 0 before the cloud has answered."""
        return 0 if self._welcome is None else self._welcome.protocol_version

    @property
    def batch_version(self) -> int:
        """The newest batch format that both sides know; 0 before the cloud has answered."""
        return 0 if self._welcome is None else self._welcome.batch_version

    @property
    def unacknowledged(self) -> int:
        """How many batches of this connection wait for an answer."""
        return len(self._waiting)

    def opening(self, now_ms: int) -> Hello:
        """Return the first message, to be sent now."""
        self._hello_sent_ms = now_ms
        return self._hello

    def ping(self, now_ms: int) -> Ping:
        """Return a question for the time, to be sent now."""
        self._next_nonce += 1
        # One question is enough to know that the other side lives: an unanswered older one says nothing more.
        self._pings = {self._next_nonce: now_ms}
        return Ping(self._next_nonce, now_ms)

    def may_send_batch(self) -> bool:
        """Whether the window has room."""
        return self.is_open and len(self._waiting) < self._window

    def batch_sent(self, epoch: int, sequence: int) -> None:
        """Note that a batch was written to the connection."""
        self._waiting.add((epoch, sequence))

    def receive(self, message: CloudMessage, now_ms: int) -> list[LinkEvent]:
        """Take one message of the cloud; return what follows from it.

        Args:
            message: as decoded.
            now_ms: the gateway's monotonic clock.

        Raises:
            ProtocolError: the message may not come now; close the connection and try again later.
        """
        match message:
            case Bye():
                return [Closed(message.code, message.text, message.retry_after_s)]
            case Welcome():
                return self._welcomed(message, now_ms)
            case _ if not self.is_open:
                raise ProtocolError(f"{type(message).__name__} came before Welcome: is this address a Lentera cloud?")
            case Ack():
                self._waiting.discard((message.epoch, message.sequence))
                return [Acknowledged(message.epoch, message.sequence, tuple(message.refused))]
            case Refuse():
                self._waiting.discard((message.epoch, message.sequence))
                return [BatchRefused(message.epoch, message.sequence, message.code, message.text)]
            case CommandMessage():
                return [CommandArrived(message)]
            case CancelMessage():
                return [CancelArrived(message.execution_id)]
            case SetMode():
                return [ModeChanged(message.mode)]
            case SetDelivery():
                return [DeliveryChanged(message)]
            case Noted():
                return [ReportNoted(message.epoch, message.number)]
            case Pong():
                asked_ms = self._pings.pop(message.nonce, None)
                return [] if asked_ms is None else [_clock(message.server_time_ms, asked_ms, now_ms)]

    def _welcomed(self, welcome: Welcome, now_ms: int) -> list[LinkEvent]:
        if self.is_open:
            raise ProtocolError("Welcome came twice on one connection")
        hello = self._hello
        if welcome.protocol_version not in hello.protocol_versions or welcome.batch_version not in hello.batch_versions:
            raise ProtocolError(
                f"the cloud chose protocol {welcome.protocol_version} and batch format {welcome.batch_version}, "
                "which this gateway did not offer"
            )
        self._welcome = welcome
        events: list[LinkEvent] = [Opened(welcome), _clock(welcome.server_time_ms, self._hello_sent_ms, now_ms)]
        if welcome.mode is not None:
            events.append(ModeChanged(welcome.mode))
        return events


def _clock(server_time_ms: int, asked_ms: int, now_ms: int) -> ClockSeen:
    round_trip_ms = max(0, now_ms - asked_ms)
    return ClockSeen(server_time_ms, asked_ms + round_trip_ms // 2, (round_trip_ms + 1) // 2)
