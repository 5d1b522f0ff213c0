"""Which executions may have reached their lamp: the newest of them tells the level the lamp was last commanded."""

from typing import Final

from lentera_model.commands import Execution, ExecutionState, Reason

_WAITING: Final = frozenset({ExecutionState.QUEUED, ExecutionState.SENT})
_WITH_THE_GATEWAY: Final = frozenset(
    {ExecutionState.ACCEPTED, ExecutionState.RUNNING, ExecutionState.SUCCEEDED, ExecutionState.UNPROVED}
)
BEFORE_SENDING: Final = frozenset(
    {
        Reason.DEVICE_OFFLINE,
        Reason.DEVICE_UNKNOWN,
        Reason.INVALID_ARGUMENTS,
        Reason.NOT_SUPPORTED,
        Reason.SUPERSEDED,
    }
)
"""Failures that happen before anything is written to the device."""


def may_have_reached(before: Execution, after: Execution) -> bool:
    """Say whether an execution may have changed its lamp, now that it has gone from ``before`` to ``after``.

    In the gateway's hands, proved, unproved or failed after something was written: it may. Expired, cancelled,
    rejected or failed before that: it has not, unless an earlier attempt had got further (a step keeps the reason of
    the attempt before it, and only a failure that comes after the writing is tried again).
    """
    if after.state in _WITH_THE_GATEWAY:
        return True
    if after.state is ExecutionState.FAILED and after.reason not in BEFORE_SENDING:
        return True
    return (after if after.state in _WAITING else before).reason is not None and not before.is_final
