"""Measure the bytes on the air of the *cabinet* load: `python -m bench --only air`.

The gateway's own journal and link on one side, the real cloud as a process of its own on the other, TLS 1.3 between
them (a proxy ends it, as in front of most clouds). What passes is what the kernel counts of the gateway's connection
(TCP_INFO: content, repeats, a header of 52 bytes for every packet); the proxy's kernel must have counted the same.

A month is not waited for. Each thing that passes in it is let pass some times, alone, until the wire is quiet again;
then it is multiplied by how often 30 days have it, as `month` says. The cabinet's readings come in simulated time,
sealed as the gateway seals them. Once a day the connection is lost and opened anew; four times a day all 40 lamps are
commanded at once, one by one as the API does it, and each proves its level.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from bench.board import GATEWAY
from bench.cabinet import LAMPS, METER, START_MS, Cabinet
from bench.processes import Child
from bench.tls import TlsFront, make_certificate
from lentera.client import AsyncClient
from lentera_drivers.driver import Confirmation
from lentera_gateway.acquire import DeviceBook
from lentera_gateway.clock import BUILD_TIME_MS, ClockKeeper, boot_id, monotonic_ms, system_wall_ms
from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.keeper import DeliveryKeeper
from lentera_gateway.inbox import Inbox, UpdateQueue
from lentera_gateway.journal import Journal, JournalLimits
from lentera_gateway.link import LinkClient, LinkTiming, load_key, make_key
from lentera_gateway.link.connection import LinkParts
from lentera_model.batch import FORMAT_VERSIONS, ClockFit
from lentera_model.commands import ConfirmedBy
from lentera_model.config import CloudLink
from lentera_model.protocol import PROTOCOL_VERSIONS, SAY_WITHIN_S, Hello, TallyRow
from lentera_model.readings import Sample
from lentera_model.thinning import means
from lentera_sim.ports import hold_port, port_of

TENANT: Final = "bench"
DAYS: Final = 30
MINUTES: Final = 20
QUARTERS: Final = 8
LIVE_SECONDS: Final = 40
_HOUR_S: Final = 3600
_QUARTER_S: Final = 900
_QUIET_S: Final = 0.25
"""After this long without a packet everything that follows from something has passed; a TCP waits 40 ms to confirm."""
_NEVER_S: Final = 3600.0
_SILENT = LinkTiming(time_every_s=_NEVER_S, say_within_s=_NEVER_S, doubt_after_s=_NEVER_S)
_TIMES: Final = 8
_CHILD = (sys.executable, "-m", "lentera.demo.child", str(os.getpid()))
_SECONDS: Final = DAYS * 86_400
_PINGS: Final = _SECONDS // round(LinkTiming().time_every_s)
_STREETS_DIMMED: Final = 4 * DAYS
MONTH: Final = {
    "hourly tallies": ("hour's tally", _SECONDS // _HOUR_S),
    "pings and statuses": ("ping and status", _PINGS),
    "commands": ("40 lamps commanded", _STREETS_DIMMED),
    "proofs of the commands' reports": ("ping and status", _STREETS_DIMMED),
    "openings of the link": ("opening", DAYS),
}
"""How often 30 days have what all modes have."""


@dataclass
class Side:
    """The gateway's side: its parts without wires."""

    journal: Journal
    air: AirMeter
    parts: LinkParts
    cabinet: Cabinet
    url: str
    key: Any
    front: TlsFront

    @asynccontextmanager
    async def linked(self, timing: LinkTiming) -> AsyncIterator[None]:
        """Hold a link with these times, and be quiet on it first."""
        parts = LinkParts(
            self.journal,
            self.parts.keeper,
            self.parts.inbox,
            self.parts.updates,
            self.parts.devices,
            monotonic_ms,
            timing,
            self.parts.delivery,
            self.parts.log,
            self.air,
        )
        client = LinkClient(self.url, GATEWAY, self.key, parts, self._hello, system_wall_ms, self._pause)
        running = asyncio.create_task(client.run())
        try:
            async with asyncio.timeout(30):
                while not client.state.up:  # noqa: ASYNC110 (looked at from outside)
                    await asyncio.sleep(0.05)
            await self.quiet()
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(_QUIET_S)

    async def _hello(self) -> Hello:
        devices = self.cabinet.declarations()
        versions: list[int] = [*PROTOCOL_VERSIONS]
        return Hello(versions, list(FORMAT_VERSIONS), "0.1.0", boot_id(), self.journal.epoch, monotonic_ms(), devices)

    async def _pause(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return False

    async def quiet(self) -> None:
        """Wait until everything is acknowledged and nothing passes any more."""
        while (await self.journal.status()).waiting_batches:
            self.journal.settled.clear()
            await asyncio.wait_for(self.journal.settled.wait(), 30)
        before = -1
        while before != self.front.air_bytes():
            before = self.front.air_bytes()
            await asyncio.sleep(_QUIET_S)

    async def passed(self, work: Callable[[], Awaitable[Any]]) -> int:
        """How many bytes pass while something is done and all that follows from it."""
        await self.quiet()
        before = self.front.air_bytes()
        await work()
        await self.quiet()
        return self.front.air_bytes() - before

    async def seal(self, samples: list[Sample]) -> None:
        """Seal samples as one batch."""
        for sample in samples:
            self.journal.add(sample)
        await self.journal.tick(seal_now=True)


async def _set_level(device: str, level_percent: float, timeout_s: float) -> Confirmation:
    return Confirmation("succeeded", ConfirmedBy.READBACK, measured={"level_percent": level_percent})


async def _side(folder: Path, front: TlsFront) -> Side:
    cabinet, keeper, devices = Cabinet(), ClockKeeper(BUILD_TIME_MS), DeviceBook([METER])
    keeper.observe_link(system_wall_ms(), monotonic_ms(), 1)
    limits = JournalLimits(folder / "memory", folder / "card")
    fit = ClockFit(START_MS, 5, "ntp")
    journal = Journal(GATEWAY, boot_id(), limits, cabinet.ms, lambda: START_MS + cabinet.ms(), lambda: fit)
    await journal.open()
    updates, log = UpdateQueue(), structlog.get_logger("bench")
    profiles = {lamp.device: lamp.profile for lamp in cabinet.declarations() if lamp.kind == "luminaire"}
    inbox = Inbox(profiles, _set_level, journal, updates, lambda _: None, system_wall_ms, monotonic_ms, log)
    await inbox.open()
    air = AirMeter(limits.memory_dir, limits.card_dir)
    air.open(monotonic_ms())
    delivery = DeliveryKeeper(CloudLink(url=front.url, key_file=folder / "key.pem"), air, limits.card_dir, monotonic_ms)
    parts = LinkParts(journal, keeper, inbox, updates, devices, monotonic_ms, _SILENT, delivery, log, air)
    return Side(journal, air, parts, cabinet, front.url, load_key(folder / "key.pem"), front)


async def _batches(side: Side, seconds: int, times: int, every_s: int = 0) -> tuple[float, float, float]:
    """Bytes on the air a batch of so many seconds, readings a batch that came in them, bytes a value sealed.

    With `every_s` the instantaneous quantities are sent as means, and a batch holds whole intervals of them.
    """
    while side.cabinet.now_s % seconds:
        list(side.cabinet.second())
    counters = (await side.journal.status()).counters
    before = counters.values, counters.sealed_bytes
    passed = readings = 0
    for _ in range(times):
        samples = [sample for _ in range(seconds) for sample in side.cabinet.second()]
        readings += sum(len(sample.values) for sample in samples)
        sent = means(samples, every_s * 1000) if every_s else samples
        passed += await side.passed(lambda sent=sent: side.seal(sent))
    counters = (await side.journal.status()).counters
    sealed = (counters.sealed_bytes - before[1]) / (counters.values - before[0])
    return passed / times, readings / times, sealed


async def _each(side: Side, http: AsyncClient) -> dict[str, float]:
    """Bytes of each other thing that passes."""
    rows = [TallyRow("*", 60_000, 60 * LAMPS, 60 * LAMPS), TallyRow(METER, 10_000, 360, 360)]
    found: dict[str, float] = {}
    async with side.linked(_SILENT):
        tallies = [await side.passed(lambda h=h: side.journal.report_tally(h * 3_600_000, rows)) for h in range(3)]
        found["hour's tally"] = sum(tallies) / len(tallies)
        commands = [await side.passed(lambda level=level: _dim(http, side.cabinet.lamps, level)) for level in (40, 80)]
        found["40 lamps commanded"] = sum(commands) / len(commands)
    for name, timing in (
        ("beat", LinkTiming(time_every_s=_NEVER_S, say_within_s=1.0, doubt_after_s=_NEVER_S)),
        ("ping and status", LinkTiming(time_every_s=1.0, say_within_s=_NEVER_S, doubt_after_s=_NEVER_S)),
    ):
        async with side.linked(timing):
            found[name] = await _repeated(side, _TIMES)
    before = side.air.bytes
    for _ in range(3):
        async with side.linked(_SILENT):
            pass
    found["opening"] = (side.air.bytes - before) / 3
    return found


async def _dim(http: AsyncClient, lamps: list[str], level_percent: float) -> None:
    async def one(lamp: str) -> None:
        command = await http.send_level(lamp, level_percent)
        while not command.final:
            command = await http.command(command.command_id, wait_s=10)

    await asyncio.gather(*map(one, lamps))


async def _repeated(side: Side, times: int) -> float:
    """Bytes of what comes by itself about once a second, a time."""
    changes: list[int] = []
    last = side.front.air_bytes()
    while len(changes) <= times:
        await asyncio.sleep(0.02)
        if (now := side.front.air_bytes()) != last:
            await asyncio.sleep(_QUIET_S)
            now = side.front.air_bytes()
            changes.append(now - last)
            last = now
    return sum(changes[1:]) / times


def month(batch_bytes: float, every_s: int, each: dict[str, float]) -> dict[str, float]:
    """Megabytes of 30 days, part by part, with a batch each so many seconds. Pure."""
    batches = _SECONDS / every_s
    said = max(0, -(-every_s // round(SAY_WITHIN_S)) - 1)
    """Signs of life between two batches; where there are many, a ping stands for one of them."""
    beats = batches * said - (_PINGS if said > 1 else 0)
    parts = {"batches and acknowledgements": batches * batch_bytes, "beats": beats * each["beat"]}
    parts |= {name: times * each[what] for name, (what, times) in MONTH.items()}
    return {name: count / 1e6 for name, count in parts.items()}


async def _run(side: Side, http: AsyncClient) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    modes = {
        "economy, full detail": (60, MINUTES, 0),
        "900 s means, counters in full": (_QUARTER_S, QUARTERS, _QUARTER_S),
        "live": (1, LIVE_SECONDS, 0),
    }
    async with side.linked(_SILENT):
        batches = {name: await _batches(side, *mode) for name, mode in modes.items()}
    each = await _each(side, http)
    for name, (batch_bytes, readings, sealed) in batches.items():
        every_s = modes[name][0]
        parts = month(batch_bytes, every_s, each)
        total = sum(parts.values())
        figures[name] = {
            "MB in 30 days": round(total, 1),
            **{f"of which {part}": round(size, 2) for part, size in parts.items()},
            "bytes on the air a reading": round(total * 1e6 / (readings * _SECONDS / every_s), 2),
            "bytes a value in the journal": round(sealed, 2),
        }
    figures["bytes each"] = {name: round(size) for name, size in each.items()}
    ours, theirs = side.air.bytes, side.front.air_bytes()
    figures["bytes counted"] = {"by the gateway": ours, "by the proxy's kernel": theirs}
    return figures


async def _measure(folder: Path, child: Child, cloud_url: str, token: str) -> dict[str, Any]:
    certificate = make_certificate(folder)
    os.environ["SSL_CERT_FILE"] = str(certificate.file)  # what the gateway's TLS trusts
    public_key = make_key(folder / "key.pem")
    async with AsyncClient(cloud_url, token) as http, TlsFront(certificate, cloud_url) as front:
        await http.register_gateway(GATEWAY, "Bench", public_key)
        side = await _side(folder, front)
        try:
            return await _run(side, http)
        except TimeoutError as error:
            raise RuntimeError(f"the link did not open: {child.tail()}") from error
        finally:
            await side.parts.inbox.close(0)
            await side.journal.close()


def measure() -> dict[str, Any]:
    """Return the figures of every mode."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lentera-air-")))
        held = stack.enter_context(hold_port())
        url, token_file = f"http://127.0.0.1:{port_of(held)}", folder / "token"
        environ = {
            "LENTERA_REGISTRY_URL": f"sqlite+aiosqlite:///{folder / 'registry.db'}",
            "LENTERA_SERIES_PATH": str(folder / "series"),
            "LENTERA_SECRET_FILE": str(folder / "secret"),
            "LENTERA_PORT": str(port_of(held)),
        }
        child = stack.enter_context(Child([*_CHILD, "cloud", TENANT, str(token_file)], folder, "cloud", environ))
        child.wait_for(lambda: token_file.exists() and "cloud_ready" in child.tail(200))
        return {"load": f"cabinet; TLS {ssl.OPENSSL_VERSION}"} | asyncio.run(
            _measure(folder, child, url, token_file.read_text())
        )


def table(found: Any) -> str:
    """The figures as lines that line up, mode by mode."""
    lines = [found["load"]]
    for name, figures in found.items():
        if isinstance(figures, dict):
            lines += ["", name, *(f"  {what:<42}{number:>12,}" for what, number in figures.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(measure()))
