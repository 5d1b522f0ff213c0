"""Identifiers: what a name of a tenant, gateway, device or bus may look like, and ids that sort by time."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from lentera_model.errors import LenteraError

ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""1 to 64 characters that are safe in a URL path, an MQTT topic level, a file name and an InfluxDB tag."""

_ID = re.compile(ID_PATTERN.removesuffix("$") + r"\Z")
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BYTES: Final = 10
_TIME_BITS: Final = 48


class InvalidIdError(LenteraError):
    """An identifier has characters or a length that a URL, a topic or a file name would not carry."""

    code: ClassVar[str] = "invalid_id"


def check_id(kind: str, value: str) -> str:
    """Return `value` if it is a valid identifier; `kind` ("device", "gateway" ...) names it in the error.

    Raises:
        InvalidIdError: with the offending value (shortened) and what is allowed.
    """
    if _ID.match(value) is None:
        raise InvalidIdError(
            f"{kind} id {value[:70]!r} is not valid: use 1 to 64 letters, digits, '.', '_' or '-', "
            "starting with a letter or a digit"
        )
    return value


def time_ordered_id(prefix: str, now_ms: int, randomness: bytes) -> str:
    """Build an id such as `c_01JD...` that sorts by its time of making.

    26 Crockford base32 characters: 48 bits of Unix milliseconds, then 80 random bits (the layout of a ULID).

    Args:
        prefix: kind of thing, without the underscore ("c" for a command, "e" for an execution).
        now_ms: Unix epoch milliseconds.
        randomness: exactly 10 bytes from a cryptographic source.

    Raises:
        ValueError: when the time or the randomness does not fit its field.
    """
    if len(randomness) != _RANDOM_BYTES:
        raise ValueError(f"randomness must be {_RANDOM_BYTES} bytes, got {len(randomness)}")
    if not 0 <= now_ms < 1 << _TIME_BITS:
        raise ValueError(f"now_ms {now_ms} does not fit 48 bits")
    number = now_ms << (8 * _RANDOM_BYTES) | int.from_bytes(randomness)
    digits = [_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"
