"""Giving new meters their unit id, one at a time, from the factory's id to the next free one, with read-back.

All new meters of a model have the same id, so only one may be switched on at a time; the factory's id itself is given
last, for a meter that keeps it would answer together with the next new one.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final

from lentera_drivers.modbus.raw_answer import AnswerKind, RawAnswer
from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.profiles import Endianness, MeterProfile
from lentera_gateway.commissioning.dialogue import LINGER_S, Dialogue
from lentera_gateway.commissioning.found import FoundUnit
from lentera_gateway.commissioning.image import Span
from lentera_gateway.commissioning.one_device import ask, why_not
from lentera_gateway.commissioning.recognise import Outcome
from lentera_model.errors import LenteraError

_POLL_S: Final = 0.5
_PATIENCE_S: Final = 0.4
_SETTLE_S: Final = 0.5
_SETTLE_TRIES: Final = 6


class ReaddressError(LenteraError):
    """A meter cannot be given an id; the message says why and what to do."""

    code: ClassVar[str] = "readdress"


class Step(StrEnum):
    """What the technician is told."""

    WAITING = "waiting"
    FOUND = "found"
    CLASH = "clash"
    GIVEN = "given"
    KEEPS = "keeps"


@dataclass(frozen=True, slots=True)
class Told:
    """One step: which id it is about, what the meter is, how many are done and to come."""

    step: Step
    unit: int
    models: tuple[str, ...] = ()
    done: int = 0
    of: int = 0


@dataclass(slots=True)
class Readdressing:
    """The end: ids that were given in their order, and those that were taken before."""

    given: list[int] = field(default_factory=list[int])
    taken: list[int] = field(default_factory=list[int])


def id_words(profile: MeterProfile, unit: int) -> tuple[int, ...]:
    """Return the words that set a unit id in a model's register.

    Raises:
        ReaddressError: no source tells where this model keeps its unit id.
    """
    setting = profile.unit_id_register
    if setting is None:
        raise ReaddressError(
            f"{profile.id}: no source tells in which register it keeps its unit id; set it with the meter's buttons"
        )
    data = struct.pack(">f", float(unit)) if setting.type == "float32" else unit.to_bytes(2)
    words = [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]
    return tuple(words if profile.word_order is Endianness.BIG else reversed(words))


def order_of_ids(targets: Sequence[int], factory_id: int, taken: Sequence[int]) -> list[int]:
    """Return the ids to give, in order: free ones only, the factory's own last."""
    free = [unit for unit in targets if unit not in taken and unit != factory_id]
    return [*free, factory_id] if factory_id in targets else free


class Readdresser:
    """The dialogue on one line. The port is at the meters' settings."""

    def __init__(
        self, port: RawPort, profiles: Sequence[MeterProfile], factory_id: int, poll_s: float = _POLL_S
    ) -> None:
        """Prepare.

        Args:
            port: opened, at the new meters' settings.
            profiles: what the new meters may be.
            factory_id: the id that they leave the factory with.
            poll_s: how often a line is asked for the next meter, in seconds.
        """
        self._port = port
        self._profiles = profiles
        self._factory_id = factory_id
        self._poll_s = poll_s
        self.result = Readdressing()

    async def taken(self, targets: Sequence[int]) -> list[int]:
        """Return the ids that somebody on the line has already, the factory's aside."""
        found = [unit for unit in targets if unit != self._factory_id and await self._is_there(unit)]
        self.result.taken = found
        return found

    async def next_meter(self) -> FoundUnit:
        """Wait for a meter at the factory's id and find out what it is. Cancel it to stop waiting."""
        answer = await self._probe(self._factory_id)
        while not answer.heard:
            await asyncio.sleep(self._poll_s)
            answer = await self._probe(self._factory_id)
        found = FoundUnit(self._port.settings, self._factory_id, turnaround_s=answer.first_byte_s or 0.1)
        await Dialogue(self._port, found, self._profiles).run()
        return found

    async def gone(self) -> None:
        """Wait until nobody answers at the factory's id."""
        heard = (await self._probe(self._factory_id)).heard
        while heard:
            await asyncio.sleep(self._poll_s)
            heard = (await self._probe(self._factory_id)).heard

    async def give(self, found: FoundUnit, unit: int) -> None:
        """Give the meter at the factory's id another one, and prove that it has it.

        Raises:
            ReaddressError: its model is not known well enough, it refuses, or it does not answer at the new id.
        """
        profile = self._profile_of(found)
        if unit == self._factory_id:
            self.result.given.append(unit)
            return
        if await self._is_there(unit):
            raise ReaddressError(f"unit id {unit} is taken by another meter on this line; take another id")
        setting = profile.unit_id_register
        words = id_words(profile, unit)
        await self._shows_its_id(profile)
        answer = await self._port.write(
            self._factory_id, setting.address if setting else 0, words, function_code=16, patience_s=1.0
        )
        if answer.kind is AnswerKind.EXCEPTION:
            raise ReaddressError(
                f"the meter refuses a new id ({why_not(answer)}); put it into its set-up mode first (Eastron: hold the "
                "button until -SET- is shown), then try again"
            )
        await self._prove(profile, unit, words)
        self.result.given.append(unit)

    async def _shows_its_id(self, profile: MeterProfile) -> None:
        """Read the factory's id where the model keeps it: nothing is written to a meter that has something else there.

        Raises:
            ReaddressError: it has.
        """
        setting = profile.unit_id_register
        words = id_words(profile, self._factory_id)
        span = Span(3, setting.address if setting else 0, len(words))
        answer = await ask(self._port, self._factory_id, span, [], _PATIENCE_S)
        if answer.kind is not AnswerKind.REPLY or answer.words != words:
            raise ReaddressError(
                f"the meter does not show its id {self._factory_id} where {profile.id} keeps it ({span}): it is "
                "another model, and nothing was written; set its id with its buttons"
            )

    async def _prove(self, profile: MeterProfile, unit: int, words: tuple[int, ...]) -> None:
        """Read the id back at the new id, and hear that the old one is silent."""
        setting = profile.unit_id_register
        span = Span(3, setting.address if setting else 0, len(words))
        raw: list[RawAnswer] = []
        for _ in range(_SETTLE_TRIES):
            await asyncio.sleep(_SETTLE_S)
            answer = await ask(self._port, unit, span, raw, _PATIENCE_S)
            if answer.kind is not AnswerKind.REPLY or answer.words != words:
                continue
            if (await self._probe(self._factory_id)).heard:
                raise ReaddressError(
                    f"a meter answers at {unit}, but somebody still answers at {self._factory_id}: two new meters are "
                    "on; switch one off"
                )
            return
        raise ReaddressError(
            f"no meter proves the new id {unit}; switch it off and on, and look with `lentera gateway scan --units "
            f"{self._factory_id},{unit}`"
        )

    def _profile_of(self, found: FoundUnit) -> MeterProfile:
        """Return the model, or one of several that keep their id in the same place."""
        if found.outcome is Outcome.CLASH:
            raise ReaddressError("two new meters are on at once; switch one off and try again")
        if found.profile is not None:
            id_words(found.profile, 1)
            return found.profile
        by_id = {profile.id: profile for profile in self._profiles}
        maybe = [
            by_id[one.profile] for one in found.candidates if one.profile in by_id and not one.shift and not one.swapped
        ]
        places = {_place_of_id(profile) for profile in maybe}
        if len(maybe) == len(found.candidates) and len(places) == 1 and None not in places:
            return maybe[0]
        names = ", ".join(one.profile for one in found.candidates) or "an unknown model"
        raise ReaddressError(f"the new meter may be {names}: it is not known in which register it keeps its id")

    async def _is_there(self, unit: int) -> bool:
        return bool((await self._probe(unit)).heard)

    async def _probe(self, unit: int) -> RawAnswer:
        answer = await self._port.read(unit, 4, 0, 2, patience_s=_PATIENCE_S, linger_s=LINGER_S)
        return answer if answer.kind is not AnswerKind.SILENCE else RawAnswer(answer.asked, b"", answer.kind)


def _place_of_id(profile: MeterProfile) -> tuple[int, str] | None:
    setting = profile.unit_id_register
    return None if setting is None else (setting.address, setting.type)
