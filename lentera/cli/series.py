"""`lentera series DEVICE`: readings as a table, CSV, JSON or a plot."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require_client
from lentera.language import reader_words
from lentera.spans import span_seconds

if TYPE_CHECKING:
    from lentera.answers import Series
    from lentera.language import Words

_words = reader_words()

DEFAULT_QUANTITY = "power_active_total"


class Format(StrEnum):
    """How the answer is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class Aggregate(StrEnum):
    """What an interval shows of its readings."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    LAST = "last"


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("series", help=_words("help.series"), epilog=_words("epilog.series"))(series)


def series(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help=_words("help.series.device"))],
    quantity: Annotated[
        list[str] | None,
        typer.Option("--quantity", "-q", help=_words("help.series.quantity")),
    ] = None,
    last: Annotated[str, typer.Option(metavar="SPAN", help=_words("help.series.last"))] = "1h",
    every: Annotated[str | None, typer.Option(metavar="SPAN", help=_words("help.series.every"))] = None,
    aggregate: Annotated[Aggregate, typer.Option(help=_words("help.series.aggregate"))] = Aggregate.MEAN,
    output_format: Annotated[Format, typer.Option("--format", help=_words("help.series.format"))] = Format.TABLE,
    json: Annotated[bool, typer.Option("--json", help=_words("help.series.json"))] = False,
    plot: Annotated[bool, typer.Option("--plot", help=_words("help.series.plot"))] = False,
) -> None:
    """Print a device's readings of the last time."""
    require_client()
    end = datetime.now(UTC)
    start = end - timedelta(seconds=span_seconds(last, "--last"))
    if every is not None:
        span_seconds(every, "--every")
    asked = _Asked(device, quantity or [DEFAULT_QUANTITY], start, end, every, aggregate.value)
    _answer(asked, Format.JSON if json else output_format, plot)


@dataclass(frozen=True, slots=True)
class _Asked:
    device: str
    quantities: list[str]
    start: datetime
    end: datetime
    every: str | None
    aggregate: str


def _answer(asked: _Asked, output_format: Format, plot: bool) -> None:
    from lentera.client import Client

    words = reader_words()
    place = (asked.device, asked.quantities, asked.start, asked.end)
    with Client() as client:
        if output_format is Format.CSV:
            text = client.series_csv(*place, every=asked.every, aggregate=asked.aggregate)
            typer.echo(text, nl=not text.endswith("\n"))
            return
        found = client.series(*place, every=asked.every, aggregate=asked.aggregate)
    if output_format is Format.JSON:
        output.print_json(found)
        return
    if not found.points:
        output.note(words("series.none"))
    elif plot:
        _plot(found)
    else:
        _table(found, words)
    if found.truncated:
        output.note(words("series.truncated"))


def _table(found: Series, words: Words) -> None:
    headers = [words("column.at"), *(f"{column.name} ({column.unit or '?'})" for column in found.quantities)]
    pattern = "%Y-%m-%d %H:%M:%S"
    rows = [
        [
            point.at.astimezone().strftime(pattern),
            *(output.number(point.values.get(column.name), 2) for column in found.quantities),
        ]
        for point in found.points
    ]
    output.print_table(headers, rows, right=frozenset(range(1, len(headers))))


def _plot(found: Series) -> None:
    from lentera.plot import plot as draw

    width = max(20, shutil.get_terminal_size((100, 24)).columns - 16)
    first, final = found.points[0].at.astimezone(), found.points[-1].at.astimezone()
    for column in found.quantities:
        typer.echo(f"{found.device} {column.name}, {first:%H:%M:%S} to {final:%H:%M:%S}")
        for line in draw([point.values.get(column.name) for point in found.points], width, 8, column.unit or ""):
            typer.echo(line)
