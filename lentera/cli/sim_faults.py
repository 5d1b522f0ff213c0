"""`lentera sim faults|fault`: what can be wrong with a simulated street, and putting it there while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lentera.cli import output
from lentera.cli.extras import require

FAULTS_EPILOG = """Examples:

\b
  lentera sim faults
  lentera sim faults --dir /tmp/street
  lentera sim faults --dir /tmp/street --json"""

FAULT_EPILOG = """Examples:

\b
  lentera sim fault meter-market dead --dir /tmp/street
  lentera sim fault meter-market dead --off --dir /tmp/street
  lentera sim fault meter-office late 1.5 --for 60 --dir /tmp/street
  lentera sim fault rs485-0 noise 0.01 --dir /tmp/street
  lentera sim fault rs485-0 unplugged --after 10 --for 20 --dir /tmp/street

TARGET is the id of a device or a bus in the folder's gateway.yaml; lentera sim faults lists what each can have. What
was put and lifted stands in the folder's ledger.jsonl too."""

Folder = Annotated[Path, typer.Option("--dir", help="Folder of the run.")]


def faults(
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Folder of a run that goes on: also say what can be and what is wrong.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the faults that a simulated street can have, and with --dir those that stand now."""
    require("sim")
    from lentera_sim.faults.catalogue import catalogue
    from lentera_sim.faults.mailbox import ask_run

    kinds = [
        {"on": on, "fault": kind.name, "value": kind.value_text, "what": kind.what, "lasting": kind.lasting}
        for on, kinds in catalogue().items()
        for kind in kinds
    ]
    answer = {} if folder is None else ask_run(folder, None)
    if json:
        output.print_json({"faults": kinds} | ({} if folder is None else _street(answer)))
        return
    output.print_table(
        ("on", "fault", "value", "what happens"), [[k["on"], k["fault"], k["value"], k["what"]] for k in kinds]
    )
    if folder is not None:
        typer.echo()
        output.print_table(("target", "can have"), [[name, ", ".join(can)] for name, can in answer["targets"].items()])
        typer.echo()
        standing = [[one["target"], one["fault"], _shown(one["value"])] for one in answer["standing"]]
        output.print_table(("target", "stands now", "value"), standing) if standing else typer.echo(
            "Nothing is wrong now."
        )


def fault(
    target: Annotated[str, typer.Argument(help="Id of a device or bus.")],
    name: Annotated[str, typer.Argument(metavar="FAULT", help="Which fault.")],
    value: Annotated[float | None, typer.Argument(help="How much; without it, the usual.")] = None,
    folder: Folder = Path("var/street"),
    off: Annotated[bool, typer.Option("--off", help="Lift the fault.")] = False,
    after_s: Annotated[float, typer.Option("--after", help="Seconds until it is put.", min=0)] = 0.0,
    for_s: Annotated[float | None, typer.Option("--for", help="Seconds until it is lifted by itself.", min=0)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what stands now as JSON.")] = False,
) -> None:
    """Put a fault on a device or bus of a running street, or lift it."""
    require("sim")
    from lentera_sim.faults.mailbox import ask_run
    from lentera_sim.faults.order import FaultOrder

    answer = ask_run(folder, FaultOrder(target, name, value, on=not off, after_s=after_s, for_s=for_s))
    if json:
        output.print_json({"done": answer["done"], "standing": answer["standing"]})
    else:
        typer.echo(answer["done"])


def _street(answer: Any) -> dict[str, Any]:
    return {"targets": answer["targets"], "standing": answer["standing"]}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
