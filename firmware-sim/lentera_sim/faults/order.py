"""An order to put or lift a fault, as text and as JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lentera_sim.errors import FaultError

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_TEXT = re.compile(
    rf"(?P<target>[A-Za-z0-9_.-]+)=(?P<fault>[a-z_]+)"
    rf"(?::(?P<value>{_NUMBER}))?(?:@(?P<after_s>{_NUMBER}))?(?:/(?P<for_s>{_NUMBER}))?"
)


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """Put a fault on a target, or lift it.

    Attributes:
        target: id of a device or of a bus, as in the run's gateway.yaml.
        fault: its name.
        value: None takes the usual one.
        on: False lifts it.
        after_s: seconds from now until it is put.
        for_s: seconds until it is lifted by itself; None leaves it.
    """

    target: str
    fault: str
    value: float | None = None
    on: bool = True
    after_s: float = 0.0
    for_s: float | None = None

    def __str__(self) -> str:
        """As `parse_order` reads it."""
        value = "" if self.value is None else f":{self.value:g}"
        after = f"@{self.after_s:g}" if self.after_s else ""
        lasting = "" if self.for_s is None else f"/{self.for_s:g}"
        return f"{self.target}={self.fault}{value}{after}{lasting}"


def parse_order(text: str) -> FaultOrder:
    """Read TARGET=FAULT[:VALUE][@AFTER_S][/FOR_S], such as `meter-market=late:1.5@30/60`.

    Raises:
        FaultError: the text is no order.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise FaultError(
            f"{text[:80]!r} is no fault; write TARGET=FAULT[:VALUE][@AFTER_S][/FOR_S], "
            "such as meter-market=late:1.5@30/60"
        )
    part = found.groupdict()
    return FaultOrder(
        part["target"],
        part["fault"],
        None if part["value"] is None else float(part["value"]),
        after_s=float(part["after_s"] or 0),
        for_s=None if part["for_s"] is None else float(part["for_s"]),
    )
