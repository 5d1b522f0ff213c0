"""What the parts of a profile share: strict models, lists, and the complaint about a list that is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lentera_drivers.profiles.validation import Found

LAST_ADDRESS: Final = 65535
PROTOCOL_MAX_REGISTERS: Final = 125
"""Registers that one reply can carry at most (Modbus Application Protocol V1.1b3, 6.3)."""

_LONGEST_TEXT: Final = 2_000
_LONGEST_LIST: Final = 64


def list_to_tuple(value: object) -> object:
    """Let YAML's lists pass for tuples, which a frozen model keeps."""
    return tuple(value) if isinstance(value, list) else value


def nothing_in(key: str, items: Sequence[object]) -> list[Found]:
    """Complain about a list that is needed and empty (pydantic would also complain when an item is wrong)."""
    return [] if items else [((key,), "is empty", "write at least one")]


StrictModel = ConfigDict(extra="forbid", frozen=True, strict=True)
Text = Annotated[str, Field(min_length=1, max_length=_LONGEST_TEXT)]
Texts = Annotated[tuple[Text, ...], Field(max_length=_LONGEST_LIST), BeforeValidator(list_to_tuple)]
Integers = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=_LONGEST_LIST), BeforeValidator(list_to_tuple)
]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=False)]
FunctionCode = Literal[3, 4]
"""3 reads holding registers, 4 input registers."""


class Source(BaseModel):
    """Where a fact comes from: a repository and path, or an address on the web."""

    model_config = StrictModel
    repo: Text | None = None
    path: Text | None = None
    url: Text | None = None
    what: Text | None = None


class Conflict(BaseModel):
    """Two sources that disagree; the profile follows `a`."""

    model_config = StrictModel
    about: Text
    a: Text
    b: Text


class SerialDefaults(BaseModel):
    """The line settings a meter leaves the factory with; None where no source was found."""

    model_config = StrictModel
    baud: Annotated[int, Field(ge=300, le=1_000_000)] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Literal[1, 2] | None = None
    allowed_baud: Integers = ()
    allowed_parity: Texts = ()
