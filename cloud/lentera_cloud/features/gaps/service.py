"""Looking up the known gaps of gateways."""

from dataclasses import dataclass, replace
from typing import Final

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.kit.moments import moment_ms
from lentera_cloud.kit.problems import Problem
from lentera_cloud.ports import Clock, GapQuery, GapRow, Gaps, Gateways

DEFAULT_LIMIT: Final = 500
MAX_LIMIT: Final = 5_000
MAX_OFFSET: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class GapsView:
    """The gaps asked for, and where the next page begins (None: there is none)."""

    rows: list[GapRow]
    next_offset: int | None


class GapsService:
    """Answers `GET /v1/gaps` and `GET /v1/gateways/{id}/gaps`."""

    def __init__(self, gaps: Gaps, gateways: Gateways, clock: Clock) -> None:
        """Use these."""
        self._gaps = gaps
        self._gateways = gateways
        self._clock = clock

    def question(self, from_: str, to: str, limit: int, offset: int) -> GapQuery:
        """Turn the words of a request into a question.

        Raises:
            Problem: invalid_request, naming the parameter.
        """
        now_ms = self._clock.now_ms()
        return GapQuery(moment_ms("query.from", from_, now_ms), moment_ms("query.to", to, now_ms), None, limit, offset)

    async def find(self, tenant: str, q: GapQuery) -> GapsView:
        """Return the tenant's gaps, those that ended last first."""
        rows = await self._gaps.find(tenant, replace(q, limit=q.limit + 1))
        return GapsView(rows[: q.limit], q.offset + q.limit if len(rows) > q.limit else None)

    async def of_gateway(self, tenant: str, gateway_id: str, q: GapQuery) -> GapsView:
        """Return the gaps of one gateway.

        Raises:
            Problem: unknown_gateway.
        """
        if await self._gateways.get(tenant, gateway_id) is None:
            raise Problem(
                ProblemCode.UNKNOWN_GATEWAY, f"There is no gateway {gateway_id!r}: GET /v1/gateways lists yours."
            )
        return await self.find(tenant, replace(q, gateway=gateway_id))
