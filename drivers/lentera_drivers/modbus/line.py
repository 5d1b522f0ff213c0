"""One Modbus bus: pymodbus's client behind the guards that it lacks.

What pymodbus 3.16 leaves to us, and where it is done here:
- requests are serialised, writes before reads (`PriorityLock`), with no retries of its own while others wait;
- a reply must have the function code and the number of registers that were asked for. An RTU frame carries no
  transaction id, so a reply after its timeout would otherwise pass for the answer to the next question;
- after a timeout on RTU the line stays silent until late bytes have come and gone; an RTU-over-TCP socket is opened
  anew, because a converter may keep the late reply for us;
- at least 3.5 characters of silence go before each frame on RTU;
- the connection is opened again with a back-off of at most 10 s, and nobody waits for it: a request finds the bus down
  at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from serial import SerialException

from lentera_drivers.interface import BusDownError, DeviceRefusedError, DeviceReplyError, DeviceTimeoutError
from lentera_drivers.modbus.plan import ReadBlock, WireCost, serial_cost, tcp_cost
from lentera_drivers.modbus.priority_lock import READ, PriorityLock
from lentera_model.config import ModbusBus

_FIRST_BACKOFF_S: Final = 0.1
_MAX_BACKOFF_S: Final = 10.0
_QUIET_MAX_S: Final = 0.3
_CONNECT_S: Final = 1.0
_LONGEST_FRAMES_S: Final = 5.0
_TCP_TIMEOUTS_BEFORE_REOPENING: Final = 3
_EXCEPTIONS: Final = {
    1: "illegal function: it does not know this function code",
    2: "illegal data address: it has no such register",
    3: "illegal data value: it does not accept this number of registers",
    4: "device failure",
    5: "acknowledge: it needs longer",
    6: "busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
_TARGET_SILENT: Final = (10, 11)


@dataclass(frozen=True, slots=True)
class Reply:
    """Registers of an answer and the instant at which it came (monotonic milliseconds)."""

    words: tuple[int, ...]
    monotonic_ms: int


class ModbusLine:
    """One serial line or one host. All methods belong to one event loop."""

    def __init__(self, bus: ModbusBus, clock: Callable[[], int]) -> None:
        """Prepare; nothing is opened before the first request."""
        self._bus = bus
        self._clock = clock
        self._lock = PriorityLock()
        self._client: AsyncModbusSerialClient | AsyncModbusTcpClient | None = None
        self._last_byte_at = 0.0
        self._quiet_until = 0.0
        self._backoff_s = _FIRST_BACKOFF_S
        self._next_try_at = 0.0
        self._down_because = ""
        self._timeouts_in_a_row = 0
        self.cost: WireCost = tcp_cost() if bus.transport == "tcp" else serial_cost(bus.baud, bus.parity, bus.stop_bits)
        self._timeout_s = bus.timeout_ms / 1000

    @property
    def where(self) -> str:
        """The port or host, for messages."""
        bus = self._bus
        return str(bus.port) if bus.transport == "rtu" else f"{bus.host}:{bus.tcp_port}"

    async def close(self) -> None:
        """Close the connection once a running request has ended."""
        async with self._lock.hold(READ):
            self._drop()

    async def read(self, device: str, unit: int, block: ReadBlock, gap_ms: int = 0, priority: int = READ) -> Reply:
        """Read the block's registers from a unit; `device` names it in errors.

        Raises:
            BusDownError, DeviceTimeoutError, DeviceRefusedError, DeviceReplyError: see `Driver.read`.
        """
        async with self._lock.hold(priority):
            client = await self._connected(device)
            await self._wait_for_silence(gap_ms)
            return await self._ask(client, device, unit, block)

    async def _ask(
        self, client: AsyncModbusSerialClient | AsyncModbusTcpClient, device: str, unit: int, block: ReadBlock
    ) -> Reply:
        ask = client.read_input_registers if block.function_code == 4 else client.read_holding_registers
        # the configured time is the device's own; the frames need theirs on the wire as well
        timeout_s = self._timeout_s + self.cost.read_ms(block.count, 0) / 1000
        try:
            async with asyncio.timeout(timeout_s):
                answer = await ask(block.address, count=block.count, device_id=unit)
        except TimeoutError:
            if not client.connected:
                raise self._lost(device, "the connection was lost") from None
            self._after_timeout()
            waited = f"no answer within {timeout_s * 1000:.0f} ms"
            raise DeviceTimeoutError(device, f"unit {unit} on {self.where}: {waited}") from None
        except (ConnectionException, OSError, SerialException) as error:
            raise self._lost(device, str(error)) from error
        except ModbusException as error:
            self._after_timeout()
            raise DeviceReplyError(device, f"unit {unit} on {self.where}: {error}") from error
        except asyncio.CancelledError:
            self._after_timeout()
            raise
        stamp_ms = self._clock()
        self._last_byte_at = asyncio.get_running_loop().time()
        self._timeouts_in_a_row = 0
        return Reply(self._checked(device, unit, block, answer), stamp_ms)

    def _checked(self, device: str, unit: int, block: ReadBlock, answer: ModbusPDU) -> tuple[int, ...]:
        place = f"unit {unit} on {self.where}, registers {block.address}..{block.end - 1}"
        if isinstance(answer, ExceptionResponse) or answer.isError():
            number = getattr(answer, "exception_code", 0)
            meaning = _EXCEPTIONS.get(number, "unknown exception")
            if number in _TARGET_SILENT:
                raise DeviceTimeoutError(device, f"{place}: the converter says: {meaning} (exception {number})")
            raise DeviceRefusedError(device, f"{place}: {meaning} (exception {number})", number)
        if answer.function_code != block.function_code or len(answer.registers) != block.count:
            self._after_timeout()
            got = f"function {answer.function_code} with {len(answer.registers)} registers"
            wanted = f"function {block.function_code} with {block.count}"
            raise DeviceReplyError(device, f"{place}: got {got}, asked for {wanted}; the reply is not used")
        return tuple(answer.registers)

    async def _connected(self, device: str) -> AsyncModbusSerialClient | AsyncModbusTcpClient:
        """Return a connected client, opening it when its time has come."""
        if self._client is not None and self._client.connected:
            return self._client
        self._drop()
        now = asyncio.get_running_loop().time()
        if now < self._next_try_at:
            raise BusDownError(device, f"{self.where} is down ({self._down_because}); tried again shortly")
        client = self._client = self._new_client()
        reason = "no connection"
        try:
            async with asyncio.timeout(max(_CONNECT_S, self._timeout_s)):
                opened = await client.connect()
        except TimeoutError:
            opened, reason = False, "it does not take the connection"
        except (OSError, SerialException, ValueError) as error:
            opened, reason = False, str(error)
        if not opened:
            raise self._lost(device, reason)
        self._backoff_s = _FIRST_BACKOFF_S
        self._timeouts_in_a_row = 0
        return client

    def _new_client(self) -> AsyncModbusSerialClient | AsyncModbusTcpClient:
        """Build a client that neither retries nor reconnects by itself; its own timeout only bounds connecting."""
        bus = self._bus
        timeout_s = 2 * self._timeout_s + _LONGEST_FRAMES_S
        if bus.transport == "rtu":
            return AsyncModbusSerialClient(
                str(bus.port),
                baudrate=bus.baud,
                parity=bus.parity,
                stopbits=bus.stop_bits,
                name=bus.id,
                timeout=timeout_s,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._note_bytes,
            )
        return AsyncModbusTcpClient(
            str(bus.host),
            framer=FramerType.RTU if bus.transport == "rtu_over_tcp" else FramerType.SOCKET,
            port=bus.tcp_port,
            name=bus.id,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._note_bytes,
        )

    def _note_bytes(self, sending: bool, data: bytes) -> bytes:
        """Remember when the line was last busy (pymodbus calls this with every packet)."""
        self._last_byte_at = asyncio.get_running_loop().time()
        return data

    async def _wait_for_silence(self, gap_ms: int) -> None:
        """Keep the silence before a frame, and the longer one after a timeout until late bytes have passed."""
        if self._bus.transport == "tcp":
            return
        silence_s = (self.cost.silence_ms + gap_ms) / 1000
        loop = asyncio.get_running_loop()
        while (until := max(self._last_byte_at + silence_s, self._quiet_until)) > loop.time():
            await _sleep_until(until)  # bytes that arrive meanwhile move the end

    def _after_timeout(self) -> None:
        """Make sure that a late reply cannot meet the next question."""
        self._timeouts_in_a_row += 1
        self._quiet_until = asyncio.get_running_loop().time() + min(_QUIET_MAX_S, self._timeout_s)
        stale_socket = self._bus.transport == "tcp" and self._timeouts_in_a_row >= _TCP_TIMEOUTS_BEFORE_REOPENING
        if self._bus.transport == "rtu_over_tcp" or stale_socket:
            self._drop()

    def _lost(self, device: str, reason: str) -> BusDownError:
        """Close, set the time of the next try, and return the error to raise."""
        self._drop()
        self._down_because = reason
        self._next_try_at = asyncio.get_running_loop().time() + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, _MAX_BACKOFF_S)
        return BusDownError(device, f"{self.where} cannot be reached: {reason}; check cable, power and address")

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
            self._timeouts_in_a_row = 0


async def _sleep_until(loop_time_s: float) -> None:
    await asyncio.sleep(loop_time_s - asyncio.get_running_loop().time())
