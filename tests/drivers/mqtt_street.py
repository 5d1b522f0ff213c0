"""What the tests of the MQTT driver share: a driver with all that it reports, and a command to one fake lamp."""

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from lentera_drivers.driver import WallClock, open_driver
from lentera_drivers.mqtt.driver import MqttDriver
from lentera_drivers.profiles import LampProfile, SensorProfile, load_profile
from lentera_model.config import DeviceConfig, MqttBus
from lentera_model.readings import Sample
from tests.drivers.lamps import FakeLamp


def profile(profile_id: str) -> LampProfile:
    found = load_profile(profile_id)
    assert isinstance(found, LampProfile)
    return found


Z2M = profile("zigbee2mqtt_light")
HA = profile("homeassistant_json_light")


class Street:
    """A driver for some lamps, with everything that it reports."""

    def __init__(
        self,
        host: str,
        port: int,
        *names: str,
        profile: LampProfile | SensorProfile = Z2M,
        every_s: float = 10,
        wall_ms: WallClock | None = None,
        rated_w: Mapping[str, float] | None = None,
    ) -> None:
        self.samples: list[Sample] = []
        self.statuses: list[tuple[str, bool, str]] = []
        self._news = asyncio.Event()
        bus = MqttBus.model_validate({"id": "lamps", "driver": "mqtt", "host": host, "tcp_port": port})
        data = {"profile": profile.id, "bus": "lamps", "every_s": every_s}
        rated = {name: 60.0 if rated_w is None else rated_w[name] for name in names}
        devices = [
            DeviceConfig.model_validate(
                data
                | {"id": name, "topic": name}
                | ({"rated_power_w": power_w} if isinstance(profile, LampProfile) else {})
            )
            for name, power_w in rated.items()
        ]
        profiles, owner = {profile.id: profile}, uuid.uuid4().hex[:8]
        driver = open_driver(bus, devices, profiles, now_ms, self._sample, self._status, owner, wall_ms)
        assert isinstance(driver, MqttDriver)
        self.driver = driver

    def _sample(self, sample: Sample) -> None:
        self.samples.append(sample)
        self._news.set()

    def _status(self, device: str, online: bool, reason: str) -> None:
        self.statuses.append((device, online, reason))
        self._news.set()

    async def __aenter__(self) -> "Street":
        await self.driver.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()

    async def ready(self) -> "Street":
        """Wait for the broker."""
        await self.until(lambda: self.driver.session_counters.connections > 0)
        return self

    async def settled(self) -> None:
        """Wait until what comes is taken for live."""
        await self.until(self.driver._backlog.is_over)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something is true, looking at each piece of news."""
        async with asyncio.timeout(8):
            while not condition():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._news.wait()

    def levels(self) -> list[float]:
        return [sample.values["level_percent"] for sample in self.samples if "level_percent" in sample.values]


def now_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


async def command(mosquitto, name: str, level: float, timeout_s: float = 0.8, profile: LampProfile = Z2M, **behaviour):
    """Dim one fake lamp, after it has said how it is; return the end, the lamp and the street."""
    street = Street(mosquitto.host, mosquitto.port, name, profile=profile)
    lamp = FakeLamp(profile, name, **behaviour).at(mosquitto.host, mosquitto.port)
    async with street, lamp:
        await street.ready()
        await street.settled()
        await lamp.report()
        if profile is HA:
            await lamp.telemetry()
        await street.until(lambda: len(street.samples) == len(lamp.published))
        end = await street.driver.set_level(name, level, timeout_s)
        await street.until(lambda: len(street.samples) == len(lamp.published))
    return end, lamp, street


def cut(driver: MqttDriver) -> None:
    """Close the driver's socket under its feet."""
    client = driver._session._client
    assert client is not None
    connection = client._client.socket()
    assert isinstance(connection, socket.socket)
    connection.shutdown(socket.SHUT_RDWR)
