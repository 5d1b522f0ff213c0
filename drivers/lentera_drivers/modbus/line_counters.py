"""What happened on a Modbus bus, counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LineCounters:
    """What happened on a bus since its start.

    Attributes:
        requests: questions asked, canaries among them.
        replies: fitting answers, refusals among them.
        timeouts: questions without an answer.
        unfit: answers that did not fit, none of which was used; `damaged` had a wrong check sum.
        canaries: questions asked only to see that answers match questions again.
        lost: connections that ended by themselves.
    """

    requests: int = 0
    replies: int = 0
    timeouts: int = 0
    unfit: int = 0
    damaged: int = 0
    canaries: int = 0
    lost: int = 0
