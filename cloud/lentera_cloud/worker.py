"""A worker apart from the API, for the jobs that need no link; of several workers a lease lets one do each job."""

import asyncio
import os
import signal
import socket

import structlog

from lentera_cloud.app import open_registry, open_series
from lentera_cloud.kit.background import BackgroundJobs
from lentera_cloud.kit.logs import configure_logging
from lentera_cloud.kit.maintenance import maintenance_jobs
from lentera_cloud.kit.patience import until_available
from lentera_cloud.kit.times import SystemClock
from lentera_cloud.settings import Settings

_log = structlog.get_logger(__name__)


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """Do background jobs until ``stop`` is set; waits for stores that are away."""
    registry, series, clock = open_registry(settings), open_series(settings), SystemClock()
    holder = f"{socket.gethostname()[:40]}-{os.getpid()}"

    async def run() -> None:
        await until_available("registry", registry.start)
        await until_available("series", series.start)
        _log.info("worker_ready", holder=holder)
        await BackgroundJobs(maintenance_jobs(registry, series, clock), registry.jobs, holder, clock).run()

    running = asyncio.create_task(run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (running, stopping):
            task.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)
        await series.close()
        await registry.close()
    if not running.cancelled():
        running.result()  # what ended the work, such as a schema that is newer than this version


def main(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT. Needs LENTERA_WORKER_IN_PROCESS=false in the API to be of use."""
    configure_logging(settings.log_level.value)

    async def until_signalled() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await work(settings, stop)

    asyncio.run(until_signalled())
