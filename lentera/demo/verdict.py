"""What a counted run found: the report that is printed, and every fault that makes its exit code 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lentera_sim.ledger import LedgerEntry

LEAST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class CountedRun:
    """The report's JSON object, and in words what was wrong; without a word the run was clean."""

    report: dict[str, Any]
    faults: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing at all was wrong."""
        return not self.faults


def counted(number: int, one: str, many: str) -> str:
    """`1 value`, `2 values`: a number with its noun."""
    return f"{number} {one if number == 1 else many}"


def faults_of(report: Mapping[str, Any], out_of_order: int, own: list[str], silent: list[str]) -> tuple[str, ...]:
    """Every kind of fault with its number, in words.

    `own` are the lamps whose stored commanded levels contradict their commands, `silent` the devices that answered less
    than their schedule promises.
    """
    readings, commands = report["readings"], report["commands"]
    found = (
        (readings["missing"], "value is missing", "values are missing"),
        (readings["duplicated"], "value is doubled", "values are doubled"),
        (out_of_order, "value is out of order", "values are out of order"),
        (commands["failed"], "command failed", "commands failed"),
        (len(own), "lamp's commanded levels contradict its commands", "lamps' commanded levels contradict theirs"),
        (len(silent), "device answered too little", "devices answered too little"),
    )
    return tuple(counted(number, one, many) for number, one, many in found if number)


def silent_devices(
    entries: Iterable[LedgerEntry], every_s: Mapping[str, float], seconds: float, least_share: float = LEAST_SHARE
) -> list[str]:
    """Each device that answered less than half of what its schedule promises for `seconds`, in words.

    `every_s` is each device's interval from the gateway's configuration. One reading may be several answers on the
    wire, so the quantity that was answered most often counts. A device that is due at all must answer once.
    """
    answers: dict[tuple[str, str], int] = {}
    for entry in entries:
        if entry.kind == "answered":
            for quantity in entry.values:
                answers[entry.device, quantity] = answers.get((entry.device, quantity), 0) + 1
    most: dict[str, int] = {}
    for (device, _), number in answers.items():
        most[device] = max(most.get(device, 0), number)
    found = []
    for device, interval_s in sorted(every_s.items()):
        promised = int(seconds / interval_s)
        if promised and most.get(device, 0) < max(1, least_share * promised):
            found.append(f"{device} answered {most.get(device, 0)} times, its schedule promises {promised}")
    return found


def is_subsequence(wanted: list[float], found: list[float]) -> bool:
    """Whether `wanted` are all in `found`, in this order."""
    rest = iter(found)
    return all(any(value == other for other in rest) for value in wanted)
