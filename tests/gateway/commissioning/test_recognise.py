"""No model is ever taken for another: every profile of ours as the truth, as written and altered, loaded and idle."""

from __future__ import annotations

from collections import Counter

import pytest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from lentera_gateway.commissioning.hypothesis import vary
from lentera_gateway.commissioning.recognise import Outcome, Recogniser, Verdict
from lentera_sim import scenes
from lentera_sim.scenes import Gaps, SceneMeter, profile_of

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


@pytest.mark.parametrize("gaps", [Gaps.ZERO, Gaps.REFUSED])
@pytest.mark.parametrize(("watts", "counted_kwh"), [(900.0, 9000.0), (0.0, 9000.0), (0.0, 0.0)])
@pytest.mark.parametrize(("swapped", "shift"), ALTERED)
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
    assert found[Outcome.IDENTIFIED] >= 0.35 * found.total()


def test_relatives_without_load_are_listed_not_guessed() -> None:
    verdict = talk(SceneMeter(profile_of("eastron_sdm72d_m_v2"), 1, watts=0.0, counted_kwh=0.0))
    assert verdict.outcome is Outcome.NEEDS_LOAD
    assert {one.hypothesis.base for one in verdict.candidates} == {"eastron_sdm630", "eastron_sdm72d_m_v2"}


def test_a_meter_without_volts_fits_nothing() -> None:
    dead = SceneMeter(profile_of("schneider_pm5110"), 1, watts=0.0, counted_kwh=0.0, live=(0.0, 0.0, 0.0))
    assert talk(dead).best is None
