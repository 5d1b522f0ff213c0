"""One Modbus bus: who may ask, when, and what may be believed.

pymodbus 3.16 builds and reads the frames; the transactions are our own, for the reasons that
docs/decisions/0008-our-own-transactions.md gives with their measurements:
- one owner; writes go between any two reads (`PriorityLock`), and nobody's retries hold the others up;
- an answer must have the unit, function and number of registers that were asked for, on TCP the transaction id too;
- where frames carry no transaction id, a unit that was late is asked for a canary before a value of it is believed:
  a read whose length is that of no planned request, so that a late reply to one of them cannot pass for its answer
  (`Doubts`);
- on TCP several questions may be under way, as many as the device has shown that it takes (`Window`);
- time that goes to units which do not answer is accounted for, so that it can be bounded (`Patience`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from lentera_drivers.interface import (
    DeviceRefusedError,
    DeviceReplyError,
    DeviceRestingError,
    DeviceTimeoutError,
)
from lentera_drivers.modbus.blocks import ReadBlock, WireCost, serial_cost, tcp_cost
from lentera_drivers.modbus.connection import LONGEST_PAUSE_S, PORT_LONGEST_PAUSE_S, Connection
from lentera_drivers.modbus.doubt import Doubts
from lentera_drivers.modbus.line_counters import LineCounters
from lentera_drivers.modbus.opening import opener_of
from lentera_drivers.modbus.patience import Patience
from lentera_drivers.modbus.priority_lock import READ, WRITE, PriorityLock
from lentera_drivers.modbus.question import (
    EXCEPTIONS,
    WRITE_ONE,
    GoneError,
    NoAnswerError,
    Question,
    RefusedError,
    Said,
    UnfitAnswerError,
    reading,
    writing,
)
from lentera_drivers.modbus.reply import Reply
from lentera_drivers.modbus.rtu_exchange import RtuExchange
from lentera_drivers.modbus.tcp_exchange import TcpExchange
from lentera_drivers.modbus.transport import LineSettings, OpenTransport
from lentera_drivers.modbus.turnaround import Turnarounds
from lentera_drivers.modbus.window import TcpWindow
from lentera_model.config import ModbusBus

_QUIET_MAX_S: Final = 0.3
"""The line is drained no longer: this spares the next question a collision. That no late reply becomes a value, however
late, is the work of canaries and `Doubts`, and holds up nobody else."""
_LATE_MARGIN: Final = 1.2
_WAITED_OUT_S: Final = 2.0
"""A unit whose late answers are known to come soon is waited for: they would garble its neighbour's."""
_LEAST_WATCH_S: Final = 0.05
_WATCH_SHARE: Final = 1.25
"""A canary is believed if nothing follows it for so much of the worst turnaround seen."""
_TCP_TIMEOUTS_BEFORE_REOPENING: Final = 3
_QUESTIONS_KEPT: Final = 4096
_TARGET_SILENT: Final = (10, 11)


class ModbusLine:
    """One serial line or one host. All methods belong to one event loop."""

    def __init__(
        self,
        bus: ModbusBus,
        clock: Callable[[], int],
        *,
        connect: OpenTransport | None = None,
        window: int = 1,
    ) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            bus: the bus.
            clock: monotonic milliseconds for the stamps of answers.
            connect: opens the transport, where it is not the one that the bus names (simulations).
            window: how many questions the device may be tried with at once; only where frames have transaction ids.

        `on_canary` may be set: it takes what a unit's canary gave (device, block, answer), for its values are answers.
        """
        self._bus = bus
        self._clock = clock
        self._timeout_s = bus.timeout_ms / 1000
        self._settings = LineSettings(bus.baud, bus.parity, bus.stop_bits)
        self.cost: WireCost = tcp_cost() if bus.transport == "tcp" else serial_cost(self._settings)
        self.counters = LineCounters()
        self.patience = Patience()
        self.on_canary: Callable[[str, ReadBlock, Reply], None] = lambda *_: None
        self._lock = PriorityLock(1)
        self._window: TcpWindow | None = None
        self._turnarounds = Turnarounds()
        self._doubts = Doubts()
        self._timeouts_in_a_row = 0
        self._questions: dict[tuple[int, int, int, int], Question] = {}
        self.rtu: RtuExchange | None = None
        self.tcp: TcpExchange | None = None
        self._exchange: RtuExchange | TcpExchange
        if bus.transport == "tcp":
            self._exchange = self.tcp = TcpExchange(clock, self._broken)
        else:
            character_s = self._settings.character_s if bus.transport == "rtu" else 0.0
            self._exchange = self.rtu = RtuExchange(clock, character_s, self.cost.silence_ms / 1000)
        where = str(bus.port) if bus.transport == "rtu" else f"{bus.host}:{bus.tcp_port}"
        pause_s = PORT_LONGEST_PAUSE_S if bus.transport == "rtu" else LONGEST_PAUSE_S
        self._connection = Connection(
            where, connect or opener_of(bus, self._settings), self._exchange.heard, self._gone, pause_s
        )
        if self.tcp is not None and window > 1:
            self._window = TcpWindow(window, self._lock, self.tcp, self._connection, self._timeout_s)

    @property
    def where(self) -> str:
        """The port or host, for messages."""
        return self._connection.where

    @property
    def is_down(self) -> bool:
        """Whether the port or host failed when it was last needed."""
        return self._connection.is_down

    @property
    def window(self) -> int:
        """How many questions may be under way now."""
        return self._lock.limit

    def turnaround_ms(self, unit: int) -> float | None:
        """Return how long a unit takes to begin its answers, of those measured last; None before the first few."""
        return self._turnarounds.typical_ms(unit)

    def status(self) -> dict[str, int]:
        """Return what was counted, without what never happened."""
        counters = self.counters
        counted = {name: getattr(counters, name) for name in LineCounters.__slots__}
        counted["openings"] = self._connection.openings
        if self.tcp is not None:
            counted |= {"stale": self.tcp.stale, "window": self.window}
        if self.rtu is not None:
            counted |= {"echoes": self.rtu.echoes, "chatter": self.rtu.chatter, "noise_bytes": self.rtu.noise_bytes}
        return {name: count for name, count in counted.items() if count}

    async def close(self) -> None:
        """Close the connection once the running requests have ended."""
        async with self._lock.hold(READ):
            self._drop()

    async def read(
        self,
        device: str,
        unit: int,
        block: ReadBlock,
        *,
        gap_ms: float = 0,
        priority: int = READ,
        canaries: Sequence[ReadBlock] = (),
        hurried: bool = False,
        trace: list[Said] | None = None,
    ) -> Reply:
        """Read the block's registers from a unit; `device` names it in errors.

        Args:
            device: device id.
            unit: its unit id.
            block: what is read.
            gap_ms: silence that the unit wants beyond 3.5 characters.
            priority: READ or WRITE.
            canaries: one is read first where an answer of this unit is overdue; their lengths differ from each other
                and from those of all other requests. None where the block is a canary itself.
            hurried: somebody waits: ask even if an answer that would look like this one's is overdue, and watch then.
            trace: takes the bytes of every question that this read puts, for people.

        Raises:
            BusDownError, DeviceTimeoutError, DeviceRefusedError, DeviceReplyError: see `Driver.read`.
            DeviceRestingError: an answer that would look like this one's is overdue, and nobody is in a hurry.
        """
        question = self._reading(unit, block)
        lock = self._lock
        if not lock.try_take():
            await lock.take(priority)
        try:
            watch_s, proves = 0.0, False
            if self.rtu is not None:
                self._listen()
                if self._doubts.concern(question, self._clock()):
                    watch_s = await self._see_in_step(device, question, canaries, gap_ms, hurried, trace)
                proves = self._doubts.proves(question)
            data, stamp_ms = await self._ask(device, question, gap_ms, watch_s, trace)
            in_step = not proves or self._doubts.proved(unit)
            if self._window is not None and self._window.is_due():
                self.counters.requests += await self._window.prove(device, question)
        finally:
            lock.give_back()
        return Reply(data, stamp_ms, in_step)

    async def write(
        self,
        device: str,
        unit: int,
        address: int,
        words: Sequence[int],
        *,
        function_code: int,
        gap_ms: float = 0,
        trace: list[Said] | None = None,
    ) -> None:
        """Write registers with function 6 (one) or 16, before any read that waits; `trace` takes the bytes.

        The answer says that the unit took them, not what it now holds: read them back.

        Raises:
            ValueError: words or function that the protocol does not have.
            BusDownError, DeviceTimeoutError, DeviceRefusedError, DeviceReplyError: see `Driver.read`.
        """
        question = writing(unit, function_code, address, words)
        async with self._lock.hold(WRITE):
            if self.rtu is not None and self.rtu.echoing is None and function_code == WRITE_ONE:
                # The answer to this write is the question once more: first learn whether the line echoes.
                with suppress(DeviceRefusedError):
                    await self._ask(device, self._reading(unit, ReadBlock(3, address, 1, ())), gap_ms, trace=trace)
            await self._ask(device, question, gap_ms, trace=trace)

    def _reading(self, unit: int, block: ReadBlock) -> Question:
        """Return the question for a block, made once."""
        key = (unit, block.function_code, block.address, block.count)
        question = self._questions.get(key)
        if question is None:
            if len(self._questions) >= _QUESTIONS_KEPT:
                self._questions.clear()
            question = self._questions[key] = reading(*key)
        return question

    def _listen(self) -> None:
        """Take note of who spoke while nobody was asked."""
        for frame in self.rtu.take_unasked() if self.rtu is not None else ():
            self._doubts.spoke(frame, self._clock())

    def canary_for(self, device: str, unit: int, canaries: Sequence[ReadBlock]) -> ReadBlock:
        """Return the canary that proves most now.

        Raises:
            DeviceRestingError: late answers may yet come that look like the answer to any of them.
        """
        self._listen()
        found = self._doubts.unmistakable([self._reading(unit, one) for one in canaries], self._clock())
        if found is not None:
            return canaries[found]
        raise DeviceRestingError(device, f"unit {unit} on {self.where}: late answers may still come; asked again soon")

    async def _see_in_step(
        self,
        device: str,
        question: Question,
        canaries: Sequence[ReadBlock],
        gap_ms: float,
        hurried: bool,
        trace: list[Said] | None,
    ) -> float:
        """See that a unit's answers match the questions again; return for how long to watch the next answer.

        A refusal of the very question shows it too. An exception carries no length: it may be the late answer to
        anything; silence was kept before it.
        """
        waits_ms = self._doubts.waits_ms(question, self._clock())
        if waits_ms and not hurried:
            words = f"an answer that may look the same is overdue; asked again in {waits_ms / 1000:.1f} s"
            raise DeviceRestingError(device, f"{self._place(question)}: {words}")
        watch_s = min(_QUIET_MAX_S, max(_LEAST_WATCH_S, _WATCH_SHARE * self._turnarounds.worst_ms / 1000))
        if not canaries:
            return watch_s  # the question is a canary itself
        for left in reversed(range(self._doubts.canaries_needed(question.unit))):
            block = self.canary_for(device, question.unit, canaries)
            self.counters.canaries += 1
            with suppress(DeviceRefusedError):
                said = await self._ask(device, self._reading(question.unit, block), gap_ms, watch_s, trace)
                self.on_canary(device, block, Reply(*said, not left))
            self._doubts.canary_answered(question.unit)
        return watch_s if waits_ms else 0.0

    async def _ask(
        self, device: str, question: Question, gap_ms: float, watch_s: float = 0.0, trace: list[Said] | None = None
    ) -> tuple[bytes, int]:
        """Ask on an open, silent line, and turn what can go wrong into the drivers' errors."""
        transport = await self._connection.get(device)
        timeout_s = self._timeout_s
        if self.rtu is not None:
            await self.rtu.wait_for_silence(gap_ms / 1000)
            timeout_s += question.rtu_reply_bytes * self._settings.character_s
            self._doubts.asked(question)
        self.counters.requests += 1
        asked_at = asyncio.get_running_loop().time()
        try:
            said = None if trace is None else _said_in(trace)
            if self.rtu is not None and watch_s:
                data, stamp_ms, turnaround_s = await self.rtu.ask(transport, question, timeout_s, watch_s, said)
            else:
                data, stamp_ms, turnaround_s = await self._exchange.ask(transport, question, timeout_s, said=said)
        except RefusedError as error:
            raise self._refused(device, question, error, asked_at) from None
        except NoAnswerError as error:
            self._missed(question, asked_at)
            where = f"unit {question.unit} on {self.where}"
            raise DeviceTimeoutError(device, f"{where}: {error} within {timeout_s * 1000:.0f} ms") from None
        except UnfitAnswerError as error:
            self._unfit(question, asked_at, error.damaged)
            raise DeviceReplyError(device, f"{self._place(question)}: {error}; the reply is not used") from None
        except GoneError as error:
            self.counters.lost += 1
            raise self._connection.failed(device, str(error)) from None
        except asyncio.CancelledError:
            self._doubt(question)
            raise
        self.counters.replies += 1
        self._timeouts_in_a_row = 0
        self.patience.last_answer_ms = stamp_ms
        self._connection.proved()
        self._turnarounds.note(question.unit, turnaround_s * 1000)
        return data, stamp_ms

    def _place(self, question: Question) -> str:
        last = question.address + question.count - 1
        return f"unit {question.unit} on {self.where}, registers {question.address}..{last}"

    def _refused(
        self, device: str, question: Question, error: RefusedError, asked_at: float
    ) -> DeviceRefusedError | DeviceTimeoutError:
        self.counters.replies += 1
        self._timeouts_in_a_row = 0
        self._connection.proved()
        meaning = EXCEPTIONS.get(error.number, "unknown exception")
        place = self._place(question)
        if error.number in _TARGET_SILENT:
            self._spend(question.unit, asked_at)
            return DeviceTimeoutError(device, f"{place}: the converter says: {meaning} (exception {error.number})")
        return DeviceRefusedError(device, f"{place}: {meaning} (exception {error.number})", error.number)

    def _missed(self, question: Question, asked_at: float) -> None:
        self.counters.timeouts += 1
        self._timeouts_in_a_row += 1
        self._vain(question, asked_at)

    def _unfit(self, question: Question, asked_at: float, damaged: bool) -> None:
        self.counters.unfit += 1
        self.counters.damaged += damaged
        self._vain(question, asked_at, overdue=not damaged)

    def _vain(self, question: Question, asked_at: float, *, overdue: bool = True) -> None:
        self._narrow()
        self._doubt(question, overdue=overdue)
        self._spend(question.unit, asked_at)

    def _spend(self, unit: int, asked_at: float) -> None:
        """Draw the time of a question in vain from the account of the silent."""
        now = asyncio.get_running_loop().time()
        quiet_s = max(0.0, self.rtu.quiet_until - now) if self.rtu is not None else 0.0
        self.patience.spent(unit, self._clock(), (now - asked_at + quiet_s) * 1000)

    def _doubt(self, question: Question, *, overdue: bool = True) -> None:
        """Make sure that a late reply cannot meet the next question."""
        if self.rtu is not None:
            self._doubts.missed(question, self._clock(), overdue=overdue)
            quiet_s = min(_QUIET_MAX_S, max(self._timeout_s, self._turnarounds.worst_ms / 1000))
            late_s = _LATE_MARGIN * self._doubts.late_ms(question.unit, self._clock()) / 1000
            quiet_s = max(quiet_s, late_s) if late_s <= _WAITED_OUT_S else quiet_s
            self.rtu.quiet_until = asyncio.get_running_loop().time() + quiet_s
            if self._bus.transport == "rtu_over_tcp":
                self._drop()  # a converter may keep the late reply for us
        elif self._timeouts_in_a_row >= _TCP_TIMEOUTS_BEFORE_REOPENING:
            self._drop()

    def _narrow(self) -> None:
        if self._window is not None:
            self._window.narrow()

    def _drop(self) -> None:
        self._connection.drop()
        self._timeouts_in_a_row = 0
        self._exchange.gone("the connection was opened anew after time-outs")

    def _gone(self, reason: str) -> None:
        self._timeouts_in_a_row = 0
        self._narrow()
        self._exchange.gone(reason)

    def _broken(self, reason: str) -> None:
        self._connection.drop()
        self._exchange.gone(reason)


def _said_in(trace: list[Said]) -> Said:
    """Begin to keep the bytes of a question."""
    trace.append(Said())
    return trace[-1]
