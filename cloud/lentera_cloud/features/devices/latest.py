"""The newest values of each device in memory, so that a reading is shown as soon as it is stored.

Filled from the store where a device is asked for the first time, then kept up by what this process stores. Where
another replica may have stored more since, the store is asked again, but not more often than every few seconds.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Protocol

from lentera_cloud.domain.events import ReadingsStored
from lentera_cloud.ports import Clock, LatestValue
from lentera_model.readings import Reading

Values = dict[str, LatestValue]

GOOD_FOR_MS = 2_000
"""What was read from the store counts as new for this long, whoever may have stored more."""


class AskedSeries(Protocol):
    """What is asked of the series store; the port can, and its bounded form."""

    async def latest(self, tenant: str, devices: Sequence[str]) -> dict[str, Values]:
        """See the port."""
        ...


class LatestValues:
    """A cache of the newest value of each quantity of each device."""

    def __init__(self, series: AskedSeries, clock: Clock, sole_since_ms: Callable[[str], float]) -> None:
        """Fill from this store.

        ``sole_since_ms`` says since when nobody but this process can have stored readings of a gateway (infinity:
        others may).
        """
        self._series = series
        self._clock = clock
        self._sole_since_ms = sole_since_ms
        self._values: dict[tuple[str, str], Values] = {}
        self._loaded_ms: dict[tuple[str, str], int] = {}

    async def on_stored(self, event: ReadingsStored) -> None:
        """Take readings that were stored; an older one never replaces a newer one."""
        newest: dict[str, dict[str, Reading]] = {}
        shapes: set[tuple[str, ...]] = set()
        ordered = sorted(event.readings, key=attrgetter("at_ms"))
        ordered.reverse()  # the last of those of one time is still the newest
        for reading in ordered:
            shape = (reading.device, *reading.values)
            if shape not in shapes:  # few of a backlog's many rows bring a quantity of a device for the first time
                shapes.add(shape)
                own = newest.setdefault(reading.device, {})
                for name in reading.values:
                    own.setdefault(name, reading)
        for device, readings in newest.items():
            known = self._values.setdefault((event.tenant, device), {})
            for name, reading in readings.items():
                before = known.get(name)
                if before is None or before.at_ms <= reading.at_ms:
                    known[name] = LatestValue(reading.values[name], reading.at_ms, reading.quality)

    async def of(self, tenant: str, devices: Mapping[str, str]) -> dict[str, Values]:
        """Return the newest values of devices (each with its gateway); one without any is absent.

        Raises StoreUnavailableError when the store must be asked and cannot be reached.
        """
        now_ms = self._clock.now_ms()
        old = [device for device, gateway in devices.items() if not self._knows(tenant, device, gateway, now_ms)]
        if old:
            stored = await self._series.latest(tenant, old)
            for device in old:
                self._merge(tenant, device, stored.get(device, {}))
                self._loaded_ms[tenant, device] = now_ms
        return {device: values for device in devices if (values := self._values.get((tenant, device)))}

    def _knows(self, tenant: str, device: str, gateway: str, now_ms: int) -> bool:
        loaded_ms = self._loaded_ms.get((tenant, device), -math.inf)
        return loaded_ms >= min(now_ms - GOOD_FOR_MS, self._sole_since_ms(gateway))

    def _merge(self, tenant: str, device: str, stored: Values) -> None:
        known = self._values.setdefault((tenant, device), {})
        for name, value in stored.items():
            if name not in known or known[name].at_ms < value.at_ms:
                known[name] = value
