"""Figures for Prometheus: what a part of the cloud counts of a tenant, and its text format."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric: its name, what it means, and a sample for each set of labels."""

    name: str
    meaning: str
    samples: Sequence[tuple[Mapping[str, str], int]]
    kind: Literal["counter", "gauge"] = "counter"


Figures = Callable[[str], Awaitable[Sequence[Figure]]]
"""Gives the figures of a tenant."""


def text_of(figure: Figure) -> str:
    """Return a figure in Prometheus' text format."""
    lines = [f"# HELP {figure.name} {figure.meaning}", f"# TYPE {figure.name} {figure.kind}"]
    for labels, value in figure.samples:
        written = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels.items())
        lines.append(f"{figure.name}{{{written}}} {value}" if written else f"{figure.name} {value}")
    return "\n".join(lines) + "\n"
