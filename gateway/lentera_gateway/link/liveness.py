"""When a connection counts as dead, and when something must be said. Pure: the present is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lentera_gateway.journal.index import Key
from lentera_model.protocol import SAY_WITHIN_S

_ASK_AGAIN: Final = 4
"""While the cloud answers pings and no batch (its store is away), it is asked so many times more seldom."""


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """When a connection counts as dead, and how often something is said on it.

    Attributes:
        open_within_s: handshake of the websocket, and again Hello to Welcome.
        ping_every_s: a question for the time to a cloud of version 1; it also keeps a carrier's NAT entry alive.
        time_every_s: the same to a cloud of version 2, where a Beat keeps the entry alive for a tenth of the bytes.
        say_within_s: version 2 says something this often, a Beat where there is nothing else.
        unacknowledged_within_s: TCP has no acknowledgement of what was sent for so long: a half-open connection. With
            `say_within_s` before it this is within the minute, for the bytes of a Beat.
        doubt_after_s: a batch or a report unanswered for so long makes the gateway ask whether the cloud itself is
            there: something between may acknowledge for a cloud that is not.
        answer_within_s: a written ping unanswered for so long means a half-open connection.
        acknowledge_within_s: batches unacknowledged for so long although pings are answered: begin anew.
        send_within_s: a message that does not fit into the full send buffer for so long means the same as an
            unanswered ping; longer than that, since a slow mobile link needs half a minute for a whole window.
    """

    open_within_s: float = 15.0
    ping_every_s: float = 25.0
    time_every_s: float = 600.0
    say_within_s: float = SAY_WITHIN_S
    unacknowledged_within_s: float = 12.0
    doubt_after_s: float = 15.0
    answer_within_s: float = 20.0
    acknowledge_within_s: float = 180.0
    send_within_s: float = 60.0

    @property
    def look_every_s(self) -> float:
        """How often to look at the clock: at least twice in the shortest of the times above."""
        shortest_s = min(
            self.ping_every_s,
            self.time_every_s,
            self.say_within_s,
            self.unacknowledged_within_s,
            self.doubt_after_s,
            self.answer_within_s,
            self.acknowledge_within_s,
            self.send_within_s,
        )
        return min(1.0, shortest_s) / 2


class Liveness:
    """What one connection waits for, and since when (CLOCK_BOOTTIME)."""

    def __init__(self, timing: LinkTiming) -> None:
        """Begin with nothing that waits."""
        self._timing = timing
        self._ping_ms: int | None = None
        self._ping_written = False
        self._asked_ms: int | None = None
        self._said_ms = 0
        self._stuck_ms: int | None = None
        self._batches: dict[Key, int] = {}
        self._writes: dict[int, int] = {}
        self._next_write = 0

    @property
    def ping_waits(self) -> bool:
        """Whether a ping is under way or unanswered."""
        return self._ping_ms is not None

    def time_known(self, now_ms: int) -> None:
        """The Welcome brought the time: no ping need ask for it now."""
        self._asked_ms = now_ms

    def ping_begins(self, now_ms: int) -> None:
        """A ping is about to be written; its answer may come before the write is reported as done."""
        self._ping_ms, self._ping_written, self._asked_ms = now_ms, False, now_ms

    def ping_written(self, now_ms: int) -> None:
        """The ping left the process: from now on its answer is waited for."""
        if self._ping_ms is not None:
            self._ping_ms, self._ping_written = now_ms, True

    def ping_answered(self) -> None:
        """The other side lives."""
        self._ping_ms = None

    def batch_begins(self, key: Key, now_ms: int) -> None:
        """A batch is about to be written."""
        self._batches[key] = now_ms

    def batch_answered(self, key: Key) -> None:
        """A batch was acknowledged or refused."""
        self._batches.pop(key, None)

    def write_begins(self, now_ms: int) -> int:
        """A message is about to be written; returns the number to give to `write_ended`."""
        self._next_write += 1
        self._said_ms = now_ms
        self._writes[self._next_write] = now_ms
        return self._next_write

    def write_ended(self, number: int) -> None:
        """The message is written, or its writer gave up."""
        self._writes.pop(number, None)

    def tcp_seen(self, now_ms: int, unacknowledged: int, last_ack_ago_ms: int) -> None:
        """Note how many packets the kernel has sent without an acknowledgement, and how long ago the last one came."""
        if unacknowledged == 0:
            self._stuck_ms = None
            return
        since_ms = now_ms if self._stuck_ms is None else self._stuck_ms
        self._stuck_ms = max(since_ms, now_ms - last_ack_ago_ms)

    def ping_due(self, version: int, now_ms: int, report_ms: int | None = None) -> bool:
        """Whether to ask now: for the time, or since an answer to something else is long in coming.

        Args:
            version: of the protocol, as agreed.
            now_ms: the present.
            report_ms: since when a report on a command waits for a proof that it arrived; None where none does.
        """
        if self.ping_waits:
            return False
        if self._asked_ms is None:
            return True
        asked_ago_ms = now_ms - self._asked_ms
        if version < 2:
            return asked_ago_ms >= self._timing.ping_every_s * 1000
        if asked_ago_ms >= self._timing.time_every_s * 1000:
            return True
        waits = [since for since in (min(self._batches.values(), default=None), report_ms) if since is not None]
        return any(self._doubted(since, now_ms) for since in waits)

    def _doubted(self, since_ms: int, now_ms: int) -> bool:
        doubt_ms = self._timing.doubt_after_s * 1000
        asked_ms = self._asked_ms or 0
        again_ms = doubt_ms if since_ms > asked_ms else _ASK_AGAIN * doubt_ms
        return now_ms - since_ms >= doubt_ms and now_ms - asked_ms >= again_ms

    def beat_due(self, version: int, now_ms: int) -> bool:
        """Whether to say that we are here, since nothing else was said for long."""
        return version >= 2 and now_ms - self._said_ms >= self._timing.say_within_s * 1000

    def complaint(self, now_ms: int) -> str | None:
        """Return why the connection counts as dead, or None while it does not."""
        timing = self._timing
        if self._stuck_ms is not None and now_ms - self._stuck_ms > timing.unacknowledged_within_s * 1000:
            return f"half-open: TCP acknowledges nothing of what was sent for {timing.unacknowledged_within_s:g} s"
        if self._ping_ms is not None and self._ping_written and now_ms - self._ping_ms > timing.answer_within_s * 1000:
            return f"half-open: no answer to a ping within {timing.answer_within_s:g} s"
        if now_ms - min(self._writes.values(), default=now_ms) > timing.send_within_s * 1000:
            return f"half-open: the other side takes nothing for {timing.send_within_s:g} s"
        if now_ms - min(self._batches.values(), default=now_ms) > timing.acknowledge_within_s * 1000:
            return f"a batch is unacknowledged for {timing.acknowledge_within_s:g} s"
        return None
