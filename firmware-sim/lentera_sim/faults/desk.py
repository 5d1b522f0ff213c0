"""The desk that takes orders for faults: checks them, puts and lifts them in time, and knows which stand."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lentera_sim.errors import FaultError
from lentera_sim.faults.kinds import BoundFault, Faults
from lentera_sim.faults.order import FaultOrder

log = logging.getLogger(__name__)

LONGEST_S = 30 * 86_400.0
Note = Callable[[str, str, bool, float | None], None]
"""Told of each fault that is put or lifted: target, fault, on, value."""


@dataclass(frozen=True, slots=True)
class StandingFault:
    """A fault that stands on a target, with its value where it takes one."""

    target: str
    fault: str
    value: float | None


class FaultDesk:
    """Puts faults on targets. `targets` is id to all that can be wrong with it."""

    def __init__(self, targets: Mapping[str, Faults], note: Note) -> None:
        """Begin with nothing wrong."""
        self.targets = targets
        self._note = note
        self._standing: dict[tuple[str, str], StandingFault] = {}
        self._timers: dict[tuple[str, str], asyncio.Task[None]] = {}

    @property
    def standing(self) -> list[StandingFault]:
        """All faults that stand now, in the order in which they were put."""
        return list(self._standing.values())

    async def take(self, order: FaultOrder) -> str:
        """Carry an order out, or set it to its time; return what was done, for people.

        Raises:
            FaultError: no such target or fault, or a value out of its limits.
        """
        found, value = self._checked(order)
        key = (order.target, order.fault)
        self._forget_timer(key)
        if not order.on:
            await self._apply(key, found, value, on=False)
            return f"{order.target}: {order.fault} is lifted"
        if not order.after_s:
            await self._apply(key, found, value, on=True)
        if order.after_s or order.for_s is not None:
            task = asyncio.create_task(self._in_time(order, found, value), name=f"fault {order}")
            self._timers[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        size = "" if found.kind.usual is None else f" {value:g} {found.kind.unit}".rstrip()
        when = f" in {order.after_s:g} s" if order.after_s else ""
        return f"{order.target}: {order.fault}{size}{when}"

    async def close(self) -> None:
        """Forget what is to come; what stands, stands."""
        for key in tuple(self._timers):
            self._forget_timer(key)
        await asyncio.sleep(0)

    def _checked(self, order: FaultOrder) -> tuple[BoundFault, float]:
        faults = self.targets.get(order.target)
        if faults is None:
            raise FaultError(f"nothing here is called {order.target!r}; {_choice(order.target, self.targets)}")
        found = faults.get(order.fault)
        if found is None:
            raise FaultError(f"{order.target} cannot have the fault {order.fault!r}; {_choice(order.fault, faults)}")
        kind = found.kind
        if kind.usual is None and order.value is not None:
            raise FaultError(f"{order.fault} takes no value; leave {order.value:g} out")
        value = (kind.usual or 0.0) if order.value is None else order.value
        if kind.usual is not None and not kind.low <= value <= kind.high:
            raise FaultError(f"{order.fault}: {value:g} {kind.unit} is not within {kind.low:g} to {kind.high:g}")
        for name, seconds in (("after", order.after_s), ("for", order.for_s or 0.0)):
            if not 0 <= seconds <= LONGEST_S:
                raise FaultError(f"{order.fault}: {name} {seconds:g} s is not within 0 to {LONGEST_S:g} s")
        if not kind.lasting and (not order.on or order.for_s is not None):
            raise FaultError(f"{order.fault} is done once; there is nothing to lift")
        return found, value

    async def _in_time(self, order: FaultOrder, found: BoundFault, value: float) -> None:
        key = (order.target, order.fault)
        if order.after_s:
            await asyncio.sleep(order.after_s)
            await self._apply(key, found, value, on=True)
        if order.for_s is not None:
            await asyncio.sleep(order.for_s)
            await self._apply(key, found, value, on=False)

    async def _apply(self, key: tuple[str, str], found: BoundFault, value: float, *, on: bool) -> None:
        done = found.apply(value, on)
        if inspect.isawaitable(done):
            await done
        said = None if found.kind.usual is None else value
        if on and found.kind.lasting:
            self._standing[key] = StandingFault(*key, said)
        else:
            self._standing.pop(key, None)
        self._note(*key, on, said)

    def _forget_timer(self, key: tuple[str, str]) -> None:
        task = self._timers.pop(key, None)
        if task is not None:
            task.cancel()

    def _ended(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        if self._timers.get(key) is task:
            del self._timers[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: the fault %s could not be put or lifted: %s", *key, error)


def _choice(asked: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(asked, known, n=1)
    some = ", ".join(list(known)[:20])
    return f"did you mean {close[0]}?" if close else f"there are {some}{' ...' if len(known) > 20 else ''}"
