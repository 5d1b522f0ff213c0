"""One lasting session with a broker: what lamps publish while the connection is away is delivered when it is back.

The broker keeps the session (MQTT 5: clean start off, an expiry of a day; 3.1.1: no clean session) and every
subscription is at QoS 1. A message is handed on before it is acknowledged, so a crash between the two repeats it
instead of losing it; what the broker repeats after a reconnection and was handed on already is recognised by its packet
id and content and dropped.

Each connection has a client of its own. So a command that was never acknowledged dies with its connection: a lamp must
not be switched by a message that comes minutes late.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import structlog
from aiomqtt import Client, Message, MqttCodeError, MqttError, ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from lentera_drivers.mqtt.backlog import Backlog
from lentera_drivers.mqtt.oversize import OversizeGuard

_SESSION_EXPIRY_S: Final = 86_400
_KEEPALIVE_S: Final = 20
_CALL_TIMEOUT_S: Final = 5.0
_CONNECT_TIMEOUT_S: Final = 1.5
_AIOMQTT_TIMEOUT: Final = "Operation timed out"
_FIRST_BACKOFF_S: Final = 0.2
_MAX_BACKOFF_S: Final = 2.0
_TOPICS_PER_SUBSCRIBE: Final = 100
_REMEMBERED_DELIVERIES: Final = 64
_SEND_AT_ONCE: Final = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
_CANCEL_AGAIN_S: Final = 0.2
_PENDING_CALLS: Final = 1000
_UNSUPPORTED_PROTOCOL: Final = (1, 132)
"""CONNACK codes of MQTT 3.1.1 and 5 for "unacceptable protocol version"."""

_log = structlog.get_logger(__name__)
_jitter = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we are to it."""

    host: str
    tcp_port: int
    client_id: str
    username: str | None = None
    password_file: Path | None = None

    def __str__(self) -> str:
        """Return host:port."""
        return f"{self.host}:{self.tcp_port}"


@dataclass(slots=True)
class SessionCounters:
    """What happened on the session since it was opened."""

    connections: int = 0
    messages: int = 0
    repeated: int = 0
    oversized: int = 0
    handler_errors: int = 0
    last_error: str = ""


@dataclass(slots=True)
class _Deliveries:
    """Tells a repeated delivery from a new message after a reconnection."""

    recent: deque[tuple[int, str, bytes]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_DELIVERIES))
    suspects: set[tuple[int, str, bytes]] = field(default_factory=set)

    def reconnected(self) -> None:
        """From now on the broker repeats what it saw no acknowledgement of, before anything new."""
        self.suspects = set(self.recent)

    def is_repeated(self, message: Message) -> bool:
        """Whether this very delivery was handed on before the connection broke."""
        if message.qos == 0:
            return False
        key = (message.mid, str(message.topic), bytes(cast("bytes", message.payload)))
        if key in self.suspects:
            self.suspects.discard(key)
            return True
        self.suspects.clear()
        self.recent.append(key)
        return False


class _HandlingQueue(asyncio.Queue[Message]):
    """Stands where aiomqtt wants a queue and handles each message at once, before paho acknowledges it."""

    def __init__(self, handle: Callable[[Message], None]) -> None:
        super().__init__()
        self._handle = handle

    def put_nowait(self, item: Message) -> None:
        self._handle(item)


class MqttSession:
    """Keeps connected, subscribed and listening until it is closed."""

    def __init__(
        self,
        address: BrokerAddress,
        topics: Sequence[str],
        on_message: Callable[[Message], None],
        on_link: Callable[[bool, str], None],
        backlog: Backlog | None = None,
        on_oversize: Callable[[Message, int], None] | None = None,
    ) -> None:
        """Prepare.

        Args:
            address: of the broker.
            topics: to subscribe to.
            on_message: takes every message, in the event loop; must not block.
            on_link: told (up, reason) when the link to the broker comes or goes, and once when it is down at the start.
            backlog: told when a connection begins.
            on_oversize: takes the beginning of a message that was larger than any device's, and its size in bytes.
        """
        self._address = address
        self._topics = topics
        self._on_message = on_message
        self._on_link = on_link
        self._backlog = backlog
        self._on_oversize = on_oversize
        self._guard: OversizeGuard | None = None
        self._muted: set[str] = set()
        self._protocol = ProtocolVersion.V5
        self._deliveries = _Deliveries()
        self._client: Client | None = None
        self._up = asyncio.Event()
        self._told: bool | None = None
        self._task: asyncio.Task[None] | None = None
        self.counters = SessionCounters()

    async def open(self) -> None:
        """Start to connect; returns at once."""
        self._task = asyncio.create_task(self._run(), name=f"mqtt {self._address}")

    async def close(self) -> None:
        """Disconnect; the broker keeps the session."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            # Again and again: before Python 3.12 asyncio.wait_for, which aiomqtt uses, can swallow a cancellation.
            task.cancel()
            await asyncio.wait((task,), timeout=_CANCEL_AGAIN_S)

    @property
    def is_up(self) -> bool:
        """Whether the broker is connected and everything subscribed."""
        return self._up.is_set()

    @property
    def retained_is_news(self) -> bool:
        """Whether a retained message comes only when the broker knew nothing of our subscription (MQTT 5)."""
        return self._protocol is ProtocolVersion.V5

    async def wait_up(self, timeout_s: float) -> bool:
        """Wait for the link; False when it did not come in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError:
            return False
        return True

    async def publish(self, topic: str, payload: bytes, expiry_s: int, timeout_s: float = _CALL_TIMEOUT_S) -> None:
        """Publish at QoS 1; the broker drops it when nobody took it within `expiry_s` seconds (MQTT 5 only).

        Raises:
            MqttError: the link is down or the broker did not acknowledge in time.
        """
        client = self._client
        if client is None:
            raise MqttError(f"no connection to the broker at {self._address}")
        properties = None
        if self._protocol is ProtocolVersion.V5:
            properties = Properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = max(1, expiry_s)
        await client.publish(topic, payload, qos=1, properties=properties, timeout=timeout_s)

    async def _run(self) -> None:
        """Connect again and again, with a jittered pause that doubles up to 2 s: a broker in the field is near."""
        pause_s = _FIRST_BACKOFF_S
        while True:
            try:
                async with self._new_client() as client:
                    if self._backlog is not None:
                        self._backlog.connected()
                    client.timeout = _CALL_TIMEOUT_S
                    await self._subscribe(client, self._topics)
                    self._client = client
                    self._up.set()
                    self.counters.connections += 1
                    pause_s = _FIRST_BACKOFF_S
                    self._tell(True, f"broker at {self._address} is connected")
                    await self._until_disconnected(client)
            except (MqttError, OSError, ValueError) as error:
                self.counters.last_error = str(error)
                if self._falls_back(error):
                    continue
                self._tell(False, f"broker at {self._address} cannot be reached: {error}")
            finally:
                self._client = None
                self._up.clear()
            await asyncio.sleep(pause_s * _jitter.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, _MAX_BACKOFF_S)

    async def _until_disconnected(self, client: Client) -> None:
        """Wait; messages are handled as they come, so the iteration only ends, with an MqttError."""
        async for _ in client.messages:
            pass

    def _falls_back(self, error: Exception) -> bool:
        """Take MQTT 3.1.1 when the broker knows no MQTT 5: it says so, or misreads our packet and stays silent."""
        if self._protocol is not ProtocolVersion.V5:
            return False
        code = getattr(error.rc, "value", error.rc) if isinstance(error, MqttCodeError) else None
        silent = str(error) == _AIOMQTT_TIMEOUT and self.counters.connections == 0
        if code not in _UNSUPPORTED_PROTOCOL and not silent:
            return False
        _log.info("broker answers no MQTT 5, taking 3.1.1", broker=str(self._address))
        self._protocol = ProtocolVersion.V311
        return True

    def _new_client(self) -> Client:
        address = self._address
        password = None
        if address.password_file is not None:
            password = address.password_file.read_text(encoding="utf-8").strip()
        self._deliveries.reconnected()
        if self._backlog is not None:
            self._backlog.begin()
        lasting: dict[str, Any] = {"clean_session": False}
        if self._protocol is ProtocolVersion.V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = _SESSION_EXPIRY_S
            lasting = {"clean_start": False, "properties": properties}
        queue = _HandlingQueue(self._handle)
        client = Client(
            address.host,
            address.tcp_port,
            username=address.username,
            password=password,
            identifier=address.client_id,
            protocol=self._protocol,
            keepalive=_KEEPALIVE_S,
            timeout=_CONNECT_TIMEOUT_S,
            socket_options=_SEND_AT_ONCE,
            queue_type=cast("type[asyncio.Queue[Message]]", lambda maxsize: queue),
            **lasting,
        )
        client.pending_calls_threshold = _PENDING_CALLS  # a whole street may be dimmed at once
        self._guard = OversizeGuard(client, self._protocol)
        return client

    async def mute(self, topics: Sequence[str]) -> None:
        """Have the broker send nothing more of some topics, until `unmute`; a reconnection does not change that."""
        self._muted.update(topics)
        client = self._client
        if client is not None:
            with contextlib.suppress(MqttError):
                await client.unsubscribe(list(topics), timeout=_CALL_TIMEOUT_S)

    async def unmute(self, topics: Sequence[str]) -> None:
        """Subscribe again to muted topics."""
        self._muted.difference_update(topics)
        client = self._client
        if client is not None:
            with contextlib.suppress(MqttError):
                await self._subscribe(client, topics)

    async def _subscribe(self, client: Client, topics: Sequence[str]) -> None:
        """Subscribe; a kept session has its topics already, a lost one gets them again.

        MQTT 5 is told to send retained messages only for new subscriptions.
        """
        wanted = [topic for topic in topics if topic not in self._muted]
        for start in range(0, len(wanted), _TOPICS_PER_SUBSCRIBE):
            topics = wanted[start : start + _TOPICS_PER_SUBSCRIBE]
            if self._protocol is ProtocolVersion.V5:
                options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
                granted = await client.subscribe([(topic, options) for topic in topics])
            else:
                granted = await client.subscribe([(topic, 1) for topic in topics])
            refused = [
                topic for topic, code in zip(topics, granted, strict=False) if getattr(code, "value", code) >= 0x80
            ]
            if refused:
                raise MqttError(f"the broker refuses the subscription to {refused[0]}; check the user's rights")

    def _handle(self, message: Message) -> None:
        """Hand a message on; an error in its handling must not cost the connection."""
        self.counters.messages += 1
        if self._deliveries.is_repeated(message):
            self.counters.repeated += 1
            return
        size = None if self._guard is None else self._guard.take_size()
        try:
            if size is None:
                self._on_message(message)
                return
            self.counters.oversized += 1
            if self._on_oversize is not None:
                self._on_oversize(message, size)
        except Exception:  # noqa: BLE001 - supervised boundary: logged and counted, the next message must still come
            self.counters.handler_errors += 1
            _log.exception("message could not be handled", topic=str(message.topic))

    def _tell(self, up: bool, reason: str) -> None:
        if self._told is not up:
            self._told = up
            _log.info("broker link", up=up, reason=reason)
            self._on_link(up, reason)
