"""A serial line behind an Ethernet converter: Modbus RTU frames over a TCP connection, one reader at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lentera_sim.ledger import Ledger
from lentera_sim.wires.listener import Listener
from lentera_sim.wires.medium import Medium
from lentera_sim.wires.receipts import Receipts
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.station import Station
from lentera_sim.wires.unit import READER_TIMEOUT_S, Answer


class Converter(Listener):
    """A converter that passes bytes on between a TCP connection and its line, at its own settings.

    A new connection takes the line over, as these devices do that allow one: the old one is closed. Bytes that arrive
    while nobody is connected are lost.

    Attributes:
        medium: the copper, with its faults.
        timeout_s: how long the reader waits for an answer, by which the ledger judges what came in time.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        ledger: Ledger,
        settings: WireSettings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
    ) -> None:
        """Hang the stations on the converter's line; port 0 takes a free one."""
        super().__init__(host, port)
        self.timeout_s = READER_TIMEOUT_S
        self.medium = Medium(stations, self._deliver, seed=seed)
        self.medium.reader_settings = settings or (stations[0].settings if stations else WireSettings())
        for station in stations:
            station.note = self._note
        self._receipts = Receipts(ledger)
        self._writer: asyncio.StreamWriter | None = None

    async def close(self) -> None:
        """Stop listening and let the reader go; answers already given are written down."""
        await super().close()
        self.medium.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on both ways until the reader goes, or another takes the line over."""
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        self.medium.settle()
        arrived = True
        try:
            while data := await reader.read(1024):
                self._receipts.settle(arrived=True)
                self.medium.say(data)
        except ConnectionError:
            arrived = False
        except asyncio.CancelledError:
            pass  # The converter is closing; what was sent has been sent.
        finally:
            if self._writer is writer:
                self._receipts.settle(arrived=arrived)
                self._writer = None
                self.medium.settle()

    def _deliver(self, data: bytes) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)

    def _note(self, answer: Answer, whole: bool, took_s: float) -> None:
        if whole and self._writer is not None:
            self._receipts.sent(answer, took_s, self.timeout_s)
