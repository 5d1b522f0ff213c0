"""Serial ports that this machine has, by names that survive unplugging."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_BY_ID: Final = Path("serial/by-id")
_PLAIN: Final = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttySC*")


def candidate_ports(devices: Path = Path("/dev")) -> list[Path]:
    """Return the ports that an RS-485 adapter may be: by id where the system names them so, else by their plain names.

    A port that has a name by id is not listed a second time by its plain one.
    """
    named = sorted((devices / _BY_ID).glob("*")) if (devices / _BY_ID).is_dir() else []
    taken = {port.resolve() for port in named}
    plain = sorted(port for pattern in _PLAIN for port in devices.glob(pattern))
    return [*named, *(port for port in plain if port.resolve() not in taken)]
