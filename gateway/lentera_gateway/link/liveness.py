"""When a connection counts as dead. Pure: the present is an argument; who asks and what follows is the caller's."""

from __future__ import annotations

from dataclasses import dataclass

from lentera_gateway.journal.index import Key


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """When a connection counts as dead.

    Attributes:
        open_within_s: handshake of the websocket, and again Hello to Welcome.
        ping_every_s: a question for the time; also keeps a carrier's NAT entry alive (they last 60 s and more).
        answer_within_s: a written ping unanswered for so long means a half-open connection.
        acknowledge_within_s: batches unacknowledged for so long although pings are answered: begin anew.
        send_within_s: a message that does not fit into the full send buffer for so long means the same as an
            unanswered ping; longer than that, since a slow mobile link needs half a minute for a whole window.
    """

    open_within_s: float = 15.0
    ping_every_s: float = 25.0
    answer_within_s: float = 20.0
    acknowledge_within_s: float = 180.0
    send_within_s: float = 60.0

    @property
    def look_every_s(self) -> float:
        """How often to look at the clock: at least twice in the shortest of the times above."""
        return min(1.0, self.ping_every_s, self.answer_within_s, self.acknowledge_within_s, self.send_within_s) / 2


class Liveness:
    """What one connection waits for, and since when (CLOCK_BOOTTIME)."""

    def __init__(self, timing: LinkTiming) -> None:
        """Begin with nothing that waits."""
        self._timing = timing
        self._ping_ms: int | None = None
        self._ping_written = False
        self._batches: dict[Key, int] = {}
        self._writes: dict[int, int] = {}
        self._next_write = 0

    @property
    def ping_waits(self) -> bool:
        """Whether a ping is under way or unanswered."""
        return self._ping_ms is not None

    def ping_begins(self, now_ms: int) -> None:
        """A ping is about to be written; its answer may come before the write is reported as done."""
        self._ping_ms, self._ping_written = now_ms, False

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
        self._writes[self._next_write] = now_ms
        return self._next_write

    def write_ended(self, number: int) -> None:
        """The message is written, or its writer gave up."""
        self._writes.pop(number, None)

    def complaint(self, now_ms: int) -> str | None:
        """Return why the connection counts as dead, or None while it does not."""
        timing = self._timing
        if self._ping_ms is not None and self._ping_written and now_ms - self._ping_ms > timing.answer_within_s * 1000:
            return f"half-open: no answer to a ping within {timing.answer_within_s:g} s"
        if now_ms - min(self._writes.values(), default=now_ms) > timing.send_within_s * 1000:
            return f"half-open: the other side takes nothing for {timing.send_within_s:g} s"
        if now_ms - min(self._batches.values(), default=now_ms) > timing.acknowledge_within_s * 1000:
            return f"a batch is unacknowledged for {timing.acknowledge_within_s:g} s"
        return None
