"""The copper that everybody shares: who talks when, what collides, and what the reader hears of it.

Pure but for the event loop's clock, so it is as right in jumping time as in real time. Bytes take the time that their
sender's settings say, and are handed on when the last bit of their group has arrived. Two that talk at once garble each
other; now and then one driver is so much stronger that its frame survives, as on real lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lentera_sim.physics.noise import channel_key, draw
from lentera_sim.wires.bits import heard
from lentera_sim.wires.settings import WireSettings

GROUP_BYTES = 16
"""A receiver hands its characters on in groups no longer than this (the FIFO of a usual UART holds 16)."""
_STRONGER = 1.2
"""Difference of two drivers' strengths, each drawn from [-1, 1), from which the stronger frame survives: 8 in 100."""


@dataclass(slots=True)
class WireFaults:
    """What is wrong with the copper or the adapter.

    Attributes:
        swapped_pair: the reader's A and B are exchanged: nobody understands anybody, and after each question the
            reader hears the idle line as a break.
        bias_missing: the idle line floats: stray bytes before and after the frames.
        termination_missing: reflections flip bits; share of damaged characters at 115200 baud, falling with the baud.
        noise: share of characters with a flipped bit, at any baud.
        echo: the adapter hears itself.
    """

    swapped_pair: bool = False
    bias_missing: bool = False
    termination_missing: float = 0.0
    noise: float = 0.0
    echo: bool = False

    def error_share(self, baud: int) -> float:
        """Share of characters that arrive with a flipped bit."""
        return min(1.0, self.noise + self.termination_missing * (baud / 115_200) ** 2)


@dataclass(eq=False, slots=True)
class Reply:
    """What a station sends after a question: bytes, how long after the silence that ended it, and who is told.

    Attributes:
        sent: told once the last byte has arrived: whether all of them arrived as they were sent.
    """

    data: bytes
    after_s: float
    sent: Callable[[bool], None] = field(default=lambda _: None)


class Speaker:
    """One that hangs on the line. `settings` may change; `hear` gets whole frames in them, and says what it replies."""

    settings = WireSettings()
    powered = True

    def hear(self, frame: bytes) -> Iterable[Reply]:
        """Return the replies to a frame (as it arrived, right or not)."""
        del frame
        return ()


@dataclass(eq=False, slots=True)
class _Signal:
    data: bytes
    start_s: float
    settings: WireSettings
    strength: float
    from_reader: bool
    reply: Reply | None = None
    intact: bool = True

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.data) * self.settings.character_s


class Medium:
    """A line's copper. `deliver` gets what the reader hears; `say` is the reader talking."""

    def __init__(self, stations: Sequence[Speaker], deliver: Callable[[bytes], None], *, seed: int = 0) -> None:
        """Connect the stations and the reader."""
        self.stations = list(stations)
        self.faults = WireFaults()
        self.reader_settings = WireSettings()
        self.busy_s = 0.0
        """Time during which the line carried bytes, since the start."""
        self._deliver = deliver
        self._key = channel_key(seed, "medium")
        self._draws = 0
        self._signals: list[_Signal] = []
        self._spoken = bytearray()
        self._spoken_clean = True
        self._silence: asyncio.TimerHandle | None = None
        self._timers: set[asyncio.TimerHandle] = set()

    # -- talking -----------------------------------------------------------------------------------------------------

    def say(self, data: bytes) -> float:
        """Let the reader send bytes now, or after what it is still sending; return the loop time of their end."""
        loop = asyncio.get_running_loop()
        start_s = max([loop.time(), *(one.end_s for one in self._signals if one.from_reader)])
        signal = self._begin(data, start_s, self.reader_settings, from_reader=True)
        self._spoken += data
        if self._silence is not None:
            self._silence.cancel()
        self._silence = loop.call_at(signal.end_s + self.reader_settings.silence_s, self._frame_ended)
        if self.faults.echo:
            self._hand_over(signal)
        return signal.end_s

    def talk(self, data: bytes, settings: WireSettings, after_s: float = 0.0, reply: Reply | None = None) -> None:
        """Let a station send bytes `after_s` from now."""
        self._later(after_s, lambda: self._speak(data, settings, reply))

    def settle(self) -> None:
        """Forget everything under way: the reader went away or changed its settings."""
        self._spoken.clear()
        self._spoken_clean = True
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def close(self) -> None:
        """Stop: nothing will be delivered any more; what was being sent did not arrive."""
        self.settle()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for signal in self._signals:
            if signal.reply is not None:
                signal.reply.sent(False)
        self._signals.clear()

    # -- the course of things ----------------------------------------------------------------------------------------

    def _later(self, after_s: float, action: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = loop.call_at(loop.time() + after_s, act)
        self._timers.add(timer)

    def _begin(
        self, data: bytes, start_s: float, settings: WireSettings, *, from_reader: bool, reply: Reply | None = None
    ) -> _Signal:
        now_s = asyncio.get_running_loop().time()
        self._signals = [one for one in self._signals if one.end_s > now_s - 1.0]
        signal = _Signal(data, start_s, settings, self._draw(), from_reader, reply)
        self._signals.append(signal)
        self.busy_s += len(data) * settings.character_s
        if from_reader and any(self._overlap(signal, other, signal.start_s, signal.end_s) for other in self._signals):
            self._spoken_clean = False
        if not from_reader:
            for other in self._signals:
                if other.from_reader and self._overlap(signal, other, signal.start_s, signal.end_s):
                    self._spoken_clean = False
        return signal

    @staticmethod
    def _overlap(one: _Signal, other: _Signal, start_s: float, end_s: float) -> bool:
        """Whether another signal is on the line at some moment of a span of one's time."""
        return other is not one and other.start_s < end_s and start_s < other.end_s

    def _frame_ended(self) -> None:
        """A silence has ended what the reader said: those who listen with its settings hear a frame."""
        self._silence = None
        frame, clean = bytes(self._spoken), self._spoken_clean
        self.settle()
        if self.faults.swapped_pair:
            if not self.faults.bias_missing:
                self._deliver(b"\0")  # the reader's driver lets go, and the idle level upside down is a break
            return
        frame = self._damaged(frame, self.reader_settings.baud) if clean else self._garbled(frame)
        for station in self.stations:
            if station.powered and self.reader_settings.is_heard_by(station.settings):
                for reply in station.hear(frame):
                    self.talk(reply.data, station.settings, reply.after_s, reply)

    def _speak(self, data: bytes, settings: WireSettings, reply: Reply | None) -> None:
        start_s = asyncio.get_running_loop().time()
        if self.faults.bias_missing:
            data = self._floating() + data + self._floating()
        self._hand_over(self._begin(data, start_s, settings, from_reader=False, reply=reply))

    def _hand_over(self, signal: _Signal) -> None:
        now_s = asyncio.get_running_loop().time()
        size = len(signal.data)
        for first in range(0, size, GROUP_BYTES):
            last = min(size, first + GROUP_BYTES)
            end_s = signal.start_s + last * signal.settings.character_s
            self._later(end_s - now_s, lambda first=first, last=last: self._arrive(signal, first, last))

    def _arrive(self, signal: _Signal, first: int, last: int) -> None:
        """The last bit of a group has come."""
        character_s = signal.settings.character_s
        span = (signal.start_s + first * character_s, signal.start_s + last * character_s)
        rivals = [other for other in self._signals if self._overlap(signal, other, *span)]
        group = signal.data[first:last]
        if any(other.strength - signal.strength > _STRONGER for other in rivals):
            arrived = b""  # drowned: the stronger one delivers
        elif rivals and not all(signal.strength - other.strength > _STRONGER for other in rivals):
            earlier = any(other.start_s < signal.start_s and not other.from_reader for other in rivals)
            arrived = b"" if earlier else self._garbled(group)
        else:
            arrived = self._damaged(group, signal.settings.baud)
        if arrived and (self.faults.swapped_pair or not signal.settings.is_heard_by(self.reader_settings)):
            arrived = heard(arrived, signal.settings, self.reader_settings, swapped=self.faults.swapped_pair)
        signal.intact = signal.intact and arrived == group
        if arrived:
            self._deliver(arrived)
        if last == len(signal.data) and signal.reply is not None:
            reply, signal.reply = signal.reply, None
            reply.sent(signal.intact)

    # -- chance ------------------------------------------------------------------------------------------------------

    def _draw(self) -> float:
        self._draws += 1
        return draw(self._key, self._draws)

    def _garbled(self, data: bytes) -> bytes:
        """Two drivers fight: each bit is anybody's."""
        return bytes(byte ^ (1 + int((self._draw() + 1) / 2 * 255)) for byte in data)

    def _damaged(self, data: bytes, baud: int) -> bytes:
        """Flip one bit in the share of characters that the line's faults say."""
        share = self.faults.error_share(baud)
        if not share:
            return data
        return bytes(
            byte ^ (1 << int((self._draw() + 1) * 4)) if (self._draw() + 1) / 2 < share else byte for byte in data
        )

    def _floating(self) -> bytes:
        """What a floating line gives when a driver lets go: a character or two of nothing."""
        return bytes(
            (0x00, 0xFF, 0xFE, 0xF8)[int((self._draw() + 1) * 2)] for _ in range(int((self._draw() + 1) * 1.5))
        )
