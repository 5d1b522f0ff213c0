"""Loading the configuration that a command was given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lentera.cli import output

if TYPE_CHECKING:
    from lentera_gateway.config import LoadedConfig


def load_or_exit(file: Path) -> LoadedConfig:
    """Load a gateway's configuration; one with faults is told with its place, and ends the command with exit code 1."""
    from lentera_drivers.profiles import ConfigFileError
    from lentera_gateway.config import load_config

    try:
        return load_config(file)
    except ConfigFileError as error:
        output.print_error(str(error), code="config_faults")
        raise typer.Exit(1) from error
