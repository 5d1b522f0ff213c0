"""What every link's session works with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lentera_cloud.features.ingest.door import Door
from lentera_cloud.features.ingest.hub import LinkHub
from lentera_cloud.features.ingest.presence import Presence
from lentera_cloud.features.ingest.service import IngestService
from lentera_cloud.ports import Clock, Registry


@dataclass(frozen=True, slots=True)
class LinkContext:
    """The parts of the cloud that a link needs."""

    registry: Registry
    ingest: IngestService
    hub: LinkHub
    presence: Presence
    door: Door
    clock: Clock
    publish: Callable[[object], Awaitable[None]]
