"""Lamps for the tests: clients of a real broker that act, only say so, are late, or talk rubbish."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from lentera_drivers.profiles import LampProfile, brightness_of, encode_state, level_of


@dataclass
class FakeLamp:
    """One luminaire of 60 W.

    Attributes:
        act_s: how long after a command the lamp is at its level; None: it never acts.
        echo_s: how long after a command the wish is published; None: not at all.
        answers: whether it answers questions.
        answers_from_cache: whether an answer is what was last wished instead of what is.
        telemetry_s: how long after acting the power is published; None: not at all.
        has_meter: whether its state carries the power that the bridge last knew.
        repeats: how often the bridge publishes what it has cached, 50 ms apart, after the echo.
    """

    profile: LampProfile
    name: str
    act_s: float | None = 0.02
    echo_s: float | None = 0.0
    answers: bool = True
    answers_from_cache: bool = False
    telemetry_s: float | None = None
    says_last_seen: bool = False
    has_meter: bool = True
    repeats: int = 0
    level: float = 100.0
    wished: float = 100.0
    known_power_w: float = 60.0
    last_seen_ms: int = 1_000
    commands: list[dict[str, object]] = field(default_factory=list)
    questions: list[dict[str, object]] = field(default_factory=list)
    published: list[bytes] = field(default_factory=list)

    async def __aenter__(self) -> "FakeLamp":
        self.topics = self.profile.topics_for(self.name)
        self._client = aiomqtt.Client(self.host, self.port, identifier=f"lamp-{self.name}")
        await self._client.__aenter__()
        for topic in (self.topics.set, self.topics.get):
            if topic is not None:
                await self._client.subscribe(topic, qos=1)
        self._tasks = {asyncio.create_task(self._listen())}
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.__aexit__(None, None, None)

    def at(self, host: str, port: int) -> "FakeLamp":
        """Say where the broker is."""
        self.host, self.port = host, port
        return self

    async def say(self, payload: bytes, topic: str | None = None, retain: bool = False) -> None:
        """Publish on the state topic or another."""
        self.published.append(payload)
        await self._client.publish(topic or self.topics.state, payload, qos=1, retain=retain)

    async def report(self) -> None:
        """Publish what is true, all of it."""
        self.known_power_w = 60 * self.level / 100
        self.last_seen_ms += 1
        await self.say(self._state(self.level))

    async def telemetry(self) -> None:
        """Publish the measured power."""
        self.known_power_w = 60 * self.level / 100
        await self.say(
            encode_state(self.profile, None, {"power_active_total": self.known_power_w}), self.topics.telemetry
        )

    def _level_asked(self, body: dict[str, Any]) -> float:
        return 0.0 if body.get("state") == "OFF" else level_of(self.profile, body["brightness"])

    def _state(self, level: float) -> bytes:
        last_seen_ms = self.last_seen_ms if self.says_last_seen else None
        metered = self.has_meter and self.topics.telemetry is None
        power = {"power_active_total": self.known_power_w} if metered else {}
        return encode_state(self.profile, level, power, last_seen_ms)

    async def _listen(self) -> None:
        async for message in self._client.messages:
            assert isinstance(message.payload, bytes)
            body = json.loads(message.payload)
            if str(message.topic) == self.topics.set:
                self.commands.append(body)
                self.wished = self._level_asked(body)
                self._later(self.echo_s, self._echo)
                self._later(self.act_s, self._act)
            else:
                self.questions.append(body)
                if self.answers:
                    self._later(0.01, self._measure if "power" in body else self._answer)

    def _later(self, delay_s: float | None, action: Callable[[], object]) -> None:
        if delay_s is None:
            return

        async def run() -> None:
            await asyncio.sleep(delay_s)
            done = action()
            if asyncio.iscoroutine(done):
                await done

        self._tasks.add(asyncio.create_task(run()))

    async def _echo(self) -> None:
        await self.say(self._state(self.wished))
        for number in range(1, self.repeats + 1):
            self._later(0.05 * number, self._repeat)

    async def _repeat(self) -> None:
        """A report of something else: the bridge publishes all that it has cached, the wish among it."""
        self.last_seen_ms += 1
        await self.say(self._state(self.wished))

    async def _measure(self) -> None:
        """Answer what is asked about the power; the level beside it is the bridge's cached one."""
        self.known_power_w = 60 * self.level / 100
        self.last_seen_ms += 1
        await self.say(self._state(self.wished))

    def _act(self) -> None:
        self.level = level_of(self.profile, brightness_of(self.profile, self.wished))
        self._later(self.telemetry_s, self.telemetry)

    async def _answer(self) -> None:
        if not self.answers_from_cache:
            self.last_seen_ms += 1
        await self.say(self._state(self.wished if self.answers_from_cache else self.level))


class OwnLamp(FakeLamp):
    """A lamp of profile generic_json_light: a JSON of its own with its meter in it; it reports when it has acted."""

    def _level_asked(self, body: dict[str, Any]) -> float:
        light = body["light"]
        return float(light["level"]) if light["on"] else 0.0

    def _state(self, level: float) -> bytes:
        light = {"on": level > 0, "level": round(level)}
        return json.dumps({"light": light, "meter": {"w": self.known_power_w}}).encode()

    def _act(self) -> None:
        self.level = self.wished
        self._later(0.05, self.report)
