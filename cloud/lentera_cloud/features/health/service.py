"""What the stores' states add up to."""

import asyncio
from collections.abc import Callable

from lentera_cloud.kit.stores import AWAY, OK, StoreState
from lentera_cloud.ports import Registry, StoreUnavailableError

PING_WITHIN_S = 2.0


class HealthService:
    """Answers whether the service can do its work."""

    def __init__(
        self,
        registry: Registry,
        registry_state: StoreState,
        series_state: StoreState,
        ingest_trouble: Callable[[], str | None],
    ) -> None:
        """Watch these; whoever uses a store keeps its state up to date.

        ``ingest_trouble`` names the store that batches cannot be written to now, if there is one.
        """
        self._registry = registry
        self._registry_state = registry_state
        self._series_state = series_state
        self._ingest_trouble = ingest_trouble

    async def check(self) -> tuple[str, str, str]:
        """Return the states of the registry (asked now, once it has started), the series store and the ingest."""
        registry = self._registry_state.state
        if registry == OK:
            try:
                async with asyncio.timeout(PING_WITHIN_S):
                    await self._registry.ping()
            except (StoreUnavailableError, TimeoutError):
                registry = AWAY
        trouble = self._ingest_trouble()
        ingest = OK if trouble is None else f"waiting: the {trouble} store does not take batches now, see the log"
        return registry, self._series_state.state, ingest
