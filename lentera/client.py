"""Lentera's API in Python: `Client` for scripts, `AsyncClient` for asyncio. Needs httpx (extras `cloud` and `sim`).

    from lentera import Client

    with Client() as lentera:                       # the running demo, or LENTERA_URL and LENTERA_TOKEN
        lamp = lentera.device("lamp-003")
        done = lentera.dim("lamp-003", 40)          # returns when the lamp has proved it, or has failed

Every method raises a subclass of lentera.errors.FrontDoorError: UnreachableError when nobody answers, an ApiError when
the cloud refuses.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from lentera import calls
from lentera.answers import (
    Command,
    Completeness,
    Conflicts,
    Delivery,
    Device,
    EpochReceipts,
    Gaps,
    Gateway,
    Health,
    Series,
)
from lentera.calls import Call, read_answer
from lentera.errors import UnreachableError
from lentera.language import reader_words
from lentera.session import find_session

Answer = TypeVar("Answer")
Progress = Callable[[Command], None]

DEFAULT_TTL_S = 300.0
DEFAULT_TIMEOUT_S = 20.0
DEFAULT_RETRIES = 1


class _Common:
    """Where to and as whom: from the arguments, else from the environment or the running demo."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        if url is None or token is None:
            session = find_session(os.environ)
            url, token = url or session.url, token or session.token
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def _request(self, client: Any, call: Call[Any]) -> httpx.Request:
        headers = {**self._headers, **call.headers}
        return client.build_request(
            call.method,
            self.url + call.path,
            params=call.params or None,
            json=call.json,
            headers=headers,
            timeout=call.timeout_s,
        )

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        words = reader_words()
        too_slow = isinstance(error, httpx.TimeoutException)
        reason = words("error.too_slow") if too_slow else str(error) or words("error.no_connection")
        return UnreachableError(words("error.unreachable", url=self.url, reason=reason))


class Client(_Common):
    """Synchronous client of one cloud as one token. Use it in a `with` block, or call close()."""

    def __init__(
        self, url: str | None = None, token: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        super().__init__(url, token)
        self._http = httpx.Client(transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _do(self, call: Call[Answer]) -> Answer:
        try:
            response = self._http.send(self._request(self._http, call))
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        return read_answer(call, response.status_code, response.content)

    def health(self) -> Health:
        """Whether the cloud and its stores are well."""
        return self._do(calls.health())

    def devices(self, kind: str | None = None) -> list[Device]:
        """Every device of the tenant, or those of one `kind`: meter, luminaire."""
        return self._do(calls.devices(kind))

    def device(self, device_id: str) -> Device:
        """One device. Raises NotFoundError."""
        return self._do(calls.device(device_id))

    def gateways(self) -> list[Gateway]:
        """Every gateway of the tenant."""
        return self._do(calls.gateways())

    def gaps(self, gateway: str | None = None, start: str = "-7d", end: str = "now", offset: int = 0) -> Gaps:
        """When values of a gateway, or of all, may be missing and why. Raises NotFoundError."""
        return self._do(calls.gaps(gateway, start, end, offset))

    def conflicts(
        self, device: str | None = None, quantity: str | None = None, start: str = "-7d", end: str = "now"
    ) -> Conflicts:
        """Values that came for a time at which another was stored already."""
        return self._do(calls.conflicts(device, quantity, start, end))

    def receipts(self, gateway_id: str) -> list[EpochReceipts]:
        """How far a gateway's batches have come, the newest epoch first. Raises NotFoundError."""
        return self._do(calls.receipts(gateway_id))

    def delivery(self, gateway_id: str) -> Delivery:
        """How a gateway delivers. Raises NotFoundError."""
        return self._do(calls.delivery(gateway_id))

    def set_delivery(
        self,
        gateway_id: str,
        *,
        mode: str | None = None,
        rate_bytes_s: int = 0,
        quota_bytes: int = 0,
        month_day: int = 0,
    ) -> Delivery:
        """Set all of how a gateway delivers; what is left out is as the gateway's own file says."""
        return self._do(calls.set_delivery(gateway_id, mode, rate_bytes_s, quota_bytes, month_day))

    def watch_gateway(self, gateway_id: str, seconds: int) -> Delivery:
        """Make a gateway live for so many seconds, because somebody looks; 0 ends it."""
        return self._do(calls.watch_gateway(gateway_id, seconds))

    def register_gateway(self, gateway_id: str, name: str, public_key: str) -> Gateway:
        """Make a gateway known by its public key; needs the role technician or admin."""
        return self._do(calls.register_gateway(gateway_id, name, public_key))

    def send_level(
        self,
        device_id: str,
        level_percent: float,
        *,
        ttl_s: float = DEFAULT_TTL_S,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = DEFAULT_RETRIES,
        idempotency_key: str | None = None,
    ) -> Command:
        """Ask for a level and return at once with the command, which is then still running."""
        return self._do(
            calls.set_level(
                device_id,
                level_percent,
                ttl_s=ttl_s,
                timeout_s=timeout_s,
                retries=retries,
                idempotency_key=idempotency_key,
            )
        )

    def dim(
        self, device_id: str, level_percent: float, *, on_change: Progress | None = None, **options: Any
    ) -> Command:
        """Ask for a level and wait until it is proved, has failed or has expired; `options` as for send_level.

        `on_change` is called with the command at the start and whenever it has changed.
        """
        command = self.send_level(device_id, level_percent, **options)
        return self.wait(command, on_change=on_change)

    def wait(self, command: Command, *, on_change: Progress | None = None, timeout_s: float = 3600) -> Command:
        """Wait until `command` is final, or `timeout_s` is over; returns its newest state."""
        deadline = time.monotonic() + timeout_s
        if on_change:
            on_change(command)
        while not command.final and (left_s := deadline - time.monotonic()) > 0:
            newer = self.command(command.command_id, wait_s=min(30, left_s))
            if on_change and newer != command:
                on_change(newer)
            command = newer
        return command

    def command(self, command_id: str, wait_s: float = 0) -> Command:
        """One command, held back up to `wait_s` seconds (at most 30) until it is final. Raises NotFoundError."""
        return self._do(calls.command(command_id, wait_s))

    def commands(self, limit: int = 50) -> list[Command]:
        """The newest commands."""
        return self._do(calls.commands(limit))

    def cancel(self, command_id: str) -> Command:
        """Take back what has not been carried out yet."""
        return self._do(calls.cancel(command_id))

    def series(
        self,
        device_id: str,
        quantities: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        every: str | None = None,
        aggregate: str | None = "mean",
    ) -> Series:
        """Readings from `start` to `end`, raw, or one `aggregate` (mean, min, max, last) an interval such as `15m`."""
        return self._do(calls.series(device_id, quantities, start, end, every=every, aggregate=aggregate))

    def series_csv(
        self,
        device_id: str,
        quantities: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        every: str | None = None,
        aggregate: str | None = "mean",
    ) -> str:
        """The same as series(), as the CSV text that the API makes."""
        return self._do(calls.series(device_id, quantities, start, end, every=every, aggregate=aggregate, as_csv=True))

    def completeness(
        self,
        device_ids: Sequence[str] = (),
        start: str = "-1d",
        end: str = "now",
        *,
        by: str = "device",
        step: str = "all",
        utc_offset: str = "+00:00",
        offset: int = 0,
    ) -> Completeness:
        """How many values were due in whole hours, are there, and why the others are missing; the worst item first.

        `by` gateway, device or quantity makes the items; `step` hour or day cuts their time; no device means all.
        """
        call = calls.completeness(device_ids, start, end, by=by, step=step, utc_offset=utc_offset, offset=offset)
        return self._do(call)


class AsyncClient(_Common):
    """The client for asyncio, with the calls that the demo and services need.

    Use it in `async with`, or await close().
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(url, token)
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        self._http = httpx.AsyncClient(transport=transport, limits=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _do(self, call: Call[Answer]) -> Answer:
        try:
            response = await self._http.send(self._request(self._http, call))
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        return read_answer(call, response.status_code, response.content)

    async def health(self) -> Health:
        """Whether the cloud and its stores are well."""
        return await self._do(calls.health())

    async def devices(self, kind: str | None = None) -> list[Device]:
        """Every device of the tenant, or those of one `kind`."""
        return await self._do(calls.devices(kind))

    async def gateways(self) -> list[Gateway]:
        """Every gateway of the tenant."""
        return await self._do(calls.gateways())

    async def register_gateway(self, gateway_id: str, name: str, public_key: str) -> Gateway:
        """Make a gateway known by its public key."""
        return await self._do(calls.register_gateway(gateway_id, name, public_key))

    async def send_level(
        self,
        device_id: str,
        level_percent: float,
        *,
        ttl_s: float = DEFAULT_TTL_S,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = DEFAULT_RETRIES,
        idempotency_key: str | None = None,
    ) -> Command:
        """Ask for a level; returns at once."""
        return await self._do(
            calls.set_level(
                device_id,
                level_percent,
                ttl_s=ttl_s,
                timeout_s=timeout_s,
                retries=retries,
                idempotency_key=idempotency_key,
            )
        )

    async def command(self, command_id: str, wait_s: float = 0) -> Command:
        """One command, held back up to `wait_s` seconds until it is final."""
        return await self._do(calls.command(command_id, wait_s))

    async def commands(self, limit: int = 50) -> list[Command]:
        """The newest commands."""
        return await self._do(calls.commands(limit))

    async def wait(self, command: Command, *, timeout_s: float = 3600) -> Command:
        """Wait until `command` is final, or `timeout_s` is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not command.final and (left_s := deadline - loop.time()) > 0:
            command = await self.command(command.command_id, wait_s=min(30, left_s))
        return command
