"""Walking a line or a host for units, and finding out what they are.

A byte is a hint: a unit that thinks longer than the first pass waits is heard while its neighbours are asked, and
bytes that are no frame are looked at more closely at once. Units are recognised as soon as a leg of the walk ends, so
what is common is known early; the walk goes on as long as the line looks mixed and time is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lentera_drivers.modbus.raw_answer import AnswerKind, RawAnswer, Sign
from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile
from lentera_gateway.commissioning.dialogue import LINGER_S, SHORTEST_FRAME, Dialogue, stray_bytes
from lentera_gateway.commissioning.found import Ending, FoundUnit, ScanResult
from lentera_gateway.commissioning.recognise import Outcome
from lentera_gateway.commissioning.walk import (
    PATIENT_S,
    Leg,
    Stage,
    further_legs,
    likely_legs,
    single_legs,
    usual_settings,
)

UNIFORM_S: Final = 115.0
"""A line whose units all have the same settings and low ids is not walked for longer than this."""
MIXED_S: Final = 590.0
"""Any other line, with the recognition of who was found last; `--minutes` says otherwise."""
_RECOGNITION_S: Final = 4.0
"""What it takes to recognise a unit of a slow line."""
_CLOSER_S: Final = 0.6
_QUIET_S: Final = 0.3
_BEFORE: Final = 3
"""A late answer is of one of the units asked just before."""
_MOST_CLOSER_LOOKS: Final = 60
_QUESTION_S: Final = 0.05
"""The longest question of a usual line: eight characters and a silence at 2400 baud."""
_NOT_THERE: Final = (10, 11)
"""Exceptions of a converter: nobody behind it answered."""
_HOST_PATIENCE_S: Final = 0.5
_FIRST_HOST_PATIENCE_S: Final = 3.0
_STRANGE_UNITS: Final = (213, 99)
_NOBODYS_UNIT: Final = 250
"""Reserved by the protocol: no unit may have it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: what is being asked, the share of the time that is over, units found."""

    stage: Stage
    settings: LineSettings | None
    unit: int
    share: float
    found: int
    recognising: bool = False


@dataclass(frozen=True, slots=True)
class ScanWish:
    """What to scan.

    Attributes:
        settings: only these; None walks through the usual ones.
        units: only these unit ids; empty for all.
        limit_s: end after this many seconds; None decides by what is found.
        expect: end when this many units are found and looked at.
    """

    settings: LineSettings | None = None
    units: tuple[int, ...] = ()
    limit_s: float | None = None
    expect: int | None = None


class Scan:
    """One scan on an opened port."""

    def __init__(
        self,
        port: RawPort,
        profiles: Sequence[MeterProfile],
        wish: ScanWish | None = None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        """Prepare.

        Args:
            port: opened; at any settings.
            profiles: what units may be.
            wish: see `ScanWish`.
            on_progress: called often.
        """
        self._port = port
        self._wish = wish or ScanWish()
        serial = port.settings is not None
        self._profiles = [one for one in profiles if not serial or "rtu" in one.transport]
        self._on_progress = on_progress
        self._found: dict[tuple[LineSettings | None, int], FoundUnit] = {}
        self._noise = 0
        self._closer_looks = 0
        self._begun = 0.0
        self._not_asked: list[Leg] = []
        self._ignores_unit_ids = False

    async def run(self, where: str) -> ScanResult:
        """Scan to the end, or until the port goes. After a cancelled run, `result` tells what was found until then."""
        self._begun = self._now()
        try:
            if self._port.settings is None:
                self._ignores_unit_ids = await self._host()
            else:
                await self._line()
        except OSError as error:
            return self.result(where, Ending.PORT_GONE, error.strerror or str(error))
        return self.result(where)

    def result(self, where: str, ending: Ending = Ending.COMPLETE, why: str = "") -> ScanResult:
        """Return what is found so far; a unit that nobody has looked at yet has no outcome."""
        units = sorted(self._found.values(), key=_place)
        return ScanResult(
            where,
            tuple(units),
            self._now() - self._begun,
            self._port.questions,
            tuple(self._not_asked),
            self._noise,
            self._ignores_unit_ids,
            ending,
            why,
        )

    async def _line(self) -> None:
        for leg in self._legs():
            rare_for_nothing = leg.stage is Stage.RARE and bool(self._found) and self._wish.limit_s is None
            if rare_for_nothing or self._over():
                self._not_asked.append(leg)
                continue
            await self._leg(leg)
            await self._recognise_new()

    def _legs(self) -> Iterator[Leg]:
        """Yield the legs; which come later depends on what was found before."""
        wish = self._wish
        if wish.settings is not None:
            yield from single_legs(wish.settings, wish.units or range(1, 248))
            return
        usual = usual_settings(self._profiles)
        legs = [_only(leg, wish.units) for leg in likely_legs(usual)]
        yield from (leg for leg in legs if leg.units)
        legs = [_only(leg, wish.units) for leg in further_legs(usual, self._lived_in())]
        yield from (leg for leg in legs if leg.units)

    def _lived_in(self) -> list[LineSettings]:
        return list(dict.fromkeys(settings for settings, _ in self._found if settings is not None))

    async def _host(self) -> bool:
        """Ask a host for its unit ids; return whether it does not care for them."""
        units, ignores, patience_s = self._wish.units, False, _HOST_PATIENCE_S
        if not units:
            units = range(1, 248)
            strange = [await self._ask(unit, _FIRST_HOST_PATIENCE_S) for unit in _STRANGE_UNITS]
            ignores = all(_is_there(answer) for answer in strange)
            # A converter that says that nobody is there says it after a wait of its own; asked sooner, it falls behind.
            told_s = [answer.first_byte_s for answer in strange if answer.first_byte_s is not None]
            patience_s = max([patience_s, *(1.5 * one for one in told_s)])
        for unit in units[:1] if ignores else units:
            if self._over():
                break
            self._tell(Stage.REST, None, unit, units.index(unit) / len(units))
            answer = await self._ask(unit, patience_s)
            if _is_there(answer):
                self._meet(None, unit, answer)
        await self._recognise_new()
        return ignores

    async def _leg(self, leg: Leg) -> None:
        self._port.use(leg.settings)
        for turn, unit in enumerate(leg.units):
            if (leg.settings, unit) in self._found:
                continue
            if self._over():
                self._not_asked.append(leg)
                return
            self._tell(leg.stage, leg.settings, unit)
            # After the last one nobody is asked whose turn a late answer could fall into.
            answer = await self._ask(unit, leg.patience_s if unit != leg.units[-1] else PATIENT_S)
            if _is_there(answer):
                self._meet(leg.settings, unit, answer)
            if _is_talk(answer) or (answer.answered and stray_bytes(answer) >= SHORTEST_FRAME):
                await self._look_closer(leg, turn, answer)

    async def _look_closer(self, leg: Leg, turn: int, heard: RawAnswer) -> None:
        """Bytes that do not belong here: a late answer of a unit asked before, two units at once, or plain noise."""
        self._noise += 1
        if self._closer_looks >= _MOST_CLOSER_LOOKS:
            return
        self._closer_looks += 1
        asked = leg.units[max(0, turn - _BEFORE) : turn + 1][::-1]
        late = heard.unit if Sign.OTHER_UNIT in heard.signs else None
        if late is not None:
            # It says who it is; the one whose turn it was may have been drowned by it.
            suspects = [(late, _CLOSER_S), (asked[0], PATIENT_S)]
        else:
            turns_s = [(leg.patience_s + _QUESTION_S) * (back + 1) + PATIENT_S / 2 for back in range(len(asked))]
            suspects = list(zip(asked, turns_s, strict=True))
            suspects[:2] = reversed(suspects[:2])  # most often it is the one before
        await asyncio.sleep(_QUIET_S)
        for suspect, wait_s in suspects:
            if (leg.settings, suspect) in self._found:
                continue
            if await self._is_somebody(leg.settings, suspect, wait_s) and late is None:
                return

    async def _is_somebody(self, settings: LineSettings, unit: int, patience_s: float) -> bool:
        """Ask one unit with patience; note it if it answers, or if it answers garbled again and again."""
        first = await self._ask(unit, patience_s, LINGER_S)
        if first.kind is AnswerKind.SILENCE:
            return False
        answers = [first, await self._ask(unit, patience_s, LINGER_S)]
        clean = next((answer for answer in answers if _is_there(answer)), None)
        if clean is not None:
            self._meet(settings, unit, clean)
        elif all(_is_talk(answer) for answer in answers):
            nobodys = await self._ask(_NOBODYS_UNIT, patience_s, LINGER_S)
            if nobodys.kind is not AnswerKind.SILENCE:
                return False  # the line makes noise whoever is asked
            self._meet(settings, unit, first).garbled += len(answers)
        return (settings, unit) in self._found

    async def _ask(self, unit: int, patience_s: float, linger_s: float = 0.0) -> RawAnswer:
        """Ask what every unit answers, if only with an exception."""
        return await self._port.read(unit, 4, 0, 2, patience_s=patience_s, linger_s=linger_s)

    def _meet(self, settings: LineSettings | None, unit: int, answer: RawAnswer) -> FoundUnit:
        found = FoundUnit(settings, unit, turnaround_s=answer.first_byte_s or 0.0, raw=[answer])
        return self._found.setdefault((settings, unit), found)

    async def _recognise_new(self) -> None:
        for found in list(self._found.values()):
            if found.outcome is None:
                self._tell(Stage.LIKELY, found.settings, found.unit, recognising=True)
                if found.settings is not None:
                    self._port.use(found.settings)
                await Dialogue(self._port, found, self._profiles).run()
                found.known_after_s = self._now() - self._begun

    def _over(self) -> bool:
        """Whether the time is up, or everybody who was expected is there."""
        expect = self._wish.expect
        if expect is not None and len(self._found) >= expect:
            return True
        limit_s = self._limit_s
        waiting = sum(one.outcome is None for one in self._found.values())
        spare_s = waiting * _RECOGNITION_S if limit_s == MIXED_S else 0.0
        return self._now() - self._begun + spare_s >= limit_s

    @property
    def _limit_s(self) -> float:
        if self._wish.limit_s is not None:
            return self._wish.limit_s
        if self._port.settings is None:
            return MIXED_S
        settings = {place[0] for place in self._found}
        strange = any(one.outcome in (Outcome.UNKNOWN, Outcome.CLASH) for one in self._found.values())
        uniform = len(settings) == 1 and len(self._found) > 1 and not strange and not self._noise
        return UNIFORM_S if uniform and all(place[1] <= 64 for place in self._found) else MIXED_S

    def _tell(
        self,
        stage: Stage,
        settings: LineSettings | None,
        unit: int,
        share: float | None = None,
        *,
        recognising: bool = False,
    ) -> None:
        done = (self._now() - self._begun) / self._limit_s if share is None else share
        self._on_progress(Progress(stage, settings, unit, min(done, 1.0), len(self._found), recognising))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _is_there(answer: RawAnswer) -> bool:
    return answer.answered and answer.exception_code not in _NOT_THERE


def _is_talk(answer: RawAnswer) -> bool:
    """Whether there are bytes that are no answer; a break is none: it says that the line is wired wrongly."""
    return answer.kind is AnswerKind.NOISE and Sign.ALL_ZERO not in answer.signs


def _only(leg: Leg, units: Sequence[int]) -> Leg:
    kept = tuple(unit for unit in leg.units if not units or unit in units)
    return Leg(leg.stage, leg.settings, kept, leg.patience_s)


def _place(found: FoundUnit) -> tuple[int, str, int]:
    settings = found.settings
    return (0, "", found.unit) if settings is None else (settings.baud, str(settings), found.unit)
