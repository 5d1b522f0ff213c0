"""What a fault is: its name and meaning, the value that it takes, and how it is put on one target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Apply = Callable[[float, bool], Awaitable[None] | None]
"""Put the fault with a value, or lift it (False)."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault.

    Attributes:
        name: how it is ordered.
        what: what happens, in one line.
        usual: the value where none is given; None for a fault that takes no value.
        low, high: limits of the value.
        unit: of the value.
        lasting: stays until it is lifted; else it is done once, and there is nothing to lift.
    """

    name: str
    what: str
    usual: float | None = None
    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    lasting: bool = True

    @property
    def value_text(self) -> str:
        """The value for people: its usual size, unit and limits."""
        if self.usual is None:
            return ""
        return f"{self.usual:g} {self.unit} ({self.low:g} to {self.high:g})".replace("  ", " ")


@dataclass(frozen=True, slots=True)
class BoundFault:
    """A fault that one target can have."""

    kind: FaultKind
    apply: Apply


Faults = Mapping[str, BoundFault]
"""By name: all that can be wrong with one target."""


def by_name(*faults: BoundFault) -> Faults:
    """Return faults by their names."""
    return {fault.kind.name: fault for fault in faults}
