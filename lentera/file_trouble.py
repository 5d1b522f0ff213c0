"""What the system says about a file, in words for people."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

from lentera.language import Words

_REASONS: Final[Mapping[int, str]] = {
    errno.ENOENT: "file.missing",
    errno.EACCES: "file.denied",
    errno.EPERM: "file.denied",
    errno.EROFS: "file.read_only",
    errno.ENOSPC: "file.full",
    errno.EDQUOT: "file.full",
    errno.EEXIST: "file.taken",
    errno.ENOTDIR: "file.taken",
    errno.EISDIR: "file.taken",
}


def file_trouble(error: OSError, words: Words) -> str:
    """Return one line that names the file, what is wrong with it and what to do."""
    key = _REASONS.get(error.errno or 0, "file.other")
    return words("error.file", name=error.filename, reason=words(key, system=error.strerror or error))
