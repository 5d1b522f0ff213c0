"""Where a command finds its cloud: the environment, else the session file that a running demo leaves."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lentera.errors import NoCloudError, StaleSessionError, UnsafeSessionError
from lentera.language import reader_words

SESSION_NAME = "demo-session.json"


@dataclass(frozen=True, slots=True)
class Session:
    """One cloud to talk to: base `url` (no /v1), bearer `token`; `pid` is the demo's process, 0 if there is none."""

    url: str
    token: str
    tenant: str = ""
    pid: int = 0
    run_dir: str = ""


def session_path(environ: Mapping[str, str]) -> Path:
    """The session file: $LENTERA_SESSION_FILE, else in $XDG_RUNTIME_DIR/lentera, else in ~/.cache/lentera."""
    if explicit := environ.get("LENTERA_SESSION_FILE"):
        return Path(explicit)
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "lentera" / SESSION_NAME
    home = Path(environ.get("HOME") or Path.home())
    return home / ".cache" / "lentera" / SESSION_NAME


def write_session(path: Path, session: Session) -> None:
    """Write the file whole or not at all, readable by its owner alone: it holds a token."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(session), file)
    os.replace(draft, path)


def remove_session(path: Path, pid: int) -> None:
    """Remove the file if this demo (`pid`) wrote it; a younger demo's file is left alone."""
    try:
        if json.loads(path.read_text()).get("pid") == pid:
            path.unlink()
    except (OSError, ValueError):
        return


def read_session(path: Path) -> Session | None:
    """The session in the file, or None if there is no file.

    Raises UnsafeSessionError if others could have read or written the file, StaleSessionError if its demo has ended or
    the file cannot be understood.
    """
    try:
        with path.open() as file:
            status = os.fstat(file.fileno())
            text = file.read()
    except FileNotFoundError:
        return None
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise UnsafeSessionError(reader_words()("error.unsafe_session", path=path))
    try:
        session = Session(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise StaleSessionError(reader_words()("error.no_session_file", path=path)) from error
    if session.pid and not _alive(session.pid):
        raise StaleSessionError(reader_words()("error.stale_session", path=path))
    return session


def find_session(environ: Mapping[str, str]) -> Session:
    """LENTERA_URL with LENTERA_TOKEN, else the running demo. Raises NoCloudError if there is neither."""
    url, token = environ.get("LENTERA_URL"), environ.get("LENTERA_TOKEN")
    if url and token:
        return Session(url=url.rstrip("/"), token=token)
    if url or token:
        missing = "LENTERA_TOKEN" if url else "LENTERA_URL"
        raise NoCloudError(reader_words()("error.half_a_cloud", missing=missing))
    session = read_session(session_path(environ))
    if session is None:
        raise NoCloudError(reader_words()("error.no_cloud"))
    return session


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
