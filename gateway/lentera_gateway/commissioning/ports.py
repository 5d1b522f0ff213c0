"""Serial ports that this machine has, by names that survive unplugging."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_BY_ID: Final = Path("serial/by-id")
_PLAIN: Final = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttySC*")


def lasting_port(port: Path, devices: Path = Path("/dev")) -> Path:
    """Return the name by which a configuration shall know a port: whole, and one that survives unplugging if it has it.

    A link, such as one by id or of a rule of the user's own, is kept: somebody chose it to last.
    """
    whole = port.absolute()
    if whole.is_symlink():
        return whole
    named = sorted((devices / _BY_ID).glob("*"))
    return next((link for link in named if link.resolve() == whole.resolve()), whole)


def candidate_ports(devices: Path = Path("/dev")) -> list[Path]:
    """Return the ports that an RS-485 adapter may be: by id where the system names them so, else by their plain names.

    A port that has a name by id is not listed a second time by its plain one.
    """
    named = sorted((devices / _BY_ID).glob("*")) if (devices / _BY_ID).is_dir() else []
    taken = {port.resolve() for port in named}
    plain = sorted(port for pattern in _PLAIN for port in devices.glob(pattern))
    return [*named, *(port for port in plain if port.resolve() not in taken)]
