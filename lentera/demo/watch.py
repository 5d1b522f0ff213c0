"""Look at the running demo each second, through the public API and the gateway's status file."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from lentera.answers import FINAL_COMMAND_STATES, Command
from lentera.client import AsyncClient
from lentera.demo.dimmer import Tally
from lentera.demo.launch import Launched
from lentera.demo.view import Snapshot, View
from lentera.errors import FrontDoorError

PERIOD_S = 1.0
LOOK_BACK_COMMANDS = 100


class Rate:
    """Values a second from a counter that starts again at 0 when its process does."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None
        self.per_s: float | None = None

    def update(self, now_s: float, total: int | None) -> float | None:
        """Take the counter's newest state; the rate over the last few seconds, smoothed, None until there are two."""
        if total is None:
            return self.per_s
        if self._last is not None and total >= self._last[1] and now_s > self._last[0]:
            now = (total - self._last[1]) / (now_s - self._last[0])
            self.per_s = now if self.per_s is None else self.per_s + 0.3 * (now - self.per_s)
        self._last = (now_s, total)
        return self.per_s


class CommandCounter:
    """Counts the tenant's commands by their newest state from the newest ones that the API lists each second."""

    def __init__(self) -> None:
        self._status: dict[str, str] = {}

    def update(self, newest: list[Command]) -> None:
        """Take in the newest commands; one that was seen before is not counted again."""
        self._status.update((command.command_id, command.status) for command in newest)

    def tally(self) -> Tally:
        """How many were sent, succeeded and failed so far."""
        states = list(self._status.values())
        succeeded = states.count("succeeded")
        failed = sum(state in FINAL_COMMAND_STATES for state in states) - succeeded
        return Tally(sent=len(states), succeeded=succeeded, failed=failed)


async def watch(view: View, client: AsyncClient, launched: Launched, stop: asyncio.Event, tally: Tally | None) -> None:
    """Show a snapshot each second until `stop`; a cloud that is away for a moment leaves the last picture standing.

    `tally` counts the demo's own commands; without it those that anybody gave are counted from the API.
    """
    began = time.monotonic()
    rate = Rate()
    counter = CommandCounter()
    devices = []
    newest = ""
    while not stop.is_set():
        with suppress(FrontDoorError):
            devices = await client.devices()
            commands = await client.commands(limit=LOOK_BACK_COMMANDS)
            counter.update(commands)
            newest = newest_command(commands)
        now_s = time.monotonic()
        status = launched.gateway_status()
        view.show(
            Snapshot(
                elapsed_s=now_s - began,
                devices=devices,
                values_per_s=rate.update(now_s, status.values_total),
                journal_waiting=status.waiting_batches,
                commands=tally if tally is not None else counter.tally(),
                newest_command=newest,
            )
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PERIOD_S)


def newest_command(commands: list[Command]) -> str:
    """The newest command in one line, empty if there is none."""
    if not commands or not commands[0].executions:
        return ""
    command = commands[0]
    execution = command.executions[0]
    proof = f", confirmed by {execution.confirmed_by}" if execution.confirmed_by else ""
    reason = f" ({execution.reason.code})" if execution.reason else ""
    level = f" to {command.args['level_percent']:g} %" if "level_percent" in command.args else ""
    return f"last command: {execution.device_id}{level}: {execution.state}{proof}{reason}"
