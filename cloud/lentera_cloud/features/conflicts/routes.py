"""Which values contradict what is stored?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.conflicts.schemas import ConflictsOut, conflicts_out
from lentera_cloud.features.conflicts.service import DEFAULT_LIMIT, MAX_LIMIT, ConflictsService
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses
from lentera_cloud.ports import ConflictQuery
from lentera_model.identifiers import ID_PATTERN

router = APIRouter(prefix="/v1/conflicts", tags=["series"])

Reader = Annotated[Principal, Depends(require(Permission.READ))]


async def _service(request: Request) -> ConflictsService:
    return request.app.state.conflicts


Service = Annotated[ConflictsService, Depends(_service)]


async def _asked(
    service: Service,
    device: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Of one device only.", examples=["meter-cabinet"])
    ] = None,
    quantity: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Of one quantity only.", examples=["power_active_total"])
    ] = None,
    from_: Annotated[
        str,
        Query(
            alias="from",
            max_length=40,
            description="First moment of the readings: RFC 3339, or before now like -1h, -7d.",
            examples=["-7d"],
        ),
    ] = "-7d",
    to: Annotated[
        str, Query(max_length=40, description="Moment after the last: RFC 3339, -10m, or now.", examples=["now"])
    ] = "now",
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="Most conflicts to give.", examples=[100])
    ] = DEFAULT_LIMIT,
) -> ConflictQuery:
    return service.question(from_, to, device, quantity, limit)


@router.get(
    "",
    summary="See values that contradict stored ones",
    responses=problem_responses(
        needs=Permission.READ,
        invalid=("query.from", "'yesterday' is no time: write it like 2026-11-25T01:02:03Z; or a span before now"),
    ),
)
async def get_conflicts(
    who: Reader, service: Service, asked: Annotated[ConflictQuery, Depends(_asked)]
) -> ConflictsOut:
    """Return values that came for a device, quantity and time at which another value was stored already.

    What came first stays in the series; what differs is kept here with the batch that brought it. Usual causes: two
    boards with one identity, two gateways on one meter, a clock that was set back.
    """
    return conflicts_out(await service.find(who.tenant, asked))
