"""The dry run of a sensor's profile: a simulated device made from it, heard over a real broker by the real driver."""

from __future__ import annotations

import asyncio
import logging
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import aiomqtt
import structlog

from lentera.profile_trial import Trial, TrialValue, simulated_values
from lentera_drivers.driver import Driver, open_driver
from lentera_drivers.profiles import LampPayloadError, SensorProfile, decode_sensor
from lentera_model.config import DeviceConfig, MqttBus
from lentera_model.readings import Sample
from lentera_sim.broker import start_broker
from lentera_sim.errors import PlanError
from lentera_sim.plugs.mapped import MappedDevice, MappedMessage

_NAME = "trial"
_AT_S = 1_700_000_123
_CONNECT_S = 10.0
_HEAR_S = 3.0
_LAST_BITS = 1e-14
TIME = "time"
"""What the time of a message is called among its values."""


async def try_sensor(profile: SensorProfile) -> Trial:
    """Make a simulated device of a profile, publish each of its messages on a broker, hear them and compare."""
    # A zero would hide a wrong scale.
    device = MappedDevice(profile, _NAME, {name: value or 1.0 for name, value in simulated_values(3).items()})
    topics = profile.topics_for(_NAME).subscriptions()
    try:
        messages = {name: device.message(name, 1000 * _AT_S) for name in profile.messages}
    except PlanError as error:
        return Trial(requests=topics, line="MQTT", failure=str(error))
    with tempfile.TemporaryDirectory(prefix="lentera-profile-") as folder:
        broker = await start_broker("auto", Path(folder))
        try:
            with _no_log():
                heard, failure = await _Ear(profile, broker.host, broker.port).hear(device, messages)
        finally:
            await broker.stop()
    if failure:
        return Trial(requests=topics, line="MQTT", failure=failure)
    return Trial(_compared(profile, messages, heard), requests=topics, line="MQTT")


@contextmanager
def _no_log() -> Iterator[None]:
    """Keep the driver's log, which is for a gateway that runs, out of what the command prints."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _compared(
    profile: SensorProfile, messages: dict[str, MappedMessage], heard: dict[str, dict[str, float]]
) -> tuple[TrialValue, ...]:
    """Return each quantity once: where messages differ, the first one that does not agree, named."""
    found: dict[str, TrialValue] = {}
    units = {field.quantity: field.unit for field in profile.fields}
    for name, message in messages.items():
        rows = [_row(quantity, units[quantity], had, heard[name]) for quantity, had in message.said.items()]
        if (profile.messages[name].time or profile.time) is not None:
            rows.append(TrialValue(TIME, "s", float(_AT_S), _time_s(profile, name, message), None))
        for row in rows:
            if row.agrees:
                found.setdefault(row.quantity, row)
            elif row.quantity not in found or found[row.quantity].agrees:
                found[row.quantity] = row
    return tuple(found.values())


def _row(quantity: str, unit: str, had: float, heard: Mapping[str, float]) -> TrialValue:
    """Compare one value; the last bit of a float may be another, for a product may be rounded once more."""
    read = heard.get(quantity)
    same = read is not None and math.isclose(read, had, rel_tol=_LAST_BITS)
    return TrialValue(quantity, unit, had, had if same else read, None)


def _time_s(profile: SensorProfile, name: str, message: MappedMessage) -> float | None:
    """Return the time that a message carries, as the driver's decoder reads it; it goes into no sample."""
    try:
        said = decode_sensor(profile, name, message.payload)
    except LampPayloadError:
        return None
    at_ms = said.local_ms if said.last_seen_ms is None else said.last_seen_ms
    return None if at_ms is None else at_ms / 1000


class _Ear:
    """The driver on the trial's broker, and what it reports."""

    def __init__(self, profile: SensorProfile, host: str, port: int) -> None:
        self._profile, self._host, self._port = profile, host, port
        self._samples: list[Sample] = []
        self._online: list[bool] = []
        self._news = asyncio.Event()

    async def hear(
        self, device: MappedDevice, messages: dict[str, MappedMessage]
    ) -> tuple[dict[str, dict[str, float]], str]:
        """Publish all messages one after the other; return message to values heard, and why nothing could be."""
        driver = self._driver()
        heard: dict[str, dict[str, float]] = {}
        await driver.open()
        try:
            async with aiomqtt.Client(self._host, self._port) as client:
                failure = await self._connected(client, messages)
                for name, message in {} if failure else messages.items():
                    heard[name] = await self._one(client, message)
                return heard, failure or await self._availability(client, device)
        finally:
            await driver.close()

    async def _connected(self, client: aiomqtt.Client, messages: dict[str, MappedMessage]) -> str:
        """Publish until the driver has subscribed, which it does by itself and in its own time."""
        message = next(iter(messages.values()))
        loop = asyncio.get_running_loop()
        end_s = loop.time() + _CONNECT_S
        while loop.time() < end_s:
            await client.publish(message.topic, message.payload, qos=1)
            if await self._until(lambda: bool(self._samples), 0.2):
                await self._until(lambda: False, 0.1)  # what was published before it
                return ""
        return f"nothing that was published on {message.topic} was of use: {message.payload[:200].decode()}"

    async def _one(self, client: aiomqtt.Client, message: MappedMessage) -> dict[str, float]:
        self._samples.clear()
        await client.publish(message.topic, message.payload, qos=1)
        await self._until(lambda: bool(self._samples), _HEAR_S)
        return dict(self._samples[0].values) if self._samples else {}

    async def _availability(self, client: aiomqtt.Client, device: MappedDevice) -> str:
        for online in (False, True):
            said = device.availability(online)
            if said is None:
                return ""
            await client.publish(*said, qos=1)
            if not await self._until(lambda online=online: self._online[-1:] == [online], _HEAR_S):
                word = "online" if online else "offline"
                return f"{said[1].decode()!r} on {said[0]} was not taken for {word}"
        return ""

    async def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _driver(self) -> Driver:
        bus = MqttBus(id="broker", driver="mqtt", host=self._host, tcp_port=self._port)
        config = DeviceConfig(id=_NAME, profile=self._profile.id, bus="broker", topic=_NAME)
        return open_driver(
            bus,
            [config],
            {self._profile.id: self._profile},
            clock=lambda: time.monotonic_ns() // 1_000_000,
            on_sample=self._heard,
            on_status=self._told,
        )

    def _heard(self, sample: Sample) -> None:
        self._samples.append(sample)
        self._news.set()

    def _told(self, device: str, online: bool, reason: str) -> None:
        del device, reason
        self._online.append(online)
        self._news.set()
