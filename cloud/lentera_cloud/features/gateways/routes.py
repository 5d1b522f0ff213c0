"""Register a gateway, see how all are, revoke a lost one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from lentera_cloud.domain.keys import read_public_key
from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.gateways.schemas import (
    GatewayIn,
    GatewayOut,
    GatewaysOut,
    ReceiptsOut,
    RefusalsOut,
    epoch_out,
    gateway_out,
    refusal_out,
)
from lentera_cloud.features.gateways.service import GatewaysService
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses
from lentera_model.identifiers import ID_PATTERN

router = APIRouter(prefix="/v1/gateways", tags=["gateways"])

Reader = Annotated[Principal, Depends(require(Permission.READ))]
Manager = Annotated[Principal, Depends(require(Permission.MANAGE_GATEWAYS))]
GatewayId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a gateway.", examples=["gw-stabat-01"])]

_BAD_ID = ("path.gateway_id", f"String should match pattern '{ID_PATTERN}'")


async def _service(request: Request) -> GatewaysService:
    return request.app.state.gateways


Service = Annotated[GatewaysService, Depends(_service)]


@router.post(
    "",
    status_code=201,
    summary="Register a gateway",
    responses=problem_responses(
        ProblemCode.ALREADY_EXISTS,
        needs=Permission.MANAGE_GATEWAYS,
        invalid=("body.gateway_id", f"String should match pattern '{ID_PATTERN}'"),
    ),
)
async def post_gateway(body: GatewayIn, who: Manager, service: Service) -> GatewayOut:
    """Let a gateway in from now on by its public key. The private key never leaves the board."""
    key = read_public_key(body.public_key)
    return gateway_out(await service.register(who.tenant, body.gateway_id, body.name, key))


@router.get("", summary="List gateways", responses=problem_responses(needs=Permission.READ))
async def list_gateways(who: Reader, service: Service) -> GatewaysOut:
    """Return the tenant's gateways: which are connected, what waits on them, what was refused."""
    return GatewaysOut(items=[gateway_out(view) for view in await service.of_tenant(who.tenant)])


@router.get(
    "/{gateway_id}",
    summary="See a gateway",
    responses=problem_responses(ProblemCode.UNKNOWN_GATEWAY, needs=Permission.READ, invalid=_BAD_ID),
)
async def get_gateway(gateway_id: GatewayId, who: Reader, service: Service) -> GatewayOut:
    """Return one gateway: whether it is connected, what waits on it, what was refused."""
    return gateway_out(await service.get(who.tenant, gateway_id))


@router.get(
    "/{gateway_id}/refusals",
    summary="See what was refused",
    responses=problem_responses(ProblemCode.UNKNOWN_GATEWAY, needs=Permission.READ, invalid=_BAD_ID),
)
async def get_refusals(gateway_id: GatewayId, who: Reader, service: Service) -> RefusalsOut:
    """Return which devices' readings of this gateway were refused, why, and how many."""
    return RefusalsOut(items=[refusal_out(one) for one in await service.refusals(who.tenant, gateway_id)])


@router.get(
    "/{gateway_id}/receipts",
    summary="See how far the batches have come",
    responses=problem_responses(
        ProblemCode.UNKNOWN_GATEWAY,
        needs=Permission.READ,
        invalid=("query.epochs", "Input should be less than or equal to 500"),
    ),
)
async def get_receipts(
    gateway_id: GatewayId,
    who: Reader,
    service: Service,
    epochs: Annotated[int, Query(ge=1, le=500, description="How many, the newest first.", examples=[5])] = 20,
) -> ReceiptsOut:
    """Return, for each boot epoch, up to which batch everything is stored, and which are not there between.

    A hole is no loss yet: its batch may be on its way or wait in the gateway's journal. An epoch ends at a restart;
    what a killed gateway had not sealed has no number, so it makes no hole.
    """
    return ReceiptsOut(items=[epoch_out(one) for one in await service.progress(who.tenant, gateway_id, epochs)])


@router.post(
    "/{gateway_id}/revoke",
    summary="Revoke a gateway",
    responses=problem_responses(ProblemCode.UNKNOWN_GATEWAY, needs=Permission.MANAGE_GATEWAYS, invalid=_BAD_ID),
)
async def revoke_gateway(gateway_id: GatewayId, who: Manager, service: Service) -> GatewayOut:
    """Refuse a lost or stolen gateway at once and for good. Its devices and their history stay."""
    return gateway_out(await service.revoke(who.tenant, gateway_id))
