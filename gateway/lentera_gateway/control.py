"""The control socket: through it a technician's command asks the running gateway, which alone owns its buses.

A Unix socket in the journal's memory folder, for the gateway's own user (mode 0600). One JSON object a line asks, one
JSON object a line answers it; an answer with `error` (a code) and `text` says why there is none. Size, number and time
of everything are bounded, so that no client holds up the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
import structlog

from lentera_gateway.control_path import short_address
from lentera_model.errors import LenteraError

MAX_REQUEST_BYTES: Final = 16 << 10
MAX_ANSWER_BYTES: Final = 1 << 20
MAX_CONNECTIONS: Final = 8
IDLE_S: Final = 30.0
"""How long a connection may stay without a question."""
ANSWER_WITHIN_S: Final = 15.0
_WRITE_WITHIN_S: Final = 5.0

Request = dict[str, Any]
"""What was asked; under `peer` it says who asks, whatever the client wrote there."""


class Peer(NamedTuple):
    """Who asks, as the kernel says (SO_PEERCRED): process, user and group id."""

    pid: int
    uid: int
    gid: int


Handler = Callable[[Request], Awaitable[Mapping[str, Any]]]
_CREDENTIALS: Final = struct.Struct("iII")
_LOG: Final = structlog.get_logger("control")


class ControlSocketError(LenteraError):
    """The socket cannot be made."""

    code: ClassVar[str] = "control_socket"


class ControlRequestError(LenteraError):
    """A request that does not read, or asks for what is not there; handlers raise it too, with words for people."""

    code: ClassVar[str] = "bad_request"


@dataclass(frozen=True, slots=True)
class _Registered:
    handle: Handler
    within_s: float


class Control:
    """Listens on the control socket and hands each request to the handler of its `do`."""

    def __init__(self, path: Path, idle_s: float = IDLE_S) -> None:
        """Name the socket; nothing is touched before `open`.

        Args:
            path: of the socket, in a folder that is this gateway's alone (the journal's lock sees to that).
            idle_s: how long a connection may stay without a question.
        """
        self.path = path
        self._idle_s = idle_s
        self._handlers: dict[str, _Registered] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def register(self, name: str, handler: Handler, within_s: float = ANSWER_WITHIN_S) -> None:
        """Let `handler` answer the requests whose `do` is `name`; it is cancelled after `within_s` seconds.

        What it raises of LenteraError becomes the answer's `error` and `text`.
        """
        self._handlers[name] = _Registered(handler, within_s)

    async def open(self) -> None:
        """Listen. A socket that an earlier process left is replaced.

        Raises:
            ControlSocketError: the socket cannot be made; the gateway can do without.
        """
        try:
            listening = _listen(self.path)
        except OSError as error:
            raise ControlSocketError(
                f"{self.path} cannot be made: {error.strerror or error}; is something else at that place, or is "
                "journal.memory_dir not writable for this user?"
            ) from error
        self._server = await asyncio.start_unix_server(self._accept, sock=listening, limit=MAX_REQUEST_BYTES)

    async def close(self) -> None:
        """Stop listening, end the connections, take the socket away."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection; its task is known at once, so that `close` ends it even before it ran."""
        if self._server is None:
            writer.close()
            return
        task = asyncio.ensure_future(self._serve(reader, writer, crowded=len(self._connections) >= MAX_CONNECTIONS))
        self._connections.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._connections.discard(task)
            writer.close()

        task.add_done_callback(ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, crowded: bool) -> None:
        # A client that goes away, or takes nothing, harms nobody else.
        with contextlib.suppress(OSError, TimeoutError):
            if crowded:
                await _answer(writer, _error("busy", f"{MAX_CONNECTIONS} commands ask this gateway already; try again"))
            else:
                await self._converse(reader, writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer line by line until the client closes or says nothing for too long."""
        peer = _peer_of(writer)
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                # What is left of the line is not read: there is no telling how long it is.
                await _answer(writer, _error("too_large", f"a request has at most {MAX_REQUEST_BYTES} bytes"))
                return
            await _answer(writer, await self._handle(line, peer))

    async def _handle(self, line: bytes, peer: Peer) -> Mapping[str, Any]:
        """Return the answer to a request; never raises for the request's sake."""
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
            name = request.get("do")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _error("bad_request", f"a request is one JSON object on a line: {error}")
        registered = self._handlers.get(name) if isinstance(name, str) else None
        if registered is None:
            return _error("unknown_request", f"this gateway does not know `do`: {name!r}; it knows {self._known()}")
        try:
            async with asyncio.timeout(registered.within_s):
                return await registered.handle(request | {"peer": peer})
        except TimeoutError:
            return _error("timed_out", f"{name} was not done within {registered.within_s:g} s")
        except LenteraError as error:
            return _error(error.code, str(error))
        except Exception as error:  # noqa: BLE001 (supervised: a mistake in a handler is an answer and a line of the log)
            _LOG.exception("control_broke", do=name)
            return _error("internal", f"{name} broke ({type(error).__name__}); see the gateway's log")

    def _known(self) -> str:
        return ", ".join(sorted(self._handlers)) or "nothing yet"


def _listen(path: Path) -> socket.socket:
    """Return a listening socket that only this user can open, put at its place as a whole.

    Raises:
        OSError: the folder refuses, or something that is no socket is at that place.
    """
    if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
        raise FileExistsError(17, "something that is no socket is there")
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_address(fresh) as address:
            listening.bind(address)
        fresh.chmod(0o600)
        listening.listen(MAX_CONNECTIONS)
        listening.setblocking(False)
        fresh.replace(path)
    except OSError:
        listening.close()
        raise
    return listening


def _peer_of(writer: asyncio.StreamWriter) -> Peer:
    """Return who is at the other end; raises OSError where the kernel cannot say."""
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(raw))


async def _answer(writer: asyncio.StreamWriter, answer: Mapping[str, Any]) -> None:
    try:
        data = msgspec.json.encode(answer)
    except (TypeError, ValueError) as error:
        data = msgspec.json.encode(_error("internal", f"the answer cannot be written: {error}"))
    if len(data) > MAX_ANSWER_BYTES:
        text = f"the answer would have {len(data)} bytes, more than {MAX_ANSWER_BYTES}; ask for less"
        data = msgspec.json.encode(_error("too_large", text))
    writer.write(data + b"\n")
    async with asyncio.timeout(_WRITE_WITHIN_S):
        await writer.drain()


def _error(code: str, text: str) -> dict[str, str]:
    return {"error": code, "text": text}
