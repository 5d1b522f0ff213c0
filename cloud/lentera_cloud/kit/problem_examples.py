"""What error answers look like: for each documented kind of problem the words that the service would say."""

from collections.abc import Mapping
from typing import Any, Final

from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission, Role, is_allowed, refusal_text

DETAILS: Final[Mapping[ProblemCode, str]] = {
    ProblemCode.NO_TOKEN: "Send the header `Authorization: Bearer <token>`.",
    ProblemCode.BAD_TOKEN: "The API token is unknown, revoked or expired: ask an administrator for a new one.",
    ProblemCode.CLOCK_UNTRUSTED: "The token is not valid now (it is 1795568523 s here) or lives longer than 120 s: "
    "sign a new one that carries this answer's nonce.",
    ProblemCode.GATEWAY_REVOKED: "This gateway was revoked: it may not speak any more.",
    ProblemCode.UNKNOWN_DEVICE: "There is no device 'lamp-999': GET /v1/devices lists yours.",
    ProblemCode.UNKNOWN_GATEWAY: "There is no gateway 'gw-stabat-99': GET /v1/gateways lists yours.",
    ProblemCode.UNKNOWN_COMMAND: "There is no command 'c_01KAWP93TCZZZZZZZZZZZZZZZZ'.",
    ProblemCode.ALREADY_EXISTS: "The gateway id 'gw-stabat-01' is taken: ids are unique over the whole service; "
    "choose another.",
    ProblemCode.IDEMPOTENCY_KEY_REUSED: "this Idempotency-Key was used for another request: send a new key with a new "
    "request, or the very same body to get the first answer again",
    ProblemCode.NOT_A_LUMINAIRE: "meter-cabinet is a meter: only a luminaire has a level to set.",
    ProblemCode.BATCH_REFUSED: "device lamp-999 was never declared by gateway gw-stabat-01: add it to the gateway's "
    "configuration",
    ProblemCode.TOO_LARGE: "A batch has at most 1048576 bytes: seal smaller ones.",
    ProblemCode.BUSY: "As much as can be is under way already: come again after Retry-After.",
    ProblemCode.STORE_UNAVAILABLE: "A store cannot be reached now: try again in a few seconds.",
}
"""By code: ``detail`` of an answer, on the demo's street. A test asks the service and compares."""

EXTRA: Final[Mapping[ProblemCode, Mapping[str, Any]]] = {
    ProblemCode.CLOCK_UNTRUSTED: {"nonce": "MTc5NTU2ODUyMzAwMA.q1Zk3v0sVtQ.5Wb0Zb9dUO3mYkq2J8nXrA"},
    ProblemCode.BATCH_REFUSED: {"refusal": "undeclared_device"},
}
"""Members that some kinds of problem have beside the usual ones."""


def not_allowed_detail(needs: Permission) -> str | None:
    """Return how somebody without the permission is refused; None when every role holds it."""
    without = [role for role in reversed(Role) if not is_allowed(role, needs)]
    return refusal_text(without[0], needs) if without else None
