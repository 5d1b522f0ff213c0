"""The tree of commands. Only typer is imported here; each command imports its room when it runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from lentera import __version__
from lentera.cli import cloud, demo, devices, dim, gateway, series, sim
from lentera.cli.output import print_error
from lentera_model.errors import LenteraError

EPILOG = """Start with `lentera demo`, then in a second shell `lentera devices`.

Settings: LENTERA_URL and LENTERA_TOKEN say which cloud; without them the running demo is used. LENTERA_LANG=id speaks
Indonesian.

Exit codes: 0 done, 1 failed (the reason is on stderr), 2 wrong usage."""

app = typer.Typer(
    name="lentera",
    help="Edge gateway, device management and time series for city street lighting and energy meters.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lentera {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options of `lentera` itself."""


for module in (demo, devices, dim, series):
    module.register(app)
for group in (gateway, cloud, sim):
    app.add_typer(group.app)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with 0 (done), 1 (failed, with a reason on stderr) or 2 (wrong usage)."""
    try:
        app(arguments, prog_name="lentera")
    except LenteraError as error:
        print_error(str(error))
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); point stdout elsewhere so that the exit stays silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
