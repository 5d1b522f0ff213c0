"""The progress bar of a scan on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from lentera_gateway.commissioning.scan import Progress as ScanProgress


class ScanBar:
    """A bar on stderr with what is being asked; enter it to get the function that moves it."""

    def __init__(self) -> None:
        """Prepare; nothing is drawn yet."""
        columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Callable[[ScanProgress], None]:
        """Draw it."""
        self._bar.start()
        return self._move

    def __exit__(self, *_reason: object) -> None:
        """Take it away."""
        self._bar.stop()

    def _move(self, progress: ScanProgress) -> None:
        place = f"{progress.settings or ''} {'?' if progress.recognising else '#'}{progress.unit}"
        self._bar.update(self._task, completed=progress.share, description=f"{place}  ({progress.found})")
