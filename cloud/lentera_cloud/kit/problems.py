"""Error answers: RFC 9457 problem documents on every route, described in OpenAPI with examples."""

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from lentera_cloud.domain.problems import PROBLEMS, ProblemCode, type_of
from lentera_cloud.domain.roles import Permission
from lentera_cloud.kit.problem_examples import DETAILS, EXTRA, not_allowed_detail
from lentera_cloud.ports import StoreUnavailableError
from lentera_model.errors import LenteraError
from lentera_model.identifiers import InvalidIdError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2

_log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """One field of a request that does not fit."""

    field: str = Field(description="Where: body, query, path or header, then the names down to the field.")
    message: str = Field(description="What is wrong and what is allowed.")


class ProblemDocument(BaseModel):
    """Why a request was not carried out (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URI of the kind of problem.", examples=["urn:lentera:problem:unknown_device"])
    title: str = Field(description="The kind of problem in words; the same for each of its kind.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong here, and what to do about it.")
    code: str = Field(description="Stable, machine-readable cause.", examples=["unknown_device"])
    errors: list[FieldError] | None = Field(None, description="With 422: every field that does not fit.")
    nonce: str | None = Field(
        None, description="With code clock_untrusted, for gateways: sign the next token with this in claim `nonce`."
    )


class Problem(Exception):
    """Raised anywhere below a route to answer with a problem document.

    Attributes:
        code: what kind; it fixes status and title.
        detail: what was wrong here and what to do.
        errors: fields that do not fit, with 422.
        extra: further members of the document.
        retry_after_s: with status 503, after how long the same may be tried again.
    """

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        errors: list[FieldError] | None = None,
        extra: Mapping[str, Any] | None = None,
        retry_after_s: int = RETRY_AFTER_S,
    ) -> None:
        """Make a problem of a kind with what is particular to this case."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s

    def document(self) -> dict[str, Any]:
        """Return the answer's body."""
        status, title = PROBLEMS[self.code]
        document: dict[str, Any] = {
            "type": type_of(self.code),
            "title": title,
            "status": int(status),
            "detail": self.detail,
            "code": self.code.value,
        } | self.extra
        if self.errors is not None:
            document["errors"] = [error.model_dump() for error in self.errors]
        return document

    def response(self) -> Response:
        """Return the HTTP answer."""
        status = PROBLEMS[self.code][0]
        headers: dict[str, str] = {}
        if status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="lentera"'
        if status == 503:
            headers["Retry-After"] = str(self.retry_after_s)
        return JSONResponse(self.document(), int(status), headers, MEDIA_TYPE)


def invalid_field(field: str, message: str) -> Problem:
    """Return the problem of one field that does not fit; ``field`` such as ``query.from``."""
    return Problem(
        ProblemCode.INVALID_REQUEST, f"{field}: {message}", errors=[FieldError(field=field, message=message)]
    )


def problem_of(error: LenteraError) -> Problem:
    """Return the problem that an error of ours amounts to when no route has said it better."""
    if isinstance(error, StoreUnavailableError):
        return Problem(ProblemCode.STORE_UNAVAILABLE, "A store cannot be reached now: try again in a few seconds.")
    if isinstance(error, InvalidIdError):
        return Problem(ProblemCode.INVALID_REQUEST, str(error))
    return Problem(ProblemCode.INTERNAL, "The service failed; its log says why.")


def problem_responses(
    *codes: ProblemCode,
    needs: Permission | None = None,
    invalid: tuple[str, str] | None = None,
    details: Mapping[ProblemCode, str] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """Describe for OpenAPI which problems a route answers with, each with an answer as the service gives it.

    Args:
        codes: what is particular to the route; that a store may be away is added.
        needs: the permission behind which the route lies: the problems of API tokens are added.
        invalid: a field and what may be wrong with it, for a route that takes anything: invalid_request is added.
        details: what this route says otherwise than :mod:`lentera_cloud.kit.problem_examples`.
    """
    said = dict(DETAILS) | dict(details or {})
    every = [*codes, ProblemCode.STORE_UNAVAILABLE, ProblemCode.BUSY]
    if needs is not None:
        every += [ProblemCode.NO_TOKEN, ProblemCode.BAD_TOKEN]
        if (refused := not_allowed_detail(needs)) is not None:
            said[ProblemCode.NOT_ALLOWED] = refused
            every.append(ProblemCode.NOT_ALLOWED)
    documents = [Problem(code, said[code], extra=EXTRA.get(code)).document() for code in every]
    if invalid is not None:
        documents.append(invalid_field(*invalid).document())
    described: dict[int | str, dict[str, Any]] = {}
    for document in documents:
        schema = {"$ref": "#/components/schemas/ProblemDocument"}
        empty = {"description": document["title"], "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}}
        examples = described.setdefault(document["status"], empty)["content"][MEDIA_TYPE]["examples"]
        examples[document["code"]] = {"summary": document["title"], "value": document}
    return described


def _from_validation(error: RequestValidationError) -> Problem:
    errors = [
        FieldError(field=".".join(str(part) for part in one["loc"]), message=one["msg"].removeprefix("Value error, "))
        for one in error.errors()
    ]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(ProblemCode.INVALID_REQUEST, f"{first.field}: {first.message}{more}", errors=errors)


def _from_http(error: HTTPException) -> Response:
    code = ProblemCode.METHOD_NOT_ALLOWED if error.status_code == 405 else ProblemCode.NOT_FOUND
    if error.status_code not in (404, 405):
        code = ProblemCode.INVALID_REQUEST
    response = Problem(code, str(error.detail)).response()
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - registered for this class
        return error.response()

    async def on_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, LenteraError)  # noqa: S101
        problem = problem_of(error)
        level = "warning" if problem.code is not ProblemCode.INTERNAL else "error"
        getattr(_log, level)("request_failed", path=request.url.path, code=error.code, error=str(error))
        return problem.response()

    async def on_validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return _from_validation(error).response()

    async def on_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return _from_http(error)

    async def on_anything(request: Request, error: Exception) -> Response:
        _log.error("request_crashed", path=request.url.path, exc_info=error)
        return Problem(ProblemCode.INTERNAL, "The service failed; its log says why.").response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(LenteraError, on_ours)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_anything)
