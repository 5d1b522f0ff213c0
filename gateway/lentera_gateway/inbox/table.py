"""What to do with a command that arrives: the rules as one pure function.

known                                       then
not known                                   judge it
in the queue or running                     say so again
ended, this attempt or an earlier one       answer with the same end
ended in a failure worth another attempt    judge it as new, if this is a later attempt
ended otherwise                             answer with the same end

judge: the device is not here -> rejected; arguments -> rejected; too late -> expired; a newer command to the device
has been taken -> cancelled (superseded); else -> accepted.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from lentera_gateway.journal.records import CommandRecord
from lentera_model.commands import FINAL_STATES, ExecutionState, InvalidArgumentsError, Reason, parse_arguments
from lentera_model.protocol import CommandMessage

_NOT_TAKEN: Final = frozenset({ExecutionState.REJECTED, ExecutionState.EXPIRED})


class Verdict(Enum):
    """What becomes of an arrival."""

    ANSWER = auto()
    """A repeat: report its state again, nothing else."""
    END = auto()
    """It is over before it began: keep and report the record."""
    ACCEPT = auto()
    """Keep and report it as accepted, then carry it out."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest command that a device has taken: its place in the order, and when it would have expired."""

    sequence: int
    expires_at_ms: int


def is_final(record: CommandRecord) -> bool:
    """Whether nothing more will happen to this attempt."""
    return ExecutionState(record.state) in FINAL_STATES


def is_repeat(known: CommandRecord, command: CommandMessage) -> bool:
    """Whether a known execution is only asked about again, not to be tried again."""
    if command.attempt <= known.attempt or not is_final(known):
        return True
    failed = ExecutionState(known.state) is ExecutionState.FAILED
    return not (failed and known.reason is not None and Reason(known.reason).retryable)


def is_older(command: CommandMessage, newest: Newest | None) -> bool:
    """Whether the device has already taken a newer command.

    The expiry has a say too: a cloud that was set up anew counts from one again, and must not be refused for ever.
    """
    return newest is not None and command.sequence < newest.sequence and command.expires_at_ms <= newest.expires_at_ms


def new_record(
    command: CommandMessage,
    state: ExecutionState,
    now_monotonic_ms: int,
    reason: Reason | None = None,
    reason_text: str | None = None,
) -> CommandRecord:
    """Return the record of a command in a state."""
    return CommandRecord(
        command.execution_id,
        command.device,
        command.sequence,
        command.attempt,
        state.value,
        None if reason is None else reason.value,
        reason_text,
        None,
        None,
        now_monotonic_ms,
        command.expires_at_ms,
    )


def judge(
    command: CommandMessage,
    known: CommandRecord | None,
    newest: Newest | None,
    devices: Container[str],
    now_ms: int,
    now_monotonic_ms: int,
) -> tuple[Verdict, CommandRecord]:
    """Decide about an arrival; see the module's docstring.

    Args:
        command: as it arrived.
        known: what became of this execution so far.
        newest: the newest command that the device has taken.
        devices: the devices of this gateway.
        now_ms: corrected wall time, Unix milliseconds.
        now_monotonic_ms: CLOCK_BOOTTIME, for the record.
    """
    if known is not None and is_repeat(known, command):
        return Verdict.ANSWER, known

    def end(state: ExecutionState, reason: Reason, text: str) -> tuple[Verdict, CommandRecord]:
        return Verdict.END, new_record(command, state, now_monotonic_ms, reason, text)

    if command.device not in devices:
        text = f"this gateway has no device {command.device!r}; is its configuration up to date?"
        return end(ExecutionState.REJECTED, Reason.DEVICE_UNKNOWN, text)
    try:
        parse_arguments(command.name, command.args)
    except InvalidArgumentsError as error:
        return end(ExecutionState.REJECTED, Reason.INVALID_ARGUMENTS, str(error))
    if now_ms >= command.expires_at_ms:
        text = f"it reached the gateway {(now_ms - command.expires_at_ms) / 1000:.1f} s after its time to live"
        return end(ExecutionState.EXPIRED, Reason.EXPIRED, text)
    if is_older(command, newest):
        return end(ExecutionState.CANCELLED, Reason.SUPERSEDED, "the device has taken a newer command")
    return Verdict.ACCEPT, new_record(command, ExecutionState.ACCEPTED, now_monotonic_ms)


def after_restart(record: CommandRecord, now_monotonic_ms: int) -> CommandRecord:
    """Return what a restart makes of a remembered command: one that had not ended has failed by the restart."""
    if is_final(record):
        return record
    return CommandRecord(
        record.execution_id,
        record.device,
        record.sequence,
        record.attempt,
        ExecutionState.FAILED.value,
        Reason.GATEWAY_RESTARTED.value,
        "the gateway's program restarted while it had the command; what the device did is not known",
        None,
        None,
        now_monotonic_ms,
        record.expires_at_ms,
    )


def newest_taken(records: Iterable[CommandRecord]) -> dict[str, Newest]:
    """Return the newest command that each device has taken, from what is remembered of them.

    A command that was rejected or came too late was not taken; one that was taken back was.
    """
    newest: dict[str, Newest] = {}
    for record in records:
        if ExecutionState(record.state) in _NOT_TAKEN:
            continue
        taken, known = Newest(record.sequence, record.expires_at_ms), newest.get(record.device)
        if known is None or (taken.sequence, taken.expires_at_ms) > (known.sequence, known.expires_at_ms):
            newest[record.device] = taken
    return newest
