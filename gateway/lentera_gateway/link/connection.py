"""One connection to the cloud, from Hello to its end: batches out within a window, acknowledgements and commands in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from structlog.typing import FilteringBoundLogger

from lentera_gateway.acquire.devices import DeviceBook
from lentera_gateway.clock import ClockKeeper
from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.keeper import DeliveryKeeper
from lentera_gateway.delivery.quota import Step
from lentera_gateway.delivery.rate import BacklogWindow
from lentera_gateway.inbox.inbox import Inbox
from lentera_gateway.inbox.updates import UpdateQueue
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.journal import Journal
from lentera_gateway.link.liveness import LinkTiming, Liveness
from lentera_gateway.link.reporting import NEEDS_VERSION, ReportSender
from lentera_gateway.link.websocket import LinkWebSocket
from lentera_gateway.stopping import either
from lentera_model.errors import LenteraError
from lentera_model.protocol import (
    Acknowledged,
    BatchFrame,
    BatchRefused,
    Beat,
    CancelArrived,
    ClockSeen,
    Closed,
    CommandArrived,
    DeliveryChanged,
    DeviceStatus,
    GatewayLink,
    GatewayMessage,
    Hello,
    LinkEvent,
    ModeChanged,
    Opened,
    ReportNoted,
    Status,
    decode_cloud_message,
    encode_message,
)

WINDOW_BATCHES: Final = 32
WINDOW_BYTES: Final = 64 * 1024
"""Unacknowledged bytes at most: a slow link must not queue minutes of backlog before a live batch or a result."""
_MAX_TEXT: Final = 500
_FEW_BATCHES: Final = 64
_STATUS_LOOK_MS: Final = 30_000
HELD_BACKLOG_BYTES: Final = 64 * 1024
"""From 95 % of the quota on a backlog larger than this waits for the new month; a short outage's does not."""
_HELD_LOOK_S: Final = 60.0
_GATHER_S: Final = 0.05
"""What follows a report within this time goes with it in one packet: a command is accepted and begun at once."""

Mode = Literal["live", "economy"]


class LinkClosedError(LenteraError):
    """The connection is over: the cloud said goodbye, or it is silent for too long."""

    code: ClassVar[str] = "link_closed"

    def __init__(self, why: str, retry_after_s: float = 0.0) -> None:
        """Say why, and after how long the cloud wants to see us again."""
        super().__init__(why)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class LinkParts:
    """What a connection works with."""

    journal: Journal
    keeper: ClockKeeper
    inbox: Inbox
    updates: UpdateQueue
    devices: DeviceBook
    monotonic_ms: Callable[[], int]
    timing: LinkTiming
    delivery: DeliveryKeeper
    log: FilteringBoundLogger
    air: AirMeter


def worth_telling(told: Status, now: Status) -> bool:
    """Whether a Status says something new: another mode or detail, or a backlog that doubled, halved or is gone."""
    if (told.mode, told.detail_s) != (now.mode, now.detail_s):
        return True
    before, after = max(told.journal_waiting, _FEW_BATCHES), max(now.journal_waiting, _FEW_BATCHES)
    return after >= 2 * before or 2 * after <= before


class Connection:
    """Runs one opened websocket until it ends. Make a new one for each connection."""

    def __init__(self, websocket: LinkWebSocket, hello: Hello, parts: LinkParts) -> None:
        """Take an opened websocket.

        Args:
            websocket: opened and authenticated.
            hello: what is said first.
            parts: the rest of the gateway.
        """
        self._websocket = websocket
        self._parts = parts
        self._link = GatewayLink(hello, WINDOW_BATCHES)
        self._asked: Mode | None = None
        self._live_after = 0
        self._sizes: dict[Key, int] = {}
        self._backlog: dict[Key, tuple[int, int]] = {}
        self._window = BacklogWindow()
        self._liveness = Liveness(parts.timing)
        self._room = asyncio.Event()
        self._settled: asyncio.Queue[Acknowledged | BatchRefused] = asyncio.Queue()
        self._statuses: list[str] = []
        self._reports = ReportSender(parts.journal, self._send)
        self._reported_ms: int | None = None
        self._told: Status | None = None
        self._status_ms = 0

    async def run(self, opened: Callable[[], None]) -> None:
        """Greet, then carry until the connection ends.

        Args:
            opened: called when the cloud has answered the Hello.

        Raises:
            LinkClosedError: the cloud said goodbye or is silent for too long.
            ProtocolError: the cloud said something that does not read or may not come.
            websockets.exceptions.ConnectionClosed: the connection broke.
        """
        await self._greet()
        opened()
        parts = self._parts
        self._begin()
        tasks = [
            asyncio.create_task(step(), name=f"link-{name}")
            for name, step in (
                ("watch", self._watch),  # first: it says why the others broke
                ("receive", self._receive),
                ("batches", self._send_batches),
                ("updates", self._send_updates),
                ("settle", self._settle),
                ("speak", self._speak),
            )
        ]
        if self._link.protocol_version >= NEEDS_VERSION:
            tasks.append(asyncio.create_task(self._reports.run(), name="link-reports"))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task in done:
                    task.result()
        finally:
            parts.devices.on_change = None
            parts.journal.live = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> None:
        """Choose what goes first on this connection: fresh batches, the latest reports, the known states of devices."""
        parts = self._parts
        self._live_after = parts.journal.order
        parts.updates.reconnected()
        parts.devices.on_change = self._device_changed
        self._statuses = [device for device, state in parts.devices.states.items() if state.online is not None]
        self._apply_mode()

    async def _greet(self) -> None:
        parts = self._parts
        try:
            async with asyncio.timeout(parts.timing.open_within_s):
                await self._send(self._link.opening(parts.monotonic_ms()))
                while not self._link.is_open:
                    await self._receive_one()
            if self._link.protocol_version > 1:
                self._liveness.time_known(parts.monotonic_ms())
        except TimeoutError as error:
            raise LinkClosedError(f"no Welcome within {parts.timing.open_within_s:g} s") from error

    async def _send(self, message: GatewayMessage) -> None:
        number = self._liveness.write_begins(self._parts.monotonic_ms())
        try:
            await self._websocket.send(encode_message(message))
            if isinstance(message, BatchFrame):
                await self._websocket.flush()
        finally:
            self._liveness.write_ended(number)

    async def _receive(self) -> None:
        while True:
            await self._receive_one()

    async def _receive_one(self) -> None:
        data = await self._websocket.recv()
        now_ms = self._parts.monotonic_ms()
        message = decode_cloud_message(data if isinstance(data, bytes) else data.encode())
        for event in self._link.receive(message, now_ms):
            self._on(event)

    def _on(self, event: LinkEvent) -> None:
        parts = self._parts
        match event:
            case Acknowledged() | BatchRefused():
                key = Key(event.epoch, event.sequence)
                self._sizes.pop(key, None)
                flying = self._flying()
                if (sent := self._backlog.pop(key, None)) is not None:
                    self._window.answered(parts.monotonic_ms() - sent[1], sent[0], flying)
                self._liveness.batch_answered(key)
                self._room.set()
                self._settled.put_nowait(event)
            case CommandArrived(command):
                parts.inbox.arrive(command)
            case CancelArrived(execution_id):
                parts.inbox.cancel(execution_id)
            case ModeChanged(mode):
                self._asked = mode
                self._apply_mode()
            case DeliveryChanged(delivery):
                self._asked = None
                parts.delivery.take(delivery)
                self._apply_mode()
            case ClockSeen():
                parts.keeper.observe_link(event.server_time_ms, event.monotonic_ms, event.uncertainty_ms)
                if self._liveness.ping_waits:
                    self._liveness.ping_answered()
                    parts.updates.ping_answered()
            case Closed():
                raise LinkClosedError(f"the cloud closes the link: {event.code}: {event.text}", event.retry_after_s)
            case ReportNoted():
                self._reports.noted(event.epoch, event.number)
            case Opened():
                return

    @property
    def _mode(self) -> Mode:
        """What was asked for on this link, else what is set; a step of the quota allows economy alone."""
        delivery = self._parts.delivery
        return (self._asked or delivery.mode) if delivery.step is Step.FULL else "economy"

    def _apply_mode(self) -> None:
        self._parts.journal.live = self._link.is_open and self._mode == "live"

    async def _settle(self) -> None:
        """Pass acknowledgements on to the journal; a slow card never holds up the receiver."""
        journal, log = self._parts.journal, self._parts.log
        while True:
            event = await self._settled.get()
            key = Key(event.epoch, event.sequence)
            if isinstance(event, BatchRefused):
                log.warning("batch_refused", epoch=key.epoch, sequence=key.sequence, code=event.code, text=event.text)
                await journal.refuse(key, event.code, event.text)
                continue
            refused = [{"device": row.device, "code": row.code, "text": row.text} for row in event.refused]
            if refused:
                log.warning("rows_refused", epoch=key.epoch, sequence=key.sequence, refused=refused)
            await journal.acknowledge(key, refused)

    async def _send_batches(self) -> None:
        journal = self._parts.journal
        while True:
            journal.sealed.clear()
            wait_s = await self._send_what_may_go()
            if not self._has_room() or (wait_s is None and self._backlog):
                self._room.clear()
                await either(self._room, journal.sealed)
            else:
                await either(journal.sealed, within_s=wait_s)

    async def _send_what_may_go(self) -> float | None:
        """Send until nothing may go now; returns in how many seconds the backlog may go on, None if that is unknown."""
        journal, known = self._parts.journal, self._link.batch_version
        while self._has_room():
            wait_s = await self._backlog_waits_s()
            batch = await journal.next_batch(self._live_after, known, wait_s == 0)
            if batch is None:
                return wait_s or None
            now_ms = self._parts.monotonic_ms()
            self._sizes[batch.key] = len(batch.sealed)
            if not batch.live:
                self._backlog[batch.key] = len(batch.sealed), now_ms
            self._liveness.batch_begins(batch.key, now_ms)
            self._link.batch_sent(batch.key.epoch, batch.key.sequence)
            await self._send(BatchFrame(batch.sealed))
        return None

    async def _backlog_waits_s(self) -> float | None:
        """In how many seconds the backlog may go on: 0: now; None: when something was answered."""
        delivery = self._parts.delivery
        if self._flying() >= self._window.bytes:
            return None
        if delivery.step >= Step.MEANS_900:
            status = await self._parts.journal.status()
            if status.memory_bytes + status.card_bytes + status.held_bytes > HELD_BACKLOG_BYTES:
                return _HELD_LOOK_S
        return delivery.bucket.wait_s(self._parts.monotonic_ms())

    def _flying(self) -> int:
        return sum(size for size, _ in self._backlog.values())

    def _has_room(self) -> bool:
        return self._link.may_send_batch() and sum(self._sizes.values()) < WINDOW_BYTES

    def _device_changed(self, device: str) -> None:
        self._statuses.append(device)
        self._parts.updates.news.set()

    async def _send_updates(self) -> None:
        parts = self._parts
        while True:
            statuses, self._statuses = self._statuses, []
            for device in dict.fromkeys(statuses):
                state = parts.devices.states[device]
                online, reason = bool(state.online), state.reason[:_MAX_TEXT]
                await self._send(DeviceStatus(device, online, reason, state.changed_ms))
            for update in parts.updates.take():
                await self._send(update)
                parts.updates.sent(update)
                self._reported_ms = self._reported_ms or parts.monotonic_ms()
            if not self._statuses:
                await parts.updates.news.wait()
                await asyncio.sleep(_GATHER_S)

    async def _speak(self) -> None:
        """Ask for the time now and then, say how we do, and that we are here where nothing else was said."""
        parts, version = self._parts, self._link.protocol_version
        while True:
            now_ms = parts.monotonic_ms()
            self._apply_mode()
            if self._liveness.ping_due(version, now_ms, self._reported_ms):
                status = await self._status_now()
                await self._ping(parts.monotonic_ms())
                await self._report(status)  # together with the ping: one packet
            elif version > 1 and (status := await self._news(now_ms)) is not None:
                await self._report(status)
            elif self._liveness.beat_due(version, now_ms):
                await self._send(Beat())
            await asyncio.sleep(parts.timing.look_every_s)

    async def _ping(self, now_ms: int) -> None:
        """Ask for the time; the answer also proves what was sent before."""
        parts = self._parts
        self._liveness.ping_begins(now_ms)
        parts.updates.ping_sent()
        self._reported_ms = None
        await self._send(self._link.ping(now_ms))
        self._liveness.ping_written(parts.monotonic_ms())

    async def _news(self, now_ms: int) -> Status | None:
        """Return how we do where it is worth telling."""
        if self._told is not None and now_ms - self._status_ms < _STATUS_LOOK_MS:
            return None
        self._status_ms = now_ms
        status = await self._status_now()
        return status if self._told is None or worth_telling(self._told, status) else None

    async def _watch(self) -> None:
        """Find out that the other side is gone. Writes nothing, so that a full send buffer never holds it up."""
        parts = self._parts
        while (complaint := self._look(parts.monotonic_ms())) is None:  # noqa: ASYNC110 (time passes)
            await asyncio.sleep(parts.timing.look_every_s)
        self._websocket.transport.abort()  # an orderly close would wait behind what the buffer still holds
        raise LinkClosedError(complaint)

    def _look(self, now_ms: int) -> str | None:
        seen = self._websocket.look()
        if seen is not None:
            self._liveness.tcp_seen(now_ms, seen.unacknowledged, seen.last_ack_ago_ms)
        return self._liveness.complaint(now_ms)

    async def _status_now(self) -> Status:
        status = await self._parts.journal.status()
        waiting_bytes = status.memory_bytes + status.card_bytes + status.held_bytes
        oldest_ms, month_bytes, detail_s = (
            status.oldest_monotonic_ms,
            self._parts.air.bytes,
            self._parts.delivery.detail_s,
        )
        return Status(status.waiting_batches, waiting_bytes, oldest_ms, self._mode, month_bytes, detail_s)

    async def _report(self, status: Status) -> None:
        self._told = status
        await self._send(status)
