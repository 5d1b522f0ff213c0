"""`lentera gateway`: the program on the board, and what a technician needs before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import gateway_status as states
from lentera.cli import journal as waits
from lentera.cli import malformed as rubbish
from lentera.cli import output
from lentera.cli import plan as planning
from lentera.cli import why as reasons
from lentera.cli.extras import require
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from lentera_gateway.check import CheckReport

_words = reader_words()

app = typer.Typer(name="gateway", help=_words("help.gateway"), no_args_is_help=True)

Config = Annotated[Path, typer.Argument(metavar="FILE", help=_words("help.gateway.file"))]


@app.callback()
def gateway() -> None:
    """Group the commands of the board."""


@app.command("run", help=_words("help.gateway.run"), epilog=_words("epilog.gateway.run"))
def run(file: Config) -> None:
    """Run the gateway until it is told to stop."""
    require("gateway")
    from lentera_gateway.app import main

    main(file)


@app.command("check", help=_words("help.gateway.check"), epilog=_words("epilog.gateway.check"))
def check(
    file: Config, json: Annotated[bool, typer.Option("--json", help=_words("help.gateway.check.json"))] = False
) -> None:
    """Check a configuration and print what it would do."""
    require("gateway")
    from lentera_gateway.check import check_config

    report = check_config(file)
    words = reader_words()
    if json:
        _print_json(report)
    elif report.ok:
        _print_report(report, words)
    if not report.ok:
        for error in report.errors:
            output.note(error)
        count = len(report.errors)
        output.print_error(
            words("check.failed_once" if count == 1 else "check.failed", file=file, count=count), code="config_faults"
        )
        raise typer.Exit(1)


app.command("plan", help=planning.HELP, epilog=planning.EPILOG)(planning.plan)
app.command("status", help=states.HELP, epilog=states.EPILOG)(states.status)
app.command("journal", help=waits.HELP, epilog=waits.EPILOG)(waits.journal)
app.command("malformed", help=rubbish.HELP, epilog=rubbish.EPILOG)(rubbish.malformed)
app.command("why", help=reasons.HELP, epilog=reasons.EPILOG)(reasons.why)


@app.command("key", help=_words("help.gateway.key"), epilog=_words("epilog.gateway.key"))
def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_words("help.gateway.key.file"))],
    json: Annotated[bool, typer.Option("--json", help=_words("help.gateway.key.json"))] = False,
) -> None:
    """Make the gateway's private key and print its public half, which the cloud must know."""
    require("gateway")
    from lentera_gateway.link.key import load_key, make_key, public_key_text

    made = not file.exists()
    public_key = make_key(file) if made else public_key_text(load_key(file))
    if json:
        output.print_json({"key_file": str(file), "public_key": public_key, "made": made})
    else:
        typer.echo(public_key)


def _print_json(report: CheckReport) -> None:
    from dataclasses import asdict

    import msgspec

    plain = asdict(report) | {"ok": report.ok}
    output.print_json(msgspec.json.decode(msgspec.json.encode(plain, enc_hook=str)))


def _print_report(report: CheckReport, words: Words) -> None:
    output.print_pairs(
        {
            words("check.gateway"): report.gateway,
            words("check.cloud"): report.cloud_url,
            words("check.journal"): str(report.journal.memory_dir) if report.journal else "-",
        }
    )
    for bus in report.buses:
        typer.echo(f"\n{bus.id}: {bus.address}, {words('check.load', load=bus.load)}")
        rows = [
            [request.device, request.target, f"{request.every_s:g} s", _milliseconds(request.wire_ms)]
            for request in bus.requests
        ]
        if rows:
            titles = [words(f"column.{name}") for name in ("id", "request", "every", "wire")]
            output.print_table(titles, rows, right=frozenset({2, 3}))
    typer.echo(f"\n{words('check.devices')}")
    titles = [words(f"column.{name}") for name in ("id", "name", "profile", "bus", "address", "every")]
    output.print_table(
        titles,
        [[d.id, d.name, d.profile, d.bus, d.address, f"{d.every_s:g} s"] for d in report.devices],
        right=frozenset({5}),
    )
    for warning in report.warnings:
        typer.echo(f"{words('check.warning')}: {warning}")
    typer.echo(words("check.ok", file=report.file))


def _milliseconds(wire_ms: float | None) -> str:
    return "-" if wire_ms is None else f"{wire_ms:.0f} ms"
