"""The cloud as one application: settings in, FastAPI out. Here alone adapters, features and events are joined."""

import asyncio
import importlib.metadata
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI

from lentera_cloud.adapters.local_signals import LocalSignals
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.domain.events import (
    DeliveryChanged,
    ExecutionReported,
    LinkClosed,
    LinkOpened,
    ReadingsStored,
    SendRequested,
    SendWanted,
)
from lentera_cloud.features.commands import routes as command_routes
from lentera_cloud.features.commands.service import CommandsService
from lentera_cloud.features.completeness import routes as completeness_routes
from lentera_cloud.features.completeness.facts import Sources
from lentera_cloud.features.completeness.figures import LastHour
from lentera_cloud.features.completeness.service import CompletenessService
from lentera_cloud.features.conflicts import routes as conflict_routes
from lentera_cloud.features.conflicts.service import ConflictsService
from lentera_cloud.features.delivery import routes as delivery_routes
from lentera_cloud.features.delivery.service import DeliveryService
from lentera_cloud.features.devices import routes as device_routes
from lentera_cloud.features.devices.latest import LatestValues
from lentera_cloud.features.devices.service import DevicesService
from lentera_cloud.features.gaps import routes as gap_routes
from lentera_cloud.features.gaps.service import GapsService
from lentera_cloud.features.gateways import routes as gateway_routes
from lentera_cloud.features.gateways.figures import GatewayFigures
from lentera_cloud.features.gateways.service import GatewaysService
from lentera_cloud.features.health import routes as health_routes
from lentera_cloud.features.health.service import HealthService
from lentera_cloud.features.ingest import routes as ingest_routes
from lentera_cloud.features.ingest.context import LinkContext
from lentera_cloud.features.ingest.door import Door
from lentera_cloud.features.ingest.hub import LinkHub
from lentera_cloud.features.ingest.presence import Presence
from lentera_cloud.features.ingest.service import IngestService
from lentera_cloud.features.metrics import routes as metric_routes
from lentera_cloud.features.metrics.service import MetricsService
from lentera_cloud.features.series import routes as series_routes
from lentera_cloud.features.series.service import SeriesService
from lentera_cloud.kit import docs, openapi, problems
from lentera_cloud.kit.background import BackgroundJobs, Job
from lentera_cloud.kit.bodies import BodyLimit
from lentera_cloud.kit.crowding import RequestGate
from lentera_cloud.kit.events import EventBus
from lentera_cloud.kit.identity import Identity
from lentera_cloud.kit.maintenance import maintenance_jobs
from lentera_cloud.kit.patience import until_available
from lentera_cloud.kit.secret import load_secret
from lentera_cloud.kit.stores import BoundedReads, StoreState, WatchedSeries
from lentera_cloud.kit.times import SystemClock
from lentera_cloud.ports import Clock, Registry, Signals, StoreUnavailableError, TimeSeries
from lentera_cloud.relay import Relay
from lentera_cloud.settings import SeriesKind, Settings
from lentera_model.batch import DEFAULT_LIMITS
from lentera_model.commands import LinkLost
from lentera_model.protocol import Bye, CommandMessage

START_PATIENCE_S = 3.0
"""How long the start waits for the stores before it goes on without them, degraded."""
RECONNECT_S = 1.0
UNSENT_EVERY_S = 1.0
BEATS_A_LEASE = 3
"""A replica's lease outlives two beats that are missed."""
LEAVE_WITHIN_S = 1.0
READS_AT_ONCE = 3
"""Questions of people to the series store at the same time; both stores have more threads than that for reading."""
BATCH_SLACK_BYTES = 4 << 10
"""Over the limit of a batch by less than this, its route says what a batch may have."""

_log = structlog.get_logger(__name__)


def open_registry(settings: Settings) -> Registry:
    """Return the registry of these settings, not yet started."""
    return SqlRegistry(settings.registry_url)


def open_signals(settings: Settings, replica: str) -> Signals:
    """Return the way to the other replicas: with a registry in a file there are none."""
    if settings.registry_url.startswith("sqlite"):
        return LocalSignals()
    from lentera_cloud.adapters.sql.signals import PostgresSignals

    return PostgresSignals(settings.registry_url, replica)


def open_series(settings: Settings) -> TimeSeries:
    """Return the series store of these settings, not yet started; a store's library is loaded only if it is used."""
    if settings.series is SeriesKind.INFLUXDB:
        from lentera_cloud.adapters.influx_series import InfluxSeries

        return InfluxSeries(settings.influx_url, settings.influx_token.get_secret_value(), settings.influx_org)
    if settings.series is SeriesKind.SQLITE:
        from lentera_cloud.adapters.sqlite_series import SqliteSeries

        return SqliteSeries(settings.series_path)
    from lentera_cloud.adapters.memory_series import MemorySeries

    return MemorySeries()


class Cloud:
    """Everything that one process of the cloud runs, wired together."""

    def __init__(
        self, settings: Settings, registry: Registry, series: TimeSeries, clock: Clock, signals: Signals | None = None
    ) -> None:
        """Join features, stores and events; nothing is started yet."""
        self.replica = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
        self.settings = settings
        self.registry = registry
        self.clock = clock
        self.registry_state = StoreState()
        self.series_state = StoreState()
        self.series: TimeSeries = WatchedSeries(series, self.series_state)
        self.bus = EventBus()
        self.hub = LinkHub()
        publish = self.bus.publish
        self.presence = Presence(self.hub, registry.links, clock, self.replica, settings.replica_lease_s * 1000)
        self.asked = BoundedReads(self.series, READS_AT_ONCE, settings.api_requests)
        self.latest = LatestValues(self.asked, clock, self.presence.sole_since_ms)
        self.ingest = IngestService(
            registry, self.series, clock, publish, settings.ingest_budget_bytes, settings.future_tolerance_s * 1000
        )
        self.commands = CommandsService(registry, clock, self.hub.is_connected, publish)
        self.devices = DevicesService(registry, self.latest, clock, self.presence.of, publish)
        self.gateways = GatewaysService(registry, clock, self.presence.of, publish)
        self.delivery = DeliveryService(registry, clock, self.hub, publish)
        self.health = HealthService(registry, self.registry_state, self.series_state, lambda: self.ingest.trouble)
        self.door = Door(settings.max_links, settings.links_opening)
        self.links = LinkContext(registry, self.ingest, self.hub, self.presence, self.door, clock, publish)
        signals = signals or open_signals(settings, self.replica)
        self.relay = Relay(
            signals, registry, self.replica, self.hub, self.presence, self.commands, self.ingest, self.delivery
        )
        self.failed: asyncio.Event = asyncio.Event()
        self.failure: BaseException | None = None
        """Why the service cannot go on, once ``failed`` is set."""
        self._tasks: list[asyncio.Task[None]] = []
        self._subscribe()

    def _subscribe(self) -> None:
        """Say who hears of what."""
        bus = self.bus
        bus.subscribe(ReadingsStored, self.latest.on_stored)
        self.relay.subscribe(bus)
        bus.subscribe(LinkOpened, self.delivery.tell)
        bus.subscribe(DeliveryChanged, self.delivery.tell)
        bus.subscribe(LinkOpened, self.commands.on_link_opened)
        bus.subscribe(LinkClosed, self.commands.on_link_closed)
        bus.subscribe(ExecutionReported, self.commands.on_reported)
        bus.subscribe(SendRequested, self._send)

    async def _send(self, event: SendRequested) -> None:
        """Write a command to its gateway's link; without a link here it goes back into the queue, for any replica."""
        one = event.execution
        message = CommandMessage(
            execution_id=one.execution_id,
            device=one.device,
            name=one.name,
            args=dict(one.args),
            expires_at_ms=one.expires_at_ms,
            timeout_ms=one.timeout_ms,
            attempt=one.attempt,
            sequence=one.sequence,
        )
        if not self.hub.send(one.gateway, message):
            await self.commands.apply(one.tenant, one.execution_id, LinkLost())
            await self.bus.publish(SendWanted(one))

    async def start(self) -> None:
        """Bring the stores up, waiting a little for them, and begin the background jobs."""
        self._spawn(self.registry_state.bring_up("registry", self.registry.start), "registry")
        self._spawn(self.series_state.bring_up("series", self.series.start), "series")
        self._spawn(self._send_unsent(), "unsent commands")
        self._spawn(self._with_the_others(), "replicas")
        jobs = [Job("commands", 1.0, self.commands.tick)]
        if self.settings.worker_in_process:
            jobs += maintenance_jobs(self.registry, self.series, self.clock)
        self._spawn(self._work(BackgroundJobs(jobs, self.registry.jobs, self.replica, self.clock)), "jobs")
        ready = asyncio.gather(self.registry_state.ready.wait(), self.series_state.ready.wait())
        failed = asyncio.ensure_future(self.failed.wait())
        await asyncio.wait([ready, failed], timeout=START_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (ready, failed):
            waiting.cancel()  # degraded: health says so, and what needs a store answers 503 until it is there
        await asyncio.gather(ready, failed, return_exceptions=True)

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Note the error of a task that the service cannot be without; whoever serves ends the service then."""
        if not task.cancelled() and (error := task.exception()) is not None and self.failure is None:
            _log.error("service_cannot_go_on", part=task.get_name(), error=str(error), exc_info=error)
            self.failure = error
            self.failed.set()

    async def _send_unsent(self) -> None:
        await self.registry_state.ready.wait()
        while True:
            await asyncio.sleep(UNSENT_EVERY_S)
            try:
                await until_available("registry", self.commands.send_unsent)
            except Exception as error:  # noqa: BLE001 - one execution's fault must not end the service
                _log.error("send_unsent_failed", exc_info=error)

    async def _with_the_others(self) -> None:
        """Hear the other replicas, and look at every beat what a lost word may have been about."""
        await self.registry_state.ready.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.relay.listen(), name="signals")
            while True:
                await asyncio.sleep(self.settings.replica_lease_s / BEATS_A_LEASE)
                await self.relay.look()

    async def _work(self, jobs: BackgroundJobs) -> None:
        await self.registry_state.ready.wait()
        await self.series_state.ready.wait()
        await jobs.run()

    def say_goodbye(self) -> None:
        """Tell every gateway and every waiting request that the service stops."""
        self.commands.watchers.close()
        self.hub.dismiss_all(Bye("stopping", "the cloud restarts", RECONNECT_S))

    async def _leave(self) -> None:
        """Take this replica's name out of the registry; if that cannot be done now, its lease runs out by itself."""
        if not self.registry_state.ready.is_set():
            return
        try:
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self.presence.leave()
        except (StoreUnavailableError, TimeoutError):
            _log.info("replica_lease_runs_out_by_itself")

    async def close(self) -> None:
        """Stop the jobs and the writers, then let the stores go."""
        self.say_goodbye()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.hub.close()
        await self._leave()
        await self.ingest.close()
        await self.series.close()
        await self.registry.close()


def create_app(
    settings: Settings,
    *,
    registry: Registry | None = None,
    series: TimeSeries | None = None,
    clock: Clock | None = None,
    signals: Signals | None = None,
) -> FastAPI:
    """Build the application. Its stores are brought up when it starts, and let go when it ends.

    Args:
        settings: see :class:`lentera_cloud.settings.Settings`.
        registry: instead of the one that the settings name (tests do).
        series: likewise.
        clock: instead of the computer's.
        signals: instead of the way to the other replicas that the settings name.

    Raises:
        SecretFileError: the service's secret cannot be used.
    """
    cloud = Cloud(
        settings, registry or open_registry(settings), series or open_series(settings), clock or SystemClock(), signals
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await cloud.start()
        try:
            yield
        finally:
            await cloud.close()

    app = FastAPI(
        title="Lentera",
        version=importlib.metadata.version("lentera"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        **openapi.describe(),
    )
    _equip(app, cloud, Identity(cloud.registry, cloud.clock, load_secret(settings.secret_file)))
    return app


def _equip(app: FastAPI, cloud: Cloud, identity: Identity) -> None:
    """Give the application its services, where the routes find them, its routes and its error answers."""
    state = app.state
    state.cloud, state.identity, state.links = cloud, identity, cloud.links
    state.commands, state.devices, state.gateways = cloud.commands, cloud.devices, cloud.gateways
    state.series = SeriesService(cloud.asked, cloud.registry.devices, cloud.clock)
    sources = Sources(cloud.registry, cloud.asked, cloud.latest.of, cloud.presence.of, cloud.registry.gaps)
    state.completeness = CompletenessService(sources, cloud.clock)
    state.conflicts = ConflictsService(cloud.registry.conflicts, cloud.clock)
    state.gaps = GapsService(cloud.registry.gaps, cloud.registry.gateways, cloud.clock)
    fleet = GatewayFigures(cloud.registry, cloud.clock, cloud.presence.of)
    figures = [LastHour(sources, cloud.clock).figures, fleet.figures]
    state.metrics = MetricsService(cloud.registry.conflicts, cloud.registry.receipts, cloud.registry.gaps, figures)
    state.health, state.delivery = cloud.health, cloud.delivery
    problems.install(app)
    limits = cloud.settings
    app.add_middleware(BodyLimit, limits={"/v1/batches": DEFAULT_LIMITS.sealed_bytes + BATCH_SLACK_BYTES})
    app.add_middleware(RequestGate, at_once=limits.api_requests, by_path={"/v1/batches": limits.batch_posts})
    docs.install(app)
    openapi.install(app)
    for routes in (device_routes, command_routes, series_routes, conflict_routes, gateway_routes, ingest_routes):
        app.include_router(routes.router)
    for routes in (delivery_routes, completeness_routes, gap_routes, health_routes, metric_routes):
        app.include_router(routes.router)
