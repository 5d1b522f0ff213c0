"""The gateway's identity: an Ed25519 private key in a PEM file that its user alone can read. Never logged."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lentera_model.errors import LenteraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class KeyFileError(LenteraError):
    """The key file is missing, unreadable, open to others, or holds something else."""

    code: ClassVar[str] = "key_file"


def make_key(path: Path) -> str:
    """Make a new private key file (mode 0600) and return its public key as text. An existing file is never replaced.

    Raises:
        KeyFileError: the file exists already or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        descriptor = _create(path)
    except FileExistsError as error:
        raise KeyFileError(
            f"{path} exists already: it is this gateway's identity; move it away to make another"
        ) from error
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be made: {error.strerror}; choose a folder that this user may write"
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return public_key_text(key)


def _create(path: Path) -> int:
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read the private key.

    Raises:
        KeyFileError: with what is wrong with the file and what to do.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        mode = path.stat().st_mode & 0o777
        pem = path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            f"cloud.key_file {path} cannot be read: {error.strerror}; make one with `lentera gateway key {path}`"
        ) from error
    if mode & 0o077:
        raise KeyFileError(f"cloud.key_file {path} is open to others (mode {mode:04o}); run `chmod 600 {path}`")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"cloud.key_file {path} is not a PEM private key without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"cloud.key_file {path} holds another kind of key; Lentera needs an Ed25519 key")
    return key


def public_key_text(key: Ed25519PrivateKey) -> str:
    """Return the public key as the cloud wants it: 32 raw bytes in base64url without padding."""
    return base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode("ascii")


def make_token(key: Ed25519PrivateKey, gateway: str, now_ms: int, nonce: str | None = None) -> str:
    """Return the short token that opens one connection.

    Args:
        key: the gateway's private key.
        gateway: gateway id.
        now_ms: the wall clock as the gateway believes it, Unix milliseconds.
        nonce: the server's, when it refused a token for its time.
    """
    import jwt

    from lentera_model.protocol import link_claims

    return jwt.encode(dict(link_claims(gateway, now_ms // 1000, nonce)), key, algorithm="EdDSA")
