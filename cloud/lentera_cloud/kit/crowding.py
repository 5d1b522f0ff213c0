"""Requests beyond what the process can have under way: told at once when to come again."""

import math
import random
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.kit.problems import Problem

COME_AGAIN_S = (2.0, 6.0)
"""Requests that found no place are asked to come again after a time between these, at random."""
ALWAYS = frozenset({"/v1/health"})
"""Answered however crowded it is: whoever watches the service must see that it lives."""


def busy(detail: str, soonest_s: float = COME_AGAIN_S[0], latest_s: float = COME_AGAIN_S[1]) -> Problem:
    """Return a 503 that asks to come again in a whole number of seconds between these, at random."""
    wait_s = random.uniform(soonest_s, latest_s)  # noqa: S311 - spreads load, keeps no secret
    return Problem(ProblemCode.BUSY, detail, retry_after_s=max(1, math.ceil(wait_s)))


class RequestGate:
    """ASGI middleware: so many requests under way at once, so many of some paths; links are no requests."""

    def __init__(self, app: ASGIApp, at_once: int, by_path: Mapping[str, int]) -> None:
        """Guard an application; a path of ``by_path`` has places of its own, all others share ``at_once``."""
        self._app = app
        self._limits = {"": at_once, **by_path}
        self._used = dict.fromkeys(self._limits, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say when to come again."""
        if scope["type"] != "http" or scope["path"] in ALWAYS:
            await self._app(scope, receive, send)
            return
        gate = scope["path"] if scope["path"] in self._limits else ""
        if self._used[gate] >= self._limits[gate]:
            detail = f"{self._limits[gate]} such requests are under way already: come again after Retry-After."
            response = busy(detail).response()
            response.headers["connection"] = "close"  # its body is not read
            await response(scope, receive, send)
            return
        self._used[gate] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._used[gate] -= 1
