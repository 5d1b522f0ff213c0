"""The MQTT driver: every message of a device becomes a sample; commands to lamps are proved, lamp by lamp.

A sample's `level_percent` is what the lamp published, echoes included, because the wire does not tell them apart and a
value that was published is a value to keep. A message that may be the echo of our own command is marked suspect;
whether a command succeeded never depends on it (`lentera_drivers.mqtt.proof`). So is one that the broker may have kept
while we were away and whose age is unknown: its time is uncertain (`lentera_drivers.mqtt.backlog`). What is of no use
is set aside and shown, a flood is bounded device by device (`malformed`, `rate`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiomqtt import Message

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
from lentera_drivers.mqtt import proof, report
from lentera_drivers.mqtt.backlog import Backlog, stamp_of_kept
from lentera_drivers.mqtt.command import QUESTION_EXPIRY_S, LampCommands, ask
from lentera_drivers.mqtt.counters import DriverCounters
from lentera_drivers.mqtt.device import AVAILABILITY, FieldDevice, Role, Sensor
from lentera_drivers.mqtt.flood import FloodGate
from lentera_drivers.mqtt.lamp import Lamp
from lentera_drivers.mqtt.malformed import Malformed
from lentera_drivers.mqtt.session import BrokerAddress, MqttSession, SessionCounters
from lentera_drivers.profiles import LampMessage, LampPayloadError, LampProfile, SensorProfile
from lentera_model.commands import Reason
from lentera_model.config import DeviceConfig, MqttBus
from lentera_model.readings import Quality, Sample

_log = structlog.get_logger(__name__)


class MqttDriver:
    """Driver of the lamps, meters and sensors on one broker."""

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
        self._stray = Malformed()
        self._devices: dict[str, FieldDevice] = {}
        self._by_topic: dict[str, tuple[FieldDevice, Role]] = {}
        for device in devices:
            profile = profiles[device.profile]
            if device.topic is not None and isinstance(profile, LampProfile):
                self._add(Lamp(device, profile, bus.base_topic))
            elif device.topic is not None and isinstance(profile, SensorProfile):
                self._add(Sensor(device, profile, bus.base_topic))
        address = BrokerAddress(
            bus.host, bus.tcp_port, _client_id(owner, bus, devices), bus.username, bus.password_file
        )
        self._session = MqttSession(
            address, list(self._by_topic), self._receive, self._link, self._backlog, self._oversize
        )
        self._gate = FloodGate(self._session, clock, self._handle, self._muted)
        self._commands = LampCommands(self._session, clock)

    def _add(self, device: FieldDevice) -> None:
        self._devices[device.device.id] = device
        for role, topic in device.roles.items():
            other = self._by_topic.setdefault(topic, (device, role))[0]
            if other is not device:
                ids = f"{other.device.id!r} and {device.device.id!r}"
                raise DriverSetupError(f"devices {ids} both use topic {topic!r}; give each its own")

    @property
    def is_up(self) -> bool:
        """Whether the broker is connected."""
        return self._session.is_up

    @property
    def session_counters(self) -> SessionCounters:
        """What happened on the link to the broker."""
        return self._session.counters

    async def open(self) -> None:
        """Start to connect; returns at once."""
        await self._session.open()

    async def close(self) -> None:
        """Disconnect; the broker keeps the session for the next start."""
        await self._gate.close()
        await self._session.close()

    async def read(self, device_id: str, pace: int = 0) -> Sequence[Sample]:
        """Ask a device that has been silent for longer than its interval; its answer comes by `on_sample`. Returns ().

        One that is silent beyond its limit is reported so.

        Raises:
            DriverSetupError: no such device.
        """
        device = self._devices.get(device_id)
        if device is None:
            raise DriverSetupError(f"bus {self._bus.id!r} has no device {device_id!r}")
        now_ms = self._clock()
        overdue = device.heard_ms is None or now_ms - device.heard_ms >= device.device.every_s * 1000
        if self._session.is_up and device.is_silent(now_ms) and device.available is not False:
            self._tell(device, False, report.silence(device, now_ms))
        if overdue and self._session.is_up and device.available is not False and device.question is not None:
            if isinstance(device, Lamp) and device.watch is not None:
                return ()  # the command asks by itself, and must know what an answer answers
            await ask(self._session, device_id, device.question, QUESTION_EXPIRY_S)
        return ()

    def outcomes(self, device_id: str) -> Mapping[str, Outcome]:
        """Return what is known of each quantity of a device; empty before anything was heard of it.

        Raises:
            DriverSetupError: the driver has no such device.
        """
        device = self._devices.get(device_id)
        if device is None:
            raise DriverSetupError(f"bus {self._bus.id!r} has no device {device_id!r}")
        return report.outcomes(device, self._clock(), link_up=self._session.is_up)

    def malformed(self, device_id: str | None = None) -> dict[str, Any]:
        """Return what was set aside: of one device, or of all that have any; plain data for a person.

        Raises:
            DriverSetupError: the driver has no such device.
        """
        if device_id is not None and device_id not in self._devices:
            raise DriverSetupError(f"bus {self._bus.id!r} has no device {device_id!r}")
        chosen = self._devices if device_id is None else {device_id: self._devices[device_id]}
        return report.set_aside(chosen, self._stray)

    def status(self) -> dict[str, Any]:
        """Return the counters of the bus and of the devices that are not quite well, for status.json."""
        return report.status(self.counters, self._session.counters, self._devices, self._stray)

    async def set_level(self, device_id: str, level_percent: float, timeout_s: float) -> Confirmation:
        """Ask a lamp for a level and find out whether it acted; commands to one lamp follow one another."""
        device = self._devices.get(device_id)
        if device is None:
            text = f"no device {device_id!r} on bus {self._bus.id!r}"
            return Confirmation("failed", reason=Reason.DEVICE_UNKNOWN, reason_text=text)
        if not isinstance(device, Lamp):
            text = f"{device_id} is a meter or sensor (profile {device.profile_id}): it takes no light level"
            return Confirmation("failed", reason=Reason.NOT_SUPPORTED, reason_text=text)
        return await self._commands.set_level(device, level_percent, timeout_s)

    def describe_plan(self) -> list[PlannedRequest]:
        """Return what is listened to for every device."""
        return [
            PlannedRequest(
                device=device.device.id,
                bus=self._bus.id,
                target=f"topics {', '.join(device.roles.values())}",
                quantities=device.quantities,
                every_s=device.device.every_s,
                wire_ms=None,
            )
            for device in self._devices.values()
        ]

    def _receive(self, message: Message) -> None:
        """Take a message from the broker, unless its device publishes too much."""
        kept = self._backlog.arrived()
        topic = str(message.topic)
        found = self._by_topic.get(topic)
        if found is None:
            self.counters.unknown_topics += 1
            self._stray.add(self._clock(), topic, "nobody asked for this topic", _bytes(message))
            return
        device, role = found
        if kept or role == AVAILABILITY or self._gate.admits(device, role, message):
            self._handle(device, role, message, kept=kept)

    def _handle(self, device: FieldDevice, role: Role, message: Message, *, kept: bool = False) -> None:
        payload = _bytes(message)
        retained = bool(message.retain)
        try:
            if role == AVAILABILITY:
                self._availability(device, device.decode_online(payload))
            elif not retained:
                self._take(device, role, payload, device.decode(role, payload), kept=kept)
            else:
                self._take_retained(device, role, payload)
        except LampPayloadError as error:
            self.counters.malformed += 1
            device.malformed.add(self._clock(), str(message.topic), str(error), payload)
            if _worth_a_line(self.counters.malformed):
                _log.warning("malformed", device=device.device.id, error=str(error), malformed=self.counters.malformed)

    def _oversize(self, message: Message, size: int) -> None:
        """Set aside what was larger than any device's message; only its beginning was kept."""
        topic = str(message.topic)
        found = self._by_topic.get(topic)
        ring = self._stray if found is None else found[0].malformed
        ring.add(self._clock(), topic, f"message of {size} bytes; larger than any device's", _bytes(message), size)
        self.counters.malformed += 1

    def _take_retained(self, device: FieldDevice, role: Role, payload: bytes) -> None:
        """Use what a broker remembers only where its age is known.

        One that differs from the last of its topic was published while the broker had forgotten our session: that is
        news. The first one says how the device was, if it also says when.
        """
        before = device.last_payload.get(role)
        if before is not None and before != payload:
            self._take(device, role, payload, device.decode(role, payload), retained=True, kept=True)
            return
        self.counters.retained_skipped += 1
        if before is not None or not self._session.retained_is_news:
            return
        said = device.decode(role, payload)
        age_ms = self._age_ms(device, said)
        stamp_ms, quality = stamp_of_kept(self._clock(), age_ms, shift=True, silent_after_ms=device.silent_after_ms)
        if age_ms is None or not said.values or quality is Quality.SUSPECT:
            return
        device.last_payload[role] = payload
        for sample in device.quality.samples(said.values, stamp_ms, quality):
            self.on_sample(sample)

    def _take(
        self,
        device: FieldDevice,
        role: Role,
        payload: bytes,
        message: LampMessage,
        *,
        retained: bool = False,
        kept: bool = False,
    ) -> None:
        """Turn a message into a sample, and let a waiting command see it."""
        now_ms = self._clock()
        if message.complaints:
            self._complain(device, role, payload, message, now_ms)
        device.last_payload[role] = payload
        device.heard_ms = now_ms
        stamp_ms, quality = self._stamp(device, role, message, now_ms, kept=kept)
        is_echo = False
        if isinstance(device, Lamp):
            watch = device.watch
            if watch is not None and not retained:
                device.watch = proof.observe(watch, message, now_ms, telemetry=role == "telemetry")
                is_echo = device.watch.echo_at_ms is not None and watch.echo_at_ms is None
                self._commands.heard(device, is_echo=is_echo)
            device.keep(role, message.values, stamp_ms)
        if message.values:
            device.ok_ms.update(dict.fromkeys(message.values, now_ms))
            for sample in device.quality.samples(message.values, stamp_ms, quality, echo=is_echo):
                self.on_sample(sample)
        if device.available is not False and device.allowance.muted_until_ms is None:
            self._tell(device, True, "publishes")

    def _complain(self, device: FieldDevice, role: Role, payload: bytes, message: LampMessage, now_ms: int) -> None:
        self.counters.complaints += len(message.complaints)
        device.malformed.add(now_ms, device.roles[role], "; ".join(message.complaints), payload)
        if _worth_a_line(self.counters.complaints):
            _log.warning("partly unusable", device=device.device.id, complaints=message.complaints)

    def _stamp(
        self, device: FieldDevice, role: Role, message: LampMessage, now_ms: int, *, kept: bool
    ) -> tuple[int, Quality]:
        """Return when a message is of: its arrival, or, if the broker may have kept it, what the device's time tells.

        A time that the topic told before says when the device was heard then, not when this was published.
        """
        if not kept and message.local_ms is not None and self._wall_ms is not None:
            device.zone.learn(message.local_ms, self._wall_ms())
        own_ms, before_ms = _own_ms(device, message), device.last_seen_ms.get(role)
        if own_ms is not None:
            device.last_seen_ms[role] = own_ms
        if not kept:
            return now_ms, Quality.GOOD
        told_before = own_ms is not None and before_ms is not None and own_ms <= before_ms
        age_ms = None if told_before else self._age_ms(device, message)
        shift = not isinstance(device, Lamp) or device.watch is None
        return stamp_of_kept(now_ms, age_ms, shift=shift, silent_after_ms=device.silent_after_ms)

    def _age_ms(self, device: FieldDevice, message: LampMessage) -> int | None:
        own_ms = _own_ms(device, message)
        return None if self._wall_ms is None or own_ms is None else self._wall_ms() - own_ms

    def _availability(self, device: FieldDevice, online: bool) -> None:
        device.available = online
        if isinstance(device, Lamp):
            device.news.set()
        self._tell(device, online, "says that it is online" if online else "its availability topic says offline")

    def _muted(self, device: FieldDevice, muted: bool, reason: str) -> None:
        """Report a device whose flood was cut off; it is back with its next message."""
        _log.warning("flood", device=device.device.id, muted=muted, reason=reason, dropped=device.allowance.dropped)
        if muted:
            self._tell(device, False, reason)

    def _link(self, up: bool, reason: str) -> None:
        """The broker came or went, and with it every device that was not offline by itself."""
        for device in self._devices.values():
            if not up:
                self._tell(device, False, reason)
            elif device.available or (device.available is None and device.heard_ms is not None):
                self._tell(device, True, reason)

    def _tell(self, device: FieldDevice, online: bool, reason: str) -> None:
        """Report a change, not a state."""
        if device.told is not online:
            device.told = online
            self.on_status(device.device.id, online, reason)


def _bytes(message: Message) -> bytes:
    return message.payload if isinstance(message.payload, bytes) else bytes(str(message.payload), "utf-8", "replace")


def _own_ms(device: FieldDevice, message: LampMessage) -> int | None:
    """Return when the message says that it is of, in Unix ms."""
    if message.last_seen_ms is not None or message.local_ms is None:
        return message.last_seen_ms
    return device.zone.unix_ms(message.local_ms)


def _client_id(owner: str, bus: MqttBus, devices: Sequence[DeviceConfig]) -> str:
    """Name the session so that it survives a restart and is never shared by two gateways on one broker."""
    if not owner:
        named = "\n".join(sorted(device.id for device in devices))
        owner = hashlib.sha256(named.encode()).hexdigest()[:12]
    return f"lentera-{owner}-{bus.id}"


def _worth_a_line(count: int) -> bool:
    """Log the first, second, fourth, eighth ...: enough to see, too few to flood."""
    return count & (count - 1) == 0
