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
QUICK_S: Final = 0.06
"""How long a unit may think in the first pass. A slower one is heard while its neighbours are asked."""
QUICK_CHARACTERS: Final = 42
PATIENT_S: Final = 0.3
QUESTION_CHARACTERS: Final = 8

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
    SLOW = "slow"
    """Silent ones again, with more patience."""
    RARE = "rare"
    """Settings that hardly anybody uses."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a walk: these unit ids, at these settings, with this patience."""

    stage: Stage
    settings: LineSettings
    units: tuple[int, ...]
    patience_s: float


def question_s(settings: LineSettings, patience_s: float) -> float:
    """Return how long a question without an answer takes: its characters, the silence before it, the patience."""
    return QUESTION_CHARACTERS * settings.character_s + settings.silence_s + patience_s


def quick_s(settings: LineSettings) -> float:
    """Return the patience of the first pass, in seconds.

    At low rates a question is long enough to drown a whole late answer, so there the answer itself must be waited for.
    """
    return max(QUICK_S, QUICK_CHARACTERS * settings.character_s)


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
    return list(dict.fromkeys(ordered))


def rare_settings(usual: Sequence[LineSettings]) -> list[LineSettings]:
    """Return what is left: other bauds, odd parity."""
    rest = [LineSettings(baud, parity, 1) for baud in _RARE_BAUDS for parity in _PARITIES]
    rest += [LineSettings(baud, "O", 1) for baud in _USUAL_BAUDS]
    return [settings for settings in rest if settings not in usual]


def likely_legs(usual: Sequence[LineSettings]) -> list[Leg]:
    """Return the first legs: unit ids 1 to 32 at every usual setting."""
    return [Leg(Stage.LIKELY, settings, tuple(range(1, FIRST_UNITS + 1)), quick_s(settings)) for settings in usual]


def further_legs(usual: Sequence[LineSettings], lived_in: Sequence[LineSettings]) -> list[Leg]:
    """Return the legs after those: where somebody lives first, then everywhere, then slowly, then the rare settings."""
    others = tuple(range(FIRST_UNITS + 1, LAST_UNIT + 1))
    everybody = tuple(range(1, LAST_UNIT + 1))
    legs = [Leg(Stage.LIVED_IN, settings, others, quick_s(settings)) for settings in lived_in]
    bauds = {settings.baud for settings in usual} & set(_USUAL_BAUDS)
    rest = [settings for settings in usual if settings not in lived_in and settings.baud in bauds]
    legs += [Leg(Stage.REST, settings, others, quick_s(settings)) for settings in rest]
    slow = [settings for settings in usual if settings.baud in bauds]
    ordered = sorted(slow, key=lambda settings: settings not in lived_in)
    legs += [Leg(Stage.SLOW, settings, everybody[:FIRST_UNITS], PATIENT_S) for settings in ordered]
    legs += [Leg(Stage.RARE, settings, others, quick_s(settings)) for settings in usual if settings.baud not in bauds]
    legs += [Leg(Stage.RARE, settings, everybody, quick_s(settings)) for settings in rare_settings(usual)]
    return legs


def single_legs(settings: LineSettings, units: Sequence[int]) -> list[Leg]:
    """Return the legs of a scan whose settings are known."""
    return [
        Leg(Stage.LIKELY, settings, tuple(units), quick_s(settings)),
        Leg(Stage.SLOW, settings, tuple(units), PATIENT_S),
    ]
