"""A bound on request bodies, counted as they come and before anybody is asked who sends them (ASGI middleware)."""

import asyncio
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.kit.problems import Problem

JSON_BODY_BYTES = 64 << 10
BODY_WITHIN_S = 30.0
"""A body that is not whole by then is not waited for: its sender would hold a connection for ever."""

DRAIN_WITHIN_S = 2.0
DRAIN_BYTES = 8 << 20


class _Cut(Exception):
    """Ends the route's reading of a body; what it makes of that is replaced by the problem."""


class BodyLimit:
    """Answers 413 to a body over the limit of its path and 408 to one that takes too long; neither is kept."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        """Guard an application; ``limits`` are bytes by path, :data:`JSON_BODY_BYTES` elsewhere."""
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guard = _Guard(self._limits.get(scope["path"], JSON_BODY_BYTES), receive, send)
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > guard.limit:
            guard.too_large()
        else:
            try:
                await self._app(scope, guard.receive, guard.send)
            except _Cut:
                if guard.started:
                    raise
        if guard.problem is not None and not guard.started:
            await guard.drain()
            response = guard.problem.response()
            response.headers["connection"] = "close"
            await response(scope, receive, send)


class _Guard:
    """The two directions of one request."""

    def __init__(self, limit: int, receive: Receive, send: Send) -> None:
        self.limit = limit
        self.problem: Problem | None = None
        self.started = False
        self._receive = receive
        self._send = send
        self._bytes = 0
        self._whole = False
        self._late = False
        self._deadline = asyncio.get_running_loop().time() + BODY_WITHIN_S

    def too_large(self) -> None:
        """Note that the answer is 413."""
        self.problem = Problem(ProblemCode.TOO_LARGE, f"The body may have at most {self.limit} bytes: send less.")

    async def receive(self) -> Message:
        """Pass a part of the body on, as long as it fits."""
        if self._whole:
            return await self._receive()  # waits for the end of the connection, for as long as the answer takes
        if self.problem is not None:
            raise _Cut
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            detail = f"The body did not come within {BODY_WITHIN_S:g} s: send it again, all at once."
            self.problem = Problem(ProblemCode.TOO_SLOW, detail)
            self._late = True
            raise _Cut from error
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._bytes > self.limit:
                self.too_large()
                raise _Cut
        return message

    async def drain(self) -> None:
        """Throw the rest away for a moment: who is still sending when the connection closes never sees the answer."""
        try:
            async with asyncio.timeout(0 if self._late else DRAIN_WITHIN_S):
                while not self._whole and self._bytes < DRAIN_BYTES:
                    message = await self._receive()
                    self._bytes += len(message.get("body", b""))
                    self._whole = not message.get("more_body", False)
        except TimeoutError:
            return

    async def send(self, message: Message) -> None:
        """Pass the answer on, unless the body was cut: what a route says of half a body is beside the point."""
        if self.problem is not None and not self.started:
            return
        self.started = True
        await self._send(message)
