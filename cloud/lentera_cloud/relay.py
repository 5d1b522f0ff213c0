"""What happens at one replica and concerns another's links or caches: told to the others, heard from them, made good.

Signals make it quick; they may be lost. So each replica also looks at every beat what the registry says of its links.
"""

from collections.abc import Awaitable, Callable

import structlog

from lentera_cloud.domain.events import (
    CancelRequested,
    CommandChanged,
    DeliveryChanged,
    DeviceMoved,
    GatewayRevoked,
    LinkClosed,
    LinkOpened,
    SendWanted,
)
from lentera_cloud.domain.signals import Signal, SignalKind
from lentera_cloud.features.commands.service import CommandsService
from lentera_cloud.features.delivery.service import DeliveryService
from lentera_cloud.features.ingest.hub import REVOKED, LinkHub
from lentera_cloud.features.ingest.presence import Presence
from lentera_cloud.features.ingest.service import IngestService
from lentera_cloud.kit.events import EventBus
from lentera_cloud.ports import Registry, Signals, StoreUnavailableError
from lentera_model.commands import LinkUp
from lentera_model.protocol import CancelMessage

_log = structlog.get_logger(__name__)


class Relay:
    """Joins this replica to the others."""

    def __init__(
        self,
        signals: Signals,
        registry: Registry,
        replica: str,
        hub: LinkHub,
        presence: Presence,
        commands: CommandsService,
        ingest: IngestService,
        delivery: DeliveryService,
    ) -> None:
        """Speak as ``replica`` for these."""
        self._signals = signals
        self._registry = registry
        self._replica = replica
        self._hub = hub
        self._presence = presence
        self._commands = commands
        self._ingest = ingest
        self._delivery = delivery
        self._publish: Callable[[object], Awaitable[None]] | None = None

    def subscribe(self, bus: EventBus) -> None:
        """Tell the others of the events that concern them."""
        self._publish = bus.publish
        bus.subscribe(LinkOpened, self._link_opened)
        bus.subscribe(SendWanted, self._send_wanted)
        bus.subscribe(CancelRequested, self._cancel)
        bus.subscribe(CommandChanged, self._command_changed)
        bus.subscribe(GatewayRevoked, self._revoked)
        bus.subscribe(DeliveryChanged, self._delivery_changed)
        bus.subscribe(DeviceMoved, self._moved)

    async def listen(self) -> None:
        """Hear the others until cancelled."""
        await self._signals.listen(self._hear, self.look)

    async def _tell(self, signal: Signal) -> None:
        try:
            await self._signals.publish(signal)
        except StoreUnavailableError as error:
            _log.warning("signal_not_told", kind=signal.kind.value, error=str(error))

    async def _link_opened(self, event: LinkOpened) -> None:
        self._ingest.forget_receipts(event.tenant, event.gateway)
        await self._tell(Signal(SignalKind.LINK_OPENED, event.tenant, event.gateway))

    async def _send_wanted(self, event: SendWanted) -> None:
        one = event.execution
        await self._tell(Signal(SignalKind.SEND, one.tenant, one.gateway, one.execution_id))

    async def _cancel(self, event: CancelRequested) -> None:
        one = event.execution
        if not self._hub.send(one.gateway, CancelMessage(one.execution_id)):
            await self._tell(Signal(SignalKind.CANCEL, one.tenant, one.gateway, one.execution_id))

    async def _command_changed(self, event: CommandChanged) -> None:
        await self._tell(Signal(SignalKind.COMMAND_CHANGED, event.tenant, subject=event.command_id))

    async def _revoked(self, event: GatewayRevoked) -> None:
        self._hub.dismiss(event.gateway, REVOKED)
        await self._tell(Signal(SignalKind.GATEWAY_REVOKED, event.tenant, event.gateway))

    async def _delivery_changed(self, event: DeliveryChanged) -> None:
        if not self._hub.is_connected(event.gateway):
            await self._tell(Signal(SignalKind.DELIVERY_CHANGED, event.tenant, event.gateway))

    async def _moved(self, event: DeviceMoved) -> None:
        await self._ingest.on_device_moved(event)
        await self._tell(Signal(SignalKind.DEVICE_MOVED, event.tenant, event.gateway, event.device))

    async def _hear(self, signal: Signal) -> None:
        try:
            await self._handle(signal)
        except StoreUnavailableError as error:
            _log.warning("signal_not_handled", kind=signal.kind.value, error=str(error))
        except Exception as error:  # noqa: BLE001 - the supervised boundary: one signal's fault must not end the hearing
            _log.error("signal_failed", kind=signal.kind.value, exc_info=error)

    async def _handle(self, signal: Signal) -> None:
        tenant, gateway, subject = signal.tenant, signal.gateway, signal.subject
        match signal.kind:
            case SignalKind.LINK_OPENED:
                await self._presence.opened_elsewhere(tenant, gateway)
            case SignalKind.SEND:
                if self._hub.is_connected(gateway):
                    await self._commands.apply(tenant, subject, LinkUp())
            case SignalKind.CANCEL:
                self._hub.send(gateway, CancelMessage(subject))
            case SignalKind.COMMAND_CHANGED:
                self._commands.watchers.changed(tenant, subject)
            case SignalKind.DELIVERY_CHANGED:
                if self._hub.is_connected(gateway) and self._publish is not None:
                    await self._publish(DeliveryChanged(tenant, gateway))
            case SignalKind.GATEWAY_REVOKED:
                self._hub.dismiss(gateway, REVOKED)
            case SignalKind.DEVICE_MOVED:
                await self._ingest.on_device_moved(DeviceMoved(tenant, subject, gateway))

    async def look(self) -> None:
        """Do what a lost signal would have brought about, and what the links of a dead replica leave to be done.

        Called at every beat and whenever signals were missed; while the registry is away the next beat does it.
        """
        try:
            await self._presence.renew()
            for one in await self._registry.links.waiting(self._replica):
                if self._hub.is_connected(one.gateway):
                    await self._commands.apply(one.tenant, one.execution_id, LinkUp())
            await self._delivery.make_good(self._replica)
            for row in await self._presence.bury():
                _log.info("link_of_dead_replica", gateway=row.gateway_id, replica=row.replica)
                known = await self._registry.gateways.get(row.tenant, row.gateway_id)
                if known is not None and (known.last_seen_at_ms or 0) < row.heard_at_ms:
                    await self._registry.gateways.seen(row.tenant, row.gateway_id, row.heard_at_ms)
                if self._publish is not None:
                    await self._publish(LinkClosed(row.tenant, row.gateway_id))
        except StoreUnavailableError as error:
            _log.warning("replica_lease_not_renewed", error=str(error))
        except Exception as error:  # noqa: BLE001 - the supervised boundary: the next beat looks again
            _log.error("replica_look_failed", exc_info=error)
