"""Errors of files that people write: each problem names its file, line, key, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lentera_model.errors import LenteraError

_SHOWN_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file.

    Attributes:
        file: the file's name as the user gave it.
        line: 1-based line of the key (or of the nearest thing around it); 0 for a file that could not be read.
        key: where in the document, such as `devices[2].unit`; empty for the document itself.
        what: what is wrong.
        remedy: what to do about it.
    """

    file: str
    line: int
    key: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """Return `file:line: key: what; remedy`, without what there is not, and with a remedy once only."""
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        key = f"{self.key}: " if self.key else ""
        remedy = f"; {self.remedy}" if self.remedy and not self.what.endswith(self.remedy) else ""
        return f"{place}{key}{self.what}{remedy}"


class ConfigFileError(LenteraError):
    """A file cannot be used. `problems` lists every reason found, in the order of the lines."""

    code: ClassVar[str] = "config_file"

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Take the problems; the message shows one a line, at most 50."""
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda problem: problem.line))
        lines = [str(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        if len(self.problems) > _SHOWN_PROBLEMS:
            lines.append(f"... and {len(self.problems) - _SHOWN_PROBLEMS} more")
        super().__init__("\n".join(lines))


class ProfileError(ConfigFileError):
    """A device profile does not exist or describes something impossible."""

    code: ClassVar[str] = "profile"
