"""The messages of the link and their bytes: msgpack arrays that begin with a tag (docs/formats/link.md lists them).

Arrays keep a message to a few bytes over its contents. Fields are only ever added at the end with a default, so that an
older side reads a newer one's messages.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Struct

from lentera_model.errors import LenteraError

PROTOCOL_VERSION: Final = 2
"""2 adds GapReport, Tally, Beat, Noted and SetDelivery; none of them is sent to a side that speaks 1."""
PROTOCOL_VERSIONS: Final = (1, 2)
"""Every version of the last 24 months, which both sides take."""
MAX_MESSAGE_BYTES: Final = (1 << 20) + 4096
"""A sealed batch at its limit, and what is around it."""

EVERY_DEVICE: Final = "*"
"""In a TallyRow: every device with this interval that has no row of its own in the same Tally."""

_Id = Annotated[str, Meta(min_length=1, max_length=64)]
_Text = Annotated[str, Meta(max_length=500)]
_Count = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
_BootId = Annotated[bytes, Meta(min_length=16, max_length=16)]
Mode = Literal["live", "economy"]


class ProtocolError(LenteraError):
    """A message that does not read, is too large, or comes when it may not."""

    code: ClassVar[str] = "protocol"


class PaceDeclaration(Struct, frozen=True, array_like=True):
    """How often some quantities of a device are read: each of them is expected once in `every_ms`.

    With `quantities` empty it is every quantity that no other pace names. `heartbeat_ms` over 0 means that values are
    reported by exception: an unchanged one may be left out for so long.
    """

    every_ms: Annotated[int, Meta(ge=1, le=86_400_000)]
    quantities: Annotated[list[_Id], Meta(max_length=512)] = []
    heartbeat_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 0


class DeviceDeclaration(Struct, frozen=True, array_like=True):
    """One device of the gateway's configuration: what it is and where it is on its bus."""

    device: _Id
    kind: Literal["meter", "luminaire"]
    profile: _Id
    name: Annotated[str, Meta(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")]
    bus: _Id
    address: Annotated[str, Meta(max_length=200)]
    paces: Annotated[list[PaceDeclaration], Meta(max_length=8)] = []


class Hello(Struct, frozen=True, array_like=True, tag="h"):
    """Gateway, first message: what it speaks, which boot it is in, which devices it carries."""

    protocol_versions: Annotated[list[int], Meta(min_length=1, max_length=16)]
    batch_versions: Annotated[list[int], Meta(min_length=1, max_length=16)]
    agent_version: Annotated[str, Meta(max_length=40)]
    boot_id: _BootId
    epoch: _Count
    monotonic_ms: _Count
    devices: Annotated[list[DeviceDeclaration], Meta(max_length=2000)]
    journal_waiting: _Count = 0


class BatchFrame(Struct, frozen=True, array_like=True, tag="b"):
    """Gateway: a sealed batch, as its journal keeps it."""

    sealed: bytes


class CommandUpdate(Struct, frozen=True, array_like=True, tag="u"):
    """Gateway: where an execution stands; `state` and `reason` are words of lentera_model.commands."""

    execution_id: _Id
    state: _Id
    reason: _Id | None = None
    reason_text: _Text | None = None
    confirmed_by: _Id | None = None
    result: dict[str, float] | None = None
    monotonic_ms: _Count = 0


class DeviceStatus(Struct, frozen=True, array_like=True, tag="d"):
    """Gateway: a device came or went, and how that is known."""

    device: _Id
    online: bool
    reason: _Text
    monotonic_ms: _Count


class Status(Struct, frozen=True, array_like=True, tag="s"):
    """Gateway, now and then: what waits in its journal."""

    journal_waiting: _Count
    journal_bytes: _Count
    oldest_monotonic_ms: _Count | None
    mode: Mode
    month_bytes: _Count = 0
    """Bytes both ways on the air since the quota's month began, as far as the gateway can count them."""
    detail_s: _Count = 0
    """0 in full detail; else one mean of each instantaneous quantity in so many seconds is what is sent."""


class GapReport(Struct, frozen=True, array_like=True, tag="g"):
    """Gateway, version 2: between two times values are or may be missing, and why. Kept there until `Noted`.

    `number` counts the reports (gaps and tallies together) of an epoch from 1 upward. Times are Unix milliseconds,
    right within `uncertainty_ms`. `devices` empty means all of the gateway's. `detail_s` says what is left: nothing
    (0), or one value in so many seconds. `values` is how many are known to be lost, 0 where nobody knows.
    """

    epoch: _Count
    number: _Count
    reason: _Id
    from_ms: _Count
    to_ms: _Count
    devices: Annotated[list[_Id], Meta(max_length=2000)] = []
    detail_s: _Count = 0
    values: _Count = 0
    uncertainty_ms: _Count = 0


class TallyRow(Struct, frozen=True, array_like=True):
    """What became of the reads of one pace of one device within the hour.

    Every count is of reads, each of which brings all the quantities of the pace. `expected` were due; `taken` brought a
    value into the journal; `unchanged` were left out by the report by exception; `missed` says why the others brought
    nothing (a word of the gateway's, for example `silent` or `bus_down`). Where `device` is `EVERY_DEVICE`, `taken` is
    all that were answered, whether or not a value was left out.
    """

    device: _Id
    every_ms: Annotated[int, Meta(ge=1, le=86_400_000)]
    expected: _Count
    taken: _Count
    unchanged: _Count = 0
    missed: Annotated[dict[_Id, _Count], Meta(max_length=16)] = {}


class Tally(Struct, frozen=True, array_like=True, tag="t"):
    """Gateway, version 2: the count of an hour (of UTC), or of the part of it that it ran. Kept there until `Noted`.

    Several of one hour add up: a gateway that starts again within the hour sends what it counts from then on.
    """

    epoch: _Count
    number: _Count
    hour_ms: _Count
    rows: Annotated[list[TallyRow], Meta(max_length=16_000)]


class Beat(Struct, frozen=True, array_like=True, tag="k"):
    """Gateway, version 2: still here. It has no answer; the acknowledgement of TCP is enough."""


class Ping(Struct, frozen=True, array_like=True, tag="p"):
    """Gateway: are you there, and what time is it?"""

    nonce: _Count
    monotonic_ms: _Count


class Welcome(Struct, frozen=True, array_like=True, tag="H"):
    """Cloud: the answer to Hello, with the versions that both speak, the time, and how batches are wanted."""

    protocol_version: int
    batch_version: int
    server_time_ms: _Count
    mode: Mode | None
    """None: as the gateway's own configuration says."""
    max_frame_bytes: _Count


class Refusal(Struct, frozen=True, array_like=True):
    """One device's rows that were not stored though the rest of the batch was, and why."""

    device: _Id
    code: _Id
    text: _Text


class Ack(Struct, frozen=True, array_like=True, tag="A"):
    """Cloud: the store has the batch (but for the rows in `refused`); the gateway may forget it."""

    epoch: _Count
    sequence: _Count
    refused: list[Refusal] = []


class Refuse(Struct, frozen=True, array_like=True, tag="R"):
    """Cloud: the batch will never be stored, for its content; the gateway sets it aside and goes on."""

    epoch: _Count
    sequence: _Count
    code: _Id
    text: _Text


class CommandMessage(Struct, frozen=True, array_like=True, tag="C"):
    """Cloud: carry this out before `expires_at_ms`, within `timeout_ms`, in the order of `sequence` for the device."""

    execution_id: _Id
    device: _Id
    name: _Id
    args: dict[str, float]
    expires_at_ms: _Count
    timeout_ms: _Count
    attempt: _Count
    sequence: _Count


class CancelMessage(Struct, frozen=True, array_like=True, tag="X"):
    """Cloud: do not carry this out if it has not begun."""

    execution_id: _Id


class SetMode(Struct, frozen=True, array_like=True, tag="M"):
    """Cloud: send batches this way from now on, until the link closes."""

    mode: Mode


class Noted(Struct, frozen=True, array_like=True, tag="N"):
    """Cloud, version 2: this GapReport or Tally is in the registry; the gateway may forget it."""

    epoch: _Count
    number: _Count


class SetDelivery(Struct, frozen=True, array_like=True, tag="D"):
    """Cloud, version 2: what the operator set for this gateway's SIM. The gateway keeps it, also without a link.

    `mode` None leaves it to the gateway's configuration, as a 0 does of the others: `rate_bytes_s` on the air,
    `quota_bytes` a month, which begins on `month_day` at the gateway's local midnight.
    """

    mode: Mode | None
    rate_bytes_s: _Count = 0
    quota_bytes: _Count = 0
    month_day: Annotated[int, Meta(ge=0, le=28)] = 0


class Pong(Struct, frozen=True, array_like=True, tag="P"):
    """Cloud: the answer to Ping, with the time."""

    nonce: _Count
    server_time_ms: _Count


class Bye(Struct, frozen=True, array_like=True, tag="Y"):
    """Cloud, last message: why the link closes, and when to come again."""

    code: _Id
    text: _Text
    retry_after_s: Annotated[float, Meta(ge=0, le=86_400)] = 0


GatewayMessage = Hello | BatchFrame | CommandUpdate | DeviceStatus | Status | GapReport | Tally | Beat | Ping
CloudMessage = Welcome | Ack | Refuse | CommandMessage | CancelMessage | SetMode | Noted | SetDelivery | Pong | Bye

_ENCODER = msgspec.msgpack.Encoder()
_GATEWAY_DECODER = msgspec.msgpack.Decoder(GatewayMessage)
_CLOUD_DECODER = msgspec.msgpack.Decoder(CloudMessage)


def encode_message(message: GatewayMessage | CloudMessage) -> bytes:
    """Return the bytes of one message."""
    return _ENCODER.encode(message)


def _check_size(data: bytes, max_bytes: int) -> None:
    if len(data) > max_bytes:
        raise ProtocolError(f"a message of {len(data)} bytes is over the link's limit of {max_bytes}")


def decode_gateway_message(data: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> GatewayMessage:
    """Read a message that a gateway sent.

    Raises:
        ProtocolError: too large, or not a gateway's message; the text says which field is wrong.
    """
    _check_size(data, max_bytes)
    try:
        return _GATEWAY_DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"this is no message of a gateway: {error}") from error


def decode_cloud_message(data: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> CloudMessage:
    """Read a message that the cloud sent.

    Raises:
        ProtocolError: too large, or not a cloud's message; the text says which field is wrong.
    """
    _check_size(data, max_bytes)
    try:
        return _CLOUD_DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"this is no message of the cloud: {error}") from error
