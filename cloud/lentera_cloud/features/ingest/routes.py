"""The ways in: ``WS /v1/link`` for a live gateway, ``POST /v1/batches`` for what is carried home on a stick."""

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, WebSocket

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.features.ingest.context import LinkContext
from lentera_cloud.features.ingest.schemas import BatchAnswer, answer_of
from lentera_cloud.features.ingest.service import FULL
from lentera_cloud.features.ingest.session import LinkSession
from lentera_cloud.kit.crowding import busy
from lentera_cloud.kit.identity import Identity, require_gateway
from lentera_cloud.kit.problems import Problem, problem_of, problem_responses
from lentera_cloud.ports import GatewayRow, StoreUnavailableError
from lentera_model.batch import DEFAULT_LIMITS
from lentera_model.errors import LenteraError

ANSWER_WITHIN_S = 20.0
"""A posted batch that is not durable by then is answered 503; posting it again is safe."""

_log = structlog.get_logger(__name__)

router = APIRouter(tags=["ingest"])

_SEALED_BODY = {
    "required": True,
    "description": "The bytes of one sealed batch, as the gateway's journal keeps them (docs/formats/batch.md): "
    f"a header, then compressed columns, at most {DEFAULT_LIMITS.sealed_bytes:,} bytes. "
    "With curl: `--data-binary @FILE -H 'Content-Type: application/octet-stream'`.",
    "content": {
        "application/octet-stream": {
            "schema": {"type": "string", "format": "binary", "description": "One sealed batch, unchanged."}
        }
    },
}


@router.websocket("/v1/link")
async def link(websocket: WebSocket) -> None:
    """Carry a gateway's batches, commands and results over one websocket (docs/formats/link.md)."""
    context: LinkContext = websocket.app.state.links
    identity: Identity = websocket.app.state.identity
    try:
        if context.hub.closing:
            raise StoreUnavailableError("the service is stopping")
        ticket = context.door.enter(len(context.hub))
    except (Problem, LenteraError) as error:
        await _deny(websocket, error)
        return
    try:
        async with context.door.turn():
            gateway = await identity.gateway(websocket.headers.get("authorization"))
        await websocket.accept()
        await LinkSession(context, gateway, websocket, ticket).run()
    except (Problem, LenteraError) as error:
        await _deny(websocket, error)
    finally:
        ticket.leave()


async def _deny(websocket: WebSocket, error: Problem | LenteraError) -> None:
    problem = error if isinstance(error, Problem) else problem_of(error)
    _log.info("link_refused", code=problem.code, detail=problem.detail)
    await websocket.send_denial_response(problem.response())


@router.post(
    "/v1/batches",
    summary="Bring a sealed batch",
    responses=problem_responses(
        ProblemCode.NO_TOKEN,
        ProblemCode.BAD_TOKEN,
        ProblemCode.CLOCK_UNTRUSTED,
        ProblemCode.GATEWAY_REVOKED,
        ProblemCode.BATCH_REFUSED,
        ProblemCode.TOO_LARGE,
        details={
            ProblemCode.BAD_TOKEN: "The gateway's token is not valid (Signature verification failed): is it signed by "
            "the registered key?"
        },
    ),
    openapi_extra={"requestBody": _SEALED_BODY},
)
async def post_batch(request: Request, gateway: Annotated[GatewayRow, Depends(require_gateway)]) -> BatchAnswer:
    """Store one sealed batch exactly as the link would, with the same judgement.

    For data that comes on a stick, or over a network that lets no websocket through. The body is the sealed bytes,
    as the gateway's journal keeps them. Posting a batch again is safe: it is known by gateway, epoch and sequence.
    """
    context: LinkContext = request.app.state.links
    held = context.ingest.budget.hold(_announced(request))
    if held is None:
        raise busy(FULL)
    try:
        sealed = await _body(request)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            verdict = await asyncio.shield(await context.ingest.admit(gateway, sealed, held))
    except TimeoutError as error:
        detail = "The batch is not stored yet: post it again later, that is safe."
        raise Problem(ProblemCode.STORE_UNAVAILABLE, detail) from error
    finally:
        held.release()
    if verdict.code is not None:
        raise Problem(ProblemCode.BATCH_REFUSED, verdict.text, extra={"refusal": verdict.code.value})
    return answer_of(verdict)


def _announced(request: Request) -> int:
    """Return how many bytes the body will have; the most that it may where it does not say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdigit() else DEFAULT_LIMITS.sealed_bytes


async def _body(request: Request) -> bytes:
    """Read the body, but never more than a batch may be."""
    parts = bytearray()
    async for chunk in request.stream():
        parts += chunk
        if len(parts) > DEFAULT_LIMITS.sealed_bytes:
            limit = DEFAULT_LIMITS.sealed_bytes
            raise Problem(ProblemCode.TOO_LARGE, f"A batch has at most {limit} bytes: seal smaller ones.")
    return bytes(parts)
