"""Gateways in one process that speak the link: they keep what is not acknowledged and send it again."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import websockets

from lentera_model.protocol import Ack, BatchFrame, Bye, CancelMessage, CommandMessage, DeviceDeclaration, Refuse
from tests.cloud.support import Board, TestLink, open_link

Row = tuple[str, int, dict[str, float]]
IN_FLIGHT = 8


class SimGateway:
    """One gateway with a meter and a lamp, its journal in memory and a ledger of what it measured."""

    def __init__(self, number: int, dice: random.Random, begin_ms: int) -> None:
        """Begin with an empty journal; readings are stamped from ``begin_ms`` on."""
        self.board = Board(f"gw-{number:03}")
        self.meter, self.lamp = f"meter-{number:03}", f"lamp-{number:03}"
        self.ledger: dict[tuple[str, int], dict[str, float]] = {}
        self.journal: dict[int, bytes] = {}
        self.refused: list[Refuse] = []
        self.done: list[str] = []
        """Executions that it carried out, each once."""
        self.cancelled: list[str] = []
        self.connections = 0
        self.away = False
        self._dice = dice
        self._at_ms = begin_ms
        self._more = asyncio.Event()

    def measure(self, rows: int) -> None:
        """Seal a batch of readings."""
        batch: list[Row] = []
        for _ in range(rows):
            self._at_ms += 100
            values = {"frequency": 50 + self._dice.randrange(1000) / 1024, "power_active_total": self._dice.random()}
            batch.append((self.meter, self._at_ms, values))
        batch.append((self.lamp, self._at_ms, {"level_percent": float(self._dice.randrange(101))}))
        for device, at_ms, values in batch:
            self.ledger[device, at_ms] = values
        sealed = self.board.sealed(*batch)
        self.journal[self.board.sequence] = sealed
        self._more.set()

    async def run(self, url: str) -> None:
        """Come again and again until cancelled; while ``away`` it stays away."""
        while True:
            if not self.away:
                with suppress(OSError, websockets.WebSocketException, TimeoutError, EOFError):
                    async with open_link(url, self.board) as link:
                        await self._speak(link)
            await asyncio.sleep(self._dice.uniform(0.05, 0.3))

    async def _speak(self, link: TestLink) -> None:
        lamp = DeviceDeclaration(self.lamp, "luminaire", "zigbee2mqtt_light", "", "lamps", self.lamp)
        meter = DeviceDeclaration(self.meter, "meter", "eastron_sdm630", "", "rs485-0", "1")
        await link.hello(lamp, meter)
        self.connections += 1
        sent: set[int] = set()
        hearing = asyncio.create_task(self._hear(link))
        try:
            while not hearing.done() and not self.away:
                self._more.clear()
                waiting = [one for one in sorted(self.journal) if one not in sent]
                for sequence in waiting[: IN_FLIGHT - len(sent & self.journal.keys())]:
                    sent.add(sequence)
                    await link.say(BatchFrame(self.journal[sequence]))
                more = asyncio.create_task(self._more.wait())
                await asyncio.wait([more, hearing], return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _hear(self, link: TestLink) -> None:
        while True:
            message = await link.next()
            match message:
                case Ack():
                    self.journal.pop(message.sequence, None)
                    self._more.set()
                case Refuse():
                    self.refused.append(message)
                    self.journal.pop(message.sequence, None)
                    self._more.set()
                case CommandMessage():
                    if message.execution_id not in self.done:
                        self.done.append(message.execution_id)
                    await link.report(message, "succeeded", confirmed_by="readback")
                case CancelMessage():
                    self.cancelled.append(message.execution_id)
                case Bye():
                    return
                case _:
                    continue

    def stay_away(self) -> None:
        """Cut the link and open none, as a board without power."""
        self.away = True
        self._more.set()


async def until(condition: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait for something that other tasks bring about."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise AssertionError(f"within {within_s:g} s not: {what}") from error
