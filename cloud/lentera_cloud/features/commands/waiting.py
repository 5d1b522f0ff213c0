"""Waiting for a command to change, without asking the database again and again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Watchers:
    """Wakes whoever waits for a command of this process when one of its executions changed."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = {}
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether nobody should wait any more."""
        return self._closing

    @contextmanager
    def watch(self, tenant: str, command_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set at each change from now on; clear it before reading again."""
        changed = asyncio.Event()
        if self._closing:
            changed.set()
        watchers = self._waiting.setdefault((tenant, command_id), set())
        watchers.add(changed)
        try:
            yield changed
        finally:
            watchers.discard(changed)
            if not watchers:
                self._waiting.pop((tenant, command_id), None)

    def changed(self, tenant: str, command_id: str) -> None:
        """Wake whoever watches this command."""
        for event in self._waiting.get((tenant, command_id), ()):
            event.set()

    def close(self) -> None:
        """Wake everybody, for good: the service stops."""
        self._closing = True
        for watchers in self._waiting.values():
            for event in watchers:
                event.set()
