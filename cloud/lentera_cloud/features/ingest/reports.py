"""What a gateway says of an execution, as an event of the command state machine."""

from lentera_cloud.kit.texts import without_controls
from lentera_model.commands import (
    OUTCOMES,
    Accepted,
    ConfirmedBy,
    Event,
    ExecutionState,
    Finished,
    Reason,
    Started,
)
from lentera_model.protocol import CommandUpdate


def event_of(update: CommandUpdate) -> Event | None:
    """Translate an update; None when its state is no word of ours (a newer gateway: the step times out instead).

    A reason or a confirmation that is no word of ours must not cost the outcome: the reason becomes ``internal``
    with the word in its text, the confirmation is left out.
    """
    try:
        state = ExecutionState(update.state)
    except ValueError:
        return None
    if state is ExecutionState.ACCEPTED:
        return Accepted()
    if state is ExecutionState.RUNNING:
        return Started()
    if state not in OUTCOMES:
        return None
    reason, text = _reason(update)
    text = None if text is None else without_controls(text)
    confirmed_by = ConfirmedBy(update.confirmed_by) if update.confirmed_by in set(ConfirmedBy) else None
    return Finished(state, reason, text, confirmed_by, update.result)


def _reason(update: CommandUpdate) -> tuple[Reason | None, str | None]:
    if update.reason is None:
        return None, update.reason_text
    if update.reason in set(Reason):
        return Reason(update.reason), update.reason_text
    return Reason.INTERNAL, f"{update.reason}: {update.reason_text or 'the gateway gave a reason unknown here'}"
