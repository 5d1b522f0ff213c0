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
from lentera_sim.wires.listener import Listener
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


class TcpMeter(Listener):
    """A server of Modbus TCP units. After `open`, `port` is the port it listens on.

    Attributes:
        timeout_s: how long the reader waits for an answer, by which the ledger judges what came in time.
    """

    def __init__(
        self, units: Mapping[int, ModbusUnit], ledger: Ledger, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Describe the server; port 0 takes a free one."""
        super().__init__(host, port)
        self.units = units
        self.faults = TcpFaults()
        self.timeout_s = READER_TIMEOUT_S
        self._ledger = ledger

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it goes."""
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
