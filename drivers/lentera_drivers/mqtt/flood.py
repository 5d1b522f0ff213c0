"""Holds back devices that publish too much: drops, keeps the newest, mutes (`lentera_drivers.mqtt.rate` says when)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from aiomqtt import Message

from lentera_drivers.interface import Clock
from lentera_drivers.mqtt import rate
from lentera_drivers.mqtt.device import FieldDevice, Role
from lentera_drivers.mqtt.session import MqttSession

_LEAST_WAIT_S: Final = 0.05


class Handle(Protocol):
    """Takes a message that may be taken."""

    def __call__(self, device: FieldDevice, role: Role, message: Message) -> None:
        """Handle it."""


class FloodGate:
    """Stands before the handling of messages. Holds at most one message a topic."""

    def __init__(
        self,
        session: MqttSession,
        clock: Clock,
        handle: Handle,
        on_muted: Callable[[FieldDevice, bool, str], None],
    ) -> None:
        """Take what sends messages, the boot's monotonic clock in ms, what handles them, and who is told of muting."""
        self._session = session
        self._clock = clock
        self._handle = handle
        self._on_muted = on_muted
        self._all = rate.all_devices()
        self._newest: dict[str, dict[Role, Message]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def admits(self, device: FieldDevice, role: Role, message: Message) -> bool:
        """Whether a message may be handled now. If not, it is kept until it may, or until a newer one comes."""
        now_ms, key = self._clock(), device.device.id
        waiting = self._newest.get(key)
        if device.allowance.permits(now_ms, self._all):
            if waiting is not None and waiting.pop(role, None) is not None:
                device.allowance.drop(now_ms)
            return True
        if waiting is None:
            waiting = self._newest[key] = {}
        overtaken = waiting.get(role) is not None
        waiting[role] = message
        if overtaken and device.allowance.drop(now_ms):
            self._mute(device, now_ms)
        elif key not in self._timers:
            self._release_later(device)
        return False

    async def close(self) -> None:
        """Stop what waits, without handling it: the broker's session is at its end too."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _release_later(self, device: FieldDevice) -> None:
        wait_s = max(device.allowance.bucket.wait_ms(), self._all.wait_ms()) / 1000
        loop = asyncio.get_running_loop()
        self._timers[device.device.id] = loop.call_later(max(wait_s, _LEAST_WAIT_S), self._release, device)

    def _release(self, device: FieldDevice) -> None:
        """Handle the newest message of each topic, as far as the allowance goes."""
        self._timers.pop(device.device.id, None)
        waiting = self._newest.get(device.device.id, {})
        for role in list(waiting):
            if not device.allowance.permits(self._clock(), self._all):
                break
            self._handle(device, role, waiting.pop(role))
        if waiting:
            self._release_later(device)

    def _mute(self, device: FieldDevice, now_ms: int) -> None:
        device.allowance.mute(now_ms)
        pause_s = rate.MUTE_MS / 1000
        reason = f"publishes more than {rate.MUTE_ABOVE_PER_S:g} messages a second; not listened to for {pause_s:g} s"
        self._on_muted(device, True, reason)
        topics = list(device.roles.values())
        self._start(self._session.mute(topics))

        key = f"{device.device.id} muted"
        self._timers[key] = asyncio.get_running_loop().call_later(pause_s, self._unmute, device, key)

    def _unmute(self, device: FieldDevice, key: str) -> None:
        self._timers.pop(key, None)
        device.allowance.muted_until_ms = None
        self._on_muted(device, False, "listened to again")
        self._start(self._session.unmute(list(device.roles.values())))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="mqtt mute")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
