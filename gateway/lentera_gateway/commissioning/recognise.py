"""Which model a unit is: what to ask it next, and what its answers allow to say. Pure.

A profile is accepted only when its volts and hertz are right, no law is broken, no register of it is refused, and no
other profile explains the answers about as well. Everything else is listed with its candidates: `needs load` where all
is zero (by day the feeders are off), `ambiguous` where several fit even under load, `unknown` where none does.

Profiles are tried as written first; only when none of those fits are swapped words and addresses one off considered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lentera_drivers.profiles import IdentityKind, MeterProfile, Register
from lentera_drivers.profiles import Verdict as ProbeVerdict
from lentera_drivers.profiles.probe import probe
from lentera_gateway.commissioning.evidence import BROKEN, Law, dead_phases, has_load, is_alive, weigh
from lentera_gateway.commissioning.hypothesis import (
    Hypothesis,
    hypotheses,
    identity_span,
    is_identifying,
    merged,
    runs,
)
from lentera_gateway.commissioning.image import ILLEGAL_VALUE, Image, Span

TIERS: Final = 3
ENOUGH_BITS: Final = 15.0
"""Volts and hertz of one phase (13) and a counter that has counted (2); three phases and hertz have 25."""
MARGIN_BITS: Final = 6.0
"""By how much the best profile must be ahead of every other that is not refuted."""
_STRICT_RULES: Final = ("volts", "hertz", "power_factor", "counters")
_IDENTITY_BITS: Final = 20.0
_OWN_NAMES: Final = (IdentityKind.MODEL_CODE, IdentityKind.MODEL_NAME)
_WORTH_NAMING_BITS: Final = 8.0
_WORTH_READING_BITS: Final = 6.0
_MOST_QUESTIONS: Final = 160


class Undecided(StrEnum):
    """Why it is not said what a unit is, though its answers fit a model."""

    NO_LOAD = "no_load"
    """No current flows: what tells relatives apart is zero."""
    DEAD_PHASE = "dead_phase"
    """A phase that the model measures has no volts: one phase is wired, or a fuse is out."""
    SAME_ANSWERS = "same_answers"
    """Several models would answer like this, under load too: only the nameplate tells them apart."""
    NO_PROOF = "no_proof"
    """One model fits, but too little of what it measures can be checked."""


class Outcome(StrEnum):
    """What can be said about a unit."""

    IDENTIFIED = "identified"
    NEEDS_LOAD = "needs_load"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    CLASH = "clash"


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a hypothesis stands.

    Attributes:
        refuted: why it cannot be, None while it can.
        bits: what speaks for it.
        values: what the unit would be saying.
        laws: every law that had something to say.
        identifies: volts of every phase and hertz, where the profile has them, are right.
    """

    hypothesis: Hypothesis
    refuted: str | None
    bits: float
    values: dict[str, float]
    laws: tuple[Law, ...]
    identifies: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for a unit: the profile if there is one, else the candidates, best first."""

    outcome: Outcome
    best: Judgement | None
    candidates: tuple[Judgement, ...]
    closest: Judgement | None = None
    undecided: tuple[Undecided, ...] = ()


def judge(hypothesis: Hypothesis, image: Image) -> Judgement:
    """Weigh one hypothesis against all that the unit has said."""
    profile = hypothesis.profile
    values: dict[str, float] = {}
    for code, words in image.words.items():
        values.update(profile.decode(words, code))
    taken = {
        register.quantity: image.taken[profile.function_code_of(register), register.address]
        for register in profile.registers
        if register.quantity in values
    }
    laws = weigh(
        values,
        lambda names: len({taken.get(name, -1) for name in names}) == 1,
        single_phase=profile.phases == 1,
    )
    laws += _identity_laws(profile, image)
    refuted = _refusal(profile, image) or _silence(profile, image, values)
    broken = next((law for law in laws if law.bits == BROKEN), None)
    if broken is not None:
        refuted = refuted or f"{broken.name}: {broken.detail}"
    bits = sum(law.bits for law in laws if law.bits != BROKEN)
    return Judgement(hypothesis, refuted, bits, values, tuple(laws), _identifies(profile, values, laws))


def _silence(profile: MeterProfile, image: Image, values: dict[str, float]) -> str | None:
    """Return which value that every meter has was read and is none (a null marker, not a number)."""
    for register in profile.registers:
        wanted = register.quantity in ("voltage_l1", "frequency") and register.quantity not in values
        if wanted and image.covers(Span(profile.function_code_of(register), register.address, register.count)):
            return f"{register.quantity} has no value"
    return None


def _identity_laws(profile: MeterProfile, image: Image) -> list[Law]:
    """Weigh what the meter tells about itself, where the profile knows what it should be."""
    found: list[Law] = []
    for entry in profile.identity:
        words = image.answers.get(identity_span(profile, entry))
        if words is None:
            continue
        told = entry.read(words, profile.order)
        fits = entry.fits(told)
        if fits is not None:
            found.append(Law(entry.what.value, _IDENTITY_BITS if fits else BROKEN, f"it says {told!r}"))
    return found


def _refusal(profile: MeterProfile, image: Image) -> str | None:
    """Return why a refused question refutes a profile: it asked for whole values that the profile has, and no more."""
    mandatory = [register for register in profile.registers if register.mandatory]
    for span, code in image.refused.items():
        if span.count <= profile.max_registers_per_read and _is_whole(profile, mandatory, span):
            return f"{span} refused (exception {code})"
    codes = {profile.function_code_of(register) for register in mandatory}
    missing = next((code for code in codes if image.knows_no_function(code)), None)
    return None if missing is None else f"function {missing} refused (exception 1)"


def _is_whole(profile: MeterProfile, mandatory: Sequence[Register], span: Span) -> bool:
    """Whether a span is made of nothing but the profile's values, from the start of one to the end of another."""
    if profile.even_addresses and (span.address % 2 or span.count % 2):
        return False
    inside = [
        register
        for register in mandatory
        if span.address <= register.address
        and register.end <= span.end
        and profile.function_code_of(register) == span.function_code
    ]
    return sum(register.count for register in inside) == span.count


def _identifies(profile: MeterProfile, values: dict[str, float], laws: Sequence[Law]) -> bool:
    wanted = [register.quantity for register in profile.registers if is_identifying(register)]
    if not wanted:
        return False
    passed = sum(1 for law in laws if law.name in ("volts", "hertz") and law.bits > 0)
    return passed == len(wanted) and all(name in values for name in wanted)


def next_span(judged: Sequence[Judgement], image: Image) -> Span | None:
    """Return the next question to a unit; None when nothing more would help.

    Volts and hertz of every hypothesis that stands are asked first, then the whole maps of those that they fit, which
    tells relatives apart: what one has and another refuses.
    """
    if len(image.asked) >= _MOST_QUESTIONS:
        return None
    standing = [one for one in judged if one.refuted is None]
    for one in standing:
        profile = one.hypothesis.profile
        first = [register for register in profile.registers if is_identifying(register)] or list(profile.registers)[:1]
        span = _unasked(runs(profile, first), image)
        if span is not None:
            return span
    worthy = [one for one in standing if one.bits >= _WORTH_READING_BITS or not _has_identity(one)]
    for one in sorted(worthy, key=lambda one: -one.bits):
        profile = one.hypothesis.profile
        told = [identity_span(profile, entry) for entry in profile.identity]
        span = next((span for span in told if span not in image.asked), None)
        if span is not None and not image.knows_no_function(span.function_code):
            return span
        wanted = [register for register in profile.registers if register.mandatory]
        span = _whole_map(profile, wanted, image)
        if span is not None:
            return span
    return None


def _has_identity(one: Judgement) -> bool:
    return any(is_identifying(register) for register in one.hypothesis.profile.registers)


def _whole_map(profile: MeterProfile, wanted: Sequence[Register], image: Image) -> Span | None:
    """Ask in few long questions, and in pieces without holes where a long one was refused."""
    exact = tuple(runs(profile, wanted))
    for span in merged(profile, wanted):
        if image.covers(span):
            continue
        if span not in image.asked:
            return span
        pieces = [piece for piece in exact if span.address <= piece.address and piece.end <= span.end]
        found = _unasked((p for p in pieces if p.function_code == span.function_code), image)
        if found is not None:
            return found
    return _unasked(exact, image)


def _unasked(spans: Iterable[Span], image: Image) -> Span | None:
    for span in spans:
        if span in image.asked or image.covers(span):
            continue
        if not image.knows_no_function(span.function_code):
            return span
    return None


def conclude(judged: Iterable[Judgement]) -> Verdict:
    """Say what the unit is, as far as its answers allow."""
    ordered = sorted(judged, key=lambda one: (one.refuted is not None, -one.bits, one.hypothesis.base))
    standing = [one for one in ordered if one.refuted is None]
    named = tuple(one for one in standing if one.bits >= _WORTH_NAMING_BITS)
    closest = next((one for one in ordered if one.refuted is not None and one.identifies), None)
    if not named:
        return Verdict(Outcome.UNKNOWN, None, (), closest)
    best = named[0]
    rivals = tuple(one for one in named[1:] if one.bits > best.bits - MARGIN_BITS)
    if _is_sure(best) and not rivals:
        return Verdict(Outcome.IDENTIFIED, best, (best,), closest)
    loaded = has_load(best.values) and is_alive(best.values)
    outcome = Outcome.AMBIGUOUS if loaded and rivals else Outcome.NEEDS_LOAD
    return Verdict(outcome, None, (best, *rivals), closest, _undecided((best, *rivals)))


def _is_sure(one: Judgement) -> bool:
    """Whether a model is proved: volts of all phases and hertz, and something more that only it explains."""
    if _probe_fails(one):
        return False
    if any(law.name in _OWN_NAMES and law.bits > 0 for law in one.laws):
        return True  # the meter says itself what it is
    more = any(law.bits > 0 for law in one.laws if law.name not in ("volts", "hertz"))
    proved = one.identifies or (not _has_identity(one) and has_load(one.values))
    return one.bits >= ENOUGH_BITS and more and proved


def _undecided(candidates: Sequence[Judgement]) -> tuple[Undecided, ...]:
    found: list[Undecided] = []
    if any(dead_phases(one.values) for one in candidates):
        found.append(Undecided.DEAD_PHASE)
    if not any(has_load(one.values) for one in candidates):
        found.append(Undecided.NO_LOAD)
    elif len(candidates) > 1:
        found.append(Undecided.SAME_ANSWERS)
    return tuple(found) or (Undecided.NO_PROOF,)


def _probe_fails(one: Judgement) -> bool:
    """Whether a rule of identification of the profile itself fails (sums of several answers may: loads change)."""
    findings = probe(one.hypothesis.profile, one.values)
    return any(finding.verdict is ProbeVerdict.FAILED and finding.rule in _STRICT_RULES for finding in findings)


class Recogniser:
    """The dialogue with one unit, without the wire: `ask` gives the next question, the answers are handed back."""

    def __init__(self, profiles: Sequence[MeterProfile]) -> None:
        """Begin with the profiles as written."""
        self.image = Image()
        self._profiles = profiles
        self._tier = 0
        self._twins_added = False
        self._judged = [judge(one, self.image) for one in hypotheses(profiles, 0)]

    def ask(self) -> Span | None:
        """Return the next question; None when the verdict stands."""
        while True:
            span = next_span(self._judged, self.image)
            if span is not None:
                return span
            if not self._widen():
                return None

    def answer(self, span: Span, words: Sequence[int]) -> None:
        """Note the registers of an answer."""
        self.image.answer(span, words)
        self._weigh(span)

    def refuse(self, span: Span, exception_code: int) -> None:
        """Note an exception; a refused number of registers says nothing about the registers."""
        if exception_code == ILLEGAL_VALUE and span.count > 2:
            self.image.fail(span)
        else:
            self.image.refuse(span, exception_code)
        self._weigh(span)

    def fail(self, span: Span) -> None:
        """Note that a question had no usable answer."""
        self.image.fail(span)

    def verdict(self) -> Verdict:
        """Say what the unit is."""
        return conclude(self._judged)

    def _weigh(self, span: Span) -> None:
        """Judge again whatever the span touches; what is refuted stays so."""
        for number, one in enumerate(self._judged):
            if one.refuted is None and one.hypothesis.touches(span):
                self._judged[number] = judge(one.hypothesis, self.image)

    def _widen(self) -> bool:
        """Consider more hypotheses; False when there are no more worth it."""
        verdict = self.verdict()
        if verdict.outcome is Outcome.UNKNOWN and self._tier + 1 < TIERS:
            self._tier += 1
            self._judged += [judge(one, self.image) for one in hypotheses(self._profiles, self._tier)]
            return True
        if verdict.best is None or self._twins_added or self._tier:
            return False
        self._twins_added = True
        self._judged += _twins(verdict.best, self._profiles, self.image)
        return True


def _twins(best: Judgement, profiles: Sequence[MeterProfile], image: Image) -> list[Judgement]:
    """Return altered profiles that read volts and hertz as well as the best one does from the very same answers."""
    near = (judge(one, image) for one in hypotheses(profiles, 1))
    return [one for one in near if one.refuted is None and one.identifies and one.bits >= best.bits - 4 * MARGIN_BITS]
