"""Background jobs: each runs on its own beat, and of several workers only the one that holds its lease does it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from lentera_cloud.ports import Clock, Jobs, StoreUnavailableError

LEASE_MS = 30_000
"""How long a worker that died keeps a job from the others."""
RENEW_BEFORE_MS = 10_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done every ``every_s`` seconds."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[object]]


class BackgroundJobs:
    """Runs jobs until cancelled. A job that fails is logged and tried again at its next beat."""

    def __init__(self, jobs: list[Job], leases: Jobs, holder: str, clock: Clock) -> None:
        """Run these jobs as ``holder``, a name that no other worker has."""
        self._jobs = jobs
        self._leases = leases
        self._holder = holder
        self._clock = clock

    async def run(self) -> None:
        """Run every job on its beat; give the leases back at the end."""
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(self._repeat(job), name=f"job {job.name}")

    async def _repeat(self, job: Job) -> None:
        held_until_ms = 0
        try:
            while True:
                await asyncio.sleep(job.every_s)
                held_until_ms = await self._once(job, held_until_ms)
        finally:
            if held_until_ms:
                await asyncio.shield(self._let_go(job))

    async def _once(self, job: Job, held_until_ms: int) -> int:
        """Do the job once if we hold its lease (or get it); return until when we do."""
        now_ms = self._clock.now_ms()
        lease_ms = max(LEASE_MS, round(job.every_s * 2000))
        try:
            if held_until_ms - now_ms < RENEW_BEFORE_MS:
                if not await self._leases.acquire(job.name, self._holder, now_ms, lease_ms):
                    return 0
                held_until_ms = now_ms + lease_ms
            await job.run()
        except StoreUnavailableError as error:
            _log.warning("job_waits", job=job.name, error=str(error))
        except Exception as error:  # noqa: BLE001 - one job's fault must not end the others: it is logged and tried again
            _log.error("job_failed", job=job.name, exc_info=error)
        return held_until_ms

    async def _let_go(self, job: Job) -> None:
        try:
            await self._leases.release(job.name, self._holder)
        except StoreUnavailableError:
            _log.debug("lease_runs_out_by_itself", job=job.name)
