"""Commands to lamps: one at a time to each, and ended by a proof, a failure, or the time that is up."""

from __future__ import annotations

import asyncio
import math
from typing import Final

import structlog
from aiomqtt import MqttError

from lentera_drivers.interface import Clock, Confirmation
from lentera_drivers.mqtt import proof
from lentera_drivers.mqtt.lamp import Lamp
from lentera_drivers.mqtt.questions import Questions
from lentera_drivers.mqtt.session import MqttSession
from lentera_drivers.profiles import LampProfile, encode_get, encode_set
from lentera_model.commands import Reason

QUESTION_EXPIRY_S: Final = 5
_ANSWER_MS: Final = 1_000

_log = structlog.get_logger(__name__)


class LampCommands:
    """Sets levels of the lamps on one session."""

    def __init__(self, session: MqttSession, clock: Clock) -> None:
        """Take the session and the boot's monotonic clock in milliseconds."""
        self._session = session
        self._clock = clock
        self._questions = Questions()

    def heard(self, lamp: Lamp, *, is_echo: bool) -> None:
        """Note that a lamp has published something: its command may look and, if it was an answer, another may ask."""
        lamp.news.set()
        if not is_echo:
            self._questions.heard(lamp.device.id)

    async def set_level(self, lamp: Lamp, level_percent: float, timeout_s: float) -> Confirmation:
        """Ask a lamp for a level and find out whether it acted; commands to one lamp follow one another."""
        light = lamp.profile.light
        if light is not None and not light.dims and 0 < level_percent < 100:
            text = f"{lamp.device.id} is only switched: 0 % or 100 %, not {level_percent:g} %"
            return Confirmation("failed", reason=Reason.NOT_SUPPORTED, reason_text=text)
        deadline_ms = self._clock() + round(timeout_s * 1000)
        try:
            async with asyncio.timeout(timeout_s):
                await lamp.turn.acquire()
        except TimeoutError:
            text = f"an earlier command to {lamp.device.id} took more than {timeout_s:g} s"
            return Confirmation("failed", reason=Reason.BUS_TIMEOUT, reason_text=text)
        try:
            return await self._set_level(lamp, level_percent, deadline_ms, timeout_s)
        except MqttError as error:
            text = f"the broker did not take the command: {error}"
            return Confirmation("failed", reason=Reason.BUS_TIMEOUT, reason_text=text)
        finally:
            lamp.watch = None
            self._questions.end(lamp.device.id)
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
            wait_ms = self._questions.wait_ms(lamp.device.id, now_ms, lamp.news.set)
            if wait_ms:
                await _wait(lamp.news, min(wait_ms, deadline_ms - now_ms) / 1000)
                return
            lamp.watch = proof.asked(watch, now_ms)
            left_s, off = self._left_s(deadline_ms), watch.target_percent <= 0
            await self._ask(lamp, left_s, whether_off=off, for_power=watch.doubted)
            return
        until_ms = deadline_ms if question_ms is None else min(deadline_ms, question_ms)
        await _wait(lamp.news, (until_ms - now_ms) / 1000)

    def _left_s(self, deadline_ms: int) -> float:
        return max(0.0, (deadline_ms - self._clock()) / 1000)

    async def _ask(self, lamp: Lamp, timeout_s: float, *, whether_off: bool, for_power: bool) -> None:
        """Ask for the state or the power; a question that the broker does not take is asked again later."""
        if lamp.topics.get is None:
            return
        power_key = _power_key(lamp.profile) if for_power else None
        if whether_off and power_key is None:
            lamp.asked_whether_off_ms = self._clock()
        question = encode_get(lamp.profile, whether_off=whether_off, power_key=power_key)
        await ask(self._session, lamp.device.id, (lamp.topics.get, question), timeout_s)


async def ask(session: MqttSession, device: str, question: tuple[str, bytes], timeout_s: float) -> None:
    """Publish a question; that the broker does not take it is no error, for it is asked again later."""
    topic, payload = question
    try:
        await session.publish(topic, payload, QUESTION_EXPIRY_S, timeout_s)
    except MqttError as error:
        _log.info("question not sent", device=device, error=str(error))


def _power_key(profile: LampProfile) -> str | None:
    """Return the payload key of the measured power, None for a lamp without one."""
    return next((entry.key for entry in profile.fields if entry.quantity == "power_active_total"), None)


def _offline(lamp: Lamp) -> Confirmation:
    text = f"{lamp.device.id} is offline by its availability topic; nothing was sent or awaited any longer"
    return Confirmation("failed", reason=Reason.DEVICE_OFFLINE, reason_text=text)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for an event at most so long, and reset it."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
    event.clear()
