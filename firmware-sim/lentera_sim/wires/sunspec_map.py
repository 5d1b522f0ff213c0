"""The words of a SunSpec device around its values: marker, common model, heads of models, scales, end of the chain.

Independent of the drivers' discovery on purpose: what both had wrong would not be seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from lentera_drivers.profiles import MeterProfile
from lentera_sim.errors import PlanError

BASE = 40000
_MARKER = (0x5375, 0x6E53)
_COMMON_LENGTH = 66
_NOT_IMPLEMENTED = 0x8000
# Offsets in the common model, counted from its id: manufacturer, model and serial number of 16 registers, version of 8.
_COMMON_TEXTS = ((2, 16), (18, 16), (42, 8), (50, 16))
METER_BASE = BASE + len(_MARKER) + 2 + _COMMON_LENGTH
"""Where the device has its one model after the common one."""


def sunspec_words(
    profile: MeterProfile, exponents: Mapping[int, int], serial_number: str = "SIM-1", base: int = BASE
) -> dict[int, int]:
    """Return address -> word of everything that is no value.

    Args:
        profile: a relative profile, of the model that the device has.
        exponents: offset of each scale register in the model -> power of ten.
        serial_number: what the common model says.
        base: where the marker stands: 40000, 50000 or 0.

    Raises:
        PlanError: the profile is of no SunSpec model, or does not say how long it is.
    """
    if profile.sunspec_model is None or profile.model_length is None:
        raise PlanError(f"profile {profile.id} is of no SunSpec model; give sunspec_model and model_length")
    common = base + len(_MARKER)
    model = common + 2 + _COMMON_LENGTH
    end = model + 2 + profile.model_length
    words = {base: _MARKER[0], base + 1: _MARKER[1], common: 1, common + 1: _COMMON_LENGTH}
    words |= {model: profile.sunspec_model, model + 1: profile.model_length, end: 0xFFFF, end + 1: 0}
    texts = ("Lentera", profile.id, "sim", serial_number)
    for (offset, count), text in zip(_COMMON_TEXTS, texts, strict=True):
        data = text.encode("ascii")[: 2 * count].ljust(2 * count, b"\0")
        for at in range(count):
            words[common + offset + at] = int.from_bytes(data[2 * at : 2 * at + 2])
    words |= dict.fromkeys(range(model + 2, end), _NOT_IMPLEMENTED)
    words |= {model + offset: exponent % 0x10000 for offset, exponent in exponents.items()}
    return words
