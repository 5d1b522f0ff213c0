"""Wires the gateway together, runs it, and brings it to an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from lentera_drivers.driver import Confirmation, Driver, open_driver
from lentera_gateway.acquire import BusPoller, DeviceBook, ExceptionReporter, PollSchedule, StampKeeper, intervals_of
from lentera_gateway.acquire.refusals_file import RefusalsFile
from lentera_gateway.acquire.tallying import Tallying
from lentera_gateway.by_hand import ByHand
from lentera_gateway.clock import BUILD_TIME_MS, ClockKeeper, boot_id, kernel_clock, monotonic_ms, system_wall_ms
from lentera_gateway.config import LoadedConfig, load_config
from lentera_gateway.control import Control, ControlSocketError
from lentera_gateway.control_path import socket_path
from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.keeper import DeliveryKeeper
from lentera_gateway.greeting import hello_of
from lentera_gateway.inbox import Inbox, UpdateQueue
from lentera_gateway.journal import Journal
from lentera_gateway.link.client import LinkClient
from lentera_gateway.link.connection import LinkParts, LinkTiming
from lentera_gateway.link.key import load_key
from lentera_gateway.logs import configure_logging
from lentera_gateway.malformed import MalformedMessages
from lentera_gateway.plan import refuse_overload
from lentera_gateway.questions import Why
from lentera_gateway.status import build_status, write_status
from lentera_gateway.stopping import StopEvent, end_within
from lentera_model.commands import Reason
from lentera_model.protocol import Hello
from lentera_model.readings import Sample

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from lentera_gateway.journal.status import JournalStatus

TICK_S: Final = 1.0
POLLS_END_WITHIN_S: Final = 0.9
DELIVER_WITHIN_S: Final = 1.5
"""At the end, from the signal on: until when the last batches may be acknowledged before they go onto the card."""
CLOSE_WITHIN_S: Final = 0.6
_RESTART_AFTER_S: Final = 5.0
_COMMANDS_END_WITHIN_S: Final = 0.2
_DRIVERS_CLOSE_WITHIN_S: Final = 0.3
_REFUSALS_KEPT_WITHIN_S: Final = 0.2
_TALLY_TOLD_WITHIN_S: Final = 0.3


@dataclass(slots=True)
class Gateway:
    """The running gateway. `open`, then `run_until`, then `close`."""

    loaded: LoadedConfig
    timing: LinkTiming = field(default_factory=LinkTiming)
    keeper: ClockKeeper = field(init=False)
    journal: Journal = field(init=False)
    devices: DeviceBook = field(init=False)
    updates: UpdateQueue = field(init=False)
    inbox: Inbox = field(init=False)
    link: LinkClient = field(init=False)
    air: AirMeter = field(init=False)
    delivery: DeliveryKeeper = field(init=False)
    refusals: RefusalsFile = field(init=False)
    drivers: dict[str, Driver] = field(init=False, default_factory=dict)
    pollers: dict[str, BusPoller] = field(init=False, default_factory=dict)
    stopping: StopEvent = field(init=False, default_factory=StopEvent)
    reporter: ExceptionReporter = field(init=False)
    tallying: Tallying = field(init=False)
    control: Control = field(init=False)
    _stamps: StampKeeper = field(init=False, default_factory=StampKeeper)
    _boot_id: bytes = field(init=False, default_factory=boot_id)
    _log: Any = field(init=False, default_factory=lambda: structlog.get_logger("gateway"))

    def __post_init__(self) -> None:
        """Build every part; nothing is opened yet.

        Raises:
            KeyFileError: the gateway's key cannot be used.
            DriverSetupError: a device does not fit its bus.
        """
        config = self.loaded.config
        key = load_key(config.cloud.key_file)
        self._log = self._log.bind(gateway=config.gateway.id)
        self.keeper = ClockKeeper(BUILD_TIME_MS)
        self.devices = DeviceBook(device.id for device in config.devices)
        self.reporter = ExceptionReporter(config.devices, lambda: self.journal.shape is not None)
        self.updates = UpdateQueue()
        self.journal = Journal(
            config.gateway.id, self._boot_id, self.loaded.limits, monotonic_ms, self.wall_ms, lambda: self.keeper.fit
        )
        self.tallying = Tallying.of(
            config.devices, config.journal.memory_dir, self._boot_id, self.journal.report_tally, self._log
        )
        self.refusals = RefusalsFile(config.journal.card_dir, self._log)
        for bus in config.buses:
            self.drivers[bus.id] = open_driver(
                bus,
                config.devices,
                self.loaded.profiles,
                monotonic_ms,
                self._take,
                self._status,
                config.gateway.id,
                self.wall_ms,
                holes=self.refusals.book,
            )
        profiles = {device.id: self.loaded.profile(device).id for device in config.devices}
        self.inbox = Inbox(
            profiles,
            self._set_level,
            self.journal,
            self.updates,
            self._take_commanded,
            self.wall_ms,
            monotonic_ms,
            self._log,
        )
        self.link = self._new_link(key)
        self.control = self._new_control()

    def _new_link(self, key: Ed25519PrivateKey) -> LinkClient:
        config = self.loaded.config
        self.air = AirMeter(config.journal.memory_dir, config.journal.card_dir)
        self.delivery = DeliveryKeeper(config.cloud, self.air, config.journal.card_dir, monotonic_ms)
        parts = LinkParts(
            self.journal,
            self.keeper,
            self.inbox,
            self.updates,
            self.devices,
            monotonic_ms,
            self.timing,
            self.delivery,
            self._log,
            self.air,
        )
        return LinkClient(config.cloud.url, config.gateway.id, key, parts, self._hello, self.wall_ms, self.pause)

    def _new_control(self) -> Control:
        """Build what a technician's commands ask through the control socket."""
        control = Control(socket_path(self.loaded.config.journal.memory_dir))
        Why(
            self.loaded,
            self.pollers,
            self.reporter,
            self.journal,
            lambda: self.link.state.up,
            lambda: self.keeper.fit is not None,
            monotonic_ms,
        ).register(control)
        MalformedMessages(self.loaded, self.drivers, monotonic_ms).register(control)
        ByHand(
            self.loaded,
            self.drivers,
            self._take,
            lambda stamp_ms: self.wall_ms() - monotonic_ms() + stamp_ms,
            lambda event, facts: self._log.warning(event, **facts),
            lambda bus, needs_ms, urgent: self.pollers[bus].between(needs_ms, urgent),
        ).register(control)
        return control

    def wall_ms(self) -> int:
        """Return the best knowledge of the wall clock."""
        return self.keeper.now_ms(monotonic_ms(), system_wall_ms())

    async def pause(self, seconds: float) -> bool:
        """Wait; True as soon as the gateway is stopping."""
        return await self.stopping.pause(seconds)

    async def open(self) -> None:
        """Recover the journal, remember the commands, start the drivers.

        Raises:
            JournalFolderError: the memory folder cannot be used.
        """
        recovery = await self.journal.open()
        self.keeper.raise_floor(self.journal.saved_time_ms)
        self._observe_kernel()
        self._log.info(
            "journal_open",
            epoch=self.journal.epoch,
            batches=recovery.batches,
            samples=recovery.samples,
            damaged=recovery.damaged_records,
            torn_bytes=recovery.torn_bytes,
        )
        self.air.open(monotonic_ms())
        self.delivery.open()
        self.tallying.open()
        await self.inbox.open()
        for bus_id, driver in self.drivers.items():
            await driver.open()
            self.pollers[bus_id] = self._poller(bus_id, driver)
        try:
            await self.control.open()
        except ControlSocketError as error:
            self._log.warning("no_control_socket", error=str(error))

    def _poller(self, bus_id: str, driver: Driver) -> BusPoller:
        mine = (device for device in self.loaded.config.devices if device.bus == bus_id)
        schedule = PollSchedule(intervals_of(mine), monotonic_ms())
        tally = self.tallying.tally
        return BusPoller(bus_id, driver, schedule, self._take, tally, monotonic_ms, self.pause, self._log)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end in order; at most about 2.5 s later it returns."""
        tasks = [asyncio.create_task(self._supervise(self._tick, "tick"), name="tick")]
        link = asyncio.create_task(self._supervise(self.link.run, "link"), name="link")
        polls = [
            asyncio.create_task(self._supervise(poller.run, bus_id), name=f"poll-{bus_id}")
            for bus_id, poller in self.pollers.items()
        ]
        await stop.wait()
        self._log.info("stopping")
        self.stopping.set()
        deadline = asyncio.get_running_loop().time() + DELIVER_WITHIN_S
        if polls:
            _, late = await asyncio.wait(polls, timeout=POLLS_END_WITHIN_S)
            for task in late:
                task.cancel()
        await self.inbox.close(_COMMANDS_END_WITHIN_S)
        await self.control.close()
        # Before the last seal: what a broker hands over after it would be acknowledged there and kept nowhere.
        await end_within(
            self._log, "bus", _DRIVERS_CLOSE_WITHIN_S, *(driver.close() for driver in self.drivers.values())
        )
        await end_within(self._log, "refusals", _REFUSALS_KEPT_WITHIN_S, self.refusals.close())
        await end_within(self._log, "tally", _TALLY_TOLD_WITHIN_S, self.tallying.close(*self._clock()))
        await self._deliver(deadline)
        for task in (*tasks, link):
            task.cancel()
        await asyncio.gather(*tasks, link, *polls, return_exceptions=True)
        await end_within(self._log, "journal", CLOSE_WITHIN_S, self.journal.close())
        await end_within(self._log, "air", CLOSE_WITHIN_S, self.air.close(monotonic_ms()), self.delivery.close())
        self._log.info("stopped")

    async def _deliver(self, deadline: float) -> None:
        """Seal what is left and wait for the acknowledgements while there is a link and time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self.journal.tick(seal_now=True)
                while self.link.state.up:
                    self.journal.settled.clear()
                    if not (await self.journal.status()).waiting_batches:
                        break
                    await self.journal.settled.wait()
                await self._write_status()

    async def _supervise(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run a part for ever: a mistake in it is logged and costs a pause, never the gateway."""
        while True:
            try:
                await work()
                return
            except Exception:  # noqa: BLE001 (supervised: says what broke and goes on)
                self._log.exception("part_broke", part=name)
            if await self.pause(_RESTART_AFTER_S):
                return

    async def _tick(self) -> None:
        """Each second, without drift: the clock, the journal, status.json."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._observe_kernel()
            await self.journal.tick()
            await self.tallying.tick(*self._clock())
            wall_ms = self.wall_ms() if self.keeper.fit is not None else None
            await self.air.tick(monotonic_ms(), wall_ms)
            await self.delivery.tick(wall_ms, self.journal)
            await self._write_status()
            due = max(due + TICK_S, loop.time() - TICK_S)
            if await self.pause(max(0.0, due - loop.time())):
                return

    def _clock(self) -> tuple[int, int | None]:
        """Return the boot's clock, and how far Unix time is ahead of it if that can be trusted."""
        return monotonic_ms(), None if self.keeper.fit is None else self.keeper.fit.offset_ms

    def _observe_kernel(self) -> None:
        self.keeper.observe_kernel(kernel_clock(), system_wall_ms(), monotonic_ms())

    async def _write_status(self) -> None:
        journal = await self.journal.status()
        status = build_status(
            self.loaded.config.gateway.id,
            self.ready,
            monotonic_ms(),
            self.wall_ms(),
            self.keeper,
            self.link.state,
            self.delivery,
            journal,
            self.devices,
            {bus_id: (self._bus_up(bus_id), poller) for bus_id, poller in self.pollers.items()},
        )
        try:
            write_status(self.loaded.status_file, status)
        except OSError as error:
            self._log.warning("status_not_written", error=str(error))
        self._tell_journal(journal)

    def _tell_journal(self, status: JournalStatus) -> None:
        """Log what a tier refuses once, not each second."""
        trouble = (status.memory_error, status.card_error)
        if trouble != self._last_trouble:
            self._last_trouble = trouble
            event = "journal_trouble" if any(trouble) else "journal_well"
            self._log.warning(event, memory=trouble[0], card=trouble[1], dropped=status.counters.dropped_batches)

    _last_trouble: tuple[str | None, str | None] = field(init=False, default=(None, None))

    @property
    def ready(self) -> bool:
        """Whether every broker is subscribed and the first poll of every wire was tried."""
        return bool(self.pollers) and all(self._bus_up(bus_id) for bus_id in self.pollers)

    def _bus_up(self, bus_id: str) -> bool:
        counters = getattr(self.drivers[bus_id], "session_counters", None)
        return self.pollers[bus_id].state.tried if counters is None else counters.connections > 0

    def _take(self, sample: Sample) -> None:
        self.devices.answered(sample.device, sample.monotonic_ms)
        news = self.reporter.reduce(sample)
        self.tallying.tally.took(sample, news)
        if news is not None:
            self.journal.add(self._stamps.distinct(news))

    def _take_commanded(self, sample: Sample) -> None:
        self.journal.add(self._stamps.distinct(sample))

    def _status(self, device: str, online: bool, reason: str) -> None:
        self.devices.status(device, online, reason, monotonic_ms())

    async def _set_level(self, device: str, level_percent: float, timeout_s: float) -> Confirmation:
        bus_id = next((item.bus for item in self.loaded.config.devices if item.id == device), None)
        if bus_id is None:
            return Confirmation("failed", reason=Reason.DEVICE_UNKNOWN, reason_text=f"no device {device!r} here")
        return await self.drivers[bus_id].set_level(device, level_percent, timeout_s)

    async def _hello(self) -> Hello:
        waiting = (await self.journal.status()).waiting_batches
        return hello_of(self.loaded, self._boot_id, self.journal.epoch, monotonic_ms(), waiting)


async def run(config_path: Path, stop: asyncio.Event, timing: LinkTiming | None = None) -> None:
    """Run a gateway until `stop` is set.

    Args:
        config_path: the gateway's YAML file.
        stop: set it to end; the call returns at most 2.5 s later.
        timing: of the link, for tests and odd networks.

    Raises:
        ConfigFileError: the file or a profile it names has problems, or a bus cannot carry what is planned on it.
        KeyFileError: the gateway's key cannot be used.
        DriverSetupError: a device does not fit its bus.
        JournalFolderError: the journal's memory folder cannot be used.
    """
    loaded = load_config(config_path)
    refuse_overload(loaded)
    gateway = Gateway(loaded, timing or LinkTiming())
    await gateway.open()
    await gateway.run_until(stop)


def main(config_path: Path) -> None:
    """Run a gateway until SIGTERM or SIGINT, as a program does.

    Raises:
        ConfigFileError, KeyFileError, DriverSetupError, JournalFolderError: as `run`.
    """
    configure_logging()
    runner: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
    try:
        import uvloop

        runner = uvloop.run
    except ImportError:
        runner = asyncio.run
    runner(_until_signal(lambda stop: run(config_path, stop)))


async def _until_signal(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work(stop)
