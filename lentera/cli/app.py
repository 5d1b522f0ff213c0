"""The tree of commands. Only typer is imported here; each command imports its room when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer
import typer.exceptions

from lentera import __version__
from lentera.cli import (
    cloud,
    commission,
    completeness,
    conflicts,
    demo,
    devices,
    dim,
    gaps,
    gateway,
    gateways,
    one_device,
    profile,
    series,
    sim,
)
from lentera.cli.output import errors_as_json, print_error
from lentera.file_trouble import file_trouble
from lentera.language import reader_words
from lentera.words_errors import usage_in_words
from lentera_model.errors import LenteraError

_words = reader_words()

app = typer.Typer(
    name="lentera",
    help=_words("help.lentera"),
    epilog=_words("epilog.lentera"),
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help=_words("help.version"))
    ] = False,
) -> None:
    """Hold the options of `lentera` itself."""


for module in (demo, devices, dim, series, completeness, gaps, conflicts):
    module.register(app)
for module in (commission, one_device):
    module.register(gateway.app)
for group in (gateway, gateways, profile, cloud, sim):
    app.add_typer(group.app)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with 0 (done), 1 (failed, with a reason on stderr) or 2 (wrong usage)."""
    given = sys.argv[1:] if arguments is None else arguments
    errors_as_json("--json" in given)
    try:
        sys.exit(app(given, prog_name="lentera", standalone_mode=False) or 0)
    except LenteraError as error:
        print_error(str(error), code=getattr(error, "problem_code", "") or error.code)
        sys.exit(1)
    except typer.Abort:
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); point stdout elsewhere so that the exit stays silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        # One that names a file is about what the user gave us; any other is a fault of ours, and keeps its traceback.
        if error.filename is None:
            raise
        print_error(file_trouble(error, reader_words()), code="file")
        sys.exit(1)
    except typer.exceptions.TyperException as error:
        wrong_usage(error, as_json="--json" in given)


def wrong_usage(error: typer.exceptions.TyperException, *, as_json: bool) -> NoReturn:
    """Say what of the command line does not fit, with the usage unless a program reads it, and exit with its code.

    Typer keeps the classes of its parser's errors to itself, so what they carry is asked for by name.
    """
    format_message: Callable[[], str] = getattr(error, "format_message", lambda: str(error))
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(format_message() + "\n")
        sys.exit(2)
    if context is not None and not as_json:
        sys.stderr.write(context.get_usage() + "\n")
    print_error(usage_in_words(format_message(), reader_words().language), code="usage")
    sys.exit(getattr(error, "exit_code", 2))
