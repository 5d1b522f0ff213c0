"""The API's answers as typed, frozen records; a field that this version does not know is ignored.

Times are aware datetimes in UTC. Levels are percent of full output, powers watts, as the API gives them.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

FINAL_COMMAND_STATES = frozenset({"succeeded", "failed", "cancelled"})


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base: frozen, by keyword; unknown fields are ignored so that an older client reads a newer cloud."""


class Health(_Answer, frozen=True, kw_only=True):
    """GET /v1/health: `status` is ok or degraded; `registry`, `series` and `ingest` say in words which part it is."""

    status: str
    version: str
    registry: str
    series: str
    ingest: str = "ok"


class LatestValue(_Answer, frozen=True, kw_only=True):
    """The newest value of one quantity, in `unit`, read at `at`; `quality` as the API names it."""

    value: float
    unit: str | None
    at: datetime
    quality: int | str = 0


class Level(_Answer, frozen=True, kw_only=True):
    """A lamp's level: what was last commanded and what was last measured, each None while unknown."""

    commanded_percent: float | None = None
    measured_percent: float | None = None


class Device(_Answer, frozen=True, kw_only=True):
    """A meter or a luminaire with its newest values; `online` is None while nobody knows."""

    device_id: str
    name: str
    kind: str
    profile: str
    gateway_id: str | None = None
    online: bool | None = None
    online_reason: str | None = None
    last_reading_at: datetime | None = None
    latest: dict[str, LatestValue] = {}
    level: Level | None = None


class Gateway(_Answer, frozen=True, kw_only=True):
    """A registered gateway; `journal_waiting` counts sealed batches that it has not yet delivered."""

    gateway_id: str
    name: str
    online: bool | None = None
    last_seen_at: datetime | None = None
    agent_version: str | None = None
    journal_waiting: int | None = None


class Conflict(_Answer, frozen=True, kw_only=True):
    """A value that came for a time at which another was stored already, and the batch that brought it."""

    device_id: str
    quantity: str
    at: datetime
    stored_value: float
    other_value: float
    gateway_id: str
    epoch: int
    sequence: int
    noted_at: datetime | None = None


class Conflicts(_Answer, frozen=True, kw_only=True):
    """Conflicts, the newest readings first; `kept` counts those of all time."""

    items: list[Conflict]
    truncated: bool = False
    kept: int = 0


class Delivery(_Answer, frozen=True, kw_only=True):
    """How a gateway delivers; no mode and 0 mean that its own file decides. `month_bytes` is what it last told."""

    gateway_id: str
    mode: str | None = None
    rate_bytes_s: int = 0
    quota_bytes: int = 0
    month_day: int = 0
    watched_until: datetime | None = None
    month_bytes: int = 0
    detail_s: int = 0
    held_back_by_quota: bool = False


class Hole(_Answer, frozen=True, kw_only=True):
    """Batches that are not stored though later ones of their epoch are, both ends included."""

    first: int
    last: int


class EpochReceipts(_Answer, frozen=True, kw_only=True):
    """How far the batches of one epoch of a gateway have come: up to `high_water` every one is stored."""

    epoch: int
    high_water: int
    newest: int
    missing: int
    holes: list[Hole]
    changed_at: datetime


class Gap(_Answer, frozen=True, kw_only=True):
    """A time in which values of a gateway's devices may be or are missing; `devices` empty means all of them."""

    gateway_id: str
    epoch: int
    number: int
    reason: str
    from_: datetime = msgspec.field(name="from")
    to: datetime
    told_from: datetime
    devices: list[str] = []
    detail_s: int = 0
    values: int = 0
    uncertainty_ms: int = 0
    noted_at: datetime | None = None


class Gaps(_Answer, frozen=True, kw_only=True):
    """Known gaps, those that ended last first; `next_offset` is None where there are no more."""

    items: list[Gap]
    next_offset: int | None = None


class ReasonAnswer(_Answer, frozen=True, kw_only=True):
    """Why an execution failed: a code of the closed list and a sentence."""

    code: str
    text: str | None = None


class ExecutionAnswer(_Answer, frozen=True, kw_only=True):
    """One device's part of a command; `confirmed_by` is readback, power or echo (an echo proves nothing)."""

    execution_id: str
    device_id: str
    gateway_id: str | None = None
    state: str
    attempt: int = 0
    reason: ReasonAnswer | None = None
    confirmed_by: str | None = None
    result: dict[str, float] | None = None
    changed_at: datetime | None = None
    expires_at: datetime | None = None


class Command(_Answer, frozen=True, kw_only=True):
    """A command and its executions; `status` is running until every execution is final."""

    command_id: str
    name: str
    args: dict[str, float]
    created_at: datetime
    created_by: str | None = None
    status: str
    executions: list[ExecutionAnswer] = []
    counts: dict[str, int] = {}

    @property
    def final(self) -> bool:
        """True once the command will not change any more."""
        return self.status in FINAL_COMMAND_STATES


class QuantityAnswer(_Answer, frozen=True, kw_only=True):
    """Name and SI unit of a column of a series; None for a quantity that only a newer gateway knows."""

    name: str
    unit: str | None


class Point(_Answer, frozen=True, kw_only=True):
    """One row of a series: at `at`, a value a quantity or None where there is none."""

    at: datetime
    values: dict[str, float | None]
    quality: int | str | None = None


class Series(_Answer, frozen=True, kw_only=True):
    """GET /v1/series: the points in time order; `truncated` says that the limit cut the rest off."""

    device: str
    quantities: list[QuantityAnswer]
    points: list[Point]
    truncated: bool = False


class Counts(_Answer, frozen=True, kw_only=True):
    """Numbers of values; `expected` (None: nobody knows) is received + unchanged + estimated + missing."""

    expected: int | None
    received: int
    unchanged: int
    estimated: int
    missing: int
    extra: int = 0
    unscheduled: int = 0
    complete_percent: float | None = None
    reasons: dict[str, int] = {}


class CountsAt(Counts, frozen=True, kw_only=True):
    """The numbers of the hour or day that begins at `at`."""

    at: datetime


class CompletenessItem(Counts, frozen=True, kw_only=True):
    """The numbers of a gateway, a device or a quantity of a device, and of each of its steps in time order."""

    gateway_id: str
    device_id: str | None = None
    quantity: str | None = None
    steps: list[CountsAt] = []


class Completeness(_Answer, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """GET /v1/completeness: items, the worst first; `next_offset` is where the next page begins, None on the last."""

    start: datetime
    end: datetime
    total: Counts
    items: list[CompletenessItem]
    next_offset: int | None = None


class Items(_Answer, frozen=True, kw_only=True):
    """A page of raw items, decoded further by the call that asked for them."""

    items: list[msgspec.Raw] = []


class Problem(_Answer, frozen=True, kw_only=True):
    """RFC 9457 problem+json, with our `code` and the list of wrong fields."""

    title: str = ""
    detail: str | None = None
    code: str = ""
    status: int = 0
    errors: list[msgspec.Raw] | None = None
