"""A Modbus TCP meter: one host and port, its unit, several clients at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU

from lentera_sim.clock import wall_ms
from lentera_sim.ledger import Ledger
from lentera_sim.wires.unit import READER_TIMEOUT_S, SURE_SHARE, Answer, ModbusUnit, respond

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Given:
    """An answer that has been sent, when (wall ms), and whether within what its reader waits."""

    answer: Answer
    at_ms: int
    in_time: bool


class TcpMeter:
    """A server of Modbus TCP units. After `open`, `port` is the port it listens on."""

    def __init__(
        self, units: Mapping[int, ModbusUnit], ledger: Ledger, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Describe the server; port 0 takes a free one."""
        self.units = units
        self.host = host
        self.port = port
        self.extra_delay_s = 0.0
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

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        # An answer counts as arrived when the next request comes or the client closes in order; a client that closes
        # without having read it makes the kernel send a reset instead.
        pending: list[_Given] = []
        arrived = True
        try:
            await self._converse(reader, writer, pending)
        except ConnectionError:
            arrived = False
        except asyncio.CancelledError:
            pass  # The server is closing; what was sent has been sent.
        finally:
            self._write_down(pending, arrived)
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pending: list[_Given]
    ) -> None:
        framer = FramerSocket(DecodePDU(True))
        buffer = b""
        while data := await reader.read(4096):
            self._write_down(pending, True)
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
                    await asyncio.sleep(self.units[request.dev_id].profile.turnaround_ms / 1000 + self.extra_delay_s)
                    writer.write(framer.buildFrame(answer.pdu))
                    await writer.drain()
                    in_time = time.monotonic() - asked_s < SURE_SHARE * self.timeout_s
                    pending.append(_Given(answer, wall_ms(), in_time))

    def _write_down(self, pending: list[_Given], arrived: bool) -> None:
        for given in pending:
            sure = arrived and given.in_time
            write = self._ledger.answered if sure else self._ledger.unsure
            write(given.answer.device, given.answer.values, given.at_ms)
        pending.clear()
