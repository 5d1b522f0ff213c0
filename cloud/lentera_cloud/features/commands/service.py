"""The life of commands: made in one transaction, moved by ``lentera_model.commands.step``, each move stored first."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from lentera_cloud.domain.events import (
    CancelRequested,
    CommandChanged,
    ExecutionReported,
    LinkClosed,
    LinkOpened,
    SendRequested,
    SendWanted,
)
from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.features.commands.waiting import Watchers
from lentera_cloud.kit.problems import Problem
from lentera_cloud.ports import (
    Clock,
    CommandRecord,
    CommandRow,
    DeviceRow,
    IdempotencyConflictError,
    Registry,
    StoreUnavailableError,
)
from lentera_model.commands import (
    Cancel,
    Changed,
    Effect,
    Event,
    Execution,
    ExecutionState,
    LinkLost,
    LinkUp,
    Send,
    SendCancel,
    Tick,
    step,
)
from lentera_model.identifiers import time_ordered_id

KEEP_KEY_MS = 86_400_000
"""How long an idempotency key gives the first answer again."""
REREAD_S = 5.0
"""A waiting request looks again this often, for what another process may have changed."""
DUE_AT_ONCE = 500
_ATTEMPTS_TO_SAVE = 20

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CommandWish:
    """What a person asks for; times in milliseconds."""

    device: str
    name: str
    args: Mapping[str, float]
    ttl_ms: int
    timeout_ms: int
    retries: int
    idempotency_key: str | None = None

    def fingerprint(self) -> bytes:
        """Return a hash that is equal for the same request only."""
        body = [self.device, self.name, sorted(self.args.items()), self.ttl_ms, self.timeout_ms, self.retries]
        return hashlib.sha256(json.dumps(body).encode()).digest()


class CommandsService:
    """Makes commands and moves their executions.

    An event is applied to what the registry holds and saved only over exactly that; its effects follow once it is
    saved. So several events of one execution, or several processes, never lose each other's change.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        is_connected: Callable[[str], bool],
        publish: Callable[[object], Awaitable[None]],
    ) -> None:
        """Use these; ``is_connected`` says whether a gateway has a link, ``publish`` takes domain events."""
        self._registry = registry
        self._commands = registry.commands
        self._clock = clock
        self._is_connected = is_connected
        self._publish = publish
        self.watchers = Watchers()
        self._unsent: dict[str, str] = {}
        """Execution -> its tenant: stored while its gateway had a link, but the registry failed before it was sent."""

    async def create(self, tenant: str, created_by: str, wish: CommandWish) -> CommandRecord:
        """Store a command to one device and set it going.

        Raises:
            Problem: ``unknown_device``, ``not_a_luminaire`` or ``idempotency_key_reused``.
        """
        device = await self._luminaire(tenant, wish.device)
        command, execution = self._build(tenant, created_by, wish, device)
        try:
            record = await self._commands.create(tenant, command, [execution], KEEP_KEY_MS)
        except IdempotencyConflictError as error:
            raise Problem(ProblemCode.IDEMPOTENCY_KEY_REUSED, str(error)) from error
        # A link that opens after this question finds the execution in the registry by itself.
        if record.replayed:
            return record
        if not self._is_connected(execution.gateway):
            for one in record.executions:
                await self._publish(SendWanted(one))
            return record
        return CommandRecord(record.command, tuple([await self._first_send(one) for one in record.executions]))

    async def _first_send(self, one: Execution) -> Execution:
        """Send a stored execution; while the registry is away it stays queued and :meth:`send_unsent` sends it."""
        self._unsent[one.execution_id] = one.tenant
        try:
            moved = await self.apply(one.tenant, one.execution_id, LinkUp())
        except StoreUnavailableError as error:
            _log.warning("send_waits", execution=one.execution_id, error=str(error))
            return one
        self._unsent.pop(one.execution_id, None)
        return moved or one

    async def send_unsent(self) -> None:
        """Send what an outage of the registry kept from being sent (by the process that has the links, each second).

        A link that opened meanwhile has sent it already: then nothing happens.
        """
        for execution_id, tenant in list(self._unsent.items()):
            one = await self._commands.execution(tenant, execution_id)
            if one is not None and one.state is ExecutionState.QUEUED and self._is_connected(one.gateway):
                await self.apply(tenant, execution_id, LinkUp())
            self._unsent.pop(execution_id, None)

    async def _luminaire(self, tenant: str, device_id: str) -> DeviceRow:
        device = await self._registry.devices.get(tenant, device_id)
        if device is None:
            raise Problem(ProblemCode.UNKNOWN_DEVICE, f"There is no device {device_id!r}: GET /v1/devices lists yours.")
        if device.kind != "luminaire":
            detail = f"{device_id} is a {device.kind}: only a luminaire has a level to set."
            raise Problem(ProblemCode.NOT_A_LUMINAIRE, detail)
        return device

    def _build(
        self, tenant: str, created_by: str, wish: CommandWish, device: DeviceRow
    ) -> tuple[CommandRow, Execution]:
        now_ms = self._clock.now_ms()
        command = CommandRow(
            tenant=tenant,
            command_id=time_ordered_id("c", now_ms, secrets.token_bytes(10)),
            name=wish.name,
            args=wish.args,
            created_at_ms=now_ms,
            created_by=created_by,
            idempotency_key=wish.idempotency_key,
            body_sha256=wish.fingerprint() if wish.idempotency_key is not None else None,
        )
        execution = Execution(
            execution_id=time_ordered_id("e", now_ms, secrets.token_bytes(10)),
            command_id=command.command_id,
            tenant=tenant,
            gateway=device.gateway_id,
            device=device.device_id,
            name=wish.name,
            args=wish.args,
            sequence=0,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + wish.ttl_ms,
            timeout_ms=wish.timeout_ms,
            retries=wish.retries,
            changed_at_ms=now_ms,
        )
        return command, execution

    async def get(self, tenant: str, command_id: str, wait_s: float = 0) -> CommandRecord:
        """Return a command; with ``wait_s``, not before it is final or that time is over.

        Raises:
            Problem: ``unknown_command``.
        """
        deadline = asyncio.get_running_loop().time() + wait_s
        with self.watchers.watch(tenant, command_id) as changed:
            while True:
                changed.clear()
                record = await self._commands.get(tenant, command_id)
                if record is None:
                    raise Problem(ProblemCode.UNKNOWN_COMMAND, f"There is no command {command_id!r}.")
                left_s = deadline - asyncio.get_running_loop().time()
                if left_s <= 0 or self.watchers.closing or all(one.is_final for one in record.executions):
                    return record
                try:
                    async with asyncio.timeout(min(left_s, REREAD_S)):
                        await changed.wait()
                except TimeoutError:
                    continue

    async def newest(self, tenant: str, limit: int) -> list[CommandRecord]:
        """Return the newest commands, newest first."""
        return await self._commands.newest(tenant, limit)

    async def cancel(self, tenant: str, command_id: str) -> CommandRecord:
        """Take a command back as far as it has not begun; what runs may still end as it will.

        Raises:
            Problem: ``unknown_command``.
        """
        record = await self.get(tenant, command_id)
        for one in record.executions:
            await self.apply(tenant, one.execution_id, Cancel())
        return await self.get(tenant, command_id)

    async def apply(self, tenant: str, execution_id: str, event: Event, gateway: str | None = None) -> Execution | None:
        """Apply an event to an execution, store what comes of it, then carry out the effects.

        Args:
            tenant: whose execution.
            execution_id: which one.
            event: of the state machine.
            gateway: who reports the event, if a gateway does: it must be the execution's own.

        Returns:
            The execution as it stands now; None when there is none such (or it is another gateway's).
        """
        for _ in range(_ATTEMPTS_TO_SAVE):
            before = await self._commands.execution(tenant, execution_id)
            if before is None or (gateway is not None and before.gateway != gateway):
                return None
            after, effects = step(before, event, self._clock.now_ms())
            if after == before or await self._commands.save(tenant, before, after):
                await self._carry_out(effects)
                return after
        raise RuntimeError(f"execution {execution_id} changed {_ATTEMPTS_TO_SAVE} times while one event was applied")

    async def _carry_out(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Changed():
                    one = effect.execution
                    _log.info("execution_changed", execution=one.execution_id, device=one.device, state=one.state)
                    self.watchers.changed(one.tenant, one.command_id)
                    await self._publish(CommandChanged(one.tenant, one.command_id))
                case Send():
                    await self._publish(SendRequested(effect.execution))
                case SendCancel():
                    await self._publish(CancelRequested(effect.execution))

    async def on_reported(self, report: ExecutionReported) -> None:
        """Take a gateway's word on an execution."""
        if await self.apply(report.tenant, report.execution_id, report.event, report.gateway) is None:
            _log.warning("report_of_unknown_execution", gateway=report.gateway, execution=report.execution_id)

    async def on_link_opened(self, event: LinkOpened) -> None:
        """Send what waits for this gateway, in order, and again what an earlier link was given without an answer."""
        for one in await self._commands.live_of_gateway(event.tenant, event.gateway):
            if one.state is not ExecutionState.QUEUED:
                await self.apply(event.tenant, one.execution_id, LinkLost())
            await self.apply(event.tenant, one.execution_id, LinkUp())

    async def on_link_closed(self, event: LinkClosed) -> None:
        """Put what the lost link was given without an answer back into the queue."""
        for one in await self._commands.live_of_gateway(event.tenant, event.gateway):
            await self.apply(event.tenant, one.execution_id, LinkLost())

    async def tick(self) -> None:
        """Apply what is due by time: expiry and step time-outs (a background job, each second)."""
        while due := await self._commands.due(self._clock.now_ms(), DUE_AT_ONCE):
            for one in due:
                await self.apply(one.tenant, one.execution_id, Tick())
            if len(due) < DUE_AT_ONCE:
                return
