"""Where the control socket is, and a name for it that the kernel takes: long folders are reached by a short way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SOCKET_NAME: Final = "control.sock"
MAX_PATH_BYTES: Final = 107
"""What the kernel takes as the name of a Unix socket (sun_path without its last zero)."""


def socket_path(memory_dir: Path) -> Path:
    """Return where the control socket of a gateway is, given its journal's memory folder."""
    return memory_dir / SOCKET_NAME


@contextlib.contextmanager
def short_address(path: Path) -> Iterator[str]:
    """Give an address for a socket that is at most 107 bytes long; it is good inside the `with` block alone.

    A path that is short enough is used as it is. For any other its folder is opened, and the socket is named through
    the open folder in /proc.

    Raises:
        OSError: the folder of a long path cannot be opened, or there is no /proc here.
    """
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{folder}/{path.name}"
        if not Path(short).parent.exists():
            raise OSError(36, f"the path is longer than {MAX_PATH_BYTES} bytes and there is no /proc to shorten it")
        yield short
    finally:
        os.close(folder)
