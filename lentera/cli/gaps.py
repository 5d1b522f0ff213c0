"""`lentera gaps`: when values of gateways may be missing, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require_client
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from datetime import datetime

    from lentera.answers import Gap

_words = reader_words()
_DEVICES_SHOWN = 3


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("gaps", help=_words("help.gaps"), epilog=_words("epilog.gaps"))(gaps)


def gaps(
    gateway: Annotated[str | None, typer.Argument(metavar="GATEWAY", help=_words("help.gaps.gateway"))] = None,
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help=_words("help.gaps.from"))] = "-7d",
    to: Annotated[str, typer.Option("--to", metavar="TIME", help=_words("help.gaps.to"))] = "now",
    json: Annotated[bool, typer.Option("--json", help=_words("help.gaps.json"))] = False,
) -> None:
    """Print the known gaps of all gateways, or of one."""
    require_client()
    from lentera.client import Client

    words = reader_words()
    with Client() as client:
        found = client.gaps(gateway, from_, to)
    if json:
        output.print_json(found)
        return
    if not found.items:
        output.note(words("gaps.none"))
        return
    titles = [words(f"gaps.column.{name}") for name in ("from", "to", "why", "left", "devices")]
    output.print_table(["Gateway", *titles], [row_of(gap, words) for gap in found.items])
    if found.next_offset is not None:
        output.note(words("gaps.more"))


def row_of(gap: Gap, words: Words) -> list[str]:
    """One line of the table: gateway, from, to, why, what is left, whose."""
    left = words("gaps.nothing") if gap.detail_s == 0 else words("gaps.one_in", seconds=gap.detail_s)
    shown = gap.devices[:_DEVICES_SHOWN]
    others = len(gap.devices) - len(shown)
    devices = ", ".join(shown) + (f" +{others}" if others else "") if shown else words("gaps.all")
    why = words.either(f"gap.{gap.reason}", gap.reason)
    return [gap.gateway_id, _local(gap.from_), _local(gap.to), why, left, devices]


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
