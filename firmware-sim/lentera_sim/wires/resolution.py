"""What a meter's register can say of a value: the meter's own arithmetic, for the ledger.

On purpose not the decoder that gateways use: a ledger written by that decoder would agree with every fault of it.
"""

from __future__ import annotations

import struct
from decimal import Decimal

from lentera_drivers.profiles import Register

_FLOAT_FORMATS = {"float32": ">f", "float64": ">d"}


def at_resolution(register: Register, value: float) -> float:
    """Return a value (SI unit) as its register carries it: IEEE 754 of value / scale, or whole steps of the scale.

    A scale is the decimal that the profile writes: a step of 0.1 is a tenth, not the float next to it. Ties go to the
    even step.

    Raises:
        OverflowError: a float32 cannot carry the value.
    """
    form = _FLOAT_FORMATS.get(register.type.value)
    if form is not None:
        (carried,) = struct.unpack(form, struct.pack(form, value / register.scale))
        return carried * register.scale
    step = Decimal(repr(register.scale))
    return float(round(Decimal(value) / step) * step)
