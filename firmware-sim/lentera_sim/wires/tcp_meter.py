"""A Modbus TCP meter: one host and port, its unit, several clients at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from lentera_sim.ledger import Ledger
from lentera_sim.wires.receipts import Receipts
from lentera_sim.wires.unit import READER_TIMEOUT_S, Answer, ModbusUnit, respond

log = logging.getLogger(__name__)


@dataclass(slots=True)
class TcpFaults:
    """What is wrong with a Modbus TCP host, beyond the faults of its units.

    Attributes:
        resets: a question is answered with a reset of the connection.
        cuts: an answer ends half way, and the connection stays open.
        mixes: answers carry another transaction's number, as hosts do that mix up their clients.
    """

    resets: bool = False
    cuts: bool = False
    mixes: bool = False


class TcpMeter:
    """A server of Modbus TCP units. After `open`, `port` is the port it listens on.

    Attributes:
        timeout_s: how long the reader waits for an answer, by which the ledger judges what came in time.
    """

    def __init__(
        self, units: Mapping[int, ModbusUnit], ledger: Ledger, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Describe the server; port 0 takes a free one."""
        self.units = units
        self.host = host
        self.port = port
        self.faults = TcpFaults()
        self.timeout_s = READER_TIMEOUT_S
        self._ledger = ledger
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and close every connection; answers already given are written down."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._server = None

    @property
    def is_plugged(self) -> bool:
        """Whether the host is on the network."""
        return self._server is not None

    async def unplug(self) -> None:
        """Take the host off the network: connections end and new ones are refused, until `plug`."""
        await self.close()

    async def plug(self) -> None:
        """Put the host back on its port."""
        if self._server is None:
            await self.open()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        receipts = Receipts(self._ledger)
        arrived = True
        try:
            await self._converse(reader, writer, receipts)
        except ConnectionError:
            arrived = False
        except asyncio.CancelledError:
            pass  # The server is closing; what was sent has been sent.
        finally:
            receipts.settle(arrived=arrived)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, receipts: Receipts) -> None:
        framer = FramerSocket(DecodePDU(True))
        buffer = b""
        while data := await reader.read(4096):
            receipts.settle(arrived=True)
            asked_s = time.monotonic()
            buffer += data
            while buffer:
                try:
                    used, request = framer.handleFrame(buffer, 0, 0)
                except ModbusException as error:
                    log.debug("unreadable Modbus TCP request from %s: %s", writer.get_extra_info("peername"), error)
                    return
                buffer = buffer[used:]
                if request is None:
                    break
                answer = respond(self.units, request)
                if answer is not None:
                    await self._answer(writer, framer, request, answer)
                    if not self.faults.cuts and not self.faults.mixes:
                        receipts.sent(answer, time.monotonic() - asked_s, self.timeout_s)

    async def _answer(
        self, writer: asyncio.StreamWriter, framer: FramerSocket, request: ModbusPDU, answer: Answer
    ) -> None:
        unit = self.units[request.dev_id]
        await asyncio.sleep(unit.profile.turnaround_ms / 1000 + unit.faults.delay_s)
        if self.faults.resets:
            writer.transport.abort()
            raise ConnectionResetError("the simulated host resets its connections")
        if self.faults.mixes:
            answer.pdu.transaction_id = (request.transaction_id + 1) % 0x10000
        frame = framer.buildFrame(answer.pdu)
        writer.write(frame[: len(frame) // 2] if self.faults.cuts else frame)
        await writer.drain()
