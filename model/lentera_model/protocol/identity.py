"""How a gateway proves who it is when it opens the link: the claims of a short token signed with its Ed25519 key.

The token travels as `Authorization: Bearer`, algorithm EdDSA. A board that does not know the time is answered 401 with
a nonce (the problem's `nonce` member) and opens again with that nonce among its claims; its times are then not judged.
"""

from __future__ import annotations

from typing import Final

LINK_AUDIENCE: Final = "lentera-link"
"""The `aud` claim: a token for the link opens nothing else."""
MAX_TOKEN_LIFETIME_S: Final = 120
"""`exp` is at most this long after `iat`; a longer life is refused."""


def link_claims(gateway: str, now_s: int, nonce: str | None = None) -> dict[str, str | int]:
    """Return the claims of a token that opens the link now.

    Args:
        gateway: gateway id, the issuer.
        now_s: Unix seconds as the gateway believes them.
        nonce: the value that the server answered a refused attempt with, if there was one.
    """
    claims: dict[str, str | int] = {
        "iss": gateway,
        "aud": LINK_AUDIENCE,
        "iat": now_s,
        "exp": now_s + MAX_TOKEN_LIFETIME_S,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return claims
