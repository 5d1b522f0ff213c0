"""How complete are the readings, and why is the rest missing?"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Request as HttpRequest
from fastapi.responses import StreamingResponse

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.completeness.asking import (
    DEFAULT_LIMIT,
    MAX_DEVICES,
    MAX_LIMIT,
    MAX_OFFSET,
    MAX_QUANTITIES,
    By,
    Request,
    Step,
)
from lentera_cloud.features.completeness.schemas import CompletenessOut, completeness_out, csv_lines
from lentera_cloud.features.completeness.service import CompletenessService
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses
from lentera_model.identifiers import ID_PATTERN

router = APIRouter(prefix="/v1/completeness", tags=["series"])

CSV_TYPE = "text/csv; charset=utf-8"
_CSV_EXAMPLE = (
    "gateway_id,device_id,quantity,at,expected,received,unchanged,estimated,missing,extra,unscheduled,complete_percent,"
    "reasons\r\ngw-stabat-01,meter-cabinet,,2026-11-25T01:00:00.000Z,10800,10260,0,0,540,0,0,95.0,silent=540\r\n"
)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": CompletenessOut,
        "description": "A page, the worst first. With `format=csv`: a line for every item and step, all of them.",
        "content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV_EXAMPLE}},
    }
}

Reader = Annotated[Principal, Depends(require(Permission.READ))]


async def _service(request: HttpRequest) -> CompletenessService:
    return request.app.state.completeness


DeviceIds = Annotated[
    list[str],
    Query(
        default_factory=list,
        max_length=MAX_DEVICES,
        description="Repeat it for several; none asks for all devices.",
        examples=[["meter-cabinet"]],
    ),
]
Quantities = Annotated[
    list[str],
    Query(
        default_factory=list,
        max_length=MAX_QUANTITIES,
        description="Only these; none asks for all.",
        examples=[["power_active_total"]],
    ),
]


async def _asked(
    device: DeviceIds,
    quantity: Quantities,
    gateway_id: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Only this gateway's devices.", examples=["gw-stabat-01"])
    ] = None,
    from_: Annotated[
        str,
        Query(
            alias="from",
            max_length=40,
            description="In the first hour: RFC 3339, or before now like -1d, -7d.",
            examples=["-1d"],
        ),
    ] = "-1d",
    to: Annotated[
        str, Query(max_length=40, description="In the last hour: RFC 3339, -1h, or now.", examples=["now"])
    ] = "now",
    by: Annotated[
        By, Query(description="What an item is: a gateway, a device, or a quantity of a device.", examples=["device"])
    ] = "device",
    step: Annotated[
        Step, Query(description="Cut the time of each item into hours or days; all: only the sum.", examples=["hour"])
    ] = "all",
    utc_offset: Annotated[
        str, Query(max_length=6, description="Where days begin, in whole hours.", examples=["+07:00"])
    ] = "+00:00",
) -> Request:
    return Request(device, gateway_id, quantity, from_, to, by, step, utc_offset)


@router.get(
    "",
    summary="See how complete readings are",
    response_model=None,
    responses=_ANSWERS
    | problem_responses(
        ProblemCode.UNKNOWN_DEVICE,
        ProblemCode.UNKNOWN_GATEWAY,
        needs=Permission.READ,
        invalid=("query.utc_offset", "'+7' is no offset of whole hours: write it like +07:00"),
    ),
)
async def get_completeness(
    who: Reader,
    service: Annotated[CompletenessService, Depends(_service)],
    asked: Annotated[Request, Depends(_asked)],
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="Most items of a page.", examples=[100])
    ] = DEFAULT_LIMIT,
    offset: Annotated[
        int, Query(ge=0, le=MAX_OFFSET, description="How many items earlier pages gave.", examples=[0])
    ] = 0,
    format: Annotated[str, Query(pattern="^(json|csv)$", description="json or csv.", examples=["json"])] = "json",  # noqa: A002 - the parameter's name
) -> Response:
    """Return how many values were due in whole hours, how many are stored, and why the others are missing.

    It is worked out anew at each call: readings that come late count at once. The running hour counts as far as it is
    over. A value that a gateway has, or may have, is `on_the_way`; what nobody can explain is `unknown`.
    """
    q = service.question(asked)
    answer = await service.answer(who.tenant, q)
    if format == "csv":
        name = {"Content-Disposition": 'attachment; filename="completeness.csv"'}
        return StreamingResponse(csv_lines(answer), media_type=CSV_TYPE, headers=name)
    body = completeness_out(q, answer, limit, offset).model_dump_json(by_alias=True)
    return Response(body, media_type="application/json")
