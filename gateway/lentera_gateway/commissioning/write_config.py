"""Writing a scan's configuration and proving at once that `lentera gateway check` accepts it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from lentera_gateway.check import check_config
from lentera_gateway.commissioning.new_config import EVERY_S, NewBus, NewConfig, config_text
from lentera_model.errors import LenteraError

_FULL_ENOUGH: Final = 0.75


class NotWrittenError(LenteraError):
    """A configuration is not written: there is a file already, nothing to write, or the check refuses it."""

    code: ClassVar[str] = "not_written"


def write_config(file: Path, plan: NewConfig, bus: NewBus, gateway: str, cloud_url: str) -> int:
    """Write the configuration and its own profiles beside it, with the shortest interval that the line can keep.

    Returns:
        The interval, in seconds.

    Raises:
        NotWrittenError: nothing was identified, a file of this name is there, or the check found a fault.
    """
    if not plan.included:
        raise NotWrittenError("no meter was identified: there is nothing to write a configuration for")
    for path in (file, *(file.parent / name for name in plan.profiles)):
        if path.exists():
            raise NotWrittenError(f"{path} is there already; give another name, or move it away first")
    for name, text in plan.profiles.items():
        (file.parent / name).write_text(text, encoding="utf-8")
    errors: tuple[str, ...] = ()
    for every_s in EVERY_S:
        file.write_text(config_text(plan, bus, gateway, cloud_url, every_s), encoding="utf-8")
        report = check_config(file)
        errors = report.errors
        if report.ok and all(one.load <= _FULL_ENOUGH for one in report.buses):
            return every_s
    if errors:
        raise NotWrittenError(f"{file} was written, but the check refuses it:\n" + "\n".join(errors))
    return EVERY_S[-1]
