"""Which gateways have a link, at whichever replica: ours from the hub, the others' from the registry."""

import math

import structlog

from lentera_cloud.features.ingest.hub import REVOKED, Link, LinkHub
from lentera_cloud.ports import Clock, LinkRow, Links

_log = structlog.get_logger(__name__)


class Presence:
    """Keeps this replica's links known to the others, and knows theirs.

    A replica has a lease, which it renews by :meth:`renew`; when it is killed, its links count as gone once the
    lease is over. Of two links of one gateway the one that was noted last stays.
    """

    def __init__(self, hub: LinkHub, links: Links, clock: Clock, replica: str, lease_ms: int) -> None:
        """Speak for the links in ``hub`` as ``replica``, a name that no other process has."""
        self._hub = hub
        self._links = links
        self._clock = clock
        self._replica = replica
        self._lease_ms = lease_ms
        self._alone_since_ms = math.inf

    async def take(self, link: Link) -> None:
        """Note that this is its gateway's link now, wherever an older one was."""
        await self._links.take(self._row(link))

    async def release(self, link: Link) -> bool:
        """Note that a link ended; False when its gateway has a newer one, here or elsewhere."""
        return await self._links.release(link.tenant, link.gateway_id, link.claim)

    async def of(self, tenant: str) -> dict[str, int]:
        """Return when each connected gateway of the tenant was last heard."""
        elsewhere = {
            row.gateway_id: row.heard_at_ms
            for row in await self._links.of_tenant(tenant, self._clock.now_ms())
            if row.replica != self._replica
        }
        here = {link.gateway_id: link.last_heard_ms for link in self._hub.all() if link.tenant == tenant}
        return elsewhere | here

    def sole_since_ms(self, gateway_id: str) -> float:
        """Return since when nobody but this replica can have taken the gateway's batches; infinity: somebody may."""
        link = self._hub.of(gateway_id)
        opened_ms = link.opened_at_ms if link is not None and link.is_claimed else math.inf
        return min(opened_ms, self._alone_since_ms)

    async def renew(self) -> None:
        """Renew the lease, and close links that are not their gateways' newest, or whose gateways were revoked."""
        links = {link.claim: link for link in self._hub.all() if link.is_claimed}
        now_ms = self._clock.now_ms()
        renewal = await self._links.renew(
            self._replica, [self._row(link) for link in links.values()], now_ms, self._lease_ms
        )
        self._alone_since_ms = min(self._alone_since_ms, now_ms) if renewal.alone else math.inf
        for claim in renewal.lost:
            self._hub.give_up(links[claim])
        for gateway_id in await self._links.revoked(self._replica):
            self._hub.dismiss(gateway_id, REVOKED)

    async def bury(self) -> list[LinkRow]:
        """Return the links of replicas that are dead for a whole lease after their own; once, to one replica."""
        return await self._links.bury(self._clock.now_ms() - self._lease_ms)

    async def opened_elsewhere(self, tenant: str, gateway_id: str) -> None:
        """Close our link of a gateway if its newest is at another replica, as that one just said."""
        self._alone_since_ms = math.inf
        link = self._hub.of(gateway_id)
        if link is None or not link.is_claimed:
            return
        newest = await self._links.holder(tenant, gateway_id)
        if newest is not None and newest.claim != link.claim:
            self._hub.give_up(link)

    async def leave(self) -> None:
        """Say that this replica and its links are gone."""
        await self._links.leave(self._replica)

    def _row(self, link: Link) -> LinkRow:
        return LinkRow(link.tenant, link.gateway_id, self._replica, link.claim, link.opened_at_ms, link.last_heard_ms)
