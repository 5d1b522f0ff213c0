"""The port to what the gateways tell of their reads: paces, counts by the hour, and what waits in their journals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lentera_cloud.domain.completeness import Pace, PaceVersion
from lentera_cloud.domain.tallies import HourTally


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a gateway last said of its journal: batches that wait, and since when the oldest does, where it knows."""

    waiting: int
    oldest_ms: int | None
    told_at_ms: int


class Tallies(Protocol):
    """Paces with their history, tallies and backlogs, by tenant."""

    async def note_paces(self, tenant: str, gateway_id: str, paces: Mapping[str, Sequence[Pace]], now_ms: int) -> None:
        """Note the paces of devices from now on; what is as before is not noted again, and no earlier time changes."""
        ...

    async def paces(self, tenant: str, devices: Collection[str]) -> dict[str, list[PaceVersion]]:
        """Return the paces of each device, the oldest first; a device that never had any is absent."""
        ...

    async def add(self, tenant: str, tally: HourTally) -> None:
        """Keep a tally; one of the same gateway, epoch and number for the same hour stays as it was kept first."""
        ...

    async def of_hours(self, tenant: str, gateways: Collection[str], from_ms: int, to_ms: int) -> list[HourTally]:
        """Return the tallies of these gateways for hours that begin in the range (``to_ms`` excluded)."""
        ...

    async def note_backlog(self, tenant: str, gateway_id: str, backlog: Backlog) -> None:
        """Note what waits in a gateway's journal."""
        ...

    async def backlogs(self, tenant: str) -> dict[str, Backlog]:
        """Return what each gateway of the tenant last said of its journal."""
        ...
