"""What does Prometheus scrape?"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.metrics.service import MetricsService
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses

router = APIRouter(prefix="/v1/metrics", tags=["health"])

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_EXAMPLE = """\
# HELP lentera_conflicting_values_total Values that differ from the stored one of the same device, quantity and time.
# TYPE lentera_conflicting_values_total counter
lentera_conflicting_values_total{device="meter-cabinet",quantity="power_active_total"} 3
"""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The metrics, in Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


async def _service(request: Request) -> MetricsService:
    return request.app.state.metrics


@router.get(
    "",
    summary="Scrape metrics",
    response_class=Response,
    responses=_ANSWERS | problem_responses(needs=Permission.READ),
)
async def get_metrics(
    who: Annotated[Principal, Depends(require(Permission.READ))], service: Annotated[MetricsService, Depends(_service)]
) -> Response:
    """Return figures of the token's tenant for Prometheus.

    Counters of values in conflict, refused readings and known gaps; the last full hour's completeness of each device;
    how each gateway is. They come from the registry and the store, so every replica gives the same and a restart sets
    no counter back.
    """
    return Response(await service.text(who.tenant), media_type=TEXT_TYPE)
