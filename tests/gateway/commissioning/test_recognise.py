"""No model is ever taken for another: every profile of ours as the truth, as written and altered, loaded and idle."""

from __future__ import annotations

from collections import Counter

import pytest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from lentera_drivers.profiles import MeterProfile
from lentera_gateway.commissioning.hypothesis import vary
from lentera_gateway.commissioning.recognise import Outcome, Recogniser, Undecided, Verdict
from lentera_sim import scenes
from lentera_sim.scenes import Gaps, SceneMeter, profile_of

Live = tuple[float, float, float]
ALTERED = [(False, 0), (True, 0), (False, 1), (False, -1), (True, 1)]


def talk(meter: SceneMeter) -> Verdict:
    """Let the recogniser ask a meter."""
    recogniser, unit = Recogniser(scenes.catalogue()), scenes.unit_of(meter)
    while (span := recogniser.ask()) is not None:
        kind = ReadInputRegistersRequest if span.function_code == 4 else ReadHoldingRegistersRequest
        answer = unit.answer(kind(address=span.address, count=span.count, dev_id=meter.unit))
        assert answer is not None
        if answer.pdu.isError():
            recogniser.refuse(span, answer.pdu.exception_code)
        else:
            recogniser.answer(span, answer.pdu.registers)
    return recogniser.verdict()


@pytest.mark.parametrize(("watts", "counted_kwh"), [(900.0, 9000.0), (0.0, 9000.0), (0.0, 0.0)])
@pytest.mark.parametrize(
    ("swapped", "shift", "gaps"), [(False, 0, Gaps.REFUSED), *((*altered, Gaps.ZERO) for altered in ALTERED)]
)
def test_nothing_is_taken_for_another(swapped: bool, shift: int, watts: float, counted_kwh: float, gaps: Gaps) -> None:
    found: Counter[Outcome] = Counter()
    for profile in scenes.serial_meters():
        truth = vary(profile, swapped=swapped, shift=shift)
        if truth is None:
            continue
        verdict = talk(SceneMeter(truth, 1, watts=watts, counted_kwh=counted_kwh, gaps=gaps))
        found[verdict.outcome] += 1
        if verdict.best is not None:
            told = verdict.best.hypothesis
            assert (told.base, told.swapped, told.shift) == (profile.id, swapped, shift)
    if watts and not shift and not swapped:
        assert found == {Outcome.IDENTIFIED: len(scenes.serial_meters()) - 1, Outcome.NEEDS_LOAD: 1}
    # One that has neither load nor counted anything has little more than volts to show.
    assert found[Outcome.IDENTIFIED] >= (0.35 if counted_kwh else 0.2) * found.total()


@pytest.mark.parametrize("gaps", [Gaps.ZERO, Gaps.OPEN])
@pytest.mark.parametrize("watts", [900.0, 0.0])
@pytest.mark.parametrize("live", [(1.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0)])
def test_a_meter_with_a_dead_phase_is_taken_for_no_other(live: Live, watts: float, gaps: Gaps) -> None:
    """Three-phase meters on one phase read like single-phase relatives; what names itself is known all the same."""
    named: set[str] = set()
    for profile in scenes.serial_meters():
        if profile.phases == 1 and not live[0]:
            continue
        verdict = talk(SceneMeter(profile, 1, watts=watts, gaps=gaps, live=live))
        if verdict.best is not None:
            assert verdict.best.hypothesis.base == profile.id
            named |= {profile.id} if profile.phases == 3 else set()
        elif any(register.quantity == "voltage_l1" for register in profile.registers):
            assert Undecided.DEAD_PHASE in verdict.undecided
            assert (Undecided.NO_LOAD in verdict.undecided) == (watts == 0)
    assert named == {"abb_b23", "socomec_countis_e23_e28", "socomec_diris_a10", "socomec_diris_b30"}


@pytest.mark.parametrize("gaps", Gaps)
@pytest.mark.parametrize(("watts", "counted_kwh"), [(900.0, 9000.0), (0.0, 0.0)])
def test_an_unknown_meter_with_the_volts_and_hertz_of_a_known_one_is_not_taken_for_it(
    watts: float, counted_kwh: float, gaps: Gaps
) -> None:
    for profile in scenes.serial_meters():
        verdict = talk(SceneMeter(look_alike(profile), 1, watts=watts, counted_kwh=counted_kwh, gaps=gaps))
        assert verdict.outcome in (Outcome.UNKNOWN, Outcome.NEEDS_LOAD, Outcome.AMBIGUOUS), profile.id


def look_alike(profile: MeterProfile) -> MeterProfile:
    """A profile that no catalogue has: volts and hertz where they were, everything else far away."""
    kept = ("voltage_l1", "voltage_l2", "voltage_l3", "frequency")
    moved = tuple(
        one if one.quantity in kept else one.model_copy(update={"address": one.address + 400})
        for one in profile.registers
    )
    return profile.model_copy(update={"id": "look_alike", "registers": moved, "identity": ()})


def test_relatives_without_load_are_listed_not_guessed() -> None:
    verdict = talk(SceneMeter(profile_of("eastron_sdm72d_m_v2"), 1, watts=0.0, counted_kwh=0.0))
    assert verdict.outcome is Outcome.NEEDS_LOAD
    assert {one.hypothesis.base for one in verdict.candidates} == {"eastron_sdm630", "eastron_sdm72d_m_v2"}


def test_a_meter_without_volts_fits_nothing() -> None:
    dead = SceneMeter(profile_of("schneider_pm5110"), 1, watts=0.0, counted_kwh=0.0, live=(0.0, 0.0, 0.0))
    assert talk(dead).best is None
