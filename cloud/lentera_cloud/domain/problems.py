"""Every problem the API can answer with: its code, HTTP status and title. Codes are stable, titles are for people."""

from enum import StrEnum
from http import HTTPStatus


class ProblemCode(StrEnum):
    """Stable machine-readable cause of an error answer."""

    INVALID_REQUEST = "invalid_request"
    NO_TOKEN = "no_token"  # noqa: S105 - a word, no secret
    BAD_TOKEN = "bad_token"  # noqa: S105
    CLOCK_UNTRUSTED = "clock_untrusted"
    GATEWAY_REVOKED = "gateway_revoked"
    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_GATEWAY = "unknown_gateway"
    UNKNOWN_COMMAND = "unknown_command"
    ALREADY_EXISTS = "already_exists"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    NOT_A_LUMINAIRE = "not_a_luminaire"
    BATCH_REFUSED = "batch_refused"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    STORE_UNAVAILABLE = "store_unavailable"
    BUSY = "busy"
    INTERNAL = "internal"


PROBLEMS: dict[ProblemCode, tuple[HTTPStatus, str]] = {
    ProblemCode.INVALID_REQUEST: (HTTPStatus.UNPROCESSABLE_ENTITY, "The request does not fit"),
    ProblemCode.NO_TOKEN: (HTTPStatus.UNAUTHORIZED, "A token is needed"),
    ProblemCode.BAD_TOKEN: (HTTPStatus.UNAUTHORIZED, "The token is not valid"),
    ProblemCode.CLOCK_UNTRUSTED: (HTTPStatus.UNAUTHORIZED, "The token's times do not fit the clock here"),
    ProblemCode.GATEWAY_REVOKED: (HTTPStatus.FORBIDDEN, "This gateway was revoked"),
    ProblemCode.NOT_ALLOWED: (HTTPStatus.FORBIDDEN, "The token's role does not allow this"),
    ProblemCode.NOT_FOUND: (HTTPStatus.NOT_FOUND, "There is nothing here"),
    ProblemCode.METHOD_NOT_ALLOWED: (HTTPStatus.METHOD_NOT_ALLOWED, "This address does not take this method"),
    ProblemCode.UNKNOWN_DEVICE: (HTTPStatus.NOT_FOUND, "There is no such device"),
    ProblemCode.UNKNOWN_GATEWAY: (HTTPStatus.NOT_FOUND, "There is no such gateway"),
    ProblemCode.UNKNOWN_COMMAND: (HTTPStatus.NOT_FOUND, "There is no such command"),
    ProblemCode.ALREADY_EXISTS: (HTTPStatus.CONFLICT, "The identifier is taken"),
    ProblemCode.IDEMPOTENCY_KEY_REUSED: (HTTPStatus.CONFLICT, "The idempotency key was used for another request"),
    ProblemCode.NOT_A_LUMINAIRE: (HTTPStatus.UNPROCESSABLE_ENTITY, "The device is no luminaire"),
    ProblemCode.BATCH_REFUSED: (HTTPStatus.UNPROCESSABLE_ENTITY, "The batch cannot be stored"),
    ProblemCode.TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    ProblemCode.TOO_SLOW: (HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time"),
    ProblemCode.STORE_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, "A store cannot be reached now"),
    ProblemCode.BUSY: (HTTPStatus.SERVICE_UNAVAILABLE, "There is no room for this now"),
    ProblemCode.INTERNAL: (HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed"),
}
"""Code -> (status, title)."""


def type_of(code: ProblemCode) -> str:
    """Return the problem type's URI (RFC 9457 ``type``), which names the kind and need not resolve."""
    return f"urn:lentera:problem:{code.value}"
