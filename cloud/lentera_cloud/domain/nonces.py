"""Nonces that need no memory: a time and a random part, signed with the service's secret.

A board that does not know the time cannot sign a token that is judged by its times. It signs one of these instead,
which only this service can have made and only within the last minute.
"""

import base64
import binascii
import hashlib
import hmac
import struct

LIFETIME_MS = 60_000
"""How long a nonce is good for: long enough for a slow link's second attempt."""

_HEAD = struct.Struct(">Q8s")
_TAG_BYTES = 16


def _tag(secret: bytes, gateway_id: str, head: bytes) -> bytes:
    return hmac.digest(secret, b"lentera-nonce\0" + gateway_id.encode() + b"\0" + head, hashlib.sha256)[:_TAG_BYTES]


def make_nonce(secret: bytes, gateway_id: str, now_ms: int, randomness: bytes) -> str:
    """Return a nonce for one gateway; ``randomness`` is 8 fresh random bytes."""
    head = _HEAD.pack(now_ms, randomness)
    return base64.urlsafe_b64encode(head + _tag(secret, gateway_id, head)).rstrip(b"=").decode()


def is_good_nonce(secret: bytes, gateway_id: str, nonce: str, now_ms: int) -> bool:
    """Say whether we made this nonce for this gateway within its lifetime."""
    try:
        data = base64.b64decode(nonce + "=" * (-len(nonce) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(data) != _HEAD.size + _TAG_BYTES:
        return False
    head, tag = data[: _HEAD.size], data[_HEAD.size :]
    if not hmac.compare_digest(tag, _tag(secret, gateway_id, head)):
        return False
    (made_ms, _) = _HEAD.unpack(head)
    return 0 <= now_ms - made_ms <= LIFETIME_MS
