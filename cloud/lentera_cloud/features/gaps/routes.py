"""When may values be missing, and why?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.gaps.schemas import GapsOut, gaps_out
from lentera_cloud.features.gaps.service import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, GapsService
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses
from lentera_cloud.ports import GapQuery
from lentera_model.identifiers import ID_PATTERN

router = APIRouter(prefix="/v1", tags=["gateways"])

Reader = Annotated[Principal, Depends(require(Permission.READ))]
GatewayId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a gateway.", examples=["gw-stabat-01"])]
_BAD_TIME = ("query.from", "'yesterday' is no time: write it like 2026-11-25T01:02:03Z; or a span before now")


async def _service(request: Request) -> GapsService:
    return request.app.state.gaps


Service = Annotated[GapsService, Depends(_service)]


async def _asked(
    service: Service,
    from_: Annotated[
        str,
        Query(
            alias="from",
            max_length=40,
            description="Gaps that end at or after this moment: RFC 3339, or before now like -1h, -7d.",
            examples=["-7d"],
        ),
    ] = "-7d",
    to: Annotated[
        str, Query(max_length=40, description="Gaps that begin before it: RFC 3339, -10m, or now.", examples=["now"])
    ] = "now",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most gaps to give.", examples=[100])] = DEFAULT_LIMIT,
    offset: Annotated[
        int, Query(ge=0, le=MAX_OFFSET, description="How many of them earlier pages gave.", examples=[0])
    ] = 0,
) -> GapQuery:
    return service.question(from_, to, limit, offset)


Asked = Annotated[GapQuery, Depends(_asked)]


@router.get(
    "/gaps",
    summary="See known gaps",
    responses=problem_responses(needs=Permission.READ, invalid=_BAD_TIME),
)
async def get_gaps(who: Reader, service: Service, asked: Asked) -> GapsOut:
    """Return the times in which values may be or are missing, with the reason, as the tenant's gateways told.

    A gateway tells after its start what its last end may have cost, and at any time what it had to give up. It tells
    a gap until the cloud has it. What is in no gap and is not stored either was never read, or is still on its way.
    """
    return gaps_out(await service.find(who.tenant, asked))


@router.get(
    "/gateways/{gateway_id}/gaps",
    summary="See a gateway's known gaps",
    responses=problem_responses(ProblemCode.UNKNOWN_GATEWAY, needs=Permission.READ, invalid=_BAD_TIME),
)
async def get_gateway_gaps(gateway_id: GatewayId, who: Reader, service: Service, asked: Asked) -> GapsOut:
    """Return the times in which values of this gateway's devices may be or are missing, with the reason."""
    return gaps_out(await service.of_gateway(who.tenant, gateway_id, asked))
