"""What a profile may say about the rules that its readings must pass (`probe:`); the rules are in `profiles.probe`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from lentera_drivers.profiles.fields import Finite, StrictModel, list_to_tuple
from lentera_drivers.profiles.validation import Found, located_errors

RuleName = Literal["volts", "hertz", "power_factor", "power_sum", "power_product", "counters"]
Range = Annotated[tuple[Finite, Finite], BeforeValidator(list_to_tuple)]


class ProbeRules(BaseModel):
    """Limits of the rules of identification, and which rules a meter cannot be held to.

    Attributes:
        volts: phase to neutral, V: what a map that fits shows. Rural feeders reach 150 V, so it is wide on purpose;
            an alarm has limits of its own (`minimum` and `maximum` of a register, or the city's).
        hertz: the same for the frequency, Hz.
        possible_volts: what a phase can carry at all, V: 0 in an outage, the line voltage when the neutral is broken.
            Outside it a reading of a known meter is not trusted.
        possible_hertz: the same for the frequency, Hz; 0 is what meters say without voltage and is always possible.
        tolerance_percent: how far power may lie from the sum of phases and from U x I x PF.
        tolerance_w: the same as power, for small loads; the registers' own resolution comes on top.
        load_w: apparent power, VA, below which a phase has no load that could decide.
        skip: rules that this meter cannot pass, with the reason in `notes`.
    """

    model_config = StrictModel
    volts: Range = (150.0, 270.0)
    hertz: Range = (45.0, 55.0)
    possible_volts: Range = (0.0, 500.0)
    possible_hertz: Range = (40.0, 70.0)
    tolerance_percent: Annotated[Finite, Field(gt=0, le=50)] = 8.0
    tolerance_w: Annotated[Finite, Field(ge=0, le=1_000)] = 5.0
    load_w: Annotated[Finite, Field(gt=0, le=10_000)] = 20.0
    skip: Annotated[tuple[RuleName, ...], BeforeValidator(list_to_tuple)] = ()

    @model_validator(mode="after")
    def _possible(self) -> ProbeRules:
        found: list[Found] = []
        for key in ("volts", "hertz", "possible_volts", "possible_hertz"):
            low, high = getattr(self, key)
            if not 0 <= low < high:
                found.append(((key,), f"{low:g} to {high:g} is no range", "write [smallest, largest], both positive"))
        if found:
            raise located_errors(found)
        return self
