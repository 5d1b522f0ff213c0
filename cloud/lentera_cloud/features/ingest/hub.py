"""The open links: one a gateway, the newest; how the rest of the cloud reaches a gateway."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog

from lentera_model.protocol import Bye, CloudMessage

REPLACED_RETRY_S = 60.0
"""A replaced link stays away this long: two boards with one key must not throw each other out in a loop."""
REVOKED = Bye("gateway_revoked", "this gateway was revoked", 3600)
"""Last word to a gateway that lost its right to speak."""

_log = structlog.get_logger(__name__)


class Link(Protocol):
    """What the hub needs of a connection."""

    @property
    def gateway_id(self) -> str:
        """Whose link it is."""
        ...

    @property
    def tenant(self) -> str:
        """Whose gateway it is."""
        ...

    @property
    def protocol_version(self) -> int:
        """What both sides speak."""
        ...

    @property
    def claim(self) -> str:
        """What tells this link from every other one, in the registry."""
        ...

    @property
    def is_claimed(self) -> bool:
        """Whether the registry knows it as its gateway's link."""
        ...

    @property
    def opened_at_ms(self) -> int:
        """Since when it is open."""
        ...

    @property
    def last_heard_ms(self) -> int:
        """When the gateway last said anything."""
        ...

    def send(self, message: CloudMessage) -> bool:
        """Queue a message; False when the link is closing or its peer does not read."""
        ...

    def say_goodbye(self, bye: Bye) -> None:
        """Send a last message and close."""
        ...


class LinkHub:
    """Knows the current link of every connected gateway of this process."""

    def __init__(self) -> None:
        """Begin with no link."""
        self._links: dict[str, Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.closing = False

    def attach(self, link: Link) -> None:
        """Make this the gateway's link; an older one is told and closed."""
        older = self._links.get(link.gateway_id)
        self._links[link.gateway_id] = link
        if older is not None:
            self._replaced(older)

    @staticmethod
    def _replaced(link: Link) -> None:
        _log.info("link_replaced", gateway=link.gateway_id)
        link.say_goodbye(Bye("replaced", "another connection with this gateway's key took over", REPLACED_RETRY_S))

    def detach(self, link: Link) -> None:
        """Forget a link, unless another has taken its place already."""
        if self._links.get(link.gateway_id) is link:
            del self._links[link.gateway_id]

    def give_up(self, link: Link) -> None:
        """Tell and close a link whose gateway has a newer one at another replica."""
        self.detach(link)
        self._replaced(link)

    def of(self, gateway_id: str) -> Link | None:
        """Return the gateway's link here."""
        return self._links.get(gateway_id)

    def __len__(self) -> int:
        """Return how many links there are."""
        return len(self._links)

    def all(self) -> list[Link]:
        """Return every link here."""
        return list(self._links.values())

    def send(self, gateway_id: str, message: CloudMessage) -> bool:
        """Queue a message for a gateway; False when it has no link that takes it."""
        link = self._links.get(gateway_id)
        return link is not None and link.send(message)

    def protocol_version(self, gateway_id: str) -> int | None:
        """Return what a gateway's link here speaks; None where it has none."""
        link = self._links.get(gateway_id)
        return link.protocol_version if link else None

    def is_connected(self, gateway_id: str) -> bool:
        """Say whether the gateway has a link here."""
        return gateway_id in self._links

    def dismiss(self, gateway_id: str, bye: Bye) -> None:
        """Close a gateway's link with a reason."""
        link = self._links.get(gateway_id)
        if link is not None:
            link.say_goodbye(bye)

    def dismiss_all(self, bye: Bye) -> None:
        """Close every link; new ones are refused from now on."""
        self.closing = True
        for link in list(self._links.values()):
            link.say_goodbye(bye)

    def follow_up(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that must outlive the connection it follows from."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._followed_up)

    def _followed_up(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("follow_up_failed", exc_info=error)

    async def close(self) -> None:
        """Cancel what is still being followed up."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
