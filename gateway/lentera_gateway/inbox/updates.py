"""Reports on commands, kept until the cloud surely has them. Pure.

The link delivers in order, so an answered ping proves that everything sent before it arrived. Until then a lost
connection makes the latest report of each command go out again; the cloud ignores what it knows.
"""

from __future__ import annotations

import asyncio
from typing import Final

from lentera_gateway.journal.records import CommandRecord
from lentera_model.protocol import CommandUpdate

MAX_PENDING: Final = 2000
"""Reports kept while there is no link; then the oldest go (a repeat of the command would still be answered)."""
_MAX_TEXT: Final = 500


def update_of(record: CommandRecord) -> CommandUpdate:
    """Return the link's report of a command's record."""
    return CommandUpdate(
        record.execution_id,
        record.state,
        record.reason,
        None if record.reason_text is None else record.reason_text[:_MAX_TEXT],
        record.confirmed_by,
        record.result,
        record.monotonic_ms,
    )


class UpdateQueue:
    """What is to be reported, what was sent, what has surely arrived.

    Attributes:
        news: set while something is unsent.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.news = asyncio.Event()
        self._latest: dict[str, CommandUpdate] = {}
        self._unsent: list[CommandUpdate] = []
        self._sent_before_ping: list[CommandUpdate] = []
        self._sent: list[CommandUpdate] = []

    def __len__(self) -> int:
        """How many commands have a report that has not surely arrived."""
        return len(self._latest)

    def put(self, update: CommandUpdate) -> None:
        """Add a report; every step is sent while there is a link, only the latest of a command after a gap."""
        self._latest.pop(update.execution_id, None)
        self._latest[update.execution_id] = update
        self._unsent.append(update)
        if len(self._latest) > MAX_PENDING:
            self._latest.pop(next(iter(self._latest)))
        if len(self._unsent) > MAX_PENDING:
            del self._unsent[0]
        self.news.set()

    def reconnected(self) -> None:
        """A new connection: the latest report of every command goes out again."""
        self._sent.clear()
        self._sent_before_ping.clear()
        self._unsent = list(self._latest.values())
        if self._unsent:
            self.news.set()

    def take(self) -> list[CommandUpdate]:
        """Return what is to be sent now, in order; `sent` is to be told of each one once it is written."""
        taken, self._unsent = self._unsent, []
        self.news.clear()
        return taken

    def sent(self, update: CommandUpdate) -> None:
        """A report was written to the connection; not before, or a ping that overtakes it would seem to prove it."""
        self._sent.append(update)

    def ping_sent(self) -> None:
        """A ping is about to be written, after everything sent so far."""
        self._sent_before_ping += self._sent
        self._sent.clear()

    def ping_answered(self) -> None:
        """The last ping was answered: what was sent before it has arrived."""
        for update in self._sent_before_ping:
            if self._latest.get(update.execution_id) is update:
                del self._latest[update.execution_id]
        self._sent_before_ping.clear()
