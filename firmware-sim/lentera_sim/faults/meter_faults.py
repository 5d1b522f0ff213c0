"""What can be wrong with a simulated meter, on whatever wire."""

from __future__ import annotations

from collections.abc import Callable

from lentera_sim.faults.kinds import BoundFault, FaultKind, Faults, by_name
from lentera_sim.wires.unit import ModbusUnit

DEAD = FaultKind("dead", "answers nothing, as without power")
SLOW = FaultKind("slow", "takes so much longer to answer, within what a reader waits", 0.3, 0.0, 10.0, "s")
LATE = FaultKind(
    "late", "answers after its reader has given up, so that an answer meets a later question", 1.5, 0, 30, "s"
)
EXCEPTION = FaultKind("exception", "refuses every question with this Modbus exception code", 4, 1, 255)
HOLE = FaultKind("hole", "refuses every read that touches this register address", 0, 0, 65535)
COUNTER_RESET = FaultKind("counter_reset", "its counters begin again at 0", lasting=False)
DIAL_LIMIT = FaultKind(
    "dial_limit", "its counters stand so little before the end of their dials", 20.0, 0.0, 1e9, "Wh", lasting=False
)
COUNTER_ZERO = FaultKind("counter_zero", "its counters read 0 while this lasts, then count on as if nothing had been")
METER_SWAPPED = FaultKind(
    "meter_swapped",
    "another meter hangs in its place, whose counters stand here",
    123_000.0,
    0.0,
    1e12,
    "Wh",
    lasting=False,
)
NO_VALUES = FaultKind("no_values", "its registers say that there is no value (NaN, null marker) where they can")
KINDS = (
    DEAD,
    SLOW,
    LATE,
    EXCEPTION,
    HOLE,
    COUNTER_RESET,
    DIAL_LIMIT,
    COUNTER_ZERO,
    METER_SWAPPED,
    NO_VALUES,
)


def meter_faults(unit: ModbusUnit) -> Faults:
    """Return all that can be wrong with a unit."""
    faults, profile = unit.faults, unit.profile
    middle = profile.registers[len(profile.registers) // 2].address

    def delay(value: float, on: bool) -> None:
        faults.delay_s = value if on else 0.0

    def dead(_: float, on: bool) -> None:
        faults.dead = on

    def refuse(value: float, on: bool) -> None:
        faults.exception = int(value) if on else None

    def hole(value: float, on: bool) -> None:
        address = frozenset({int(value) or middle})
        faults.holes = faults.holes | address if on else frozenset()

    def zero(_: float, on: bool) -> None:
        faults.zero_counters = on

    def nothing(_: float, on: bool) -> None:
        faults.no_values = on

    return by_name(
        BoundFault(DEAD, dead),
        BoundFault(SLOW, delay),
        BoundFault(LATE, delay),
        BoundFault(EXCEPTION, refuse),
        BoundFault(HOLE, hole),
        BoundFault(COUNTER_ZERO, zero),
        BoundFault(NO_VALUES, nothing),
        BoundFault(COUNTER_RESET, _once(lambda _: faults.reset_counters(profile, unit.measured()))),
        BoundFault(METER_SWAPPED, _once(lambda start: faults.exchange_meter(profile, unit.measured(), start))),
        BoundFault(DIAL_LIMIT, _once(lambda left: faults.near_dial_limit(profile, unit.measured(), left))),
    )


def _once(act: Callable[[float], object]) -> Callable[[float, bool], None]:
    def apply(value: float, on: bool) -> None:
        if on:
            act(value)

    return apply
