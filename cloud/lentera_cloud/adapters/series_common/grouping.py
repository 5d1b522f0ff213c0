"""Write together what comes together: one store transaction or request for all that waits, each answered by itself.

A store's cost is mostly a cost a transaction (an fsync, an HTTP round trip), so while one write of a tenant runs, the
others of that tenant gather and go next as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from lentera_cloud.adapters.series_common.records import Record
from lentera_cloud.ports import StoreRefusedError, StoreUnavailableError

Write = Callable[[str, Sequence[Record]], Awaitable[None]]


@dataclass(slots=True)
class _Waiting:
    records: Sequence[Record]
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Lane:
    """What waits for one tenant, and the task that works it off while there is any."""

    waiting: list[_Waiting] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class GroupedWriter:
    """Groups the concurrent writes of each tenant; tenants do not wait for one another."""

    def __init__(self, write: Write, max_records: int) -> None:
        """Take the function that stores records durably, and how many records make a group full."""
        self._write = write
        self._max_records = max_records
        self._lanes: dict[str, _Lane] = {}

    async def submit(self, tenant: str, records: Sequence[Record]) -> None:
        """Store these records with whatever else waits; return when they are durable.

        A caller that is cancelled gives up the answer, not the write.

        Raises:
            StoreUnavailableError: the store did not take the group: nothing is promised, try the same again.
            StoreRefusedError: the store refuses these very records (a refused group is tried one by one).
        """
        lane = self._lanes.setdefault(tenant, _Lane())
        entry = _Waiting(records, asyncio.get_running_loop().create_future())
        lane.waiting.append(entry)
        if lane.task is None:
            lane.task = asyncio.create_task(self._work(tenant, lane))
        await entry.done

    async def drain(self) -> None:
        """Wait until nothing waits any more (at shutdown)."""
        while tasks := [lane.task for lane in self._lanes.values() if lane.task is not None]:
            await asyncio.wait(tasks)

    async def _work(self, tenant: str, lane: _Lane) -> None:
        try:
            while lane.waiting:
                await self._write_group(tenant, self._take(lane))
        finally:  # with anything still waiting, the task was cancelled
            lane.task = None
            _answer(lane.waiting, _closing(tenant))
            self._lanes.pop(tenant, None)

    def _take(self, lane: _Lane) -> list[_Waiting]:
        group: list[_Waiting] = []
        records = 0
        while lane.waiting and (not group or records + len(lane.waiting[0].records) <= self._max_records):
            entry = lane.waiting.pop(0)
            group.append(entry)
            records += len(entry.records)
        return group

    async def _write_group(self, tenant: str, group: list[_Waiting]) -> None:
        try:
            await self._write(tenant, [record for entry in group for record in entry.records])
        except StoreRefusedError as error:
            if len(group) == 1:
                _answer(group, error)
                return
            for entry in group:
                await self._write_group(tenant, [entry])
        except StoreUnavailableError as error:
            _answer(group, error)
        except asyncio.CancelledError:
            _answer(group, _closing(tenant))
            raise
        except Exception as error:  # noqa: BLE001 - not swallowed: handed to those who wait, who would wait for ever
            _answer(group, error)
        else:
            _answer(group, None)


def _closing(tenant: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"the series store is closing; what waited for tenant {tenant} is not stored: try again"
    )


def _answer(group: list[_Waiting], error: Exception | None) -> None:
    for entry in group:
        if entry.done.done():
            continue
        if error is None:
            entry.done.set_result(None)
        else:
            entry.done.set_exception(error)
