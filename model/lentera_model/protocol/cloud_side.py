"""One connection as the cloud sees it: a Hello first, versions that both speak, then anything a gateway may say.

No I/O: the caller feeds every message to `receive` and acts on what it returns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from lentera_model.batch import FORMAT_VERSIONS
from lentera_model.protocol.messages import (
    MAX_MESSAGE_BYTES,
    PROTOCOL_VERSIONS,
    GatewayMessage,
    Hello,
    Mode,
    ProtocolError,
    Welcome,
)

BATCH_VERSIONS: Final = frozenset(FORMAT_VERSIONS)
"""Every format of the last 24 months stays here; a golden file of each is kept in the tests."""


def negotiate(what: str, offered: Iterable[int], known: Collection[int]) -> int:
    """Return the newest version that both sides know.

    Raises:
        ProtocolError: they have none in common; the text names both lists.
    """
    offers = sorted(set(offered))
    common = [version for version in offers if version in known]
    if not common:
        raise ProtocolError(
            f"no {what} in common: the gateway offers {offers}, the cloud knows {sorted(known)}; update one"
        )
    return common[-1]


class CloudLink:
    """State of one gateway's connection; make a new one for each connection.

    Attributes:
        hello: the gateway's first message, None before it.
        protocol_version: what both speak, from `welcome` on.
    """

    def __init__(self) -> None:
        """Begin before the Hello."""
        self.hello: Hello | None = None
        self.protocol_version = PROTOCOL_VERSIONS[0]

    def welcome(self, hello: Hello, now_ms: int, mode: Mode | None) -> Welcome:
        """Return the answer to a Hello.

        Args:
            hello: the gateway's first message.
            now_ms: Unix milliseconds.
            mode: how batches are wanted; None leaves it to the gateway.

        Raises:
            ProtocolError: no version in common.
        """
        self.protocol_version = negotiate("link protocol", hello.protocol_versions, PROTOCOL_VERSIONS)
        return Welcome(
            self.protocol_version,
            negotiate("batch format", hello.batch_versions, BATCH_VERSIONS),
            now_ms,
            mode,
            MAX_MESSAGE_BYTES,
        )

    def receive(self, message: GatewayMessage) -> GatewayMessage:
        """Check that a message may come now, and return it.

        Raises:
            ProtocolError: something came before Hello, or Hello came twice; say Bye and close.
        """
        if isinstance(message, Hello):
            if self.hello is not None:
                raise ProtocolError("Hello came twice on one connection")
            self.hello = message
        elif self.hello is None:
            raise ProtocolError(f"{type(message).__name__} came before Hello: a link begins with Hello")
        return message
