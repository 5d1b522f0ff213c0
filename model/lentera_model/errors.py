"""The root of every error that Lentera raises on purpose."""

from __future__ import annotations

from typing import ClassVar


class LenteraError(Exception):
    """Base of all errors of ours.

    A subclass stands for one cause. Its `code` is stable and machine-readable (it travels in API problems, link
    refusals and logs); its message says what was wrong, where, and what to do about it.
    """

    code: ClassVar[str] = "error"
