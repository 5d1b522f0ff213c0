"""Answers that have been sent over a connection, until it is known whether they arrived."""

from __future__ import annotations

from dataclasses import dataclass

from lentera_sim.clock import wall_ms
from lentera_sim.ledger import Ledger
from lentera_sim.wires.unit import SURE_SHARE, Answer


@dataclass(frozen=True, slots=True)
class _Given:
    """An answer that has been sent, when (wall ms), and whether within what its reader waits."""

    answer: Answer
    at_ms: int
    in_time: bool


class Receipts:
    """What one client has been sent and not yet shown to have read.

    An answer counts as arrived when the next question comes or the client closes in order; a client that closes
    without having read it makes the kernel send a reset instead.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Begin with nothing sent."""
        self._ledger = ledger
        self._given: list[_Given] = []

    def sent(self, answer: Answer, took_s: float, timeout_s: float) -> None:
        """Note an answer that left `took_s` after its question was heard, for a reader that waits `timeout_s`."""
        self._given.append(_Given(answer, wall_ms(), took_s < SURE_SHARE * timeout_s))

    def settle(self, *, arrived: bool) -> None:
        """Write down all that was sent: as answered where it arrived in time, else as unsure."""
        for given in self._given:
            write = self._ledger.answered if arrived and given.in_time else self._ledger.unsure
            write(given.answer.device, given.answer.values, given.at_ms)
        self._given.clear()
