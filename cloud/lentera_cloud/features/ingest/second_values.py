"""Before a group is written: which of its values may be in the store already, and which of those differ.

The registry knows which times of each device were claimed before. Where nothing overlaps, nothing is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lentera_cloud.domain.conflicts import Conflict, settle
from lentera_cloud.domain.spans import Range, StoredSpan, joined
from lentera_cloud.ports import TimeSeries
from lentera_model.batch import BatchKey
from lentera_model.readings import Reading

_ONE_READ_MS: Final = 600_000
"""Times to look up that lie closer than this are read in one go."""
_MOST_READS: Final = 64


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """What one batch brings of one device."""

    key: BatchKey
    device: str
    readings: Sequence[Reading]


def spans_of(rows: Sequence[DeviceRows]) -> list[StoredSpan]:
    """Return the span that each batch covers of each device."""
    found: list[StoredSpan] = []
    for one in rows:
        times = [reading.at_ms for reading in one.readings]
        found.append(StoredSpan(one.device, one.key.epoch, min(times), max(times)))
    return found


async def sift(
    series: TimeSeries, tenant: str, rows: Sequence[DeviceRows], met: dict[str, list[Range]]
) -> tuple[list[Sequence[Reading]], list[Conflict]]:
    """Leave out of a group what is stored already.

    Args:
        series: the store that the group is for.
        tenant: whose.
        rows: of the group, in the order in which it came.
        met: device -> ranges of times that were claimed before; only there is the store read.

    Returns:
        For each of the rows the readings to store (none of a replay), and the values that differ.

    Raises:
        StoreUnavailableError: the store cannot be read now.
    """
    kept: list[Sequence[Reading]] = [one.readings for one in rows]
    conflicts: list[Conflict] = []
    places: dict[str, list[int]] = {}
    for place, one in enumerate(rows):
        places.setdefault(one.device, []).append(place)
    for device, own in places.items():
        times = [reading.at_ms for place in own for reading in rows[place].readings]
        if device not in met and len(set(times)) == len(times):
            continue
        known = await _stored(series, tenant, device, times, met.get(device, []))
        for place in own:
            kept[place], found = settle(rows[place].readings, known, rows[place].key)
            conflicts.extend(found)
    return kept, conflicts


async def _stored(
    series: TimeSeries, tenant: str, device: str, times: Sequence[int], met: Sequence[Range]
) -> dict[int, Reading]:
    """Read what is stored at those of the times that lie in the ranges."""
    wanted = {at_ms for at_ms in times if any(begin <= at_ms <= end for begin, end in met)}
    found: dict[int, Reading] = {}
    for begin, end in joined(((at_ms, at_ms) for at_ms in wanted), _ONE_READ_MS, _MOST_READS):
        async for reading in series.raw(tenant, device, begin, end + 1):
            if reading.at_ms in wanted:
                found[reading.at_ms] = reading
    return found
