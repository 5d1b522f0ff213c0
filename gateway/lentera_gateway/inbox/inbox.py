"""Carries commands out: one worker a device, the newest command first to be taken, a slow lamp in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from lentera_drivers.driver import Confirmation
from lentera_gateway.inbox.table import Newest, Verdict, after_restart, is_older, judge, new_record, newest_taken
from lentera_gateway.inbox.updates import UpdateQueue, update_of
from lentera_gateway.journal.records import CommandRecord
from lentera_gateway.lighting import level_in_effect
from lentera_model.commands import ExecutionState, Reason, parse_arguments
from lentera_model.protocol import CommandMessage
from lentera_model.readings import Sample

REMEMBERED: Final = 512
"""Executions whose end is remembered, to answer a repeat."""
_REPORTED_AFTER_RESTART: Final = 32
"""The last commands whose end is reported again after a restart: the cloud may have missed it."""
_SHARE_OF_TIMEOUT: Final = 0.9
"""Of the cloud's timeout, so that the gateway's own verdict arrives before the cloud gives up."""


class Memory(Protocol):
    """Where the inbox remembers; the journal."""

    async def commands(self) -> list[CommandRecord]:
        """Return the remembered commands, oldest first."""
        ...

    async def keep_command(self, record: CommandRecord) -> str | None:
        """Make a record durable; returns a problem or None."""
        ...


SetLevel = Callable[[str, float, float], Awaitable[Confirmation]]
"""(device, level_percent, timeout_s) -> how it ended."""


class Inbox:
    """Takes commands from the link and brings them to the drivers."""

    def __init__(
        self,
        profiles: Mapping[str, str],
        set_level: SetLevel,
        memory: Memory,
        updates: UpdateQueue,
        take_sample: Callable[[Sample], None],
        now_ms: Callable[[], int],
        monotonic_ms: Callable[[], int],
        log: FilteringBoundLogger,
    ) -> None:
        """Join the inbox to the rest.

        Args:
            profiles: device -> profile id, of every device of this gateway.
            set_level: finds the device's driver and sets the level.
            memory: remembers across restarts.
            updates: reports to the cloud.
            take_sample: takes the sample of the commanded level.
            now_ms: corrected wall time.
            monotonic_ms: CLOCK_BOOTTIME.
            log: structured log.
        """
        self._profiles = profiles
        self._set_level = set_level
        self._memory = memory
        self._updates = updates
        self._take_sample = take_sample
        self._now_ms = now_ms
        self._monotonic_ms = monotonic_ms
        self._log = log
        self._records: dict[str, CommandRecord] = {}
        self._newest: dict[str, Newest] = {}
        self._waiting: dict[str, CommandMessage] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._writes: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Remember the last commands; those that a restart interrupted have failed by it."""
        records = await self._memory.commands()
        for record in records[-REMEMBERED:]:
            ended = after_restart(record, self._monotonic_ms())
            self._records[ended.execution_id] = ended
            if ended is not record:
                await self._memory.keep_command(ended)
        self._newest = newest_taken(self._records.values())
        for record in list(self._records.values())[-_REPORTED_AFTER_RESTART:]:
            self._updates.put(update_of(record))

    def arrive(self, command: CommandMessage) -> None:
        """Take a command from the link; returns at once."""
        now_ms = self._now_ms()
        known = self._records.get(command.execution_id)
        newest = self._newest.get(command.device)
        verdict, record = judge(command, known, newest, self._profiles, now_ms, self._monotonic_ms())
        if verdict is Verdict.ANSWER:
            self._updates.put(update_of(record))
            return
        self._keep(record)
        if verdict is Verdict.ACCEPT:
            self._queue(command)

    def cancel(self, execution_id: str) -> None:
        """Take a command back if it has not begun; one that runs ends by itself."""
        for device, command in list(self._waiting.items()):
            if command.execution_id == execution_id:
                del self._waiting[device]
                self._end(command, ExecutionState.CANCELLED, Reason.CANCELLED, "taken back before it began")

    async def close(self, patience_s: float) -> None:
        """Let running commands end for so long; what is left is answered as restarted by the next process."""
        running = [task for task in self._workers.values() if not task.done()]
        if running:
            await asyncio.wait(running, timeout=patience_s)
        for task in running:
            task.cancel()
        if self._writes:
            await asyncio.wait(list(self._writes), timeout=patience_s)

    def _queue(self, command: CommandMessage) -> None:
        older = self._waiting.get(command.device)
        if older is not None:
            if is_older(command, Newest(older.sequence, older.expires_at_ms)):
                command, older = older, command
            self._end(older, ExecutionState.CANCELLED, Reason.SUPERSEDED, "a newer command came before it began")
        self._waiting[command.device] = command
        self._newest[command.device] = Newest(command.sequence, command.expires_at_ms)
        worker = self._workers.get(command.device)
        if worker is None or worker.done():
            task = asyncio.create_task(self._work(command.device), name=f"inbox-{command.device}")
            self._workers[command.device] = task

    async def _work(self, device: str) -> None:
        while (command := self._waiting.pop(device, None)) is not None:
            try:
                await self._carry_out(command)
            except Exception as error:  # noqa: BLE001 (supervised: one command's mistake never stops the device)
                self._log.exception("command_broke", execution_id=command.execution_id, device=device)
                self._end(command, ExecutionState.FAILED, Reason.INTERNAL, f"{type(error).__name__}: {error}")

    async def _carry_out(self, command: CommandMessage) -> None:
        if self._now_ms() >= command.expires_at_ms:
            text = "its time to live ran out while the device was busy"
            self._end(command, ExecutionState.EXPIRED, Reason.EXPIRED, text)
            return
        arguments = parse_arguments(command.name, command.args)
        level_percent = level_in_effect(command.device, arguments.level_percent)
        started = new_record(command, ExecutionState.RUNNING, self._monotonic_ms())
        self._records[command.execution_id] = started
        self._updates.put(update_of(started))
        commanded = {"level_commanded_percent": level_percent}
        self._take_sample(Sample(command.device, self._profiles[command.device], self._monotonic_ms(), commanded))
        timeout_s = command.timeout_ms / 1000 * _SHARE_OF_TIMEOUT
        confirmation = await self._set_level(command.device, level_percent, timeout_s)
        self._finish(command, confirmation)

    def _finish(self, command: CommandMessage, confirmation: Confirmation) -> None:
        proof, reason = confirmation.confirmed_by, confirmation.reason
        self._keep(
            CommandRecord(
                command.execution_id,
                command.device,
                command.sequence,
                command.attempt,
                _outcome(confirmation).value,
                None if reason is None else reason.value,
                confirmation.reason_text or None,
                None if proof is None else proof.value,
                dict(confirmation.measured) or None,
                self._monotonic_ms(),
                command.expires_at_ms,
            )
        )

    def _end(self, command: CommandMessage, state: ExecutionState, reason: Reason, text: str) -> None:
        self._keep(new_record(command, state, self._monotonic_ms(), reason, text))

    def _keep(self, record: CommandRecord) -> None:
        """Remember, report, and write to the card without waiting for it."""
        self._records.pop(record.execution_id, None)
        self._records[record.execution_id] = record
        while len(self._records) > REMEMBERED:
            self._records.pop(next(iter(self._records)))
        self._updates.put(update_of(record))
        task = asyncio.create_task(self._write(record))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _write(self, record: CommandRecord) -> None:
        problem = await self._memory.keep_command(record)
        if problem is not None:
            self._log.warning("command_not_on_card", execution_id=record.execution_id, problem=problem)


def _outcome(confirmation: Confirmation) -> ExecutionState:
    """Return the execution's end: a refusal that no repeat would change counts as rejected, not as failed."""
    if confirmation.outcome == "failed" and confirmation.reason in (Reason.NOT_SUPPORTED, Reason.DEVICE_UNKNOWN):
        return ExecutionState.REJECTED
    return ExecutionState(confirmation.outcome)
