"""`lentera conflicts`: values that came for a time at which another was stored already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require_client
from lentera.language import reader_words

if TYPE_CHECKING:
    from lentera.answers import Conflict

_words = reader_words()


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("conflicts", help=_words("help.conflicts"), epilog=_words("epilog.conflicts"))(conflicts)


def conflicts(
    device: Annotated[str | None, typer.Argument(metavar="DEVICE", help=_words("help.conflicts.device"))] = None,
    quantity: Annotated[str | None, typer.Option(help=_words("help.conflicts.quantity"))] = None,
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help=_words("help.conflicts.from"))] = "-7d",
    to: Annotated[str, typer.Option("--to", metavar="TIME", help=_words("help.conflicts.to"))] = "now",
    json: Annotated[bool, typer.Option("--json", help=_words("help.conflicts.json"))] = False,
) -> None:
    """Print the values in conflict of all devices, or of one."""
    require_client()
    from lentera.client import Client

    words = reader_words()
    with Client() as client:
        found = client.conflicts(device, quantity, from_, to)
    if json:
        output.print_json(found)
        return
    if not found.items:
        output.note(words("conflicts.none", kept=found.kept))
        return
    titles = [words(f"conflicts.column.{name}") for name in ("device", "quantity", "at", "stored", "other", "batch")]
    output.print_table(titles, [row_of(one) for one in found.items], right=frozenset({3, 4}))
    if found.truncated:
        output.note(words("conflicts.more"))


def row_of(one: Conflict) -> list[str]:
    """One line of the table: device, quantity, time, what is stored, what came later, the batch that brought it."""
    at = f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}.{one.at.microsecond // 1000:03d}"
    batch = f"{one.gateway_id} {one.epoch}/{one.sequence}"
    return [one.device_id, one.quantity, at, f"{one.stored_value:.7g}", f"{one.other_value:.7g}", batch]
