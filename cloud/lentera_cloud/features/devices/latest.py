"""The newest values of each device in memory, so that a reading is shown as soon as it is stored.

Filled from the store where a device is asked for the first time, then kept up by what this process stores. It is
meant for one process that holds the links; replicas behind a balancer would each know their own links' readings.
"""

from collections.abc import Iterable
from operator import attrgetter

from lentera_cloud.domain.events import ReadingsStored
from lentera_cloud.ports import LatestValue, TimeSeries
from lentera_model.readings import Reading

Values = dict[str, LatestValue]


class LatestValues:
    """A cache of the newest value of each quantity of each device."""

    def __init__(self, series: TimeSeries) -> None:
        """Fill from this store."""
        self._series = series
        self._values: dict[tuple[str, str], Values] = {}
        self._loaded: set[tuple[str, str]] = set()

    async def on_stored(self, event: ReadingsStored) -> None:
        """Take readings that were stored; an older one never replaces a newer one."""
        newest: dict[str, dict[str, Reading]] = {}
        for reading in sorted(event.readings, key=attrgetter("at_ms")):  # an entry a quantity, whatever the backlog
            newest.setdefault(reading.device, {}).update(dict.fromkeys(reading.values, reading))
        for device, readings in newest.items():
            known = self._values.setdefault((event.tenant, device), {})
            for name, reading in readings.items():
                before = known.get(name)
                if before is None or before.at_ms <= reading.at_ms:
                    known[name] = LatestValue(reading.values[name], reading.at_ms, reading.quality)

    async def of(self, tenant: str, devices: Iterable[str]) -> dict[str, Values]:
        """Return the newest values of devices; one without any is absent.

        Raises StoreUnavailableError when the store must be asked and cannot be reached.
        """
        wanted = list(devices)
        missing = [device for device in wanted if (tenant, device) not in self._loaded]
        if missing:
            stored = await self._series.latest(tenant, missing)
            for device in missing:
                self._merge(tenant, device, stored.get(device, {}))
        return {device: values for device in wanted if (values := self._values.get((tenant, device)))}

    def _merge(self, tenant: str, device: str, stored: Values) -> None:
        known = self._values.setdefault((tenant, device), {})
        for name, value in stored.items():
            if name not in known or known[name].at_ms < value.at_ms:
                known[name] = value
        self._loaded.add((tenant, device))
