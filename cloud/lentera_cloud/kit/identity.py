"""Who is speaking: people by API tokens, gateways by short tokens signed with their own key. Denied unless allowed."""

import hmac
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from lentera_cloud.domain.nonces import is_good_nonce, make_nonce
from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.domain.roles import Permission, Role, is_allowed, refusal_text
from lentera_cloud.domain.tokens import read_token
from lentera_cloud.kit.problems import Problem
from lentera_cloud.ports import Clock, GatewayRow, Registry
from lentera_model.protocol import LINK_AUDIENCE, MAX_TOKEN_LIFETIME_S

CLOCK_LEEWAY_S = 10
"""How far a gateway's clock may be off before it is sent round by the nonce."""

api_token_scheme = HTTPBearer(
    scheme_name="ApiToken",
    description="`Authorization: Bearer lnt_<id>_<secret>`: a token of a person or program, with a role in a tenant.",
    auto_error=False,
)
gateway_token_scheme = HTTPBearer(
    scheme_name="GatewayToken",
    bearerFormat="JWT",
    description="`Authorization: Bearer <JWT>`: signed by the gateway's Ed25519 key (EdDSA), issuer its id, audience "
    f"`{LINK_AUDIENCE}`, at most {MAX_TOKEN_LIFETIME_S} s long.",
    auto_error=False,
)

_NOBODY = bytes(32)
"""Compared against where there is no such token, so that an unknown id takes as long as a wrong secret."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program that an API token stands for."""

    tenant: str
    role: Role
    token_id: str
    label: str


class Identity:
    """Checks credentials against the registry at every request, so that a revoked one is refused at once."""

    def __init__(self, registry: Registry, clock: Clock, secret: bytes) -> None:
        """Use this registry and clock; ``secret`` signs nonces."""
        self._registry = registry
        self._clock = clock
        self._secret = secret

    async def person(self, authorization: str | None) -> Principal:
        """Return whom an ``Authorization`` header's API token stands for.

        Raises:
            Problem: ``no_token`` or ``bad_token``; which part of a bad token is wrong is not said.
        """
        parts = read_token(_bearer(authorization))
        token = await self._registry.tenants.token_by_id(parts.token_id) if parts else None
        given = parts.secret_sha256 if parts else _NOBODY
        matches = hmac.compare_digest(token.secret_sha256 if token else _NOBODY, given)
        now_ms = self._clock.now_ms()
        if (
            token is None
            or not matches
            or token.revoked_at_ms is not None
            or (token.expires_at_ms is not None and token.expires_at_ms <= now_ms)
        ):
            raise Problem(
                ProblemCode.BAD_TOKEN,
                "The API token is unknown, revoked or expired: ask an administrator for a new one.",
            )
        return Principal(token.tenant, token.role, token.token_id, token.label)

    async def gateway(self, authorization: str | None) -> GatewayRow:
        """Return the gateway that signed an ``Authorization`` header's token.

        Raises:
            Problem: ``no_token``, ``bad_token``, ``clock_untrusted`` (with a nonce) or ``gateway_revoked``.
        """
        token = _bearer(authorization)
        gateway_id = _issuer(token)
        gateway = await self._registry.gateways.by_id(gateway_id)
        if gateway is None:
            raise Problem(
                ProblemCode.BAD_TOKEN,
                "The token is not signed by a registered gateway's key: register the gateway and its public key first.",
            )
        claims = _verified(token, gateway)
        self._check_times(gateway_id, claims)
        if gateway.revoked_at_ms is not None:
            raise Problem(ProblemCode.GATEWAY_REVOKED, "This gateway was revoked: it may not speak any more.")
        return gateway

    def _check_times(self, gateway_id: str, claims: dict[str, Any]) -> None:
        now_ms = self._clock.now_ms()
        nonce = claims.get("nonce")
        if isinstance(nonce, str) and is_good_nonce(self._secret, gateway_id, nonce, now_ms):
            return
        issued, expires, now = claims["iat"], claims["exp"], now_ms / 1000
        fits = issued - CLOCK_LEEWAY_S <= now < expires + CLOCK_LEEWAY_S
        if not fits or expires - issued > MAX_TOKEN_LIFETIME_S:
            fresh = make_nonce(self._secret, gateway_id, now_ms, secrets.token_bytes(8))
            raise Problem(
                ProblemCode.CLOCK_UNTRUSTED,
                f"The token is not valid now (it is {now:.0f} s here) or lives longer than {MAX_TOKEN_LIFETIME_S} s: "
                "sign a new one that carries this answer's nonce.",
                extra={"nonce": fresh},
            )


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(ProblemCode.NO_TOKEN, "Send the header `Authorization: Bearer <token>`.")
    return token.strip()


def _issuer(token: str) -> str:
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise Problem(ProblemCode.BAD_TOKEN, "The gateway's token does not read: it must be a signed JWT.") from error
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise Problem(ProblemCode.BAD_TOKEN, "The gateway's token has no issuer: claim `iss` is the gateway's id.")
    return issuer


def _verified(token: str, gateway: GatewayRow) -> dict[str, Any]:
    options: Any = {
        "require": ["iss", "aud", "iat", "exp"],
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
    }
    try:
        claims = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(gateway.public_key),
            algorithms=["EdDSA"],
            audience=LINK_AUDIENCE,
            options=options,
        )
    except jwt.InvalidTokenError as error:
        raise Problem(
            ProblemCode.BAD_TOKEN, f"The gateway's token is not valid ({error}): is it signed by the registered key?"
        ) from error
    if not all(isinstance(claims[name], int | float) for name in ("iat", "exp")):
        raise Problem(ProblemCode.BAD_TOKEN, "The claims `iat` and `exp` of the gateway's token must be numbers.")
    return claims


def _identity(request: Request) -> Identity:
    return request.app.state.identity


def require(permission: Permission) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """Return a dependency that lets in only API tokens whose role holds the permission.

    Raises:
        Problem: ``no_token``, ``bad_token`` or ``not_allowed``.
    """

    async def guard(request: Request, _token: object = Depends(api_token_scheme)) -> Principal:
        principal = await _identity(request).person(request.headers.get("authorization"))
        if not is_allowed(principal.role, permission):
            raise Problem(ProblemCode.NOT_ALLOWED, refusal_text(principal.role, permission))
        return principal

    guard.permission = permission  # type: ignore[attr-defined] - a test walks the routes by it
    return guard


async def require_gateway(request: Request, _token: object = Depends(gateway_token_scheme)) -> GatewayRow:
    """Let in only a registered gateway by its signed token (a dependency).

    Raises:
        Problem: as :meth:`Identity.gateway` does.
    """
    return await _identity(request).gateway(request.headers.get("authorization"))
