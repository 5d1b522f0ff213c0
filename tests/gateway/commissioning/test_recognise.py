"""No model is ever taken for another: every profile of ours as the truth, as written and altered, loaded and idle."""

from collections import Counter

import pytest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile
from lentera_gateway.commissioning.hypothesis import vary
from lentera_gateway.commissioning.recognise import Outcome, Recogniser, Verdict
from tests.gateway.commissioning import scenes
from tests.gateway.commissioning.small_line import Meter, meter_of

ALTERED = [(False, 0), (True, 0), (False, 1), (False, -1), (True, 1)]


def talk(meter: Meter) -> Verdict:
    """Let the recogniser ask a meter."""
    recogniser = Recogniser(scenes.profiles())
    while (span := recogniser.ask()) is not None:
        kind = ReadInputRegistersRequest if span.function_code == 4 else ReadHoldingRegistersRequest
        reply = meter.answer(kind(address=span.address, count=span.count))
        if reply.isError():
            recogniser.refuse(span, reply.exception_code)
        else:
            recogniser.answer(span, reply.registers)
    return recogniser.verdict()


@pytest.mark.parametrize("holes", [True, False], ids=["holes-read-0", "holes-refused"])
@pytest.mark.parametrize(("watts", "counted_kwh"), [(900.0, 9000.0), (0.0, 9000.0), (0.0, 0.0)])
@pytest.mark.parametrize(("swapped", "shift"), ALTERED)
def test_nothing_is_taken_for_another(swapped: bool, shift: int, watts: float, counted_kwh: float, holes: bool) -> None:
    found: Counter[Outcome] = Counter()
    for profile in scenes.absolute():
        truth = vary(profile, swapped=swapped, shift=shift)
        if truth is None:
            continue
        meter = meter_of(truth, 1, LineSettings(), scenes.values_for(profile, watts, counted_kwh), holes=holes)
        verdict = talk(meter)
        found[verdict.outcome] += 1
        if verdict.best is not None:
            told = verdict.best.hypothesis
            assert (told.base, told.swapped, told.shift) == (profile.id, swapped, shift)
    if watts and not shift and not swapped:
        assert found == {Outcome.IDENTIFIED: len(scenes.absolute()) - 1, Outcome.NEEDS_LOAD: 1}
    assert found[Outcome.IDENTIFIED] >= 0.35 * found.total()


def profile_of(name: str) -> MeterProfile:
    return next(profile for profile in scenes.profiles() if profile.id == name)


def test_relatives_without_load_are_listed_not_guessed() -> None:
    profile = profile_of("eastron_sdm72d_m_v2")
    verdict = talk(meter_of(profile, 1, LineSettings(), scenes.values_for(profile, 0.0, 0.0)))
    assert verdict.outcome is Outcome.NEEDS_LOAD
    assert {one.hypothesis.base for one in verdict.candidates} == {"eastron_sdm630", "eastron_sdm72d_m_v2"}


def test_a_meter_without_volts_fits_nothing() -> None:
    profile = profile_of("schneider_pm5110")
    verdict = talk(meter_of(profile, 1, LineSettings(), {}))
    assert verdict.best is None
