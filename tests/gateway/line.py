"""A gateway without wires on one end of a real websocket, a small cloud on the other: for the tests of the link."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from lentera_drivers.driver import Confirmation
from lentera_gateway.acquire import DeviceBook
from lentera_gateway.clock import BUILD_TIME_MS, ClockKeeper, monotonic_ms, system_wall_ms
from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.keeper import DeliveryKeeper
from lentera_gateway.inbox import Inbox, UpdateQueue
from lentera_gateway.journal import Journal, JournalLimits
from lentera_gateway.link import LinkClient, LinkTiming, load_key, make_key
from lentera_gateway.link.backoff import Backoff
from lentera_gateway.link.connection import LinkParts, Mode
from lentera_model.batch import FORMAT_VERSIONS, decode
from lentera_model.commands import ConfirmedBy
from lentera_model.config import CloudLink
from lentera_model.protocol import Hello
from lentera_model.readings import Sample
from tests.gateway.cloud import OpenCloud

QUICK = LinkTiming(open_within_s=2.0, ping_every_s=0.1, answer_within_s=0.6, acknowledge_within_s=30.0)


@dataclass
class Line:
    """A gateway without wires: a journal, an inbox and the link, and the cloud at the other end."""

    cloud: OpenCloud
    journal: Journal
    keeper: ClockKeeper
    devices: DeviceBook
    client: LinkClient
    stopping: asyncio.Event
    inbox: Inbox
    air: AirMeter
    delivery: DeliveryKeeper

    async def give(self, *values: float) -> None:
        for value in values:
            self.journal.add(Sample("m1", "p", monotonic_ms(), {"voltage_l1": value}))
            await self.journal.tick(seal_now=True)

    def stored(self) -> list[float]:
        keys = sorted(self.cloud.batches)
        return [s.values["voltage_l1"] for key in keys for s in decode(self.cloud.batches[key]).samples]

    async def until_empty(self) -> None:
        async with asyncio.timeout(10):
            while (await self.journal.status()).waiting_batches:
                self.journal.settled.clear()
                await asyncio.wait_for(self.journal.settled.wait(), 5)


async def lamp(device, level_percent, timeout_s):
    return Confirmation("succeeded", ConfirmedBy.READBACK, measured={"level_percent": level_percent})


def _key(tmp_path):
    key_file = tmp_path / "key.pem"
    if not key_file.exists():
        make_key(key_file)
    return load_key(key_file)


async def _cloud(key, start, knobs):
    cloud = OpenCloud(key.public_key(), **knobs)
    if start:
        await cloud.start()
    return cloud


async def _line(tmp_path, timing, fit, mode: Mode, start, set_level, versions, knobs):
    key = _key(tmp_path)
    cloud = await _cloud(key, start, knobs)
    keeper = ClockKeeper(BUILD_TIME_MS)

    def wall_ms():
        return keeper.now_ms(monotonic_ms(), system_wall_ms())

    if fit:
        keeper.observe_link(system_wall_ms(), monotonic_ms(), 1)
    limits = JournalLimits(tmp_path / "mem", tmp_path / "card")
    journal = Journal("gw-test", bytes(16), limits, monotonic_ms, wall_ms, lambda: keeper.fit)
    await journal.open()
    stopping = asyncio.Event()
    updates, devices = UpdateQueue(), DeviceBook(["m1", "lamp-1"])
    log = structlog.get_logger()
    inbox = Inbox({"lamp-1": "p"}, set_level, journal, updates, journal.add, wall_ms, monotonic_ms, log)
    await inbox.open()
    air = AirMeter(limits.memory_dir, limits.card_dir)
    air.open(monotonic_ms())
    config = CloudLink(url=cloud.url, key_file=tmp_path / "key.pem", mode=mode)
    delivery = DeliveryKeeper(config, air, limits.card_dir, monotonic_ms)
    delivery.open()
    parts = LinkParts(journal, keeper, inbox, updates, devices, monotonic_ms, timing, delivery, log, air)

    async def hello():
        return Hello(list(versions), list(FORMAT_VERSIONS), "test", bytes(16), journal.epoch, monotonic_ms(), [], 0)

    async def pause(seconds):
        try:
            await asyncio.wait_for(stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    client = LinkClient(cloud.url, "gw-test", key, parts, hello, wall_ms, pause, Backoff(first_s=0.05, max_s=0.2))
    return Line(cloud, journal, keeper, devices, client, stopping, inbox, air, delivery)


@asynccontextmanager
async def line(
    tmp_path, timing=QUICK, fit=True, mode: Mode = "live", start=True, set_level=lamp, versions=(1,), **knobs
):
    it = await _line(tmp_path, timing, fit, mode, start, set_level, versions, knobs)
    running = asyncio.create_task(it.client.run())
    try:
        yield it
    finally:
        it.stopping.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await it.inbox.close(0)
        await it.journal.close()
        await it.cloud.stop()
