"""Keeps the link up: connects, proves who it is, and comes back after every loss."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final, cast

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from lentera_gateway.delivery.air import FAILED_ATTEMPT_BYTES, FAILED_TLS_BYTES
from lentera_gateway.link.backoff import Backoff, asked_wait_s
from lentera_gateway.link.connection import Connection, LinkClosedError, LinkParts
from lentera_gateway.link.key import make_token
from lentera_gateway.link.liveness import LinkTiming
from lentera_gateway.link.websocket import LinkWebSocket, metered
from lentera_model.errors import LenteraError
from lentera_model.protocol import MAX_MESSAGE_BYTES, Hello, ProtocolError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["LinkClient", "LinkRefusedError", "LinkState", "LinkTiming"]

_CLOSE_WITHIN_S: Final = 0.2
_BODY_SHOWN: Final = 300
_MEMBERS: Final = ("detail", "title", "code")


class LinkRefusedError(LenteraError):
    """The cloud does not open the link for this gateway."""

    code: ClassVar[str] = "link_refused"

    def __init__(self, status: int, why: str, nonce: str | None, retry_after_s: float) -> None:
        """Keep the HTTP status, what the server says, the nonce it may offer, and when it wants to see us again."""
        hint = ""
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            hint = "; is this gateway registered with its present public key, and not revoked?"
        super().__init__(f"the cloud answers {status}: {why}{hint}")
        self.status = status
        self.nonce = nonce
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class LinkState:
    """What is known of the link, for status.json.

    Attributes:
        up: whether the cloud has answered the Hello of the present connection.
        since_ms: CLOCK_BOOTTIME of the last change.
        connections: opened since the start.
        error: why the last attempt or connection ended, None while up.
    """

    up: bool = False
    since_ms: int = 0
    connections: int = 0
    error: str | None = None


@dataclass(slots=True)
class LinkClient:
    """The gateway's one way out.

    Args:
        url: ws:// or wss:// address of the cloud's link.
        gateway: gateway id.
        key: the gateway's private key.
        parts: what connections work with.
        hello: makes the first message of a connection.
        wall_ms: best knowledge of the wall clock.
        pause: waits so many seconds; returns True when the gateway is stopping.
        chance: uniform in 0 to 1, for the jitter of the waits.
        websocket: of the present or last connection.
    """

    url: str
    gateway: str
    key: Ed25519PrivateKey
    parts: LinkParts
    hello: Callable[[], Awaitable[Hello]]
    wall_ms: Callable[[], int]
    pause: Callable[[float], Awaitable[bool]]
    backoff: Backoff = field(default_factory=Backoff)
    state: LinkState = field(default_factory=LinkState)
    chance: Callable[[], float] = random.random
    websocket: LinkWebSocket | None = None

    async def run(self) -> None:
        """Connect again and again until the gateway stops or the task is cancelled."""
        while True:
            opened_ms: int | None = None
            retry_after_s = 0.0
            try:
                await self._connect_once()
            except (LinkClosedError, LinkRefusedError) as error:
                retry_after_s = error.retry_after_s
                opened_ms = self._lost(str(error))
            except ProtocolError as error:
                opened_ms = self._lost(str(error))
            except (OSError, TimeoutError, WebSocketException) as error:
                opened_ms = self._lost(f"{type(error).__name__}: {error}")
            finally:
                await self.parts.journal.connection_lost()
            lasted_s = 0.0 if opened_ms is None else (self.parts.monotonic_ms() - opened_ms) / 1000
            self.backoff = self.backoff.failed(lasted_s)
            if await self.pause(self.backoff.wait_s(self.chance(), retry_after_s)):
                return

    def _lost(self, why: str) -> int | None:
        """Note the end of a connection; returns when it had been opened, None if it never was."""
        opened_ms = self.state.since_ms if self.state.up else None
        if self.state.error != why or opened_ms is not None:
            self.parts.log.warning("link_down", url=self.url, why=why)
        self.state.up = False
        self.state.since_ms = self.parts.monotonic_ms()
        self.state.error = why
        return opened_ms

    def _opened(self) -> None:
        self.state.up = True
        self.state.since_ms = self.parts.monotonic_ms()
        self.state.connections += 1
        self.state.error = None
        self.parts.log.info("link_up", url=self.url)

    async def _connect_once(self) -> None:
        try:
            websocket = await self._open(None)
        except LinkRefusedError as error:
            if error.status != HTTPStatus.UNAUTHORIZED or error.nonce is None:
                raise
            websocket = await self._open(error.nonce)
        self.websocket = websocket
        try:
            await Connection(websocket, await self.hello(), self.parts).run(self._opened)
        finally:
            await _close(websocket)

    async def _open(self, nonce: str | None) -> LinkWebSocket:
        token = make_token(self.key, self.gateway, self.wall_ms(), nonce)
        try:
            opened = await connect(
                self.url,
                create_connection=metered(self.parts.air.add),
                additional_headers={"Authorization": f"Bearer {token}"},
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
                open_timeout=self.parts.timing.open_within_s,
                close_timeout=_CLOSE_WITHIN_S,
                ping_interval=None,  # the link's own ping also brings the time
                user_agent_header=None,
                proxy=None,
            )
            return cast(LinkWebSocket, opened)
        except InvalidStatus as error:
            body = bytes(error.response.body or b"")
            why, offered = _problem(body)
            headers = error.response.headers
            asked_s = asked_wait_s(headers.get("Retry-After"), headers.get("Date"))
            raise LinkRefusedError(error.response.status_code, why, offered, asked_s) from error
        except OSError as error:
            self.parts.air.add(FAILED_TLS_BYTES if isinstance(error, ssl.SSLError) else FAILED_ATTEMPT_BYTES)
            raise


async def _close(websocket: LinkWebSocket) -> None:
    try:
        async with asyncio.timeout(2 * _CLOSE_WITHIN_S):
            await websocket.close()
    except TimeoutError:
        websocket.transport.abort()


def _problem(body: bytes) -> tuple[str, str | None]:
    """Read a problem+json body: (what it says, the nonce it offers)."""
    try:
        problem = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.MsgspecError:
        return body[:_BODY_SHOWN].decode("utf-8", "replace") or "no explanation", None
    why = next((str(problem[name]) for name in _MEMBERS if problem.get(name)), "no explanation")
    nonce = problem.get("nonce")
    return why[:_BODY_SHOWN], nonce if isinstance(nonce, str) else None
