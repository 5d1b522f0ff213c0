"""A gateway that is nothing but its link: it brings a backlog within the real window and waits as the real one does.

Real tokens, the real handshake and the real rules of waiting (`lentera_gateway.link.backoff`), Retry-After and the
goodbye's wish among them; what was not acknowledged is sent again on the next connection.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from lentera_gateway.link.backoff import Backoff, asked_wait_s
from lentera_gateway.link.connection import WINDOW_BATCHES, WINDOW_BYTES
from lentera_gateway.link.key import make_token
from lentera_gateway.link.liveness import LinkTiming
from lentera_model.protocol import (
    MAX_MESSAGE_BYTES,
    Ack,
    BatchFrame,
    Bye,
    Hello,
    Refuse,
    Welcome,
    decode_cloud_message,
    encode_message,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_TIMING = LinkTiming()


@dataclass(slots=True)
class Told:
    """What some gateways were told, all times in monotonic seconds.

    Attributes:
        acked: batches acknowledged whole.
        refused: how often each reason of a final refusal came, of a batch or of a device's rows.
        turned_away: how often each reason of a failed attempt or a lost link came; all of them are tried again.
        welcomed_s: gateway -> when it was welcomed first.
        drained_s: gateway -> when its last batch was acknowledged.
    """

    acked: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    turned_away: Counter[str] = field(default_factory=Counter)
    welcomed_s: dict[str, float] = field(default_factory=dict)
    drained_s: dict[str, float] = field(default_factory=dict)


def _gone() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class SimGateway:
    """One simulated gateway.

    Args:
        url: ws:// address of the link.
        name: its id.
        key: its private key.
        hello: its first message.
        batch: the sealed batch of a number from 1 upward.
        told: where it notes what it was told; several may share one.
        backoff: how it waits between attempts.
        go: no batch is sent before it is set.
        next_number: of the batch that comes next.
        until_s: no new batch is begun from then on (monotonic seconds).
    """

    url: str
    name: str
    key: Ed25519PrivateKey
    hello: Hello
    batch: Callable[[int], bytes]
    told: Told
    backoff: Backoff = field(default_factory=Backoff)
    go: asyncio.Event = field(default_factory=_gone)
    next_number: int = 1
    until_s: float = float("inf")
    _waiting: dict[int, int] = field(default_factory=dict)

    async def deliver(self, count: int) -> None:
        """Bring `count` batches more, or fewer when `until_s` is over; return once all are acknowledged."""
        last = self.next_number + count - 1
        while not self._finished(last):
            began_s, asked_s = time.monotonic(), 0.0
            try:
                asked_s = await self._connection(last)
            except InvalidStatus as error:
                headers = error.response.headers
                asked_s = asked_wait_s(headers.get("Retry-After"), headers.get("Date"))
                self.told.turned_away[f"HTTP {error.response.status_code}"] += 1
            except (OSError, TimeoutError, WebSocketException) as error:
                self.told.turned_away[type(error).__name__] += 1
            if self._finished(last):
                break
            self.backoff = self.backoff.failed(time.monotonic() - began_s)
            await asyncio.sleep(self.backoff.wait_s(random.random(), asked_s))
        self.told.drained_s[self.name] = time.monotonic()

    def _finished(self, last: int) -> bool:
        return not self._waiting and (self.next_number > last or time.monotonic() >= self.until_s)

    async def _connection(self, last: int) -> float:
        """Deliver over one connection; return the wait that its goodbye asks for."""
        token = make_token(self.key, self.name, time.time_ns() // 1_000_000)
        async with connect(
            self.url,
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=_TIMING.open_within_s,
            close_timeout=0.2,
            ping_interval=None,
            proxy=None,
        ) as socket:
            await socket.send(encode_message(self.hello))
            asked_s = await self._welcomed(socket)
            if asked_s is not None:
                return asked_s
            await self.go.wait()
            return await self._send(socket, last)

    async def _welcomed(self, socket: ClientConnection) -> float | None:
        """Wait for the Welcome; return the wait asked for when a goodbye came in its place."""
        async with asyncio.timeout(_TIMING.open_within_s):
            while True:
                match decode_cloud_message(await socket.recv(decode=False)):
                    case Welcome():
                        self.told.welcomed_s.setdefault(self.name, time.monotonic())
                        return None
                    case Bye() as bye:
                        self.told.turned_away[bye.code] += 1
                        return bye.retry_after_s
                    case _:
                        pass

    async def _send(self, socket: ClientConnection, last: int) -> float:
        again = deque(sorted(self._waiting))
        under_way: dict[int, int] = {}
        while True:
            while len(under_way) < WINDOW_BATCHES and sum(under_way.values()) < WINDOW_BYTES:
                if again:
                    number = again.popleft()
                elif self.next_number <= last and time.monotonic() < self.until_s:
                    number, self.next_number = self.next_number, self.next_number + 1
                else:
                    break
                batch = self.batch(number)
                under_way[number] = self._waiting[number] = len(batch)
                await socket.send(encode_message(BatchFrame(batch)))
            if not under_way:
                return 0.0
            async with asyncio.timeout(_TIMING.acknowledge_within_s):
                message = decode_cloud_message(await socket.recv(decode=False))
            match message:
                case Ack():
                    self._answered(message.sequence, under_way, [one.code for one in message.refused])
                case Refuse():
                    self._answered(message.sequence, under_way, [message.code])
                case Bye():
                    self.told.turned_away[message.code] += 1
                    return message.retry_after_s
                case _:
                    pass

    def _answered(self, number: int, under_way: dict[int, int], refused: list[str]) -> None:
        under_way.pop(number, None)
        self._waiting.pop(number, None)
        self.told.refused.update(refused)
        self.told.acked += not refused
