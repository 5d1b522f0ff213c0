"""Every kind of fault, by what it can be put on: for people who choose one."""

from __future__ import annotations

from collections.abc import Sequence

from lentera_sim.faults import meter_faults, wire_faults
from lentera_sim.faults.kinds import FaultKind


def catalogue() -> dict[str, Sequence[FaultKind]]:
    """Return what can be wrong with a meter, a serial bus and a TCP host."""
    return {"meter": meter_faults.KINDS, "serial bus": wire_faults.LINE_KINDS, "TCP bus": wire_faults.HOST_KINDS}
