"""The MQTT driver: every message of a lamp becomes a sample; commands are proved, lamp by lamp.

A sample's `level_percent` is what the lamp published, echoes included, because the wire does not tell them apart and a
value that was published is a value to keep. A message that may be the echo of our own command is marked suspect;
whether a command succeeded never depends on it (`lentera_drivers.mqtt.proof`). So is one that the broker may have kept
while we were away and whose age is unknown: its time is uncertain (`lentera_drivers.mqtt.backlog`).
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from aiomqtt import Message, MqttError

from lentera_drivers.interface import (
    Clock,
    Confirmation,
    DriverSetupError,
    OnSample,
    OnStatus,
    Outcome,
    PlannedRequest,
    Profile,
    WallClock,
)
from lentera_drivers.mqtt import proof
from lentera_drivers.mqtt.backlog import Backlog, stamp_of_kept
from lentera_drivers.mqtt.lamp import Lamp, Role
from lentera_drivers.mqtt.session import BrokerAddress, MqttSession, SessionCounters
from lentera_drivers.profiles import (
    LampMessage,
    LampPayloadError,
    LampProfile,
    decode_availability,
    decode_lamp_payload,
    encode_get,
    encode_set,
)
from lentera_model.commands import Reason
from lentera_model.config import DeviceConfig, MqttBus
from lentera_model.readings import Quality, Sample

_QUESTION_EXPIRY_S: Final = 5
_ANSWER_MS: Final = 1_000

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class DriverCounters:
    """What the driver received that it could not use."""

    malformed: int = 0
    complaints: int = 0
    unknown_topics: int = 0
    retained_skipped: int = 0


class MqttDriver:
    """Driver of the lamps on one broker."""

    def __init__(
        self,
        bus: MqttBus,
        devices: Sequence[DeviceConfig],
        profiles: Mapping[str, Profile],
        clock: Clock,
        on_sample: OnSample,
        on_status: OnStatus,
        owner: str = "",
        wall_ms: WallClock | None = None,
    ) -> None:
        """Prepare; see `open_driver` for the arguments."""
        self._bus = bus
        self._clock = clock
        self._wall_ms = wall_ms
        self._backlog = Backlog(clock)
        self.on_sample = on_sample
        self.on_status = on_status
        self.counters = DriverCounters()
        self._lamps: dict[str, Lamp] = {}
        self._by_topic: dict[str, tuple[Lamp, Role]] = {}
        for device in devices:
            profile = profiles[device.profile]
            if isinstance(profile, LampProfile) and device.topic is not None:
                self._add(Lamp(device, profile, profile.topics_for(device.topic, bus.base_topic)))
        address = BrokerAddress(
            bus.host, bus.tcp_port, _client_id(owner, bus, devices), bus.username, bus.password_file
        )
        self._session = MqttSession(address, list(self._by_topic), self._receive, self._link, self._backlog)

    def _add(self, lamp: Lamp) -> None:
        self._lamps[lamp.device.id] = lamp
        topics: dict[Role, str | None] = {
            "state": lamp.topics.state,
            "availability": lamp.topics.availability,
            "telemetry": lamp.topics.telemetry,
        }
        for role, topic in topics.items():
            if topic is None:
                continue
            other = self._by_topic.setdefault(topic, (lamp, role))[0]
            if other is not lamp:
                raise DriverSetupError(
                    f"devices {other.device.id!r} and {lamp.device.id!r} both use topic {topic!r}; give each its own"
                )

    @property
    def session_counters(self) -> SessionCounters:
        """What happened on the link to the broker."""
        return self._session.counters

    async def open(self) -> None:
        """Start to connect; returns at once."""
        await self._session.open()

    async def close(self) -> None:
        """Disconnect; the broker keeps the session for the next start."""
        await self._session.close()

    async def read(self, device_id: str, pace: int = 0) -> Sequence[Sample]:
        """Ask a lamp that has been silent for longer than its interval; its answer comes by `on_sample`. Returns ().

        Raises:
            DriverSetupError: no such device.
        """
        lamp = self._lamps.get(device_id)
        if lamp is None:
            raise DriverSetupError(f"bus {self._bus.id!r} has no device {device_id!r}")
        silent = lamp.heard_ms is None or self._clock() - lamp.heard_ms >= lamp.device.every_s * 1000
        if silent and self._session.is_up and lamp.available is not False:
            await self._ask(lamp, _QUESTION_EXPIRY_S)
        return ()

    def outcomes(self, device_id: str) -> Mapping[str, Outcome]:
        """Return nothing: a lamp reports by itself, and its status says whether it is there."""
        return {}

    async def set_level(self, device_id: str, level_percent: float, timeout_s: float) -> Confirmation:
        """Ask a lamp for a level and find out whether it acted; commands to one lamp follow one another."""
        lamp = self._lamps.get(device_id)
        if lamp is None:
            text = f"no device {device_id!r} on bus {self._bus.id!r}"
            return Confirmation("failed", reason=Reason.DEVICE_UNKNOWN, reason_text=text)
        deadline_ms = self._clock() + round(timeout_s * 1000)
        try:
            async with asyncio.timeout(timeout_s):
                await lamp.turn.acquire()
        except TimeoutError:
            text = f"an earlier command to {device_id} took more than {timeout_s:g} s"
            return Confirmation("failed", reason=Reason.BUS_TIMEOUT, reason_text=text)
        try:
            return await self._set_level(lamp, level_percent, deadline_ms, timeout_s)
        except MqttError as error:
            text = f"the broker did not take the command: {error}"
            return Confirmation("failed", reason=Reason.BUS_TIMEOUT, reason_text=text)
        finally:
            lamp.watch = None
            lamp.turn.release()

    async def _set_level(self, lamp: Lamp, level_percent: float, deadline_ms: int, timeout_s: float) -> Confirmation:
        if lamp.available is False:
            return _offline(lamp)
        if not await self._session.wait_up(self._left_s(deadline_ms)):
            text = f"the broker is not connected: {self._session.counters.last_error}"
            return Confirmation("failed", reason=Reason.BUS_TIMEOUT, reason_text=text)
        rated_w = lamp.device.rated_power_w
        lamp.news.clear()
        now_ms = self._clock()
        trusted_ms = 0 if lamp.asked_whether_off_ms is None else lamp.asked_whether_off_ms + _ANSWER_MS
        rules = lamp.profile.proof
        before = lamp.recent(now_ms)
        drawn_w = lamp.recent_drawn_w(now_ms)
        watch = lamp.watch = proof.start(rules, level_percent, rated_w, before, now_ms, trusted_ms, drawn_w)
        left_s = self._left_s(deadline_ms)
        command = encode_set(lamp.profile, level_percent)
        await self._session.publish(lamp.topics.set, command, math.ceil(left_s), left_s)
        while True:
            watch = lamp.watch or watch
            proved = proof.verdict(watch)
            if proved is not None:
                return proved
            if lamp.available is False:
                return _offline(lamp)
            if self._clock() >= deadline_ms:
                return proof.verdict_at_timeout(watch, timeout_s)
            await self._ask_or_wait(lamp, watch, deadline_ms)

    async def _ask_or_wait(self, lamp: Lamp, watch: proof.Watch, deadline_ms: int) -> None:
        """Ask when it is time to; else wait until it is, until news comes, or until the end."""
        now_ms = self._clock()
        question_ms = proof.next_question_ms(watch)
        if question_ms is not None and question_ms <= now_ms:
            lamp.watch = proof.asked(watch, now_ms)
            left_s, off = self._left_s(deadline_ms), watch.target_percent <= 0
            await self._ask(lamp, left_s, whether_off=off, for_power=watch.doubted)
            return
        until_ms = deadline_ms if question_ms is None else min(deadline_ms, question_ms)
        await _wait(lamp.news, (until_ms - now_ms) / 1000)

    def _left_s(self, deadline_ms: int) -> float:
        return max(0.0, (deadline_ms - self._clock()) / 1000)

    async def _ask(self, lamp: Lamp, timeout_s: float, *, whether_off: bool = False, for_power: bool = False) -> None:
        """Ask for the state or the power; a question that the broker does not take is asked again later."""
        if lamp.topics.get is None:
            return
        power_key = _power_key(lamp.profile) if for_power else None
        if whether_off and power_key is None:
            lamp.asked_whether_off_ms = self._clock()
        question = encode_get(whether_off=whether_off, power_key=power_key)
        try:
            await self._session.publish(lamp.topics.get, question, _QUESTION_EXPIRY_S, timeout_s)
        except MqttError as error:
            _log.info("question not sent", device=lamp.device.id, error=str(error))

    def describe_plan(self) -> list[PlannedRequest]:
        """Return what is listened to for every lamp."""
        return [
            PlannedRequest(
                device=lamp.device.id,
                bus=self._bus.id,
                target=f"topics {', '.join(lamp.topics.subscriptions())}",
                quantities=("level_percent", *(entry.quantity for entry in lamp.profile.fields)),
                every_s=lamp.device.every_s,
                wire_ms=None,
            )
            for lamp in self._lamps.values()
        ]

    def _receive(self, message: Message) -> None:
        """Take a message from the broker."""
        kept = self._backlog.arrived()
        found = self._by_topic.get(str(message.topic))
        if found is None:
            self.counters.unknown_topics += 1
            return
        lamp, role = found
        payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
        try:
            if role == "availability":
                self._availability(lamp, decode_availability(payload))
            elif not (message.retain and self._is_old_news(lamp, role, payload)):
                said = decode_lamp_payload(lamp.profile, payload)
                self._take(lamp, role, payload, said, retained=bool(message.retain), kept=kept)
        except LampPayloadError as error:
            self.counters.malformed += 1
            if _worth_a_line(self.counters.malformed):
                _log.warning("malformed", device=lamp.device.id, error=str(error), malformed=self.counters.malformed)

    def _is_old_news(self, lamp: Lamp, role: Role, payload: bytes) -> bool:
        """Whether a retained message is of unknown age (the first one) or was received before.

        A different one was published while the broker had forgotten our session: that one is news.
        """
        before = lamp.last_payload.get(role)
        old = before is None or before == payload
        if old:
            self.counters.retained_skipped += 1
        return old

    def _take(
        self, lamp: Lamp, role: Role, payload: bytes, message: LampMessage, *, retained: bool, kept: bool
    ) -> None:
        """Turn a state or telemetry message into a sample, and let a waiting command see it."""
        now_ms = self._clock()
        self.counters.complaints += len(message.complaints)
        if message.complaints and _worth_a_line(self.counters.complaints):
            _log.warning("partly unusable", device=lamp.device.id, complaints=message.complaints)
        lamp.last_payload[role] = payload
        lamp.heard_ms = now_ms
        stamp_ms, quality = self._stamp(lamp, role, message, now_ms, kept=kept)
        watch = lamp.watch
        if watch is not None and not retained:
            lamp.watch = proof.observe(watch, message, now_ms, telemetry=role == "telemetry")
            if lamp.watch.echo_at_ms is not None and watch.echo_at_ms is None:
                quality = Quality.SUSPECT  # it may be the echo of our own command
            lamp.news.set()
        lamp.keep(role, message.values, stamp_ms)
        if message.values:
            self.on_sample(Sample(lamp.device.id, lamp.profile.id, stamp_ms, message.values, quality))
        if lamp.available is None:
            self._tell(lamp, True, "publishes")

    def _stamp(self, lamp: Lamp, role: Role, message: LampMessage, now_ms: int, *, kept: bool) -> tuple[int, Quality]:
        """Return when a message is of: its arrival, or, if the broker may have kept it, what the lamp's time tells.

        A time that the topic told before says when the lamp was heard then, not when this was published.
        """
        own_ms, before_ms = message.last_seen_ms, lamp.last_seen_ms.get(role)
        if own_ms is not None:
            lamp.last_seen_ms[role] = own_ms
        if not kept:
            return now_ms, Quality.GOOD
        age_ms = None
        if self._wall_ms is not None and own_ms is not None and (before_ms is None or own_ms > before_ms):
            age_ms = self._wall_ms() - own_ms
        return stamp_of_kept(now_ms, age_ms, shift=lamp.watch is None)

    def _availability(self, lamp: Lamp, online: bool) -> None:
        lamp.available = online
        lamp.news.set()
        self._tell(lamp, online, "says that it is online" if online else "its availability topic says offline")

    def _link(self, up: bool, reason: str) -> None:
        """The broker came or went, and with it every lamp that was not offline by itself."""
        for lamp in self._lamps.values():
            if not up:
                self._tell(lamp, False, reason)
            elif lamp.available or (lamp.available is None and lamp.heard_ms is not None):
                self._tell(lamp, True, reason)

    def _tell(self, lamp: Lamp, online: bool, reason: str) -> None:
        """Report a change, not a state."""
        if lamp.told is not online:
            lamp.told = online
            self.on_status(lamp.device.id, online, reason)


def _client_id(owner: str, bus: MqttBus, devices: Sequence[DeviceConfig]) -> str:
    """Name the session so that it survives a restart and is never shared by two gateways on one broker."""
    if not owner:
        named = "\n".join(sorted(device.id for device in devices))
        owner = hashlib.sha256(named.encode()).hexdigest()[:12]
    return f"lentera-{owner}-{bus.id}"


def _power_key(profile: LampProfile) -> str | None:
    """Return the payload key of the measured power, None for a lamp without one."""
    return next((entry.key for entry in profile.fields if entry.quantity == "power_active_total"), None)


def _offline(lamp: Lamp) -> Confirmation:
    text = f"{lamp.device.id} is offline by its availability topic; nothing was sent or awaited any longer"
    return Confirmation("failed", reason=Reason.DEVICE_OFFLINE, reason_text=text)


def _worth_a_line(count: int) -> bool:
    """Log the first, second, fourth, eighth ...: enough to see, too few to flood."""
    return count & (count - 1) == 0


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for an event at most so long, and reset it."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
    event.clear()
