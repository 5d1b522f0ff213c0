"""A program that speaks on MQTT: one client, one queue, timers, and the ledger of what was published.

A real one drops what it cannot publish while its broker is away; so does this one. Every message goes out by one queue
with QoS 1, and is written down as answered when the broker has acknowledged it, as unsure when the link broke before.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from lentera_sim.clock import wall_ms
from lentera_sim.ledger import Ledger
from lentera_sim.tasks import end

log = logging.getLogger(__name__)

_RECONNECT_S = 0.2
_ACKNOWLEDGE_S = 5.0
_SEND_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish.

    Attributes:
        device: whose values it carries; None where it carries none that a gateway stores.
        values: those, quantity to value in SI units.
        is_binding: whether a gateway must have stored them; False for what it may throw away, as of a flood.
    """

    topic: str
    payload: bytes
    retain: bool = False
    device: str | None = None
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    is_binding: bool = True


class MqttProgram(ABC):
    """One process on MQTT. `run` lives until cancelled; it is silent until `energised`."""

    def __init__(self, name: str, host: str, port: int, ledger: Ledger) -> None:
        """Take the MQTT client id, the broker's address and the ledger."""
        self.name = name
        self.host = host
        self.port = port
        self.ledger = ledger
        self.connected = asyncio.Event()
        self.energised = False
        self._outgoing: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._timers: set[asyncio.TimerHandle] = set()
        self._quiet = False
        self._present = asyncio.Event()
        self._present.set()
        self._paho: Any = None

    @abstractmethod
    def topics(self) -> Iterable[str]:
        """Return the topics that it listens to."""

    @abstractmethod
    def on_message(self, topic: str, payload: bytes) -> None:
        """Take a message on one of them."""

    @abstractmethod
    def announce(self) -> None:
        """Say all that is said after the broker has come (back), once energised."""

    def last_will(self) -> aiomqtt.Will | None:
        """Return what the broker says when this program is gone without a word."""
        return None

    # -- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; while the broker is away, tries again every 0.2 s and warns once."""
        warned = False
        while True:
            await self._present.wait()
            try:
                async with self._client() as client:
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                level = logging.DEBUG if warned and not self.connected.is_set() else logging.WARNING
                log.log(level, "%s: broker %s:%d: %s; trying again", self.name, self.host, self.port, error)
                warned = True
            finally:
                self.connected.clear()
                self._paho = None
                self._drop_waiting()
            await asyncio.sleep(_RECONNECT_S)

    def vanish(self) -> None:
        """Lose the connection as a device without supply does: no farewell, so the broker speaks its last will."""
        self._present.clear()
        connection = None if self._paho is None else self._paho.socket()
        if isinstance(connection, socket.socket):
            connection.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Connect again after `vanish`."""
        self._present.set()

    async def quieten(self) -> None:
        """Stop publishing for good, after what waits has been published."""
        self._quiet = True
        for timer in self._timers:
            timer.cancel()
        if self.connected.is_set():
            await self._outgoing.join()

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self.host,
            self.port,
            identifier=self.name,
            timeout=_ACKNOWLEDGE_S,
            will=self.last_will(),
            socket_options=_SEND_AT_ONCE,
        )

    async def _serve(self, client: aiomqtt.Client) -> None:
        self._paho = client._client  # aiomqtt has no word for a connection that breaks
        for topic in self.topics():
            await client.subscribe(topic, qos=1)
        self.connected.set()
        if self.energised:
            self.announce()
        tasks = [asyncio.create_task(self._receive(client)), asyncio.create_task(self._publish(client))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(*tasks)

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if not self.energised or self._quiet:
                continue
            payload = message.payload if isinstance(message.payload, bytes | bytearray) else b""
            self.on_message(message.topic.value, bytes(payload))

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            out = await self._outgoing.get()
            at_ms = wall_ms()
            arrived = False
            try:
                await client.publish(out.topic, out.payload, qos=1, retain=out.retain)
                arrived = True
            finally:
                if out.device is not None:
                    write = self.ledger.answered if arrived and out.is_binding else self.ledger.unsure
                    write(out.device, out.values, at_ms)
                self._outgoing.task_done()

    def _drop_waiting(self) -> None:
        while not self._outgoing.empty():
            self._outgoing.get_nowait()
            self._outgoing.task_done()

    @property
    def waiting(self) -> int:
        """How many messages wait to be published."""
        return self._outgoing.qsize()

    # -- for those who speak -----------------------------------------------------------------------------------------

    def send(self, out: Outgoing) -> None:
        """Publish a message, unless the program is quiet or without its broker."""
        if not self._quiet and self.connected.is_set():
            self._outgoing.put_nowait(out)

    def later(self, delay_s: float, action: Callable[[], None]) -> asyncio.TimerHandle | None:
        """Do something after `delay_s` of wall time, unless the program is quiet by then; the handle cancels it."""
        if self._quiet:
            return None

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(delay_s, act)
        self._timers.add(timer)
        return timer
