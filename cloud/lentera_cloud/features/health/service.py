"""What the stores' states add up to."""

import asyncio

from lentera_cloud.kit.stores import AWAY, OK, StoreState
from lentera_cloud.ports import Registry, StoreUnavailableError

PING_WITHIN_S = 2.0


class HealthService:
    """Answers whether the service can do its work."""

    def __init__(self, registry: Registry, registry_state: StoreState, series_state: StoreState) -> None:
        """Watch these; whoever uses a store keeps its state up to date."""
        self._registry = registry
        self._registry_state = registry_state
        self._series_state = series_state

    async def check(self) -> tuple[str, str]:
        """Return the states of the registry (asked now, once it has started) and of the series store."""
        registry = self._registry_state.state
        if registry == OK:
            try:
                async with asyncio.timeout(PING_WITHIN_S):
                    await self._registry.ping()
            except (StoreUnavailableError, TimeoutError):
                registry = AWAY
        return registry, self._series_state.state
