"""What all dialects share: devices that announce themselves, report by their period, obey, and are written down."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from lentera_sim.clock import SimClock, wall_ms
from lentera_sim.lamps.device import Behaviour, NetworkDevice, NetworkLamp
from lentera_sim.lamps.program import MqttProgram, Outgoing
from lentera_sim.lamps.said import said_values
from lentera_sim.ledger import Ledger

D = TypeVar("D", bound=NetworkDevice)


class DeviceBridge(MqttProgram, Generic[D]):
    """One program that speaks for devices; they are silent until `energise`."""

    def __init__(self, name: str, host: str, port: int, devices: Sequence[D], ledger: Ledger, clock: SimClock) -> None:
        """Take the MQTT client id, the broker's address and the devices."""
        super().__init__(name, host, port, ledger)
        self.devices = tuple(devices)
        self.clock = clock
        self._by_topic = {topic: device for device in self.devices for topic in self.command_topics(device)}

    # -- what a dialect says -----------------------------------------------------------------------------------------

    @abstractmethod
    def command_topics(self, device: D) -> tuple[str, ...]:
        """Return the topics on which this device is ordered and asked."""

    @abstractmethod
    def on_command(self, device: D, topic: str, payload: bytes) -> None:
        """Take a message on one of the device's command topics."""

    @abstractmethod
    def report(self, device: D) -> None:
        """Publish all that the device says of itself."""

    @abstractmethod
    def availability(self, online: bool) -> bytes:
        """Return the dialect's payload for online or offline."""

    def switch_on(self, device: D) -> None:
        """Give a device its supply; nothing to do where it has one already."""

    # -- life --------------------------------------------------------------------------------------------------------

    def topics(self) -> Iterable[str]:
        """Return the command topics of all devices."""
        return tuple(self._by_topic)

    def energise(self) -> None:
        """Give all devices their supply: they come on and announce themselves."""
        self.energised = True
        for number, device in enumerate(self.devices):
            self.switch_on(device)
            self._announce(device)
            # Spread over the period, as devices that came on one after the other are.
            self.later(device.every_s * (number + 1) / len(self.devices), lambda device=device: self._periodic(device))

    def announce(self) -> None:
        """Announce every device."""
        for device in self.devices:
            self._announce(device)

    def on_message(self, topic: str, payload: bytes) -> None:
        """Pass a command on, unless its device is offline."""
        device = self._by_topic.get(topic)
        if device is None or device.behaviour is Behaviour.OFFLINE:
            return
        if device.late_s:
            self.later(device.late_s, lambda: self.on_command(device, topic, payload))
        else:
            self.on_command(device, topic, payload)

    def set_online(self, device: D, online: bool) -> None:
        """Take a device off its network or back; the network says so."""
        device.behave(Behaviour.NORMAL if online else Behaviour.OFFLINE)
        self._announce(device)

    def say(self, device: D, topic: str, payload: bytes, values: Mapping[str, float]) -> None:
        """Publish what a device says, garbled where it is faulty; a gateway must store what it can still read."""
        if device.garble is not None:
            payload, values = device.garble(payload, values)
        binding = wall_ms() >= device.binding_from_ms
        self.send(Outgoing(topic, payload, device=device.device, values=device.wanted(values), is_binding=binding))

    def _announce(self, device: D) -> None:
        online = device.behaviour is not Behaviour.OFFLINE
        if device.availability_topic is not None:
            self.send(Outgoing(device.availability_topic, self.availability(online), retain=True))
        if online:
            self.report(device)

    def _periodic(self, device: D) -> None:
        if device.behaviour is not Behaviour.OFFLINE:
            self.report(device)
        self.later(device.every_s, lambda: self._periodic(device))


class LampBridge(DeviceBridge[NetworkLamp]):
    """One program that speaks for lamps."""

    @property
    def lamps(self) -> tuple[NetworkLamp, ...]:
        """The lamps."""
        return self.devices

    @abstractmethod
    def report_change(self, lamp: NetworkLamp) -> None:
        """Publish what a lamp reports by itself after its power has changed."""

    def switch_on(self, device: NetworkLamp) -> None:
        """Give a lamp its supply: it comes on at 100 %."""
        device.luminaire.energise(device.now_ms)
        self._write_level(device)

    def say_state(self, lamp: NetworkLamp, topic: str, payload: bytes) -> None:
        """Publish a state or telemetry message."""
        self.say(lamp, topic, payload, said_values(lamp.profile.dialect, payload))

    def order(self, lamp: NetworkLamp, level_percent: float, transition_s: float | None = None) -> None:
        """Pass an order on to the lamp: it acts after its delay, is written down then, and reports the change."""
        if lamp.behaviour is Behaviour.IGNORES:
            return
        now_ms = lamp.now_ms
        fade_ms = None if transition_s is None else int(transition_s * 1000)
        settled_ms = lamp.luminaire.command(level_percent, now_ms, fade_ms)
        self.later(self.clock.wall_seconds(settled_ms - now_ms) + 0.001, lambda: self._acted(lamp))

    def _acted(self, lamp: NetworkLamp) -> None:
        self._write_level(lamp)
        self.later(self.change_report_s, lambda: self.report_change(lamp))

    def _write_level(self, lamp: NetworkLamp) -> None:
        self.ledger.acted(lamp.device, {"level_percent": lamp.luminaire.level_percent(lamp.now_ms)}, wall_ms())

    change_report_s = 0.15
    """How long after a lamp has settled it reports its new power by itself."""
