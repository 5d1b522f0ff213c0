"""One question, one answer, byte for byte: what scans and doctors ask a line with.

No retries, no breaker, no cache: exactly what was sent, what was heard, and when. It runs on any `SerialTransport` or
`ByteTransport`, and all its waiting is on the event loop's clock.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from lentera_drivers.modbus.raw_answer import (
    AnswerKind,
    Framing,
    RawAnswer,
    Sign,
    build_frame,
    classify,
    expected_bytes,
)
from lentera_drivers.modbus.transport import ByteTransport, LineSettings, OpenSerial, OpenTransport, SerialTransport

_NOISE_ENDS_S: Final = 0.03
"""Bytes that are no frame are over after this silence (USB adapters hand bytes over in lumps of up to 16 ms)."""
_NOISE_CHARACTERS: Final = 10
_MOST_BYTES: Final = 4096
_WAIT_FOR_SILENCE_S: Final = 2.0
_MOST_NOISE_S: Final = 1.0
"""Where others never stop talking, a question ends this long after its answer should have been there."""


class PortGoneError(OSError):
    """The port or socket ended while it was used."""


class RawPort:
    """A line or host to which single questions are put. Use it from one task at a time."""

    def __init__(self, framing: Framing = "rtu", latency_s: float = 0.0) -> None:
        """Prepare; `open_serial` or `open_socket` connects.

        Args:
            framing: how frames look on this transport.
            latency_s: how much later than on the wire bytes may be seen (a USB adapter's timer, a network's way).
        """
        self.framing: Framing = framing
        self.latency_s = latency_s
        self.echoes = False
        self.questions = 0
        self._transport: ByteTransport | None = None
        self._serial: SerialTransport | None = None
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._busy_until = 0.0
        self._first_byte_at: float | None = None
        self._lost: str | None = None
        self._transaction = 0

    async def open_serial(self, connect: OpenSerial, settings: LineSettings) -> None:
        """Open a serial line. Raises OSError with words for people."""
        self._serial = await connect(settings, self._on_bytes, self._on_lost)
        self._transport = self._serial

    async def open_socket(self, connect: OpenTransport) -> None:
        """Open a socket. Raises OSError with words for people."""
        self._transport = await connect(self._on_bytes, self._on_lost)

    def close(self) -> None:
        """Give the port back."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    @property
    def settings(self) -> LineSettings | None:
        """The serial line's settings; None on a socket."""
        return None if self._serial is None else self._serial.settings

    def use(self, settings: LineSettings) -> None:
        """Change the line's settings; nothing is done on a socket or when they are the same. Raises OSError."""
        if self._serial is not None and self._serial.settings != settings:
            self._serial.set_settings(settings)
            self._buffer.clear()

    @property
    def character_s(self) -> float:
        """Time of a character on the wire, 0 on a socket."""
        return 0.0 if self._serial is None else self._serial.settings.character_s

    async def read(
        self, unit: int, function_code: int, address: int, count: int, *, patience_s: float, linger_s: float = 0.0
    ) -> RawAnswer:
        """Ask a unit for registers; see `ask`."""
        kind = ReadInputRegistersRequest if function_code == 4 else ReadHoldingRegistersRequest
        request = kind(address=address, count=count, dev_id=unit)
        return await self.ask(request, patience_s=patience_s, linger_s=linger_s)

    async def write(
        self, unit: int, address: int, words: tuple[int, ...], *, function_code: int, patience_s: float
    ) -> RawAnswer:
        """Write registers with function 6 (one) or 16; see `ask`."""
        request: ModbusPDU
        if function_code == 6:
            request = WriteSingleRegisterRequest(address=address, registers=list(words), dev_id=unit)
        else:
            request = WriteMultipleRegistersRequest(address=address, registers=list(words), dev_id=unit)
        return await self.ask(request, patience_s=patience_s)

    async def ask(self, request: ModbusPDU, *, patience_s: float, linger_s: float = 0.0) -> RawAnswer:
        """Send a question and hear what comes.

        Args:
            request: the question with its unit id.
            patience_s: how long after the question's last bit the first byte may come.
            linger_s: how long to listen on after an answer: two units of one id seldom answer at the same instant.

        Raises:
            PortGoneError: the port or socket is gone.
        """
        if self.framing == "tcp":
            self._transaction = request.transaction_id = self._transaction % 0xFFFF + 1
        frame = build_frame(request, self.framing)
        await self._wait_for_silence()
        self._buffer.clear()
        self._first_byte_at = None
        transport = self._transport
        if transport is None or self._lost is not None:
            raise PortGoneError(self._lost or "the port is not open")
        asked_until = self._now() + len(frame) * self.character_s
        transport.write(frame)
        self.questions += 1
        self._busy_until = asked_until
        await self._hear(request, asked_until + patience_s + self.latency_s, linger_s)
        return self._told(request, asked_until)

    async def listen(self, seconds: float) -> bytes:
        """Hear what a line says without being asked. Raises PortGoneError."""
        self._buffer.clear()
        await asyncio.sleep(seconds)
        self._check()
        return bytes(self._buffer)

    async def _hear(self, request: ModbusPDU, first_byte_until: float, linger_s: float) -> None:
        """Collect bytes until an answer is complete, or the line is silent, or patience ends."""
        deadline = first_byte_until
        linger_until: float | None = None
        give_up = first_byte_until + expected_bytes(request) * self.character_s + _MOST_NOISE_S
        while await self._more(deadline):
            heard = classify(request, bytes(self._buffer), self.framing, echoes=self.echoes)
            if heard.kind is AnswerKind.SILENCE:  # our own echo, so far
                deadline = max(deadline, first_byte_until + len(heard.asked) * self.character_s)
                continue
            if heard.answered and not linger_s:
                return
            deadline = self._now() + self._rest_s(request, heard)
            if heard.answered or linger_until is not None:
                linger_until = self._now() + linger_s if linger_until is None else linger_until
                deadline = max(deadline, linger_until)
            deadline = min(deadline, give_up)
            if len(self._buffer) > _MOST_BYTES:
                return

    async def _more(self, deadline: float) -> bool:
        """Wait for bytes; False when none came by the deadline."""
        self._news.clear()
        remaining = deadline - self._now()
        if remaining <= 0:
            return False
        try:
            async with asyncio.timeout(remaining):
                await self._news.wait()
        except TimeoutError:
            return False
        self._check()
        return True

    def _told(self, request: ModbusPDU, asked_until: float) -> RawAnswer:
        told = classify(request, bytes(self._buffer), self.framing, echoes=self.echoes)
        if Sign.ECHO in told.signs:
            self.echoes = True
        first = None if self._first_byte_at is None else max(0.0, self._first_byte_at - asked_until)
        if told.kind is AnswerKind.SILENCE:
            first = None
        return RawAnswer(
            told.asked, told.heard, told.kind, told.signs, told.unit, told.words, told.exception_code, first
        )

    async def _wait_for_silence(self) -> None:
        """Keep the silence of 3.5 characters that goes before a frame; on a line that never rests, not for ever."""
        if self.framing == "tcp":
            return
        silence_s = LineSettings().silence_s if self._serial is None else self._serial.settings.silence_s
        give_up = self._now() + _WAIT_FOR_SILENCE_S
        while (until := min(self._busy_until + silence_s, give_up)) > self._now():  # noqa: ASYNC110
            await asyncio.sleep(until - self._now())
        self._check()

    def _rest_s(self, request: ModbusPDU, heard: RawAnswer) -> float:
        """Return how long to wait for more bytes: those of a frame that has begun, or the silence after noise."""
        silence_s = max(_NOISE_ENDS_S, _NOISE_CHARACTERS * self.character_s) + self.latency_s
        if Sign.TOO_SHORT not in heard.signs:
            return silence_s
        return silence_s + max(0, expected_bytes(request) - len(heard.heard)) * self.character_s

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _check(self) -> None:
        if self._lost is not None:
            raise PortGoneError(self._lost)

    def _on_bytes(self, data: bytes) -> None:
        now = self._now()
        if self._first_byte_at is None:
            self._first_byte_at = now
        self._busy_until = max(self._busy_until, now)
        if len(self._buffer) <= _MOST_BYTES:
            self._buffer += data
        self._news.set()

    def _on_lost(self, reason: Exception | None) -> None:
        told = reason.strerror if isinstance(reason, OSError) else None
        self._lost = told or str(reason or "the port is gone")
        self._news.set()
