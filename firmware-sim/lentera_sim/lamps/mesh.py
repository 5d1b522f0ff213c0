"""A Zigbee mesh's manners, as plain arithmetic: what passes when, what waits, what times out, what is lost.

A coordinator's radio carries about fifteen unicasts a second; what comes faster waits its turn, and whoever would wait
longer than the request's time-out fails. Broadcasts, which groups are spoken to by, are remembered by every node for
nine seconds in a table of eight; a ninth must wait until a place is free. Two in a hundred are lost for good, and one
lamp in twenty takes a command and does nothing. All of it follows from the seed: the n-th message to a lamp has the
same fate in every run.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lentera_sim.physics.noise import channel_key, draw

UNICASTS_PER_S: Final = 15.0
BROADCASTS: Final = 8
BROADCAST_WINDOW_S: Final = 9.0
LOST: Final = 0.02
IGNORING: Final = 0.05
WAIT_S: Final = 10.0
"""Time-out of a request: so long it waits for its turn."""
_SLOT_S: Final = 1 / UNICASTS_PER_S
_EPSILON_S: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of a message.

    Attributes:
        after_s: how long it waits before it is on the air; None where its time-out comes first.
        arrives: whether it is heard.
    """

    after_s: float | None
    arrives: bool


class Mesh:
    """One mesh; the clock is its caller's, in seconds, and never goes back."""

    def __init__(self, seed: int, wait_s: float = WAIT_S) -> None:
        """Begin with an idle radio."""
        self._seed = seed
        self._wait_s = wait_s
        self._free_s = 0.0
        self._broadcasts: deque[float] = deque(maxlen=BROADCASTS)
        self._sent: dict[tuple[str, str], int] = defaultdict(int)

    def unicast(self, device: str, now_s: float) -> Passage:
        """Send a message to one device."""
        starts_s = max(now_s, self._free_s)
        if starts_s - now_s > self._wait_s:
            return Passage(None, arrives=False)
        self._free_s = starts_s + _SLOT_S
        return Passage(starts_s - now_s, self._survives(device, "unicast"))

    def broadcast(self, now_s: float) -> Passage:
        """Send a message to a group; who of it hears, `hears_broadcast` says."""
        starts_s = now_s
        if len(self._broadcasts) == BROADCASTS:
            starts_s = max(now_s, self._broadcasts[0] + BROADCAST_WINDOW_S + _EPSILON_S)
        if starts_s - now_s > self._wait_s:
            return Passage(None, arrives=False)
        self._broadcasts.append(starts_s)
        return Passage(starts_s - now_s, arrives=True)

    def hears_broadcast(self, device: str) -> bool:
        """Whether a device hears the broadcast that is on the air; nobody acknowledges one."""
        return self._survives(device, "broadcast")

    def report_arrives(self, device: str) -> bool:
        """Whether what a device reports by itself reaches the coordinator."""
        return self._survives(device, "report")

    def _survives(self, device: str, kind: str) -> bool:
        number = self._sent[device, kind]
        self._sent[device, kind] = number + 1
        return (draw(channel_key(self._seed, device, "mesh", kind), number) + 1) / 2 >= LOST


def ignoring(seed: int, devices: Sequence[str]) -> frozenset[str]:
    """Return the one in twenty that take commands and do nothing; always the same of a seed."""
    ranked = sorted(devices, key=lambda device: draw(channel_key(seed, device, "mesh", "ignores"), 0))
    return frozenset(ranked[: round(IGNORING * len(devices))])
