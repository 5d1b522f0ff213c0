"""One link: its handshake, its messages one after the other, its answers in a bounded queue."""

import asyncio
import secrets
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from lentera_cloud.domain.events import LinkClosed, LinkOpened
from lentera_cloud.features.ingest.context import LinkContext
from lentera_cloud.features.ingest.door import Ticket
from lentera_cloud.features.ingest.gap_reports import note_gap
from lentera_cloud.features.ingest.hub import REVOKED
from lentera_cloud.features.ingest.inbox import Inbox
from lentera_cloud.features.ingest.read_reports import boot_offset_ms, note_journal, note_tally
from lentera_cloud.features.ingest.reports import note_status, report
from lentera_cloud.features.ingest.writer import Verdict
from lentera_cloud.kit.patience import until_available
from lentera_cloud.kit.texts import without_controls
from lentera_cloud.kit.websockets import closed_event
from lentera_cloud.ports import GatewayRow
from lentera_model.identifiers import InvalidIdError
from lentera_model.protocol import (
    Ack,
    BatchFrame,
    Beat,
    Bye,
    CloudLink,
    CloudMessage,
    CommandUpdate,
    DeviceStatus,
    GapReport,
    GatewayMessage,
    Hello,
    Noted,
    Ping,
    Pong,
    ProtocolError,
    Refusal,
    Refuse,
    Status,
    Tally,
    decode_gateway_message,
    encode_message,
)

HELLO_WITHIN_S = 10.0
OUTBOX_MESSAGES = 2_048
"""More waiting answers than this means that the peer does not read: the link is closed."""
PROTOCOL_RETRY_S = 60.0
FINISH_WITHIN_S = 0.5
"""The message in hand when a link ends may take this long more; less than the time in which the service stops."""
GOODBYE_WITHIN_S = 2.0
CLOSE_GOING_AWAY = 1001

_log = structlog.get_logger(__name__)


class LinkSession:
    """The cloud's side of one gateway's websocket, from Hello to goodbye."""

    def __init__(self, context: LinkContext, gateway: GatewayRow, websocket: WebSocket, ticket: Ticket) -> None:
        """Take an accepted websocket of a gateway that has proved who it is; once it is open, ``ticket`` goes back."""
        self._ticket = ticket
        self._context = context
        self._gateway = gateway
        self._websocket = websocket
        self._link = CloudLink()
        self._inbox = Inbox(websocket.receive)
        self._outbox: asyncio.Queue[CloudMessage] = asyncio.Queue(OUTBOX_MESSAGES)
        self._leave = asyncio.Event()
        self._log = _log.bind(tenant=gateway.tenant, gateway=gateway.gateway_id)
        self.claim = secrets.token_hex(16)
        self.is_claimed = False
        self._is_noted = False
        self._boot_offset_ms = 0
        self.opened_at_ms = self.last_heard_ms = context.clock.now_ms()

    @property
    def protocol_version(self) -> int:
        """What both sides speak."""
        return self._link.protocol_version

    @property
    def tenant(self) -> str:
        """Whose gateway it is."""
        return self._gateway.tenant

    @property
    def gateway_id(self) -> str:
        """Whose link this is."""
        return self._gateway.gateway_id

    def send(self, message: CloudMessage) -> bool:
        """Queue a message; False when the link is closing, or closes now because its peer does not read."""
        if self._leave.is_set():
            return False
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            self._log.warning("link_does_not_read")
            self._leave.set()
            return False
        return True

    def say_goodbye(self, bye: Bye) -> None:
        """Queue a last message; no message is handled any more, and the link ends once it is written, or soon."""
        self.send(bye)
        self._leave.set()

    async def run(self) -> None:
        """Serve the link until it ends; returns, never raises, when the peer goes or misbehaves.

        It ends when the socket does, when somebody says goodbye, or by a fault of either side. The message in hand
        is given a moment to be finished, then it is dropped: the gateway sends again what was not answered.
        """
        closed = closed_event(self._websocket.scope.get("extensions"))
        serving, writing, *watching = tasks = [
            asyncio.create_task(work, name=f"{what} of {self.gateway_id}")
            for what, work in (
                ("link", self._serve()),
                ("link writer", self._write()),
                ("link reader", self._inbox.run()),
                ("link leave", self._leave.wait()),
                ("link end", closed.wait()),
            )
        ]
        try:
            await asyncio.wait([serving, writing, *watching], return_when=asyncio.FIRST_COMPLETED)
            if serving.done() and (bye := self._last_word(serving)) is not None:
                self.say_goodbye(bye)
            await asyncio.wait([serving], timeout=FINISH_WITHIN_S)
            if self._leave.is_set():
                await asyncio.wait([writing], timeout=GOODBYE_WITHIN_S)
        finally:
            self._leave.set()
            for task in tasks:
                task.cancel()
            self._context.hub.detach(self)
            if self._is_noted:
                self._context.hub.follow_up(self._closed())
            await asyncio.gather(*tasks, return_exceptions=True)

    def _last_word(self, serving: asyncio.Task[Any]) -> Bye | None:
        """Return the goodbye that the end of serving calls for; none when the peer is gone."""
        error = None if serving.cancelled() else serving.exception()
        match error:
            case None | WebSocketDisconnect():
                self._log.debug("link_disconnected")
                return None
            case ProtocolError():
                self._log.warning("link_protocol_error", error=str(error))
                return Bye(error.code, str(error)[:500], PROTOCOL_RETRY_S)
            case _:
                self._log.error("link_crashed", exc_info=error)
                return Bye("internal", "the cloud failed at this link's message; its log says why", PROTOCOL_RETRY_S)

    async def _serve(self) -> None:
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                hello = await self._receive()
        except TimeoutError as error:
            raise ProtocolError(f"no Hello came within {HELLO_WITHIN_S:g} s") from error
        if not isinstance(hello, Hello):
            raise ProtocolError("a link begins with Hello")
        async with self._context.door.turn():
            await self._open(hello)
        self._ticket.leave(opened=True)
        while not self._leave.is_set():
            message = await self._receive()
            if not self._leave.is_set():
                await self._handle(message)

    async def _receive(self) -> GatewayMessage:
        frame = await self._inbox.next()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", CLOSE_GOING_AWAY))
        data = frame.get("bytes")
        if data is None:
            raise ProtocolError("the link carries binary frames, but this one is text")
        self.last_heard_ms = self._context.clock.now_ms()
        return self._link.receive(decode_gateway_message(data))

    async def _open(self, hello: Hello) -> None:
        context, gateway = self._context, self._gateway
        self._boot_offset_ms = boot_offset_ms(hello, context.clock.now_ms())
        welcome = self._link.welcome(hello, context.clock.now_ms(), None)
        try:
            contested = await until_available("registry", lambda: context.ingest.declare(gateway, hello.devices))
        except InvalidIdError as error:
            raise ProtocolError(f"Hello: {error}") from error
        if contested:
            self._log.warning("devices_contested", devices=contested)
        await until_available(
            "registry",
            lambda: context.registry.gateways.seen(
                gateway.tenant,
                gateway.gateway_id,
                context.clock.now_ms(),
                agent_version=without_controls(hello.agent_version),
                journal_waiting=hello.journal_waiting,
            ),
        )
        self.send(welcome)
        context.hub.attach(self)
        self._is_noted = True  # or about to be: an end just then is noted too
        await until_available("registry", lambda: context.presence.take(self))
        self.is_claimed = True
        if await self._was_revoked():
            return
        self._log.info("link_open", devices=len(hello.devices), epoch=hello.epoch, agent=hello.agent_version)
        await until_available("registry", lambda: context.publish(LinkOpened(gateway.tenant, gateway.gateway_id)))

    async def _was_revoked(self) -> bool:
        """Say goodbye to a gateway that was revoked after its token was checked, when no link could be dismissed."""
        gateways, gateway = self._context.registry.gateways, self._gateway
        row = await until_available("registry", lambda: gateways.get(gateway.tenant, gateway.gateway_id))
        if row is not None and row.revoked_at_ms is None:
            return False
        self.say_goodbye(REVOKED)
        return True

    async def _closed(self) -> None:
        context, gateway = self._context, self._gateway
        self._log.info("link_closed")
        if not await until_available("registry", lambda: context.presence.release(self)):
            return  # its gateway has a newer link: what waits is that one's
        heard_ms = self.last_heard_ms
        await until_available(
            "registry", lambda: context.registry.gateways.seen(gateway.tenant, gateway.gateway_id, heard_ms)
        )
        await until_available("registry", lambda: context.publish(LinkClosed(gateway.tenant, gateway.gateway_id)))

    async def _handle(self, message: GatewayMessage) -> None:
        context, gateway = self._context, self._gateway
        now_ms = context.clock.now_ms()
        match message:
            case BatchFrame():
                verdict = await until_available("registry", lambda: context.ingest.admit(self._gateway, message.sealed))
                verdict.add_done_callback(self._answer)
            case CommandUpdate():
                await report(context, self._gateway, message)
            case DeviceStatus():
                await until_available("registry", lambda: note_status(context, self._gateway, message))
            case Status():
                times = self._boot_offset_ms, self.last_heard_ms, now_ms
                await until_available("registry", lambda: note_journal(context.registry, gateway, message, *times))
            case Ping():
                self.send(Pong(message.nonce, now_ms))
            case GapReport():
                await until_available("registry", lambda: note_gap(context.registry, gateway, message, now_ms))
                self.send(Noted(message.epoch, message.number))
            case Tally():
                await until_available("registry", lambda: note_tally(context.registry, gateway, message))
                self.send(Noted(message.epoch, message.number))
            case Beat():
                return  # heard, which is all that a Beat wants
            case Hello():
                raise ProtocolError("Hello came twice on one connection")

    def _answer(self, future: asyncio.Future[Verdict]) -> None:
        if future.exception() is not None:
            return  # the service stops; the gateway still has the batch
        verdict = future.result()
        epoch, sequence = (verdict.key.epoch, verdict.key.sequence) if verdict.key else (0, 0)
        if verdict.code is not None:
            self.send(Refuse(epoch, sequence, verdict.code.value, verdict.text[:500]))
        else:
            refused = [Refusal(one.device, one.code.value, one.text[:500]) for one in verdict.refused]
            self.send(Ack(epoch, sequence, refused))

    async def _write(self) -> None:
        """Write what is queued; after a Bye, close."""
        while True:
            message = await self._outbox.get()
            try:
                await self._websocket.send_bytes(encode_message(message))
            except (WebSocketDisconnect, RuntimeError, OSError):
                return  # the reader hears of the end too and cleans up
            if isinstance(message, Bye):
                await self._close()
                return

    async def _close(self) -> None:
        try:
            await asyncio.wait_for(self._websocket.close(CLOSE_GOING_AWAY), GOODBYE_WITHIN_S)
        except (TimeoutError, RuntimeError, OSError):
            self._log.debug("link_was_closed_already")
