"""A Modbus unit where it hangs on a line: its id, its settings, how quickly it answers, and whether it has power."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from pymodbus.exceptions import ModbusException
from pymodbus.pdu import DecodePDU, ModbusPDU

from lentera_sim.physics.noise import channel_key, draw
from lentera_sim.wires.crc import crc16, is_whole
from lentera_sim.wires.medium import Reply, Speaker
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.unit import Answer, ModbusUnit

BROADCAST = 0
Note = Callable[[Answer, bool, float], None]
"""Told of each answer once it has been sent: whether whole, and seconds from the question's first bit to its end."""


class Station(Speaker):
    """A unit on a line.

    Attributes:
        turnaround_s: from the silence after a question to the first bit of the answer.
        jitter: share by which it varies.
    """

    def __init__(
        self,
        unit: ModbusUnit,
        unit_id: int,
        settings: WireSettings | None = None,
        *,
        turnaround_s: float | None = None,
        jitter: float = 0.1,
        seed: int = 0,
        note: Note | None = None,
    ) -> None:
        """Hang a unit on a line."""
        self.unit = unit
        unit.unit_id = unit_id
        self.settings = settings or WireSettings()
        self.turnaround_s = unit.profile.turnaround_ms / 1000 if turnaround_s is None else turnaround_s
        self.jitter = jitter
        self.powered = True
        self.note = note
        self._key = channel_key(seed, unit.device, str(unit_id), "turnaround")
        self._answers = 0
        self._busy_until_s = 0.0

    @property
    def unit_id(self) -> int:
        """What it listens to; a write to the unit's id register changes it."""
        return self.unit.unit_id

    def hear(self, frame: bytes) -> Iterable[Reply]:
        """Answer a right frame that is for this unit; obey a broadcast without an answer."""
        if not is_whole(frame) or frame[0] not in (self.unit_id, BROADCAST):
            return ()
        request = request_of(frame)
        answer = None if request is None else self.unit.answer(request)
        if answer is None or frame[0] == BROADCAST:
            return ()
        return (self._reply(frame, answer),)

    def _reply(self, frame: bytes, answer: Answer) -> Reply:
        self._answers += 1
        now_s = asyncio.get_running_loop().time()
        asked_s = now_s - len(frame) * self.settings.character_s - self.settings.silence_s
        after_s = self.turnaround_s * (1 + self.jitter * draw(self._key, self._answers)) + self.unit.faults.delay_s
        if self._busy_until_s > now_s:  # one question after the other: this one waits until the last answer is out
            after_s = max(after_s, self._busy_until_s - now_s + self.turnaround_s)
        data = frame_of(frame[0], answer.pdu)
        self._busy_until_s = now_s + after_s + len(data) * self.settings.character_s

        def sent(whole: bool) -> None:
            if self.note is not None:
                self.note(answer, whole, asyncio.get_running_loop().time() - asked_s)

        return Reply(data, after_s, sent)


def request_of(frame: bytes) -> ModbusPDU | None:
    """Decode a question from a whole frame; None where its contents are no question of the right length."""
    try:
        request = DecodePDU(True).decode(frame[1:-2])
    except (ModbusException, ValueError, IndexError):
        return None
    # A whole frame with a zero behind it has a right CRC too; its length gives it away.
    if request is None or len(request.encode()) != len(frame) - 4:
        return None
    request.dev_id = frame[0]
    return request


def frame_of(unit_id: int, pdu: ModbusPDU) -> bytes:
    """Encode an answer as a frame of Modbus RTU."""
    body = bytes([unit_id, pdu.function_code]) + pdu.encode()
    return body + crc16(body)
