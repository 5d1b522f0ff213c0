"""Asking one found unit until it is clear what it is, or that it is two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lentera_drivers.modbus.raw_answer import AnswerKind, RawAnswer, Sign
from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.profiles import IdentityKind, MeterProfile
from lentera_drivers.profiles.sunspec import SunSpecError, discover
from lentera_gateway.commissioning.evidence import dead_phases
from lentera_gateway.commissioning.found import Candidate, FoundUnit
from lentera_gateway.commissioning.hypothesis import identity_span
from lentera_gateway.commissioning.image import Span
from lentera_gateway.commissioning.recognise import Judgement, Outcome, Recogniser, Verdict
from lentera_model.errors import LenteraError

LINGER_S: Final = 0.25
"""After the first answer: a second unit of the same id answers a little later."""
_TRIES: Final = 3
_CLASH_GARBLED: Final = 3
_CLASH_SHARE: Final = 0.2
_SHORT_QUESTIONS: Final = 8
_NOISE_LETS_THROUGH: Final = 3
"""So many short answers get through where 2 % of characters are broken; of two units at once hardly ever."""
_SILENT_ANYWAY: Final = 3
_SPARE_S: Final = 0.1
_MOST_RAW: Final = 200
_SUNSPEC_CHUNK: Final = 60
_SUNSPEC_MOST: Final = 140
_BUSY: Final = (5, 6)
SHORTEST_FRAME: Final = 5


class _RefusedError(LenteraError):
    """A unit did not give registers that were asked for while its SunSpec models were walked."""

    code = "refused"


class Dialogue:
    """Questions to one unit at the port's settings."""

    def __init__(self, port: RawPort, found: FoundUnit, profiles: Sequence[MeterProfile]) -> None:
        """Begin; `found` is filled in by `run`."""
        self._port = port
        self._found = found
        self._profiles = profiles
        self._asked = 0
        self._silent = 0
        self._second_answer = any(Sign.SECOND_ANSWER in answer.signs for answer in found.raw)
        self._always_broken = False
        self._only_noise = False
        self._patience_s = max(0.15, 3 * found.turnaround_s + _SPARE_S)

    async def run(self) -> None:
        """Ask, and write what came of it into the found unit."""
        recogniser = Recogniser(self._profiles)
        await self._talk(recogniser, linger_s=LINGER_S)
        verdict = recogniser.verdict()
        if verdict.outcome is Outcome.UNKNOWN and not self.clashes:
            placed = await self._sunspec()
            if placed is not None:
                recogniser, verdict = placed, placed.verdict()
        self._found.image = recogniser.image
        self._note(verdict, recogniser)

    @property
    def clashes(self) -> bool:
        """Whether what came back so far is of two units: two answers to a question, or even short ones broken."""
        return self._second_answer or self._always_broken

    async def _suspect(self) -> None:
        """Where answers break again and again, tell two units from a noisy line, on which short answers get through."""
        often = self._found.garbled >= _CLASH_GARBLED and self._found.garbled >= _CLASH_SHARE * self._asked
        if self.clashes or self._only_noise or not often:
            return
        clean = 0
        for _ in range(_SHORT_QUESTIONS):
            answer = await self._port.read(self._found.unit, 4, 0, 2, patience_s=self._patience_s, linger_s=LINGER_S)
            self._second_answer = self._second_answer or Sign.SECOND_ANSWER in answer.signs
            clean += answer.answered
        self._only_noise = clean >= _NOISE_LETS_THROUGH
        self._always_broken = not self._only_noise

    async def _talk(self, recogniser: Recogniser, linger_s: float = 0.0) -> None:
        while not self.clashes and (span := recogniser.ask()) is not None:
            answer = await self._ask(span, linger_s)
            await self._suspect()
            linger_s = 0.0
            if answer.kind is AnswerKind.REPLY:
                recogniser.answer(span, answer.words)
            elif answer.kind is AnswerKind.EXCEPTION and answer.exception_code is not None:
                recogniser.refuse(span, answer.exception_code)
            else:
                recogniser.fail(span)

    async def _ask(self, span: Span, linger_s: float = 0.0) -> RawAnswer:
        """Put a question, again where the answer was broken or missing."""
        answer: RawAnswer | None = None
        for _ in range(_TRIES):
            answer = await self._port.read(
                self._found.unit,
                span.function_code,
                span.address,
                span.count,
                patience_s=self._patience_s,
                linger_s=linger_s,
            )
            self._asked += 1
            self._keep(answer)
            if answer.answered and answer.exception_code not in _BUSY:
                return answer
            if answer.kind is AnswerKind.SILENCE:
                self._silent += 1
                if self._silent > _SILENT_ANYWAY:
                    return answer  # one of those that keep silent where others refuse
            if self.clashes:
                return answer
        assert answer is not None  # noqa: S101 - _TRIES is not 0
        return answer

    def _keep(self, answer: RawAnswer) -> None:
        if len(self._found.raw) < _MOST_RAW:
            self._found.raw.append(answer)
        if answer.kind is AnswerKind.NOISE:
            self._found.garbled += 1
        if Sign.SECOND_ANSWER in answer.signs or stray_bytes(answer) >= SHORTEST_FRAME:
            self._found.garbled += 1
            self._second_answer = self._second_answer or Sign.SECOND_ANSWER in answer.signs

    async def _sunspec(self) -> Recogniser | None:
        """Look for SunSpec models, and judge the profiles of those that the unit has."""

        async def read(address: int, count: int) -> Sequence[int]:
            answer = await self._ask(Span(3, address, count))
            if answer.kind is not AnswerKind.REPLY:
                raise _RefusedError(f"registers {address}..{address + count - 1} were not given")
            return answer.words

        relative = [profile for profile in self._profiles if profile.sunspec_model is not None]
        try:
            models = await discover(read) if relative else None
        except LenteraError:
            return None
        placed: list[MeterProfile] = []
        spans: list[Span] = []
        for profile in relative if models is not None else ():
            model = models.find(profile.sunspec_model or 0) if models is not None else None
            if models is None or model is None:
                continue
            try:
                placed.append(models.place(profile))
            except SunSpecError:
                continue
            length = min(model.length + 2, _SUNSPEC_MOST)
            starts = range(model.base_address, model.base_address + length, _SUNSPEC_CHUNK)
            spans += [Span(3, at, min(_SUNSPEC_CHUNK, model.base_address + length - at)) for at in starts]
        if not placed:
            return None
        recogniser = Recogniser(placed)
        for span in spans:
            answer = await self._ask(span)
            if answer.kind is AnswerKind.REPLY:
                recogniser.answer(span, answer.words)
        await self._talk(recogniser)
        return recogniser

    def _note(self, verdict: Verdict, recogniser: Recogniser) -> None:
        found = self._found
        found.candidates = tuple(_candidate(one) for one in verdict.candidates)
        found.undecided = verdict.undecided
        found.dead_phases = dead_phases(verdict.candidates[0].values) if verdict.candidates else ()
        found.closest = None if verdict.closest is None else _candidate(verdict.closest)
        if self.clashes:
            found.outcome = Outcome.CLASH
            return
        found.outcome = verdict.outcome
        if verdict.best is not None:
            found.best = _candidate(verdict.best)
            found.profile = verdict.best.hypothesis.profile
            found.values = dict(verdict.best.values)
            found.serial_number = _serial_number(found.profile, recogniser)


def stray_bytes(answer: RawAnswer) -> int:
    """Return how many bytes came beside a good answer: a line without bias gives one or two, a second answer more."""
    if not answer.answered:
        return 0
    frame = SHORTEST_FRAME + (2 * len(answer.words) if answer.kind is AnswerKind.REPLY else 0)
    echo = len(answer.asked) if Sign.ECHO in answer.signs else 0
    return len(answer.heard) - echo - frame


def _candidate(one: Judgement) -> Candidate:
    hypothesis = one.hypothesis
    return Candidate(hypothesis.base, hypothesis.swapped, hypothesis.shift, one.bits, one.refuted or "")


def _serial_number(profile: MeterProfile, recogniser: Recogniser) -> str:
    for entry in profile.identity:
        words = recogniser.image.answers.get(identity_span(profile, entry))
        if entry.what is IdentityKind.SERIAL_NUMBER and words is not None:
            return entry.read(words, profile.order) or ""
    return ""
