"""What did a device measure, and when?"""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Request as HttpRequest
from fastapi.openapi.models import Example
from fastapi.responses import StreamingResponse

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.series.asking import DEFAULT_LIMIT, MAX_LIMIT, MAX_QUANTITIES
from lentera_cloud.features.series.schemas import Format, SeriesOut, csv_head, csv_lines, to_json
from lentera_cloud.features.series.service import Request, SeriesService
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses
from lentera_cloud.ports import Aggregate, SeriesPoint, SeriesQuery
from lentera_model.identifiers import ID_PATTERN

router = APIRouter(prefix="/v1/series", tags=["series"])

CSV_TYPE = "text/csv; charset=utf-8"
_CSV_EXAMPLE = "at,power_active_total [W],quality\r\n2026-11-25T01:00:00.000Z,2381.5,good\r\n"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": SeriesOut,
        "description": "The points. With `format=csv`: a head with units, then a line a point, streamed.",
        "content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV_EXAMPLE}},
    }
}

Reader = Annotated[Principal, Depends(require(Permission.READ))]


def _tried(**values: Any) -> dict[str, Example]:
    """Return a parameter's examples by name; the first is what *Try it out* begins with, on the demo's street."""
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in values.items()}


async def _service(request: HttpRequest) -> SeriesService:
    return request.app.state.series


DeviceId = Annotated[
    str,
    Query(
        pattern=ID_PATTERN,
        description="Id of a device.",
        openapi_examples=_tried(the_cabinets_meter="meter-cabinet", a_lamp="lamp-001"),
    ),
]
Quantities = Annotated[
    list[str],
    Query(
        default_factory=list,
        max_length=MAX_QUANTITIES,
        description="Repeat it for several; none asks for all that the device has.",
        openapi_examples=_tried(power=["power_active_total"], power_and_voltage=["power_active_total", "voltage_l1"]),
    ),
]
From = Annotated[
    str,
    Query(
        alias="from",
        max_length=40,
        description="First moment: RFC 3339, or before now like -1h, -7d.",
        openapi_examples=_tried(an_hour_ago="-1h", a_moment="2026-11-25T01:00:00Z"),
    ),
]
To = Annotated[
    str,
    Query(
        max_length=40,
        description="Moment after the last: RFC 3339, -10m, or now.",
        openapi_examples=_tried(now="now", ten_minutes_ago="-10m"),
    ),
]
Every = Annotated[
    str | None,
    Query(
        max_length=12,
        description="Length of windows: 10s, 15m, 1h, 1d. They are multiples since 1970 in UTC; empty ones are left"
        " out. Without it every stored reading is a point.",
        openapi_examples=_tried(minutes="1m", quarters_of_an_hour="15m"),
    ),
]
HowToJoin = Annotated[
    Aggregate | None, Query(description="What to make of a window's readings; mean if left out.", examples=["mean"])
]
Limit = Annotated[
    int | None,
    Query(
        ge=1,
        le=MAX_LIMIT,
        description=f"Most points to give; with json {DEFAULT_LIMIT} if left out.",
        examples=[1000],
    ),
]


async def _asked(
    device: DeviceId,
    quantity: Quantities,
    from_: From = "-1h",
    to: To = "now",
    every: Every = None,
    aggregate: HowToJoin = None,
    limit: Limit = None,
) -> Request:
    return Request(device, quantity, from_, to, every, aggregate, limit)


@router.get(
    "",
    summary="Ask for a device's series",
    response_model=None,
    responses=_ANSWERS
    | problem_responses(
        ProblemCode.UNKNOWN_DEVICE,
        needs=Permission.READ,
        invalid=("query.quantity", "there is no quantity 'power_activ_total'; did you mean power_active_total?"),
    ),
)
async def get_series(
    who: Reader,
    service: Annotated[SeriesService, Depends(_service)],
    asked: Annotated[Request, Depends(_asked)],
    format: Annotated[Format, Query(description="json or csv.", examples=["json"])] = "json",  # noqa: A002 - the parameter's name
) -> Response:
    """Return what a device measured from `from` (included) to `to` (not), as stored or in windows of `every`.

    Values are in SI units. A value that was not read is null (CSV: an empty cell), never 0. `quality` is the worst of
    the readings that a point is made of. JSON is cut at `limit` points and says so in `truncated`; CSV is streamed to
    its end unless `limit` is given.
    """
    q = await service.question(who.tenant, asked)
    if format == "json":
        body = to_json(q.device, q.quantities, await service.answer(who.tenant, q))
        return Response(body, media_type="application/json")
    pages = service.pages(who.tenant, q, asked.limit)
    first = await anext(pages, [])  # before the answer begins: a store that is away is still a proper problem
    name = {"Content-Disposition": f'attachment; filename="{q.device}.csv"'}
    return StreamingResponse(_csv(q, first, pages), media_type=CSV_TYPE, headers=name)


async def _csv(q: SeriesQuery, first: list[SeriesPoint], more: AsyncIterator[list[SeriesPoint]]) -> AsyncIterator[str]:
    yield csv_head(q.quantities)
    yield csv_lines(q.quantities, first)
    async for points in more:
        yield csv_lines(q.quantities, points)
