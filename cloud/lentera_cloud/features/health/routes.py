"""Is the service well? Open to everybody, for load balancers and for people."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from lentera_cloud.features.health.schemas import HealthOut
from lentera_cloud.features.health.service import HealthService
from lentera_cloud.kit.stores import OK

router = APIRouter(tags=["health"])


async def _service(request: Request) -> HealthService:
    return request.app.state.health


@router.get("/v1/health", summary="See whether the service is well")
async def get_health(request: Request, service: Annotated[HealthService, Depends(_service)]) -> HealthOut:
    """Answer 200 as long as the service runs; `status` says whether it can do its work. Needs no token."""
    registry, series, ingest = await service.check()
    return HealthOut(
        status="ok" if registry == series == ingest == OK else "degraded",
        version=request.app.version,
        registry=registry,
        series=series,
        ingest=ingest,
    )
