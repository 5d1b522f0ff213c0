"""What the cloud needs from the outside world: a store of series, a registry of things and people, and a clock.

Every port here has one contract test which every adapter must pass, on real servers too. Times are integer
milliseconds since the Unix epoch, UTC (``*_ms``). Every method takes the tenant first, except the look-ups that
establish who is speaking (an API token or a gateway's key) and the jobs of the background worker.
"""

from lentera_cloud.ports.clock import Clock
from lentera_cloud.ports.errors import (
    AlreadyExistsError,
    IdempotencyConflictError,
    StoreError,
    StoreRefusedError,
    StoreSchemaError,
    StoreUnavailableError,
)
from lentera_cloud.ports.registry import (
    Commands,
    Conflicts,
    Deliveries,
    Devices,
    Gaps,
    Gateways,
    Jobs,
    Links,
    Receipts,
    Registry,
    Spans,
    Tenants,
)
from lentera_cloud.ports.rows import (
    ApiToken,
    CommandRecord,
    CommandRow,
    ConflictCount,
    ConflictQuery,
    ConflictRow,
    DeliveryRow,
    DeliverySettings,
    DeviceRow,
    GapCount,
    GapQuery,
    GapRow,
    GatewayRow,
    LinkRow,
    RefusalCount,
    Renewal,
)
from lentera_cloud.ports.series import (
    Aggregate,
    HourlyCounts,
    LatestValue,
    SeriesPoint,
    SeriesQuery,
    SeriesResult,
    TimeSeries,
)
from lentera_cloud.ports.signals import Signals
from lentera_cloud.ports.tallies import Backlog, Tallies

__all__ = [
    "Aggregate",
    "AlreadyExistsError",
    "ApiToken",
    "Backlog",
    "Clock",
    "CommandRecord",
    "CommandRow",
    "Commands",
    "ConflictCount",
    "ConflictQuery",
    "ConflictRow",
    "Conflicts",
    "Deliveries",
    "DeliveryRow",
    "DeliverySettings",
    "DeviceRow",
    "Devices",
    "GapCount",
    "GapQuery",
    "GapRow",
    "Gaps",
    "GatewayRow",
    "Gateways",
    "HourlyCounts",
    "IdempotencyConflictError",
    "Jobs",
    "LatestValue",
    "LinkRow",
    "Links",
    "Receipts",
    "RefusalCount",
    "Registry",
    "Renewal",
    "SeriesPoint",
    "SeriesQuery",
    "SeriesResult",
    "Signals",
    "Spans",
    "StoreError",
    "StoreRefusedError",
    "StoreSchemaError",
    "StoreUnavailableError",
    "Tallies",
    "Tenants",
    "TimeSeries",
]
