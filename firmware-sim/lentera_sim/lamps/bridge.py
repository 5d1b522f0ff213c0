"""What both dialects share: one MQTT client, its lamps' timers, and the ledger of what was published.

A real bridge drops what it cannot publish while its broker is away; so does this one. Every message goes out by one
queue with QoS 1, and is written down as answered when the broker has acknowledged it, as unsure when the link broke
before.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiomqtt

from lentera_sim.clock import SimClock, wall_ms
from lentera_sim.lamps.device import Behaviour, NetworkLamp
from lentera_sim.lamps.said import said_values
from lentera_sim.ledger import Ledger
from lentera_sim.tasks import end

log = logging.getLogger(__name__)

_RECONNECT_S = 0.2
_ACKNOWLEDGE_S = 5.0
_SEND_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish; `lamp` is set where it carries values that a gateway stores."""

    topic: str
    payload: bytes
    retain: bool = False
    lamp: NetworkLamp | None = None


class LampBridge(ABC):
    """One process that speaks for lamps. `run` lives until cancelled; lamps are silent until `energise`."""

    def __init__(
        self, name: str, host: str, port: int, lamps: Sequence[NetworkLamp], ledger: Ledger, clock: SimClock
    ) -> None:
        """Take the MQTT client id, the broker's address and the lamps."""
        self.name = name
        self.host = host
        self.port = port
        self.lamps = tuple(lamps)
        self.clock = clock
        self.connected = asyncio.Event()
        self.energised = False
        self._ledger = ledger
        self._outgoing: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._by_topic = {topic: lamp for lamp in self.lamps for topic in self.command_topics(lamp)}
        self._timers: set[asyncio.TimerHandle] = set()
        self._quiet = False

    # -- what a dialect says -----------------------------------------------------------------------------------------

    @abstractmethod
    def command_topics(self, lamp: NetworkLamp) -> tuple[str, ...]:
        """Return the topics on which this lamp is ordered and asked."""

    @abstractmethod
    def on_command(self, lamp: NetworkLamp, topic: str, payload: bytes) -> None:
        """Take a message on one of the lamp's command topics."""

    @abstractmethod
    def report(self, lamp: NetworkLamp) -> None:
        """Publish all that the lamp says of itself."""

    @abstractmethod
    def report_change(self, lamp: NetworkLamp) -> None:
        """Publish what a lamp reports by itself after its power has changed."""

    @abstractmethod
    def availability(self, online: bool) -> bytes:
        """Return the dialect's payload for online or offline."""

    # -- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; while the broker is away, tries again every 0.2 s and warns once."""
        warned = False
        while True:
            try:
                async with self._client() as client:
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                level = logging.DEBUG if warned and not self.connected.is_set() else logging.WARNING
                log.log(level, "%s: broker %s:%d: %s; trying again", self.name, self.host, self.port, error)
                warned = True
            finally:
                self.connected.clear()
                self._drop_waiting()
            await asyncio.sleep(_RECONNECT_S)

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self.host, self.port, identifier=self.name, timeout=_ACKNOWLEDGE_S, socket_options=_SEND_AT_ONCE
        )

    def energise(self) -> None:
        """Give all lamps their supply: they come on at 100 % and announce themselves."""
        self.energised = True
        for number, lamp in enumerate(self.lamps):
            lamp.luminaire.energise(lamp.now_ms)
            self._ledger.acted(lamp.device, {"level_percent": lamp.luminaire.level_percent(lamp.now_ms)}, wall_ms())
            self._announce(lamp)
            # Spread over the period, as lamps that came on one after the other are.
            self.later(lamp.every_s * (number + 1) / len(self.lamps), lambda lamp=lamp: self._periodic(lamp))

    async def quieten(self) -> None:
        """Stop publishing for good, after what waits has been published."""
        self._quiet = True
        for timer in self._timers:
            timer.cancel()
        if self.connected.is_set():
            await self._outgoing.join()

    async def _serve(self, client: aiomqtt.Client) -> None:
        for topic in self._by_topic:
            await client.subscribe(topic, qos=1)
        self.connected.set()
        if self.energised:
            for lamp in self.lamps:
                self._announce(lamp)
        tasks = [asyncio.create_task(self._receive(client)), asyncio.create_task(self._publish(client))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(*tasks)

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            lamp = self._by_topic.get(message.topic.value)
            if lamp is None or not self.energised or self._quiet or lamp.behaviour is Behaviour.OFFLINE:
                continue
            payload = message.payload if isinstance(message.payload, bytes | bytearray) else b""
            self.on_command(lamp, message.topic.value, bytes(payload))

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            out = await self._outgoing.get()
            at_ms = wall_ms()
            arrived = False
            try:
                await client.publish(out.topic, out.payload, qos=1, retain=out.retain)
                arrived = True
            finally:
                if out.lamp is not None:
                    values = out.lamp.wanted(said_values(out.lamp.profile.dialect, out.payload))
                    (self._ledger.answered if arrived else self._ledger.unsure)(out.lamp.device, values, at_ms)
                self._outgoing.task_done()

    def _drop_waiting(self) -> None:
        while not self._outgoing.empty():
            self._outgoing.get_nowait()
            self._outgoing.task_done()

    # -- for the dialects --------------------------------------------------------------------------------------------

    def send(self, out: Outgoing) -> None:
        """Publish a message, unless the bridge is quiet or without its broker."""
        if not self._quiet and self.connected.is_set():
            self._outgoing.put_nowait(out)

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something after `delay_s` of wall time, unless the bridge is quiet by then."""
        if self._quiet:
            return

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(delay_s, act)
        self._timers.add(timer)

    def order(self, lamp: NetworkLamp, level_percent: float, transition_s: float | None = None) -> None:
        """Pass an order on to the lamp: it acts after its delay, is written down then, and reports the change."""
        if lamp.behaviour is Behaviour.IGNORES:
            return
        now_ms = lamp.now_ms
        fade_ms = None if transition_s is None else int(transition_s * 1000)
        settled_ms = lamp.luminaire.command(level_percent, now_ms, fade_ms)
        self.later(self.clock.wall_seconds(settled_ms - now_ms) + 0.001, lambda: self._acted(lamp))

    def _acted(self, lamp: NetworkLamp) -> None:
        self._ledger.acted(lamp.device, {"level_percent": lamp.luminaire.level_percent(lamp.now_ms)}, wall_ms())
        self.later(self.change_report_s, lambda: self.report_change(lamp))

    change_report_s = 0.15
    """How long after a lamp has settled it reports its new power by itself."""

    def _announce(self, lamp: NetworkLamp) -> None:
        online = lamp.behaviour is not Behaviour.OFFLINE
        if lamp.topics.availability is not None:
            self.send(Outgoing(lamp.topics.availability, self.availability(online), retain=True))
        if online:
            self.report(lamp)

    def _periodic(self, lamp: NetworkLamp) -> None:
        if lamp.behaviour is not Behaviour.OFFLINE:
            self.report(lamp)
        self.later(lamp.every_s, lambda: self._periodic(lamp))
