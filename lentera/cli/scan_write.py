"""`lentera gateway scan --write`: the configuration of what a scan has found."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lentera.cli import output
from lentera.language import Words

if TYPE_CHECKING:
    from lentera_gateway.commissioning.new_config import NewBus, NewConfig


def prepare(file: Path, bus: NewBus, words: Words) -> NewBus:
    """Look before a scan of minutes whether its file can be written; return the bus by its port's lasting name.

    Raises:
        NotWrittenError: it is there already, or its folder is not there or not ours to write to.
    """
    from lentera_gateway.commissioning.ports import lasting_port
    from lentera_gateway.commissioning.write_config import NotWrittenError

    folder = file.absolute().parent
    if not folder.is_dir():
        raise NotWrittenError(words("scan.no_folder", file=file, folder=folder))
    if file.exists():
        raise NotWrittenError(words("scan.file_taken", file=file))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotWrittenError(words("scan.folder_closed", file=file, folder=folder))
    # Asked now: an adapter that is pulled out while it is scanned takes its name with it.
    return bus if bus.host else replace(bus, port=str(lasting_port(Path(bus.port))))


def write(file: Path, plan: NewConfig, bus: NewBus, gateway: str, cloud: str, words: Words, *, is_cut: bool) -> None:
    """Write what was identified; a scan that was cut short before anything was says that there is nothing.

    Raises:
        NotWrittenError: a scan that came to its end identified nothing, or the file cannot be.
    """
    from lentera_gateway.commissioning.write_config import write_config

    if is_cut and not plan.included:
        output.note(words("scan.nothing_to_write", file=file))
        return
    every_s = write_config(file, plan, bus, gateway, cloud)
    output.note(words("scan.written", file=file, count=len(plan.included), every=every_s))
