"""The demo's child processes: started in groups of their own, restarted when they die, stopped in order, never left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lentera.errors import PartDiedError

RESTART_PAUSE_S = 0.5
LOG_TAIL_LINES = 15


@dataclass
class Part:
    """One child: `role` and `arguments` of lentera.demo.child, its environment, and the log both its outputs go to.

    A part that is not `replaceable` ends the demo when it dies: what it held is gone with it.
    """

    name: str
    role: str
    arguments: tuple[str, ...]
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    replaceable: bool = True
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0

    @property
    def running(self) -> bool:
        """True while the process has not ended."""
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start the process in a session of its own, on its leash (a pipe as standard input)."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "lentera.demo.child",
                str(os.getpid()),
                self.role,
                *self.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environ},
                start_new_session=True,
            )

    async def stop(self, grace_s: float) -> bool:
        """SIGTERM, then after `grace_s` SIGKILL for the whole group. True if it went by itself."""
        process = self.process
        if process is None:
            return True
        went = process.returncode is not None
        if not went:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace_s)
                went = True
        self._kill_group(process.pid)
        await process.wait()
        return went

    @staticmethod
    def _kill_group(pid: int) -> None:
        """End whatever is left of the group (the child is its leader)."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

    def tail(self) -> str:
        """The last lines of the log, for an error message."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:]) or "    (empty log)"


class Parts:
    """All children together. Until `settle` a death is fatal; afterwards a replaceable child is started again."""

    def __init__(self, note: Callable[[str], None], pid_file: Path) -> None:
        self._parts: dict[str, Part] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._note = note
        self._pid_file = pid_file
        self._settled = False
        self.death: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __getitem__(self, name: str) -> Part:
        return self._parts[name]

    async def start(self, part: Part) -> None:
        """Start a part and watch over it."""
        self._parts[part.name] = part
        await part.start()
        self._write_pids()
        self._watchers[part.name] = asyncio.create_task(self._watch(part), name=f"watch {part.name}")

    def settle(self) -> None:
        """From now on a part that dies is started again, if it can be."""
        self._settled = True

    async def stop(self, name: str, grace_s: float) -> bool:
        """Stop one part for good. True if it went by itself in time."""
        if name not in self._parts:
            return True
        watcher = self._watchers.pop(name, None)
        if watcher is not None:
            watcher.cancel()
        return await self._parts[name].stop(grace_s)

    async def stop_all(self, order: Iterable[tuple[str, float]]) -> None:
        """Stop the named parts one after the other, each with its grace, then kill whatever is left."""
        for name, grace_s in order:
            await self.stop(name, grace_s)
        for part in list(self._parts.values()):
            await self.stop(part.name, 0.1)

    async def _watch(self, part: Part) -> None:
        while part.process is not None:
            code = await part.process.wait()
            if not self._settled or not part.replaceable:
                self._give_up(part, code)
                return
            part.restarts += 1
            self._note(f"the {part.name} ended with code {code}; starting it again")
            part._kill_group(part.process.pid)
            await asyncio.sleep(RESTART_PAUSE_S)
            await part.start()
            self._write_pids()

    def _give_up(self, part: Part, code: int) -> None:
        """Let whoever waits for `death` know that the demo cannot go on, and why."""
        when = ", and what it held is gone with it" if self._settled else " before the demo was ready"
        text = f"The {part.name} ended with code {code}{when}. The end of its log {part.log}:\n{part.tail()}"
        if not self.death.done():
            self.death.set_exception(PartDiedError(text))

    def _write_pids(self) -> None:
        """Tell the parts' process ids to whoever wants to kill one and see what happens."""
        pids = {part.name: part.process.pid for part in self._parts.values() if part.process}
        draft = self._pid_file.with_suffix(".draft")
        draft.write_text(json.dumps({"demo": os.getpid(), "pids": pids}, indent=1))
        draft.replace(self._pid_file)
