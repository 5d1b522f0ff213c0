"""See and set how a gateway delivers; make it live while somebody looks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.delivery.schemas import DeliveryIn, DeliveryOut, WatchIn, delivery_out
from lentera_cloud.features.delivery.service import DeliveryService
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses
from lentera_model.identifiers import ID_PATTERN

router = APIRouter(prefix="/v1/gateways/{gateway_id}", tags=["gateways"])

Reader = Annotated[Principal, Depends(require(Permission.READ))]
Operator = Annotated[Principal, Depends(require(Permission.COMMAND))]
GatewayId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a gateway.", examples=["gw-stabat-01"])]


async def _service(request: Request) -> DeliveryService:
    return request.app.state.delivery


Service = Annotated[DeliveryService, Depends(_service)]


@router.get(
    "/delivery",
    summary="See how a gateway delivers",
    responses=problem_responses(
        ProblemCode.UNKNOWN_GATEWAY,
        needs=Permission.READ,
        invalid=("path.gateway_id", f"String should match pattern '{ID_PATTERN}'"),
    ),
)
async def get_delivery(gateway_id: GatewayId, who: Reader, service: Service) -> DeliveryOut:
    """Return what is set, who watches, and what the gateway's month has used."""
    return delivery_out(await service.get(who.tenant, gateway_id), service.now_ms())


@router.put(
    "/delivery",
    summary="Set how a gateway delivers",
    responses=problem_responses(
        ProblemCode.UNKNOWN_GATEWAY,
        needs=Permission.COMMAND,
        invalid=("body.month_day", "Input should be less than or equal to 28"),
    ),
)
async def put_delivery(gateway_id: GatewayId, body: DeliveryIn, who: Operator, service: Service) -> DeliveryOut:
    """Set mode, rate and monthly quota of a gateway's SIM. It obeys from now on, or from when its link opens."""
    return delivery_out(await service.set(who.tenant, gateway_id, body.settings()), service.now_ms())


@router.post(
    "/watch",
    summary="Watch a gateway live",
    responses=problem_responses(
        ProblemCode.UNKNOWN_GATEWAY,
        needs=Permission.COMMAND,
        invalid=("body.seconds", "Input should be less than or equal to 3600"),
    ),
)
async def watch_gateway(gateway_id: GatewayId, body: WatchIn, who: Operator, service: Service) -> DeliveryOut:
    """Let a gateway send each second while somebody looks. It falls back by itself unless it is asked again."""
    return delivery_out(await service.watch(who.tenant, gateway_id, body.seconds), service.now_ms())
