"""What a gateway says of executions and devices, noted where it belongs."""

import structlog

from lentera_cloud.domain.events import ExecutionReported
from lentera_cloud.features.ingest.context import LinkContext
from lentera_cloud.kit.patience import until_available
from lentera_cloud.kit.texts import without_controls
from lentera_cloud.ports import GatewayRow
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
from lentera_model.protocol import CommandUpdate, DeviceStatus

_log = structlog.get_logger(__name__)


async def report(context: LinkContext, gateway: GatewayRow, update: CommandUpdate) -> None:
    """Publish what a gateway says of an execution, waiting for the registry."""
    event = event_of(update)
    if event is None:
        _log.warning(
            "command_update_not_understood",
            gateway=gateway.gateway_id,
            execution=update.execution_id,
            state=update.state,
        )
        return
    reported = ExecutionReported(gateway.tenant, gateway.gateway_id, update.execution_id, event)
    await until_available("registry", lambda: context.publish(reported))


async def note_status(context: LinkContext, gateway: GatewayRow, status: DeviceStatus) -> None:
    """Note whether a device answers its gateway; of another gateway's device nothing is believed."""
    devices = context.registry.devices
    row = await devices.get(gateway.tenant, status.device)
    if row is None or row.gateway_id != gateway.gateway_id:
        _log.warning("status_of_foreign_device", gateway=gateway.gateway_id, device=status.device)
        return
    now_ms = context.clock.now_ms()
    await devices.set_status(gateway.tenant, status.device, status.online, without_controls(status.reason), now_ms)


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
