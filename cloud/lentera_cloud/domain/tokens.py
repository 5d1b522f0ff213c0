"""API tokens: ``lnt_<id>_<secret>``. The secret has 256 random bits; only its SHA-256 is kept.

A plain hash is enough (and fast enough to check on every request) because nobody can guess 256 bits; a slow hash
protects what people can remember.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

PREFIX = "lnt"
ID_BYTES = 10
SECRET_BYTES = 32

_TOKEN = re.compile(r"lnt_([a-z2-7]{16})_([a-z2-7]{52})\Z")


@dataclass(frozen=True, slots=True)
class TokenParts:
    """A token taken apart; ``repr`` never shows the secret."""

    token_id: str
    secret_sha256: bytes


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def make_token(id_bytes: bytes, secret: bytes) -> tuple[str, TokenParts]:
    """Build a token from 10 and 32 random bytes; return it (to be shown once) and what is kept of it.

    Raises ValueError when the lengths are others.
    """
    if len(id_bytes) != ID_BYTES or len(secret) != SECRET_BYTES:
        raise ValueError(f"a token needs {ID_BYTES} and {SECRET_BYTES} random bytes")
    token_id, text = _base32(id_bytes), _base32(secret)
    return f"{PREFIX}_{token_id}_{text}", TokenParts(token_id, hashlib.sha256(text.encode()).digest())


def read_token(token: str) -> TokenParts | None:
    """Take a token apart; None when it does not have the shape of one."""
    match = _TOKEN.match(token)
    if match is None:
        return None
    return TokenParts(match[1], hashlib.sha256(match[2].encode()).digest())
