"""A command's life: states, events, effects, and the one pure function that moves an execution from state to state.

A command names a target; each device that it reaches has one execution. `docs/commands.md` prints the same table.
`sent` never means done: only a device that shows the commanded level (read back, or by the power it draws) makes an
execution succeed; an echo alone makes it `unproved`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lentera_model.errors import LenteraError


class ExecutionState(StrEnum):
    """Where an execution stands."""

    QUEUED = "queued"
    """Stored in the cloud; the gateway does not have it (yet, or again)."""
    SENT = "sent"
    """Written to the gateway's link; nothing is known of it there."""
    ACCEPTED = "accepted"
    """In the gateway's inbox, waiting for its turn at the device."""
    RUNNING = "running"
    """The driver is writing or proving."""
    SUCCEEDED = "succeeded"
    UNPROVED = "unproved"
    """The device echoed the command, but nothing measured shows that it acted."""
    FAILED = "failed"
    REJECTED = "rejected"
    """The gateway or the device says no; trying again would change nothing."""
    EXPIRED = "expired"
    """Its time to live ran out before a device could act; a late command to a lamp is worse than none."""
    CANCELLED = "cancelled"


FINAL_STATES: Final = frozenset(
    {
        ExecutionState.SUCCEEDED,
        ExecutionState.UNPROVED,
        ExecutionState.FAILED,
        ExecutionState.REJECTED,
        ExecutionState.EXPIRED,
        ExecutionState.CANCELLED,
    }
)
"""States that end an execution; only a verdict from silence (see `from_silence`) may be corrected by the gateway."""

OUTCOMES: Final = FINAL_STATES
"""What a gateway may report as the end of an execution: exactly the states that end one."""


class ConfirmedBy(StrEnum):
    """What a confirmation rests on."""

    READBACK = "readback"
    """The device was asked afterwards and answered with the commanded level."""
    POWER = "power"
    """The power that the device draws is that of the commanded level."""
    ECHO = "echo"
    """The device, or what speaks for it, repeated the command: no proof."""


class Reason(StrEnum):
    """Why an execution did not succeed: a closed list, so that machines can count and people can act."""

    DEVICE_OFFLINE = "device_offline"
    DEVICE_UNKNOWN = "device_unknown"
    BUS_TIMEOUT = "bus_timeout"
    DEVICE_REFUSED = "device_refused"
    LEVEL_MISMATCH = "level_mismatch"
    UNPROVED = "unproved"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INVALID_ARGUMENTS = "invalid_arguments"
    NOT_SUPPORTED = "not_supported"
    SUPERSEDED = "superseded"
    """A newer command to the same device took its place before it ran."""
    GATEWAY_RESTARTED = "gateway_restarted"
    INTERNAL = "internal"

    @property
    def retryable(self) -> bool:
        """Whether the same command may do better on another attempt."""
        return self in _RETRYABLE


_RETRYABLE: Final = frozenset(
    {Reason.BUS_TIMEOUT, Reason.LEVEL_MISMATCH, Reason.TIMED_OUT, Reason.GATEWAY_RESTARTED, Reason.INTERNAL}
)


class InvalidArgumentsError(LenteraError):
    """A command's name or arguments are not ones that a device could carry out."""

    code: ClassVar[str] = "invalid_arguments"


class SetLevelArguments(BaseModel):
    """Arguments of `set_level`: the light level in percent of full output; 0 is off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level_percent: float = Field(ge=0, le=100, allow_inf_nan=False, examples=[40])


CommandName = Literal["set_level"]


def parse_arguments(name: str, arguments: Mapping[str, object]) -> SetLevelArguments:
    """Check a command's name and arguments.

    Raises:
        InvalidArgumentsError: naming the argument, its value and what is allowed.
    """
    if name != "set_level":
        raise InvalidArgumentsError(f"no command is called {name[:70]!r}: use 'set_level'")
    try:
        return SetLevelArguments.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "args"
        raise InvalidArgumentsError(
            f"set_level: {where}: {first['msg']} (got {str(first['input'])[:70]}); level_percent is 0 (off) to 100"
        ) from error


@dataclass(frozen=True, slots=True)
class Execution:
    """One command on its way to one device.

    Attributes:
        execution_id: names it on both sides of the link; a gateway answers a repeat from memory.
        command_id: the command that it belongs to.
        tenant, gateway, device: where it goes.
        name, args: what is to be done ("set_level", {"level_percent": 40.0}).
        sequence: rises with each execution of a device; the gateway keeps this order.
        created_at_ms, expires_at_ms: its life, Unix milliseconds; both sides check it.
        timeout_ms: how long a gateway may be silent about it once it has been sent.
        retries: attempts after the first one.
        state, changed_at_ms: where it stands, since when.
        attempt: how often it has been sent.
        step_deadline_ms: when the present step times out, or None.
        reason, reason_text: why it ended otherwise than by success.
        confirmed_by: what the outcome rests on.
        result: measured values at the end, by quantity.
    """

    execution_id: str
    command_id: str
    tenant: str
    gateway: str
    device: str
    name: str
    args: Mapping[str, float]
    sequence: int
    created_at_ms: int
    expires_at_ms: int
    timeout_ms: int
    retries: int
    state: ExecutionState = ExecutionState.QUEUED
    changed_at_ms: int = 0
    attempt: int = 0
    step_deadline_ms: int | None = None
    reason: Reason | None = None
    reason_text: str | None = None
    confirmed_by: ConfirmedBy | None = None
    result: Mapping[str, float] | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more is expected to happen to it."""
        return self.state in FINAL_STATES

    @property
    def from_silence(self) -> bool:
        """Whether it ended only because nothing was heard of it, so that the gateway's own late word is better."""
        return self.state is ExecutionState.EXPIRED or (
            self.state is ExecutionState.FAILED and self.reason is Reason.TIMED_OUT
        )


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The gateway's link is there (it has just come up, or the execution was just created)."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The gateway's link is gone: what it had not accepted will be sent again, what it had goes on there."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway has it in its inbox."""


@dataclass(frozen=True, slots=True)
class Started:
    """The driver began, or goes on: the step timer is renewed."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The gateway's last word on this attempt; `outcome` is one of OUTCOMES."""

    outcome: ExecutionState
    reason: Reason | None = None
    reason_text: str | None = None
    confirmed_by: ConfirmedBy | None = None
    result: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: expiry and time-outs are due where `now_ms` says so."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """A person takes the command back."""


Event = LinkUp | LinkLost | Accepted | Started | Finished | Tick | Cancel


@dataclass(frozen=True, slots=True)
class Send:
    """Write the execution to its gateway's link."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class SendCancel:
    """Tell the gateway to drop the execution if it has not begun."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Changed:
    """Store the execution and tell whoever watches."""

    execution: Execution


Effect = Send | SendCancel | Changed
_Step = tuple[Execution, tuple[Effect, ...]]
_S: Final = ExecutionState


def _end(execution: Execution, state: ExecutionState, now_ms: int, reason: Reason | None, text: str | None) -> _Step:
    ended = replace(
        execution, state=state, changed_at_ms=now_ms, step_deadline_ms=None, reason=reason, reason_text=text
    )
    return ended, (Changed(ended),)


def _send(execution: Execution, now_ms: int) -> _Step:
    sent = replace(
        execution,
        state=_S.SENT,
        changed_at_ms=now_ms,
        attempt=execution.attempt + 1,
        step_deadline_ms=now_ms + execution.timeout_ms,
    )
    return sent, (Changed(sent), Send(sent))


def _move(execution: Execution, state: ExecutionState, now_ms: int) -> _Step:
    moved = replace(execution, state=state, changed_at_ms=now_ms, step_deadline_ms=now_ms + execution.timeout_ms)
    return moved, (Changed(moved),)


def _may_retry(execution: Execution, now_ms: int) -> bool:
    return execution.attempt <= execution.retries and now_ms < execution.expires_at_ms


def _try_again(execution: Execution, now_ms: int, reason: Reason, text: str | None) -> _Step:
    """Put a failed attempt back into the queue, with what went wrong, and send it again at once."""
    queued = replace(execution, state=_S.QUEUED, step_deadline_ms=None, reason=reason, reason_text=text)
    return _send(queued, now_ms)


def _finish(execution: Execution, event: Finished, now_ms: int) -> _Step:
    failure = event.reason if event.outcome is _S.FAILED else None
    if failure is not None and failure.retryable and not execution.is_final and _may_retry(execution, now_ms):
        return _try_again(execution, now_ms, failure, event.reason_text)
    ended = replace(
        execution,
        state=event.outcome,
        changed_at_ms=now_ms,
        step_deadline_ms=None,
        reason=event.reason,
        reason_text=event.reason_text,
        confirmed_by=event.confirmed_by,
        result=event.result,
    )
    return ended, (Changed(ended),)


def _tick(execution: Execution, now_ms: int) -> _Step:
    if execution.state in (_S.QUEUED, _S.SENT) and now_ms >= execution.expires_at_ms:
        text = "not accepted by the gateway within its time to live"
        return _end(execution, _S.EXPIRED, now_ms, Reason.EXPIRED, text)
    deadline = execution.step_deadline_ms
    if deadline is None or now_ms < deadline:
        return execution, ()
    text = f"no word from the gateway within {execution.timeout_ms / 1000:g} s (attempt {execution.attempt})"
    if _may_retry(execution, now_ms):
        return _try_again(execution, now_ms, Reason.TIMED_OUT, text)
    return _end(execution, _S.FAILED, now_ms, Reason.TIMED_OUT, text)


def step(execution: Execution, event: Event, now_ms: int) -> tuple[Execution, tuple[Effect, ...]]:
    """Apply one event to an execution.

    A pair of state and event that means nothing (a late or repeated message) changes nothing and has no effect. A
    gateway's own word corrects a verdict that the cloud had reached from silence (expired, timed out): the lamp did
    act, only the news was late.

    Args:
        execution: as it stands.
        event: what happened.
        now_ms: the present, Unix milliseconds.

    Returns:
        The execution as it stands now, and what is to be done about it, in order.
    """
    state = execution.state
    unchanged: _Step = (execution, ())
    if execution.is_final and not (isinstance(event, Finished) and execution.from_silence):
        return unchanged
    match event:
        case Tick():
            return _tick(execution, now_ms)
        case Finished():
            return _finish(execution, event, now_ms) if event.outcome in OUTCOMES else unchanged
        case LinkUp():
            if state is not _S.QUEUED:
                return unchanged
            return _tick(execution, now_ms) if now_ms >= execution.expires_at_ms else _send(execution, now_ms)
        case LinkLost():
            if state is not _S.SENT:
                return unchanged
            # The gateway answers a repeat from its memory, so sending again is safe; the lost one does not count.
            queued = replace(
                execution, state=_S.QUEUED, changed_at_ms=now_ms, step_deadline_ms=None, attempt=execution.attempt - 1
            )
            return queued, (Changed(queued),)
        case Accepted():
            return _move(execution, _S.ACCEPTED, now_ms) if state is _S.SENT else unchanged
        case Started():
            return _move(execution, _S.RUNNING, now_ms) if state is not _S.QUEUED else unchanged
        case Cancel():
            if state is _S.QUEUED:
                return _end(execution, _S.CANCELLED, now_ms, Reason.CANCELLED, None)
            return execution, (SendCancel(execution),)
