"""The service's own secret in a file that only its owner may read."""

import os
import secrets
from pathlib import Path

from lentera_model.errors import LenteraError

SECRET_BYTES = 32


class SecretFileError(LenteraError):
    """The secret file cannot be used as it is."""

    code = "secret_file"


def load_secret(path: Path) -> bytes:
    """Return the secret of a file, making the file at first; several processes may start at once.

    Raises:
        SecretFileError: the file is too short, or others may read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    if not path.exists():
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)  # fails if another process was first: then its secret counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    if path.stat().st_mode & 0o077:
        raise SecretFileError(f"others may read {path}: run chmod 600 {path}")
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise SecretFileError(f"{path} holds {len(secret)} bytes, not {SECRET_BYTES}: delete it and start again")
    return secret
