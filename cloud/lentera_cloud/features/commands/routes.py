"""Dim a lamp, follow what became of it, take it back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission
from lentera_cloud.features.commands.schemas import CommandIn, CommandOut, CommandsOut, command_out
from lentera_cloud.features.commands.service import CommandsService, CommandWish
from lentera_cloud.kit.identity import Principal, require
from lentera_cloud.kit.problems import problem_responses
from lentera_model.identifiers import ID_PATTERN

router = APIRouter(prefix="/v1/commands", tags=["commands"])

Reader = Annotated[Principal, Depends(require(Permission.READ))]
Commander = Annotated[Principal, Depends(require(Permission.COMMAND))]
CommandId = Annotated[
    str,
    Path(pattern=ID_PATTERN, description="Id that the POST answered with.", examples=["c_01K0ABCDEFGHJKMNPQRSTVWXYZ"]),
]


async def _service(request: Request) -> CommandsService:
    return request.app.state.commands


Service = Annotated[CommandsService, Depends(_service)]


@router.post(
    "",
    status_code=202,
    summary="Command a lamp",
    responses=problem_responses(
        ProblemCode.UNKNOWN_DEVICE,
        ProblemCode.NOT_A_LUMINAIRE,
        ProblemCode.IDEMPOTENCY_KEY_REUSED,
        needs=Permission.COMMAND,
        invalid=("body.args.level_percent", "Input should be less than or equal to 100"),
    ),
)
async def post_command(
    body: CommandIn,
    who: Commander,
    service: Service,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="A value of your own, e.g. a UUID: the same request with the same key within 24 hours is "
            "carried out once and answered alike.",
            examples=["0b9f5f0e-6d0c-4c0e-9a51-3f6a2f6f7c1d"],
        ),
    ] = None,
) -> CommandOut:
    """Ask for a light level and return at once; `GET /v1/commands/{id}?wait_s=20` waits for the outcome.

    The lamp has not acted when this answers: `sent` never means done. An offline gateway's command waits in the
    queue until its `ttl_s` is over.
    """
    wish = CommandWish(
        device=body.target.device,
        name=body.name,
        args={"level_percent": body.args.level_percent},
        ttl_ms=round(body.ttl_s * 1000),
        timeout_ms=round(body.timeout_s * 1000),
        retries=body.retries,
        idempotency_key=idempotency_key,
    )
    return command_out(await service.create(who.tenant, who.label, wish))


@router.get(
    "",
    summary="List commands",
    responses=problem_responses(
        needs=Permission.READ, invalid=("query.limit", "Input should be less than or equal to 500")
    ),
)
async def list_commands(
    who: Reader,
    service: Service,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at most.", examples=[20])] = 50,
) -> CommandsOut:
    """Return the newest commands of the tenant, newest first."""
    return CommandsOut(items=[command_out(record) for record in await service.newest(who.tenant, limit)])


@router.get(
    "/{command_id}",
    summary="Follow a command",
    responses=problem_responses(
        ProblemCode.UNKNOWN_COMMAND,
        needs=Permission.READ,
        invalid=("query.wait_s", "Input should be less than or equal to 30"),
    ),
)
async def get_command(
    command_id: CommandId,
    who: Reader,
    service: Service,
    wait_s: Annotated[
        float,
        Query(
            ge=0,
            le=30,
            allow_inf_nan=False,
            description="Wait this long at most for the command to be final.",
            examples=[20],
        ),
    ] = 0,
) -> CommandOut:
    """Return a command as it stands; with `wait_s`, as soon as it is final or the wait is over."""
    return command_out(await service.get(who.tenant, command_id, wait_s))


@router.post(
    "/{command_id}/cancel",
    summary="Take a command back",
    responses=problem_responses(
        ProblemCode.UNKNOWN_COMMAND,
        needs=Permission.COMMAND,
        invalid=("path.command_id", f"String should match pattern '{ID_PATTERN}'"),
    ),
)
async def cancel_command(command_id: CommandId, who: Commander, service: Service) -> CommandOut:
    """Cancel what waits; ask the gateway to drop what it has not begun. What runs ends as it will."""
    return command_out(await service.cancel(who.tenant, command_id))
