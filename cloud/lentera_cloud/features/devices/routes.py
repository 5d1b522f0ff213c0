"""What devices are there, and how are they?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.devices.schemas import DeviceKind, DeviceOut, DevicesOut, MoveIn, device_out
from lentera_cloud.features.devices.service import DevicesService
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses
from lentera_model.identifiers import ID_PATTERN

router = APIRouter(prefix="/v1/devices", tags=["devices"])

Reader = Annotated[Principal, Depends(require(Permission.READ))]
Manager = Annotated[Principal, Depends(require(Permission.MANAGE_GATEWAYS))]
DeviceId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a device.", examples=["lamp-001"])]

_BAD_ID = ("path.device_id", f"String should match pattern '{ID_PATTERN}'")


async def _service(request: Request) -> DevicesService:
    return request.app.state.devices


Service = Annotated[DevicesService, Depends(_service)]


@router.get(
    "",
    summary="List devices",
    responses=problem_responses(
        ProblemCode.UNKNOWN_GATEWAY,
        needs=Permission.READ,
        invalid=("query.kind", "Input should be 'meter' or 'luminaire'"),
    ),
)
async def list_devices(
    who: Reader,
    service: Service,
    kind: Annotated[
        DeviceKind | None, Query(description="Only meters or only luminaires.", examples=["luminaire"])
    ] = None,
    gateway_id: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Only this gateway's devices.", examples=["gw-stabat-01"])
    ] = None,
) -> DevicesOut:
    """Return the tenant's devices with their newest values. A reading shows here within seconds of being taken."""
    return DevicesOut(items=[device_out(view) for view in await service.of_tenant(who.tenant, kind, gateway_id)])


@router.get(
    "/{device_id}",
    summary="See a device",
    responses=problem_responses(ProblemCode.UNKNOWN_DEVICE, needs=Permission.READ, invalid=_BAD_ID),
)
async def get_device(device_id: DeviceId, who: Reader, service: Service) -> DeviceOut:
    """Return one device. Another tenant's device is answered like one that does not exist."""
    return device_out(await service.get(who.tenant, device_id))


@router.put(
    "/{device_id}/gateway",
    summary="Give a device to a gateway",
    responses=problem_responses(
        ProblemCode.UNKNOWN_DEVICE,
        ProblemCode.UNKNOWN_GATEWAY,
        needs=Permission.MANAGE_GATEWAYS,
        invalid=("body.gateway_id", "Field required"),
        details={ProblemCode.UNKNOWN_GATEWAY: "There is no gateway 'gw-stabat-99': register it first."},
    ),
)
async def move_device(device_id: DeviceId, body: MoveIn, who: Manager, service: Service) -> DeviceOut:
    """Decide which gateway speaks for a device, after it was moved or its gateway replaced; its history stays.

    A gateway that merely claims another's device is flagged in `contested_by` and its readings of it are refused
    until a person decides here.
    """
    return device_out(await service.move(who.tenant, device_id, body.gateway_id))
