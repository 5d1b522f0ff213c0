"""In which order a scan asks: what meters leave the factory with first, what hardly anybody uses last. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile

FIRST_UNITS: Final = 32
"""Unit ids 1 to 32 are asked first: people count from 1."""
LAST_UNIT: Final = 247
PATIENT_S: Final = 0.3

_PACES_S: Final = ((2400, 0.112, 0.196), (4800, 0.068, 0.112), (9600, 0.064, 0.088), (115_200, 0.052, 0.068))
"""Up to which baud rate, how long the first pass waits for an answer, and how long the second.

A unit that thinks longer is heard while its neighbours are asked, unless its answer falls due just while a question is
being sent. The two waits are the shortest for which no answer within 200 ms meets a question in both passes.
"""
_USUAL_BAUDS: Final = (9600, 19200, 2400, 4800)
_PARITIES: Final[tuple[Literal["N", "E"], ...]] = ("N", "E")
_RARE_BAUDS: Final = (38400, 115200, 57600, 1200)


class Stage(StrEnum):
    """Why something is asked now."""

    LIKELY = "likely"
    """The first unit ids at the settings of the factories."""
    LIVED_IN = "lived_in"
    """Every unit id at settings where somebody has answered."""
    REST = "rest"
    """Every unit id at the usual settings."""
    AGAIN = "again"
    """Silent ones again at another pace: the answer of a slow one may have been drowned by the question after it."""
    SLOW = "slow"
    """The first unit ids that are silent once more, with much patience."""
    RARE = "rare"
    """Settings that hardly anybody uses."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a walk: these unit ids, at these settings, with this patience."""

    stage: Stage
    settings: LineSettings
    units: tuple[int, ...]
    patience_s: float


def patience_s(settings: LineSettings, *, again: bool = False) -> float:
    """Return how long a pass waits for a unit's answer to begin, in seconds."""
    first_s, second_s = next((first, second) for baud, first, second in _PACES_S if settings.baud <= baud)
    return second_s if again else first_s


def factory_settings(profiles: Iterable[MeterProfile]) -> list[LineSettings]:
    """Return the settings of serial meters, by how many models leave the factory with them.

    Where no source says, the usual ones share the model's vote.
    """
    votes: Counter[LineSettings] = Counter()
    for profile in profiles:
        if "rtu" not in profile.transport:
            continue
        serial = profile.serial
        stop_bits = (serial.stop_bits if serial else None) or 1
        bauds = [serial.baud] if serial and serial.baud else [9600, 19200]
        parities: list[Literal["N", "E", "O"]] = [serial.parity] if serial and serial.parity else ["N", "E"]
        share = 12 // (len(bauds) * len(parities))
        for baud in bauds:
            for parity in parities:
                votes[LineSettings(baud, parity, stop_bits)] += share
    return [settings for settings, _ in sorted(votes.items(), key=lambda item: (-item[1], item[0].baud != 9600))]


def usual_settings(profiles: Iterable[MeterProfile]) -> list[LineSettings]:
    """Return every setting of the first passes: the factories' first, then all usual bauds with and without parity."""
    ordered = factory_settings(profiles)
    ordered += [LineSettings(baud, parity, 1) for baud in _USUAL_BAUDS for parity in _PARITIES]
    return _heard_apart(ordered)


def rare_settings(usual: Sequence[LineSettings]) -> list[LineSettings]:
    """Return what is left: other bauds, odd parity."""
    rest = [LineSettings(baud, parity, 1) for baud in _RARE_BAUDS for parity in _PARITIES]
    rest += [LineSettings(baud, "O", 1) for baud in _USUAL_BAUDS]
    return [settings for settings in _heard_apart([*usual, *rest]) if settings not in usual]


def _heard_apart(settings: Iterable[LineSettings]) -> list[LineSettings]:
    """Return the first of those that differ by their stop bits alone: a unit answers to each of them."""
    found: dict[tuple[int, str], LineSettings] = {}
    for one in settings:
        found.setdefault((one.baud, one.parity), one)
    return list(found.values())


def likely_legs(usual: Sequence[LineSettings]) -> list[Leg]:
    """Return the first legs: unit ids 1 to 32 at every usual setting."""
    return [Leg(Stage.LIKELY, settings, tuple(range(1, FIRST_UNITS + 1)), patience_s(settings)) for settings in usual]


def further_legs(usual: Sequence[LineSettings], lived_in: Sequence[LineSettings]) -> list[Leg]:
    """Return the legs after those: where somebody lives first, then everywhere, then slowly, then the rare settings."""
    others, everybody = tuple(range(FIRST_UNITS + 1, LAST_UNIT + 1)), tuple(range(1, LAST_UNIT + 1))
    common = [settings for settings in usual if settings.baud in _USUAL_BAUDS]
    rest = [settings for settings in common if settings not in lived_in]
    legs = [Leg(Stage.LIVED_IN, settings, others, patience_s(settings)) for settings in lived_in]
    legs += [_again(settings, everybody) for settings in _fastest_first(lived_in)]
    legs += [Leg(Stage.REST, settings, others, patience_s(settings)) for settings in rest]
    legs += [_again(settings, everybody) for settings in _fastest_first(rest)]
    legs += [Leg(Stage.SLOW, settings, everybody[:FIRST_UNITS], PATIENT_S) for settings in (*lived_in, *rest)]
    legs += [Leg(Stage.RARE, settings, others, patience_s(settings)) for settings in usual if settings not in common]
    legs += [Leg(Stage.RARE, settings, everybody, patience_s(settings)) for settings in rare_settings(usual)]
    return legs


def _fastest_first(settings: Iterable[LineSettings]) -> list[LineSettings]:
    """Where time ends, it shall end with what takes longest."""
    return sorted(settings, key=lambda one: -one.baud)


def _again(settings: LineSettings, units: Sequence[int]) -> Leg:
    return Leg(Stage.AGAIN, settings, tuple(units), patience_s(settings, again=True))


def single_legs(settings: LineSettings, units: Sequence[int]) -> list[Leg]:
    """Return the legs of a scan whose settings are known."""
    return [
        Leg(Stage.LIKELY, settings, tuple(units), patience_s(settings)),
        _again(settings, units),
        Leg(Stage.SLOW, settings, tuple(units), PATIENT_S),
    ]
