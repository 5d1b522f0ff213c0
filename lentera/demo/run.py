"""The demo from start to end: start the parts, watch or dim, stop them in order, check the ledger."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from lentera.client import AsyncClient
from lentera.demo.dimmer import Dimmer
from lentera.demo.launch import Launched, hold_cloud_port, launch
from lentera.demo.options import DemoOptions
from lentera.demo.parts import Parts
from lentera.demo.verdict import CountedRun
from lentera.demo.view import View, banner
from lentera.demo.watch import watch
from lentera.errors import CannotListenError, DemoError, InterruptedDemoError
from lentera.language import reader_words
from lentera.session import Session, remove_session, session_path, write_session

# Ctrl-C must be over within 3 s: each part's longest farewell, in the order in which they go.
QUICK_STOP = (("gateway", 1.3), ("cloud", 0.7), ("street", 0.5))
# After a counted run nothing hurries: the gateway may take its time to deliver what it still holds.
CALM_GRACE_S = 20.0


class Demo:
    """One run in one folder; `interrupted` is set by Ctrl-C or SIGTERM."""

    def __init__(self, options: DemoOptions, view: View, run_dir: Path) -> None:
        self.options = options
        self.view = view
        self.run_dir = run_dir
        self.interrupted = asyncio.Event()
        self.parts = Parts(view.note, run_dir / "demo.json")

    async def run(self) -> CountedRun | None:
        """Run until the end: what a counted run found, None for an open-ended one. Raises DemoError subclasses."""
        # Held to the end: nobody may be given the port while the cloud starts, nor while it starts again.
        with hold_cloud_port(self.options.port) as held:
            try:
                launched = await self._start(held.getsockname()[1])
                if launched is None:
                    return None
                return await self._go_on(launched)
            finally:
                self.view.end()
                remove_session(session_path(os.environ), os.getpid())
                await self.parts.stop_all(QUICK_STOP)

    async def _go_on(self, launched: Launched) -> CountedRun | None:
        """Let the lit street run: until interrupted, or for as long as it is counted."""
        async with AsyncClient(launched.url, launched.token) as client:
            if self.options.seconds is None:
                await watch(self.view, client, launched, self.interrupted, None)
                self._raise_death()
                await self._leave_bucket(launched, clean=False)
                return None
            return await self._counted(client, launched, self.options.seconds)

    async def _start(self, port: int) -> Launched | None:
        """Start everything, the cloud on `port`; None if Ctrl-C came first."""
        launched = await self._unless_interrupted(launch(self.options, self.run_dir, port, self.parts, self.view.note))
        if launched is None:
            return None
        self.parts.settle()
        self.parts.death.add_done_callback(lambda _: self.interrupted.set())
        session = Session(launched.url, launched.token, launched.tenant, os.getpid(), str(self.run_dir))
        write_session(session_path(os.environ), session)
        if not self.options.json:
            sys.stdout.write(banner(launched.url, launched.token, launched.broker, launched.meters[0]))
            sys.stdout.flush()
        return launched

    async def _unless_interrupted(self, work: Coroutine[Any, Any, Launched]) -> Launched | None:
        """The result of `work`, or None if the demo was interrupted; a part's death is raised at once."""
        task = asyncio.create_task(work)
        interrupted = asyncio.create_task(self.interrupted.wait())
        try:
            await asyncio.wait({task, interrupted, self.parts.death}, return_when=asyncio.FIRST_COMPLETED)
            if self.parts.death.done():
                self.parts.death.result()
            return task.result() if task.done() else None
        finally:
            for left in (task, interrupted):
                left.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await left

    async def _counted(self, client: AsyncClient, launched: Launched, seconds: float) -> CountedRun:
        """Dim for `seconds`, let everything arrive, stop the parts in order, and compare the store with the ledger."""
        from lentera.demo.ledgercheck import check

        over = asyncio.Event()
        dimmer = Dimmer(client, launched.lamps, self.options.seed, self.view.note)
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(self.view, client, launched, over, dimmer.tally))
            group.create_task(self._end_after(seconds, over))
            await dimmer.run(over)
        self.view.end()
        self._raise_death()
        if self.interrupted.is_set():
            raise InterruptedDemoError("The run was interrupted, so nothing was checked. Let it run to its end.")
        await self._calm_stop(launched)
        found = await check(self.options, launched, dimmer.tally, seconds, self.view.note)
        await self._leave_bucket(launched, clean=found.clean)
        return found

    def _raise_death(self) -> None:
        """Raise PartDiedError if a part died that cannot be replaced."""
        if self.parts.death.done():
            self.parts.death.result()

    async def _leave_bucket(self, launched: Launched, *, clean: bool) -> None:
        """Delete the bucket that this run made in InfluxDB if there is nothing left to look at; else say its name."""
        if self.options.influx is None:
            return
        from lentera.demo.influx import bucket_name, delete_bucket

        if clean and not self.options.keep:
            self.view.note(await delete_bucket(self.options.influx, launched.tenant))
        else:
            self.view.note(f"the run's readings are left in the InfluxDB bucket {bucket_name(launched.tenant)}")

    async def _end_after(self, seconds: float, over: asyncio.Event) -> None:
        """Set `over` after `seconds`, or at once when the demo is interrupted."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.interrupted.wait(), seconds)
        over.set()

    async def _calm_stop(self, launched: Launched) -> None:
        """Quiet the street first, so that nothing is said into the void; then the gateway delivers what it holds."""
        self.view.note("quieting the street")
        await launched.quiet()
        self.view.note("the gateway delivers what it holds")
        if not await self.parts.stop("gateway", CALM_GRACE_S):
            self.view.note(f"the gateway did not end within {CALM_GRACE_S:g} s and was killed")
        await self.parts.stop("cloud", CALM_GRACE_S)
        await self.parts.stop("street", CALM_GRACE_S)


def run_demo(options: DemoOptions) -> CountedRun | None:
    """Run the demo to its end and clean up; what a counted run found. Raises DemoError subclasses.

    The run's folder stays where --keep asks for it, and after a failure, because its logs are then needed.
    """
    run_dir = options.run_dir or Path(tempfile.mkdtemp(prefix="lentera-demo-"))
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(run_dir.iterdir()):
        raise DemoError(f"{run_dir} is not empty; an older run's ledger would be counted too. Name a new folder.")
    view = View(reader_words())
    view.note(f"the run's folder is {run_dir}")
    keep = True
    try:
        found = asyncio.run(_run(options, view, run_dir))
        keep = options.keep or not (found is None or found.clean)
        return found
    except (InterruptedDemoError, CannotListenError):
        keep = options.keep
        raise
    finally:
        if keep:
            view.note(f"the run's folder with its logs is left in {run_dir}")
        else:
            shutil.rmtree(run_dir, ignore_errors=True)


async def _run(options: DemoOptions, view: View, run_dir: Path) -> CountedRun | None:
    demo = Demo(options, view, run_dir)
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if not demo.interrupted.is_set():
            view.note("stopping")
        demo.interrupted.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    return await demo.run()
