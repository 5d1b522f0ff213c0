"""Dim a lamp once a second through the public API, wait for the proofs all at once, and measure how long each took."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lentera.answers import Command
from lentera.client import AsyncClient
from lentera.errors import CloudTroubleError, FrontDoorError, UnreachableError

LEVELS_PERCENT = tuple(range(0, 101, 5))
# A lamp that only its measured power can prove (Home Assistant's schema) proves a small step by the power drawn before,
# which is no scale at the lowest levels: a step from 5 to 15 % ended unproved. 30 points are beyond that.
SMALLEST_STEP_PERCENT = 30
PATIENCE_S = 30.0
RETRY_PAUSE_S = 0.25


@dataclass
class Tally:
    """What became of the commands: each sent one is succeeded or failed in the end; latencies are request to proof.

    `proved` are the levels of the commands that succeeded, lamp by lamp in order.
    """

    sent: int = 0
    succeeded: int = 0
    failed: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    proved: dict[str, list[float]] = field(default_factory=dict)

    def report(self) -> dict[str, int | float | None]:
        """The `commands` object of the demo's JSON."""
        return {
            "sent": self.sent,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "p50_ms": percentile(self.latencies_ms, 50),
            "p99_ms": percentile(self.latencies_ms, 99),
        }


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile, to a tenth; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)], 1)


def choose_levels(lamps: Sequence[str], seed: int) -> Callable[[], tuple[str, int]]:
    """Lamp after lamp in turn, each time a measurable step from the level it has; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - variety that can be repeated, no secret
    given: dict[str, int] = {}
    turn = 0

    def choose() -> tuple[str, int]:
        nonlocal turn
        lamp = lamps[turn % len(lamps)]
        turn += 1
        level = chance.choice(
            [new for new in LEVELS_PERCENT if abs(new - given.get(lamp, 100)) >= SMALLEST_STEP_PERCENT]
        )
        given[lamp] = level
        return lamp, level

    return choose


class Dimmer:
    """Sends commands until told to stop, then waits for the last of them."""

    def __init__(self, client: AsyncClient, lamps: Sequence[str], seed: int, note: Callable[[str], None]) -> None:
        self.tally = Tally()
        self._client = client
        self._choose = choose_levels(lamps, seed)
        self._note = note

    async def run(self, stop: asyncio.Event, period_s: float = 1.0) -> None:
        """A command each `period_s` until `stop`; returns when every command is final."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                group.create_task(self._one(*self._choose()))
                due += period_s
                try:
                    async with asyncio.timeout_at(due):
                        await stop.wait()
                except TimeoutError:
                    continue

    async def _one(self, lamp: str, level: int) -> None:
        self.tally.sent += 1
        number = self.tally.sent
        started = time.perf_counter()
        try:
            command = await self._send_and_wait(lamp, level, f"demo-{int(time.time() * 1000)}-{number}")
        except FrontDoorError as error:
            self._fail(lamp, level, str(error))
            return
        if command.status == "succeeded":
            self.tally.succeeded += 1
            self.tally.proved.setdefault(lamp, []).append(float(level))
            self.tally.latencies_ms.append((time.perf_counter() - started) * 1000)
        else:
            reasons = [execution.reason for execution in command.executions if execution.reason]
            words = "; ".join(f"{reason.code}: {reason.text}" for reason in reasons)
            self._fail(lamp, level, f"{command.status} ({words or 'no reason given'}), command {command.command_id}")

    async def _send_and_wait(self, lamp: str, level: int, key: str) -> Command:
        """Send under an idempotency key and wait; a cloud that is away for a moment is asked again, never doubled."""
        deadline = time.monotonic() + PATIENCE_S
        command: Command | None = None
        while True:
            try:
                if command is None:
                    command = await self._client.send_level(lamp, level, idempotency_key=key)
                return await self._client.wait(command, timeout_s=max(1.0, deadline - time.monotonic()))
            except (UnreachableError, CloudTroubleError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(RETRY_PAUSE_S)

    def _fail(self, lamp: str, level: int, why: str) -> None:
        self.tally.failed += 1
        text = f"{lamp} to {level} %: {why}"
        self.tally.failures.append(text)
        self._note(f"command failed: {text}")
