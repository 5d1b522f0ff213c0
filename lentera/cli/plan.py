"""`lentera gateway plan`: the requests of each bus, how busy it would be, and what would make it fit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from lentera_drivers.driver import PlannedRequest
    from lentera_gateway.config import LoadedConfig
    from lentera_gateway.plan import BusPlan

_words = reader_words()

HELP = _words("help.gateway.plan")
EPILOG = _words("epilog.gateway.plan")


def plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_words("help.gateway.file"))],
    json: Annotated[bool, typer.Option("--json", help=_words("help.gateway.plan.json"))] = False,
    forget: Annotated[bool, typer.Option("--forget", help=_words("help.gateway.plan.forget"))] = False,
) -> None:
    """Show what each bus would carry; exit code 1 if one cannot."""
    require("gateway")
    from lentera_drivers.driver import DriverSetupError
    from lentera_drivers.profiles import ConfigFileError
    from lentera_gateway.config import load_config
    from lentera_gateway.plan import plan_buses

    words = reader_words()
    try:
        loaded = load_config(file)
        if forget:
            _forget(loaded, words, quiet=json)
        plans = plan_buses(loaded)
    except (ConfigFileError, DriverSetupError) as error:
        output.print_error(str(error), code="config_faults")
        raise typer.Exit(1) from error
    if json:
        output.print_json(_plain(file, plans))
    else:
        for bus in plans:
            _print_bus(bus, words)
    late = [bus for bus in plans if not bus.fits]
    if late:
        output.print_error(words("plan.failed", file=file, count=len(late)), code="bus_overload")
        raise typer.Exit(1)
    if not json:
        typer.echo(words("plan.ok", file=file))


def _forget(loaded: LoadedConfig, words: Words, *, quiet: bool) -> None:
    from lentera_gateway.acquire.refusals_file import forget

    folder = loaded.config.journal.card_dir
    try:
        forgot = forget(folder)
    except OSError as error:
        output.print_error(f"{folder}: {error.strerror or error}", code="config_faults")
        raise typer.Exit(1) from error
    if not quiet:
        typer.echo(words("plan.forgot" if forgot else "plan.nothing_to_forget", folder=folder))


def _plain(file: Path, plans: tuple[BusPlan, ...]) -> dict[str, object]:
    return {
        "file": str(file),
        "ok": all(bus.fits for bus in plans),
        "buses": [asdict(bus) | {"fits": bus.fits} for bus in plans],
    }


def _print_bus(bus: BusPlan, words: Words) -> None:
    headline = words("plan.bus", bus=bus.id, address=bus.address, load=bus.load, requests=len(bus.requests))
    typer.echo(f"{headline}\n")
    if bus.requests:
        titles = [words(f"plan.column.{name}") for name in ("device", "request", "values", "every", "wire", "share")]
        output.print_table(titles, [_row(one) for one in bus.requests], right=frozenset({2, 3, 4, 5}))
        typer.echo("")
    for registers, turnaround in sorted(_holes(bus)):
        typer.echo(words("plan.hole", registers=registers, turnaround=f"{turnaround:g}"))
    for device, absent in {one.device: one.absent for one in bus.requests if one.absent}.items():
        typer.echo(words("plan.absent", device=device, quantities=", ".join(absent)))
    if not bus.fits:
        typer.echo(words("plan.full", bus=bus.id, load=bus.load))
        for remedy in bus.remedies:
            typer.echo(f"  - {words(f'plan.remedy.{remedy.kind}', value=remedy.value, load=remedy.load)}")
    typer.echo("")


def _holes(bus: BusPlan) -> set[tuple[int, float]]:
    """Return each (break-even hole, turnaround) of a serial line; on TCP a request grows to its limit anyway."""
    return {
        (one.break_even_registers, one.turnaround_ms)
        for one in bus.requests
        if one.break_even_registers is not None and one.break_even_registers < 125 and one.turnaround_ms is not None
    }


def _row(request: PlannedRequest) -> list[str]:
    wire_ms = request.wire_ms
    return [
        request.device,
        request.target,
        str(len(request.quantities)),
        f"{request.every_s:g} s",
        "-" if wire_ms is None else f"{wire_ms:.1f} ms",
        "-" if wire_ms is None else f"{wire_ms / 10 / request.every_s:.2f} %",
    ]
