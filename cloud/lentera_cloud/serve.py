"""Run the cloud with uvicorn: uvloop, bounded websocket frames, and a stop within two seconds."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from lentera_cloud.app import Cloud, create_app
from lentera_cloud.kit.http import HEAD_BYTES, HttpProtocol
from lentera_cloud.kit.logs import configure_logging
from lentera_cloud.kit.websockets import LinkProtocol
from lentera_cloud.settings import Settings
from lentera_model.protocol import MAX_MESSAGE_BYTES

STOP_WITHIN_S = 1
BACKLOG = 2048
KEEP_ALIVE_S = 15
"""A connection without a request is closed after this time."""
COLLECT_AFTER = (50_000, 20, 50)
"""When Python looks for objects in circles. Decoded batches are many objects and none: looking after each 700 new ones,
as it does of itself, took a third of the ingest's processor time."""
CONNECTIONS = 20_000
"""More connections than this, links among them, are answered 503."""

_log = structlog.get_logger(__name__)


class CloudServer(uvicorn.Server):
    """uvicorn, but gateways and waiting requests are told before their connections are closed."""

    def __init__(self, config: uvicorn.Config, cloud: Cloud, ready: Callable[[str], None] | None) -> None:
        """Serve this cloud; ``ready`` is called with its address once it answers."""
        super().__init__(config)
        self.cloud = cloud
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to :func:`main`: a stop that was asked for is no error, and a caller has signals of its own."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say where."""
        await super().startup(sockets)
        if self.started and sockets and not self.cloud.failed.is_set():
            host, port = sockets[0].getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            _log.info("cloud_ready", url=url, docs=f"{url}/docs")
            if self._ready is not None:
                self._ready(url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye, then stop as uvicorn does."""
        self.cloud.say_goodbye()
        await asyncio.sleep(0)  # the links' writers send their Bye
        await super().shutdown(sockets)


def _server(settings: Settings, ready: Callable[[str], None] | None) -> CloudServer:
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=HttpProtocol,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        limit_concurrency=CONNECTIONS,
        ws=LinkProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=None,  # kit/websockets.py looks for silence instead, which costs a SIM nothing
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    return CloudServer(config, app.state.cloud, ready)


def listen(settings: Settings) -> socket.socket:
    """Open the listening socket. Raises OSError naming the address when it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise OSError(
            error.errno, f"cannot listen on {where} ({error.strerror}): set LENTERA_HOST and LENTERA_PORT"
        ) from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


async def serve(
    settings: Settings, *, ready: Callable[[str], None] | None = None, stop: asyncio.Event | None = None
) -> None:
    """Serve in a running event loop until ``stop`` is set or the task is cancelled.

    Args:
        settings: where and with which stores.
        ready: called with the address once requests are answered.
        stop: set it to end the service.

    Raises:
        LenteraError: the service cannot go on, such as StoreSchemaError: the registry's schema is newer than this.
    """
    server = _server(settings, ready)
    listener = listen(settings)

    async def watch(event: asyncio.Event) -> None:
        await event.wait()
        server.should_exit = True

    cloud = server.cloud
    watchers = [asyncio.create_task(watch(event)) for event in (stop, cloud.failed) if event is not None]
    try:
        await server.serve([listener])
    finally:
        listener.close()
        for watcher in watchers:
            watcher.cancel()
    if cloud.failure is not None:
        raise cloud.failure


def main(settings: Settings) -> None:
    """Run the cloud until SIGTERM or SIGINT (for the command line).

    Raises LenteraError when it cannot go on (already logged): exit with 1.
    """
    import uvloop

    configure_logging(settings.log_level.value)
    gc.set_threshold(*COLLECT_AFTER)

    async def until_signalled() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await serve(settings, stop=stop)

    uvloop.run(until_signalled())
