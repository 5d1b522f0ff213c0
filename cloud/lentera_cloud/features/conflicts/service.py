"""Looking up the values that are kept beside the stored ones."""

from dataclasses import dataclass, replace
from typing import Final

from lentera_cloud.kit.moments import moment_ms
from lentera_cloud.ports import Clock, ConflictQuery, ConflictRow, Conflicts

DEFAULT_LIMIT: Final = 1_000
MAX_LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class ConflictsView:
    """The conflicts asked for, whether the limit cut some off, and how many are kept of all times."""

    rows: list[ConflictRow]
    truncated: bool
    kept: int


class ConflictsService:
    """Answers `GET /v1/conflicts`."""

    def __init__(self, conflicts: Conflicts, clock: Clock) -> None:
        """Use these."""
        self._conflicts = conflicts
        self._clock = clock

    def question(self, from_: str, to: str, device: str | None, quantity: str | None, limit: int) -> ConflictQuery:
        """Turn the words of a request into a question.

        Raises:
            Problem: invalid_request, naming the parameter.
        """
        now_ms = self._clock.now_ms()
        from_ms, to_ms = moment_ms("query.from", from_, now_ms), moment_ms("query.to", to, now_ms)
        return ConflictQuery(from_ms, to_ms, device, quantity, limit)

    async def find(self, tenant: str, q: ConflictQuery) -> ConflictsView:
        """Return the tenant's conflicts, those of the newest readings first."""
        rows = await self._conflicts.find(tenant, replace(q, limit=q.limit + 1))
        counts = await self._conflicts.counts(tenant)
        kept = sum(
            one.values for one in counts if q.device in (None, one.device) and q.quantity in (None, one.quantity)
        )
        return ConflictsView(rows[: q.limit], len(rows) > q.limit, kept)
