"""Tells the cloud the known gaps and tallies, a few at a time, so that they never stand before a live batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from lentera_gateway.journal.index import Key
from lentera_gateway.journal.journal import Journal
from lentera_gateway.journal.reports import Report

WINDOW_REPORTS: Final = 4
"""Reports that wait to be noted at once."""
NEEDS_VERSION: Final = 2
"""Of the link's protocol."""


class ReportSender:
    """The reports of one connection: each is sent once on it, and forgotten when the cloud has noted it."""

    def __init__(self, journal: Journal, send: Callable[[Report], Awaitable[None]]) -> None:
        """Take the journal's reports and a way to send them."""
        self._journal = journal
        self._send = send
        self._sent: set[Key] = set()
        self._unnoted: set[Key] = set()
        self._noted: asyncio.Queue[Key] = asyncio.Queue()

    def noted(self, epoch: int, number: int) -> None:
        """The cloud has this report."""
        self._noted.put_nowait(Key(epoch, number))
        self._journal.told.set()

    async def run(self) -> None:
        """Send what there is, forget what is noted, for as long as the connection lasts."""
        told = self._journal.told
        while True:
            told.clear()
            await self._forget()
            while len(self._unnoted) < WINDOW_REPORTS:
                report = await self._journal.next_report(self._sent.__contains__)
                if report is None:
                    break
                key = Key(report.epoch, report.number)
                self._sent.add(key)
                self._unnoted.add(key)
                await self._send(report)
            await told.wait()

    async def _forget(self) -> None:
        while not self._noted.empty():
            key = self._noted.get_nowait()
            self._unnoted.discard(key)
            self._sent.discard(key)
            await self._journal.report_noted(key)
