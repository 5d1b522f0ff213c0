"""`lentera completeness`: how many values are there, hour by hour, and why the others are missing."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require_client
from lentera.language import reader_words
from lentera.plot import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lentera.answers import Completeness, Counts, CountsAt
    from lentera.language import Words

_words = reader_words()
_LISTED = 50


class By(StrEnum):
    """How fine the answer is."""

    HOUR = "hour"
    DAY = "day"


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("completeness", help=_words("help.completeness"), epilog=_words("epilog.completeness"))(completeness)


def completeness(
    device: Annotated[str | None, typer.Argument(metavar="DEVICE", help=_words("help.completeness.device"))] = None,
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help=_words("help.completeness.from"))] = "-7d",
    to: Annotated[str, typer.Option("--to", metavar="TIME", help=_words("help.completeness.to"))] = "now",
    by: Annotated[By, typer.Option("--by", help=_words("help.completeness.by"))] = By.DAY,
    json: Annotated[bool, typer.Option("--json", help=_words("help.completeness.json"))] = False,
) -> None:
    """Print how complete a device's readings are, or those of all devices."""
    require_client()
    from lentera.client import Client

    words, offset = reader_words(), _utc_offset()
    # Hours too where days are asked for: a strip shows them.
    step = "all" if device is None else by.value if json else "hour"
    with Client() as client:
        devices = [] if device is None else [device]
        found = client.completeness(devices, from_, to, step=step, utc_offset=offset)
    if json:
        output.print_json(found)
    elif not found.items:
        output.note(words("completeness.none"))
    elif device is None:
        _print_list(found, words)
    else:
        _print_one(found, words, hourly=by is By.HOUR)


def _utc_offset() -> str:
    """How far this computer's clock is ahead of UTC, in whole hours, as the API takes it."""
    offset = datetime.now().astimezone().utcoffset() or timedelta()
    hours = round(offset.total_seconds() // 3600)
    return f"{hours:+03d}:00"


def _print_list(found: Completeness, words: Words) -> None:
    titles = [words(f"column.{name}") for name in ("id", "complete", "missing", "reason")]
    rows = [[item.device_id or "-", percent(item), f"{item.missing:,}", _reasons(item)] for item in found.items]
    output.print_table(titles, rows[:_LISTED], right=frozenset({1, 2}))
    if len(rows) > _LISTED or found.next_offset is not None:
        output.note(words("completeness.more"))


def _print_one(found: Completeness, words: Words, *, hourly: bool) -> None:
    (item,) = found.items
    if item.expected is None:
        output.print_paragraphs([words("completeness.undeclared", stored=f"{item.unscheduled:,}")])
        return
    titles = [words(f"column.{name}") for name in ("day", "hours", "complete")]
    output.print_table(titles, [[day, strip, share] for day, strip, share in days(item.steps)], right=frozenset({2}))
    typer.echo()
    numbers = {
        name: f"{getattr(item, name):,}" for name in ("expected", "received", "unchanged", "estimated", "missing")
    }
    output.print_paragraphs([words("completeness.sum", percent=percent(item), **numbers)])
    if item.reasons:
        typer.echo()
        why = [[reason_words(words, reason), f"{count:,}"] for reason, count in item.reasons.items()]
        output.print_table([words("column.reason"), words("column.missing")], why, right=frozenset({1}))
    incomplete = [step for step in item.steps if step.missing] if hourly else []
    if incomplete:
        typer.echo()
        rows = [
            [f"{step.at.astimezone():%Y-%m-%d %H:%M}", percent(step), f"{step.missing:,}", _reasons(step)]
            for step in incomplete
        ]
        titles = [words(f"column.{name}") for name in ("at", "complete", "missing", "reason")]
        output.print_table(titles, rows, right=frozenset({1, 2}))


def days(steps: Iterable[CountsAt]) -> list[tuple[str, str, str]]:
    """Return (day, a character an hour, percent) of each day of this computer's clock."""
    hours: dict[str, dict[int, Counts]] = {}
    for step in steps:
        at = step.at.astimezone()
        hours.setdefault(f"{at:%Y-%m-%d}", {})[at.hour] = step
    return [
        (day, "".join(block(found.get(hour)) for hour in range(24)), _share(list(found.values())))
        for day, found in sorted(hours.items())
    ]


def block(counts: Counts | None) -> str:
    """Return the character of an hour: a full block only where nothing is missing, a dot where nothing was due."""
    if counts is None or not counts.expected:
        return "·"
    if not counts.missing:
        return LEVELS[-1]
    return LEVELS[min(len(LEVELS) - 2, int((counts.expected - counts.missing) / counts.expected * len(LEVELS)))]


def percent(counts: Counts) -> str:
    """Return the part that is there; 100 % only where nothing is missing, `-` where nothing is due."""
    return _share([counts])


def _share(counts: Sequence[Counts]) -> str:
    expected = sum(one.expected or 0 for one in counts)
    missing = sum(one.missing for one in counts)
    if not expected:
        return "-"
    share = (expected - missing) / expected * 100
    return "100 %" if not missing else f"{min(share, 99.99):.2f} %"


def reason_words(words: Words, reason: str) -> str:
    """Return a reason for people; one that only a newer gateway knows stays as it is."""
    return words.either(f"missing.{reason}", reason)


def _reasons(counts: Counts) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.reasons.items())
