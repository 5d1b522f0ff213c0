"""A cloud under test, as an ASGI application and as a real server, and a gateway that speaks the link's protocol."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import jwt
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lentera_cloud.app import create_app
from lentera_cloud.bootstrap import add_token
from lentera_cloud.domain.roles import Role
from lentera_cloud.serve import serve
from lentera_cloud.settings import Settings
from lentera_model.batch import BatchKey, ClockFit, encode
from lentera_model.protocol import (
    Ack,
    BatchFrame,
    Bye,
    CloudMessage,
    CommandMessage,
    CommandUpdate,
    DeviceDeclaration,
    GatewayMessage,
    Hello,
    Refuse,
    Welcome,
    decode_cloud_message,
    encode_message,
    link_claims,
)
from lentera_model.readings import Sample

BOOT = bytes(range(16))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def settings_in(folder: Path, **changes) -> Settings:
    """Settings that keep everything in a folder."""
    fields = {
        "registry_url": f"sqlite+aiosqlite:///{folder / 'registry.db'}",
        "series": "memory",
        "secret_file": folder / "secret",
        "port": 0,
        "log_level": "warning",
    }
    return Settings.model_validate(fields | changes)


M = TypeVar("M", bound=CloudMessage)


class Api:
    """The API of an application in this process, with a token for each role in two tenants."""

    def __init__(self, app, client: httpx.AsyncClient, tokens: dict[tuple[str, str], str]) -> None:
        self.app = app
        self.cloud = app.state.cloud
        self.client = client
        self.tokens = tokens

    async def __call__(self, method: str, path: str, role: str = "admin", tenant: str = "stabat", **request):
        headers = {"Authorization": f"Bearer {self.tokens[tenant, role]}"} | (request.pop("headers", None) or {})
        return await self.client.request(method, path, headers=headers, **request)


@asynccontextmanager
async def running_app(settings: Settings, **parts) -> AsyncIterator[Api]:
    """Run an application in this process and make tokens."""
    app = create_app(settings, **parts)
    async with app.router.lifespan_context(app):
        registry = app.state.cloud.registry
        await app.state.cloud.registry_state.ready.wait()
        tokens = {
            (tenant, role.value): await add_token(registry, tenant, role, f"{role} of {tenant}")
            for tenant in ("stabat", "binjai")
            for role in Role
        }
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test") as client:
            yield Api(app, client, tokens)


@asynccontextmanager
async def running_server(settings: Settings) -> AsyncIterator[str]:
    """Run a real server on a free port in this event loop; yield its address."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, ready=ready.set_result, stop=stop))
    try:
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield ready.result()
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


class Board:
    """A gateway's key and the tokens it signs."""

    def __init__(self, gateway_id: str = "gw-1") -> None:
        self.gateway_id = gateway_id
        self.key = Ed25519PrivateKey.generate()
        self.sequence = 0

    @property
    def public_key(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def token(self, now_s: int | None = None, **changes) -> str:
        claims = link_claims(self.gateway_id, now_s or int(time.time())) | changes
        return jwt.encode({k: v for k, v in claims.items() if v is not None}, self.key, "EdDSA")

    def authorization(self, **changes) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**changes)}"}

    def sealed(
        self, *rows, sequence: int | None = None, epoch: int = 1, gateway: str | None = None, clock=True
    ) -> bytes:
        """Seal rows of (device, at_ms, values)."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        samples = [Sample(device, "p", at_ms - 1_000, values) for device, at_ms, values in rows]
        key = BatchKey(gateway or self.gateway_id, epoch, sequence)
        return encode(key, BOOT, 1, samples, ClockFit(1_000, 5, "ntp") if clock else None)


LAMP = DeviceDeclaration("lamp-1", "luminaire", "zigbee2mqtt_light", "Lamp 1", "lamps", "lamp-1")
METER = DeviceDeclaration("meter-1", "meter", "eastron_sdm630", "Meter 1", "rs485-0", "1")


class TestLink:
    """The gateway's side of one open link."""

    __test__ = False

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: GatewayMessage) -> None:
        await self.socket.send(encode_message(message))

    async def next(self) -> CloudMessage:
        """The next message."""
        return decode_cloud_message(await self.socket.recv(decode=False))

    async def hear(self, kind: type[M], within_s: float = 5) -> M:
        """The next message of a kind."""
        async with asyncio.timeout(within_s):
            while True:
                message = await self.next()
                if isinstance(message, kind):
                    return message

    async def hello(self, *devices: DeviceDeclaration, within_s: float = 5, versions: Sequence[int] = (1,)) -> Welcome:
        await self.say(Hello(list(versions), [1], "0.1.0", BOOT, 1, 1, list(devices or (LAMP, METER))))
        message = await asyncio.wait_for(self.next(), within_s)
        assert isinstance(message, Welcome), message
        return message

    async def bring(self, sealed: bytes) -> Any:
        """Send a batch; return its Ack or Refuse."""
        await self.say(BatchFrame(sealed))
        async with asyncio.timeout(10):
            while True:
                message = await self.next()
                if isinstance(message, Ack | Refuse):
                    return message

    async def report(self, command: CommandMessage, state: str, **more) -> None:
        await self.say(CommandUpdate(command.execution_id, state, **more))

    async def ends(self) -> Bye:
        """Wait for the goodbye and the close after it."""
        return await self.ends_within(5)

    async def ends_within(self, within_s: float) -> Bye:
        """Wait so long for the goodbye, and for the close after it."""
        bye = await self.hear(Bye, within_s)
        await asyncio.wait_for(self.socket.wait_closed(), 5)
        return bye


@asynccontextmanager
async def open_link(url: str, board: Board, **claims) -> AsyncIterator[TestLink]:
    """Open a link without saying Hello."""
    address = url.replace("http", "ws", 1) + "/v1/link"
    async with websockets.connect(
        address, additional_headers=board.authorization(**claims), compression=None, max_size=None
    ) as socket:
        yield TestLink(socket)


def problem(response: httpx.Response, status: int, code: str) -> dict:
    """Check that an answer is this problem, and return its document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["code"] == code, document
    assert document["status"] == status
    assert document["detail"]
    return document


def denial(error: websockets.InvalidStatus) -> dict:
    """The problem document that a websocket was denied with."""
    return json.loads(error.response.body)
