"""A small real cloud for the gateway's tests: a websockets server that speaks the link's protocol and keeps batches."""

import asyncio
import contextlib
import json
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.types import Options
from msgspec import structs
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from lentera_model.batch import decode
from lentera_model.protocol import (
    LINK_AUDIENCE,
    PROTOCOL_VERSIONS,
    Ack,
    BatchFrame,
    Bye,
    CloudLink,
    CloudMessage,
    CommandMessage,
    CommandUpdate,
    DeviceStatus,
    GapReport,
    Hello,
    Noted,
    Ping,
    Pong,
    Refusal,
    Refuse,
    SetMode,
    Status,
    Tally,
    decode_gateway_message,
    encode_message,
)
from lentera_model.protocol.messages import Mode
from lentera_model.readings import Reading
from lentera_sim.ports import hold_port, port_of


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class OpenCloud:
    """Accepts one gateway's link; every knob may be turned while it runs."""

    public_key: Ed25519PublicKey
    gateway: str = "gw-test"
    knows: tuple[int, ...] = PROTOCOL_VERSIONS
    """Versions of the protocol."""
    mode: Mode | None = None
    acknowledge: bool = True
    answer: bool = True
    """False: read nothing and answer nothing, as a half-open connection."""
    wants_nonce: str | None = None
    clock_offset_ms: int = 0
    refuse: dict[int, tuple[str, str]] = field(default_factory=dict)
    refuse_rows: dict[int, Refusal] = field(default_factory=dict)
    batches: dict[tuple[int, int], bytes] = field(default_factory=dict)
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    contradictions: list[tuple[int, int]] = field(default_factory=list)
    hellos: list[Hello] = field(default_factory=list)
    updates: list[CommandUpdate] = field(default_factory=list)
    statuses: list[DeviceStatus] = field(default_factory=list)
    reports: list[Status] = field(default_factory=list)
    told: list[GapReport | Tally] = field(default_factory=list)
    notes: bool = True
    """False: take reports without a word."""
    kinds: list[str] = field(default_factory=list)
    """Every message that came, by its name."""
    refused_tokens: list[str] = field(default_factory=list)
    tokens: list[dict] = field(default_factory=list)
    connection: ServerConnection | None = None
    _server: Server | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Hold a port, so that it is still this cloud's when it comes back after a death."""
        held = hold_port()
        weakref.finalize(self, held.close)
        self.port = port_of(held)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/link"

    async def start(self) -> None:
        self._server = await serve(
            self._talk, "127.0.0.1", self.port, process_request=self._admit, compression=None, max_size=2 << 20
        )

    async def stop(self) -> None:
        """Die: break all connections without a word, close the port."""
        if self._server is not None:
            self.cut()
            self._server.close(close_connections=False)
            self._server = None
            await asyncio.sleep(0)

    def cut(self) -> None:
        """Break the connection as a lost radio does."""
        if self.connection is not None:
            self.connection.transport.abort()

    async def until(self, condition: Callable[[], object], within_s: float = 15.0) -> None:
        """Wait until a condition on this cloud holds."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.2)

    async def send(self, message: CloudMessage) -> None:
        assert self.connection is not None
        await self.connection.send(encode_message(message))

    async def command(
        self,
        execution_id: str,
        device: str,
        level: float,
        timeout_ms: int = 5_000,
        sequence: int = 1,
        attempt: int = 1,
    ) -> None:
        args = {"level_percent": level}
        expires_at_ms = now_ms() + 60_000
        await self.send(
            CommandMessage(execution_id, device, "set_level", args, expires_at_ms, timeout_ms, attempt, sequence)
        )

    def readings(self) -> list[Reading]:
        return [reading for sealed in self.batches.values() for reading in decode(sealed).readings()]

    def states(self, execution_id: str) -> list[str]:
        return [update.state for update in self.updates if update.execution_id == execution_id]

    def _admit(self, connection: ServerConnection, request):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            options: Options = {"verify_exp": self.wants_nonce is None, "verify_iat": self.wants_nonce is None}
            claims = jwt.decode(
                token,
                self.public_key,
                algorithms=["EdDSA"],
                audience=LINK_AUDIENCE,
                issuer=self.gateway,
                options=options,
            )
        except jwt.PyJWTError as error:
            self.refused_tokens.append(str(error))
            return connection.respond(HTTPStatus.UNAUTHORIZED, json.dumps({"detail": str(error)}))
        if self.wants_nonce is not None and claims.get("nonce") != self.wants_nonce:
            self.refused_tokens.append("nonce")
            body = {"code": "clock_unknown", "detail": "token times are off", "nonce": self.wants_nonce}
            return connection.respond(HTTPStatus.UNAUTHORIZED, json.dumps(body))
        self.tokens.append(claims)
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        self.connection = connection
        link = CloudLink()
        with contextlib.suppress(ConnectionClosed):
            async for data in connection:
                while not self.answer:
                    await asyncio.sleep(0.05)
                assert isinstance(data, bytes)
                for reply in self._reply(link, link.receive(decode_gateway_message(data))):
                    await connection.send(encode_message(reply))
                self._news.set()
        self._news.set()

    def _reply(self, link: CloudLink, message) -> list:
        self.kinds.append(type(message).__name__)
        match message:
            case Hello():
                self.hellos.append(message)
                offered = [version for version in message.protocol_versions if version in self.knows]
                message = structs.replace(message, protocol_versions=offered)
                return [link.welcome(message, now_ms() + self.clock_offset_ms, self.mode)]
            case BatchFrame():
                return self._batch(message)
            case CommandUpdate():
                self.updates.append(message)
            case DeviceStatus():
                self.statuses.append(message)
            case Status():
                self.reports.append(message)
            case GapReport() | Tally():
                self.told.append(message)
                return [Noted(message.epoch, message.number)] if self.notes else []
            case Ping():
                return [Pong(message.nonce, now_ms() + self.clock_offset_ms)]
        return []

    def _batch(self, frame: BatchFrame) -> list:
        header = decode(frame.sealed).header
        key = (header.key.epoch, header.key.sequence)
        self.arrivals.append(key)
        refused = self.refuse.get(header.key.sequence)
        if refused is not None:
            return [Refuse(*key, *refused)]
        if not self.acknowledge:
            return []
        if self.batches.setdefault(key, frame.sealed) != frame.sealed:
            self.contradictions.append(key)
        rows = self.refuse_rows.get(header.key.sequence)
        return [Ack(*key, [rows] if rows else [])]


__all__ = ["Bye", "OpenCloud", "SetMode", "now_ms"]
