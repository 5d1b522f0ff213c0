"""`lentera sim line`: a line as a technician finds it, to scan, read and mend from another shell."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require

if TYPE_CHECKING:
    from lentera_sim.line_run import LineInfo

EPILOG = """Examples:

\b
  lentera sim line defaults --dir /tmp/line          then, in another shell:
  lentera gateway scan /tmp/line/line

\b
  lentera sim line fresh --dir /tmp/line             twelve new meters, all at id 1 and switched off
  lentera gateway readdress /tmp/line/line --ids 1-12
  lentera sim fault unit-1 dead --off --dir /tmp/line      switches the first on

\b
Scenes:
  defaults      32 meters of one model at 9600 8N1, ids 1 to 32
  own-defaults  32 meters of every model, each as its factory set it
  mixed         2400 to 19200 baud, N and E, strange models, two clashes, most without load; drawn by --seed
  clash         four meters, two of them on one id
  fresh         twelve new meters from the box

The folder's truth.json says what hangs where: look only afterwards. A pseudo-terminal carries no parity, so the line
has the meters of one parity. lentera sim fault puts faults on unit-ID and on line."""


class ParityChoice(StrEnum):
    """Which meters of a scene hang on the line."""

    N = "N"
    E = "E"
    O = "O"  # noqa: E741 - odd parity is called so


def line(
    scene: Annotated[str, typer.Argument(help="Which line; the scenes are listed below.")],
    folder: Annotated[Path, typer.Option("--dir", help="Folder of the run; made if missing.")] = Path("var/line"),
    seed: Annotated[int, typer.Option(help="Of scenes that are drawn by chance.")] = 1,
    parity: Annotated[ParityChoice, typer.Option(help="Meters of which parity.")] = ParityChoice.N,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="Put a fault, once or more: TARGET=FAULT[:VALUE][@AFTER_S][/FOR_S]; see lentera sim faults."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print where everything is as JSON.")] = False,
) -> None:
    """Run a serial line with meters on it until Ctrl-C; its port is the file `line` in the folder."""
    require("sim")
    from dataclasses import asdict

    from lentera_sim.faults.order import parse_order
    from lentera_sim.line_run import main

    def ready(info: LineInfo) -> None:
        if json:
            output.print_json(asdict(info))
        else:
            output.print_pairs({name: str(value) for name, value in asdict(info).items()})
        typer.echo("", nl=False)

    main(scene, folder, seed, parity.value, [parse_order(text) for text in fault or ()], ready)
