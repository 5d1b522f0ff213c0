"""The progress bar of a walk through a journal; on a terminal only, and only once it takes long enough to be seen."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SHOWN_AFTER_S = 0.5


class JournalBar:
    """A bar on stderr; enter it to get the function that moves it, by bytes done and bytes in all."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._begun_s = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._move

    def __exit__(self, *_reason: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _move(self, done_bytes: int, total_bytes: int) -> None:
        if self._bar is None and sys.stderr.isatty() and time.monotonic() - self._begun_s >= _SHOWN_AFTER_S:
            self._draw()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done_bytes, total=total_bytes)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._title, total=None)
        self._bar.start()
