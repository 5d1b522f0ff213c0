"""`lentera gateway malformed`: what devices on MQTT published that is of no use, asked of the running gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lentera.cli import output
from lentera.cli.configuration import load_or_exit
from lentera.cli.extras import require
from lentera.language import Words, reader_words
from lentera.spans import age_text

_words = reader_words()
_ANSWER_WITHIN_S = 5.0

HELP = _words("help.gateway.malformed")
EPILOG = _words("epilog.gateway.malformed")


def malformed(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_words("help.gateway.file"))],
    device: Annotated[str | None, typer.Argument(help=_words("help.gateway.malformed.device"))] = None,
    json: Annotated[bool, typer.Option("--json", help=_words("help.gateway.malformed.json"))] = False,
) -> None:
    """Show the messages that were set aside; exit code 1 if the gateway could not say."""
    require("gateway")
    from lentera_gateway.control_client import ControlError, ask
    from lentera_gateway.control_path import socket_path

    memory_dir = load_or_exit(file).config.journal.memory_dir
    request = {"do": "malformed"} | ({} if device is None else {"device": device})
    try:
        answer = ask(socket_path(memory_dir), request, _ANSWER_WITHIN_S)
    except ControlError as error:
        output.print_error(str(error), code=getattr(error, "problem_code", error.code))
        raise typer.Exit(1) from error
    if json:
        output.print_json(answer)
    else:
        _show(answer["devices"], reader_words())


def _show(devices: dict[str, Any], words: Words) -> None:
    if not devices:
        typer.echo(words("malformed.none"))
        return
    for name, ring in devices.items():
        shown = name or words("malformed.stray")
        typer.echo(words("malformed.counted", device=shown, count=ring["count"], shown=len(ring["recent"])))
        for entry in reversed(ring["recent"]):
            typer.echo("  " + words("malformed.entry", **entry | {"age": age_text(entry["age_s"])}))
            typer.echo(f"    {entry['first']}")
