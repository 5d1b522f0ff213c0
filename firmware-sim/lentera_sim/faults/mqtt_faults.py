"""What can be wrong with a simulated device on MQTT, lamp or small meter, and with its broker."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lentera_sim.broker import RunningBroker
from lentera_sim.clock import wall_ms
from lentera_sim.faults.kinds import BoundFault, FaultKind, Faults, by_name
from lentera_sim.lamps.bridge import D, DeviceBridge
from lentera_sim.lamps.device import Behaviour, Garble, NetworkDevice
from lentera_sim.lamps.program import Outgoing

DEAD = FaultKind("dead", "is offline by its availability or last will, and says nothing")
SLOW = FaultKind("slow", "acts on orders and questions so much later", 5.0, 0.0, 60.0, "s")
IGNORES = FaultKind("ignores", "its network echoes orders, the device never acts")
MALFORMED = FaultKind("malformed", "its payloads are rubbish: cut off, no text, no object")
NAN = FaultKind("nan", "its numbers are NaN, which is no JSON")
WRONG_TYPES = FaultKind("wrong_types", "its numbers and words come as texts with units and as objects")
FLOOD = FaultKind("flood", "publishes its state so often", 100.0, 1.0, 5000.0, "messages/s")
HUGE = FaultKind("huge", "publishes one message of this size", 10.0, 0.001, 100.0, "MB", lasting=False)
COUNTER_RESET = FaultKind("counter_reset", "its energy counter begins again at 0", lasting=False)
COUNTER_ZERO = FaultKind("counter_zero", "its energy counter reads 0 while this lasts, then counts on as before")
DEVICE_KINDS = (
    DEAD,
    SLOW,
    IGNORES,
    MALFORMED,
    NAN,
    WRONG_TYPES,
    FLOOD,
    HUGE,
    COUNTER_RESET,
    COUNTER_ZERO,
)
BROKER_KILL = FaultKind("broker_kill", "is killed with SIGKILL, and started again at once", lasting=False)
BROKER_KINDS = (BROKER_KILL,)

_RUBBISH = (b"\xff\xfe{", b"", b'{"power":', b"[]", b"ON", b"{" * 2000)
_TICK_S = 0.01
_MOST_WAITING = 100
"""Messages that wait for the broker's acknowledgement before a flood pauses."""
_MUTE_PER_S = 500.0
_MUTE_S = 35.0
"""A gateway may stop listening to a device that has flooded it, for about so long; a slower flood is forgotten soon."""
_FORGET_S = 2.0


def device_faults(bridge: DeviceBridge[D], device: D) -> Faults:
    """Return all that can be wrong with a device and the program that speaks for it."""
    flood = _Flood(bridge, device)

    def behave(wrong: Behaviour) -> Callable[[float, bool], None]:
        return lambda _, on: device.behave(wrong if on else Behaviour.NORMAL)

    def garble(how: Garble) -> Callable[[float, bool], None]:
        return lambda _, on: setattr(device, "garble", how if on else None)

    def huge(megabytes: float, _: bool) -> None:
        if (topic := device.state_topic) is not None:
            head = b'{"junk":"'
            filler = b"x" * (round(megabytes * 1e6) - len(head) - 2)
            bridge.send(Outgoing(topic, head + filler + b'"}'))

    def zero(_: float, on: bool) -> None:
        device.counter.reads_zero = on

    return by_name(
        BoundFault(DEAD, lambda _, on: bridge.set_online(device, not on)),
        BoundFault(SLOW, lambda seconds, on: device.slow_down(seconds if on else None)),
        BoundFault(IGNORES, behave(Behaviour.IGNORES)),
        BoundFault(MALFORMED, garble(_rubbish())),
        BoundFault(NAN, garble(_not_a_number)),
        BoundFault(WRONG_TYPES, garble(_wrong_types)),
        BoundFault(FLOOD, flood.apply),
        BoundFault(HUGE, huge),
        BoundFault(COUNTER_RESET, lambda _, __: device.counter.reset()),
        BoundFault(COUNTER_ZERO, zero),
    )


def broker_faults(broker: RunningBroker) -> Faults:
    """Return what can be wrong with the broker; whoever supervises it starts it again."""
    return by_name(BoundFault(BROKER_KILL, lambda _, __: broker.process.kill()))


@dataclass
class _Flood:
    """Publishes a device's state again and again; a gateway need not store what it said."""

    bridge: DeviceBridge[Any]
    device: NetworkDevice
    _timer: asyncio.TimerHandle | None = None
    _per_s: float = 0.0
    _owed: float = 0.0

    def apply(self, per_s: float, on: bool) -> None:
        """Begin with so many messages a second, or end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if on:
            self._per_s, self._owed = per_s, 0.0
            self.device.binding_from_ms = math.inf
            self._tick()
        else:
            forgotten_s = _MUTE_S if self._per_s >= _MUTE_PER_S else _FORGET_S
            self.device.binding_from_ms = wall_ms() + 1000 * forgotten_s

    def _tick(self) -> None:
        self._owed = min(self._owed + self._per_s * _TICK_S, 2 * max(1.0, self._per_s * _TICK_S))
        while self._owed >= 1 and self.bridge.waiting < _MOST_WAITING:
            self._owed -= 1
            self.bridge.report(self.device)
        self._timer = self.bridge.later(_TICK_S, self._tick)


def _rubbish() -> Garble:
    """Return a garble that sends one kind of rubbish after the other."""
    kinds = itertools.cycle(_RUBBISH)
    return lambda _payload, _values: (next(kinds), {})


def _not_a_number(payload: bytes, _: Mapping[str, float]) -> tuple[bytes, Mapping[str, float]]:
    """Replace every number; the message is no JSON then, so that nothing of it can be read."""
    return _changed(payload, lambda _, said: math.nan if _is_number(said) else said), {}


def _wrong_types(payload: bytes, _: Mapping[str, float]) -> tuple[bytes, Mapping[str, float]]:
    """Replace numbers by texts and objects in turn, and words by objects: well-formed, and of no use."""
    turn = itertools.count()

    def change(_: str, said: Any) -> Any:
        return f"{said} W" if _is_number(said) and next(turn) % 2 else {"value": said}

    return _changed(payload, change), {}


def _changed(payload: bytes, change: Callable[[str, Any], Any]) -> bytes:
    def walk(key: str, said: Any) -> Any:
        return {name: walk(name, part) for name, part in said.items()} if isinstance(said, dict) else change(key, said)

    return json.dumps(walk("", json.loads(payload))).encode()


def _is_number(said: Any) -> bool:
    return isinstance(said, int | float) and not isinstance(said, bool)
