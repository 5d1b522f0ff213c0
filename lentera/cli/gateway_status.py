"""`lentera gateway status`: how a gateway, its buses and its devices do, by the file that it writes each second."""

from __future__ import annotations

import json as plain_json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from lentera.cli import output
from lentera.cli.configuration import load_or_exit
from lentera.cli.extras import require
from lentera.cli.journal import told_given_up, untold_gaps
from lentera.language import Words, reader_words
from lentera.spans import age_text

_words = reader_words()
_OLD_AFTER_S = 10.0

HELP = _words("help.gateway.status")
EPILOG = _words("epilog.gateway.status")


def status(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_words("help.gateway.file"))],
    json: Annotated[bool, typer.Option("--json", help=_words("help.gateway.status.json"))] = False,
) -> None:
    """Show what the gateway last wrote about itself; exit code 1 if there is nothing."""
    require("gateway")

    words = reader_words()
    path = load_or_exit(file).status_file
    try:
        found: dict[str, Any] = plain_json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        output.print_error(words("status.none", path=path, file=file), code="no_status")
        raise typer.Exit(1) from error
    if json:
        output.print_json(found)
        return
    show(found, words, time.time_ns() // 1_000_000)
    age_s = (time.time() - path.stat().st_mtime) if path.exists() else _OLD_AFTER_S
    if age_s >= _OLD_AFTER_S:
        output.note(words("status.old", age=age_text(age_s), file=file))


def show(found: dict[str, Any], words: Words, now_ms: int) -> None:
    """Print a status for people; `now_ms` is the wall clock's."""
    link = found["link"]
    error = link["error"] or words("status.no_error")
    output.print_pairs(
        {
            words("check.gateway"): str(found["gateway"]),
            words("status.link"): words("status.link_up") if link["up"] else words("status.link_down", error=error),
            words("status.clock"): _clock(found, words),
            words("status.journal"): words("status.waiting", batches=found["journal"]["waiting_batches"]),
        }
        | told_given_up(found["journal"]["counters"], words)
        | untold_gaps(found["journal"].get("reports", {}).get("gaps", 0), words)
        | ({words("status.air"): _air(found["air"], words)} if "air" in found else {})
    )
    counted = [words(f"status.column.{name}") for name in ("late", "skipped")]
    typer.echo("")
    titles = [words("column.bus"), *(words(f"status.column.{name}") for name in ("load", "polls", "failures"))]
    output.print_table(
        [*titles, *counted, words("status.column.reason")],
        [_bus_row(bus, one) for bus, one in found["buses"].items()],
        right=frozenset({1, 2, 3, 4, 5}),
    )
    typer.echo("")
    output.print_table(
        [words("column.id"), words("column.online"), words("column.age"), *counted, words("status.column.reason")],
        [_device_row(device, one, words, now_ms) for device, one in found["devices"].items()],
        right=frozenset({2, 3, 4}),
    )


def _clock(found: dict[str, Any], words: Words) -> str:
    if found["clock"] is None:
        return words("status.clock_unknown")
    disputed_ms = found.get("clock_disputed_ms", 0)
    if not disputed_ms:
        return str(found["clock"])
    name = "status.clock_ahead" if disputed_ms > 0 else "status.clock_behind"
    return words(name, source=found["clock"], seconds=f"{abs(disputed_ms) / 1000:.1f}")


def _air(air: dict[str, Any], words: Words) -> str:
    megabytes = f"{air['month_bytes'] / 1e6:.1f}"
    if air["month"] is None:
        return words("status.air_undated", megabytes=megabytes)
    return words("status.air_since", megabytes=megabytes, month=air["month"])


def _bus_row(bus: str, one: dict[str, Any]) -> list[str]:
    counts = (str(one[name]) for name in ("polls", "failures", "late", "skipped"))
    return [bus, f"{one['load_percent']:.0f} %", *counts, one["error"] or ""]


def _device_row(device: str, one: dict[str, Any], words: Words, now_ms: int) -> list[str]:
    last = one["last_ok"]
    age = "-" if last is None else age_text(max(0.0, (now_ms - last) / 1000))
    online = words(f"online.{str(one['online']).lower()}")
    return [device, online, age, str(one["late"]), str(one["skipped"]), one["reason"]]
