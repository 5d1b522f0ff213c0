"""Waiting for something that is away: back-off with jitter, so that many waiters do not return in step."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import structlog

from lentera_cloud.ports import StoreUnavailableError

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0

Result = TypeVar("Result")

_log = structlog.get_logger(__name__)


def waits_s(first: float = FIRST_WAIT_S, longest: float = LONGEST_WAIT_S) -> Iterator[float]:
    """Yield waiting times for ever: each up to twice the one before, between half and all of it at random."""
    wait = first
    while True:
        yield wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
        wait = min(wait * 2, longest)


async def until_available(what: str, attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat an attempt until the store it needs is there; say once when it is away and once when it is back.

    Anything but :class:`StoreUnavailableError` is raised; cancel the task to give up.
    """
    away = False
    for wait_s in waits_s():
        try:
            result = await attempt()
        except StoreUnavailableError as error:
            if not away:
                _log.warning("store_away", waiting_for=what, error=str(error))
            away = True
            await asyncio.sleep(wait_s)
        else:
            if away:
                _log.info("store_back", waited_for=what)
            return result
    raise AssertionError("waits_s never ends")
