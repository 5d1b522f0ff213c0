"""Reading a gateway's public key from the forms that people have it in."""

import base64
import binascii
import re

KEY_BYTES = 32

_SPKI_HEAD = bytes.fromhex("302a300506032b6570032100")
"""DER of SubjectPublicKeyInfo up to the key itself, for Ed25519 (RFC 8410)."""
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----(.+?)-----END PUBLIC KEY-----", re.DOTALL)


class PublicKeyError(ValueError):
    """The text is no Ed25519 public key."""


def read_public_key(text: str) -> bytes:
    """Return the raw 32 bytes of an Ed25519 public key given as PEM, or as base64 of DER or of the raw bytes.

    Raises:
        PublicKeyError: saying which forms are taken; a private key is pointed out.
    """
    if "PRIVATE KEY" in text:
        raise PublicKeyError("this is a private key: it stays on the gateway; send the public key")
    found = _PEM.search(text)
    body = "".join((found[1] if found else text).split()).replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PublicKeyError("this is neither PEM nor base64: send the PEM file's text") from error
    if data.startswith(_SPKI_HEAD):
        data = data[len(_SPKI_HEAD) :]
    if len(data) != KEY_BYTES:
        raise PublicKeyError(f"this holds {len(data)} bytes, but an Ed25519 public key has {KEY_BYTES}")
    return data
