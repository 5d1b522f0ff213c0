"""`lentera gateway read`, `write` and `watch`: one meter on a line that nobody else holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lentera.cli import output
from lentera.cli.commission import Baud, Json, Line, Parity, line_settings, open_line
from lentera.cli.extras import require
from lentera.language import reader_words

if TYPE_CHECKING:
    from lentera_drivers.modbus.raw_answer import RawAnswer
    from lentera_drivers.modbus.transport import LineSettings
    from lentera_drivers.profiles import MeterProfile
    from lentera_gateway.commissioning.image import Span
    from lentera_gateway.commissioning.one_device import DeviceReading, WriteReport

_words = reader_words()

Unit = Annotated[int, typer.Argument(metavar="UNIT", help=_words("help.commission.unit"), min=1, max=247)]
ProfileName = Annotated[str | None, typer.Option("--profile", help=_words("help.read.profile"))]
Registers = Annotated[str | None, typer.Option(help=_words("help.read.registers"))]
Quantities = Annotated[list[str] | None, typer.Option("--quantity", help=_words("help.read.quantity"))]
Raw = Annotated[bool, typer.Option("--raw", help=_words("help.commission.raw"))]


def parse_registers(text: str) -> Span:
    """Read registers such as 4:0-5 (function, first, last)."""
    from lentera_gateway.commissioning.image import Span
    from lentera_gateway.commissioning.one_device import MOST_REGISTERS

    code, _, places = text.partition(":")
    first, _, last = places.partition("-")
    if code not in ("3", "4") or not first.isdecimal() or not (last or first).isdecimal():
        raise typer.BadParameter(f"{text!r}: 4:0-5")
    span = Span(int(code), int(first), int(last or first) - int(first) + 1)
    if not 1 <= span.count <= MOST_REGISTERS or span.end > 0x10000:
        raise typer.BadParameter(f"{text!r}: 1-{MOST_REGISTERS} registers, 0-65535")
    return span


def read(
    port: Line,
    unit: Unit,
    profile: ProfileName = None,
    registers: Registers = None,
    quantity: Quantities = None,
    baud: Baud = 9600,
    parity: Parity = "N",
    raw: Raw = False,
    json: Json = False,
) -> None:
    """Read one meter."""
    require("gateway")
    spans, known = _wanted(profile, registers)
    reading = asyncio.run(_read_once(port, line_settings(baud, parity), unit, known, quantity, spans))
    _show(reading, raw=raw, json=json)
    if reading.refused and not reading.registers:
        raise typer.Exit(1)


def watch(
    port: Line,
    unit: Unit,
    profile: ProfileName = None,
    registers: Registers = None,
    quantity: Quantities = None,
    every: Annotated[float, typer.Option(help=_words("help.watch.every"), min=0.1)] = 2.0,
    count: Annotated[int, typer.Option(help=_words("help.watch.count"), min=0)] = 0,
    baud: Baud = 9600,
    parity: Parity = "N",
    json: Json = False,
) -> None:
    """Read one meter again and again."""
    require("gateway")
    spans, known = _wanted(profile, registers)

    async def work() -> None:
        line = await open_line(port, line_settings(baud, parity))
        loop = asyncio.get_running_loop()
        due, done = loop.time(), 0
        try:
            while not count or done < count:
                _show(await _ask(line, unit, known, quantity, spans), raw=False, json=json)
                done += 1
                due = max(due + every, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            line.close()

    try:
        asyncio.run(work())
    except KeyboardInterrupt:
        return


def write(
    port: Line,
    unit: Unit,
    address: Annotated[int, typer.Argument(help=_words("help.write.address"), min=0, max=65535)],
    values: Annotated[list[int], typer.Argument(help=_words("help.write.words"), min=0, max=65535)],
    baud: Baud = 9600,
    parity: Parity = "N",
    yes: Annotated[bool, typer.Option("--yes", help=_words("help.write.yes"))] = False,
    raw: Raw = False,
    json: Json = False,
) -> None:
    """Write registers and read them back."""
    require("gateway")
    words = reader_words()
    shown = " ".join(map(str, values))
    if not yes:
        typer.confirm(words("write.sure", words=shown, address=address, unit=unit), abort=True, err=True)
    report = asyncio.run(_write(port, line_settings(baud, parity), unit, address, tuple(values)))
    after = " ".join(map(str, report.after)) or "-"
    if json:
        plain = {"before": report.before, "written": report.written, "after": report.after}
        output.print_json(plain | {"confirmed": report.confirmed})
    elif report.confirmed:
        typer.echo(words("write.done", after=after))
    _print_raw(report.raw if raw and not json else ())
    if not report.confirmed:
        output.print_error(words("write.differs", after=after, words=shown), code="readback")
        raise typer.Exit(1)


def _wanted(profile: str | None, registers: str | None) -> tuple[list[Span], MeterProfile | None]:
    from lentera_drivers.profiles import MeterProfile, load_profile

    if registers is not None:
        return [parse_registers(registers)], None
    known = None if profile is None else load_profile(profile)
    if not isinstance(known, MeterProfile):
        raise typer.BadParameter(reader_words()("read.nothing"))
    return [], known


async def _read_once(
    port: Path,
    settings: LineSettings,
    unit: int,
    known: MeterProfile | None,
    quantities: Sequence[str] | None,
    spans: Sequence[Span],
) -> DeviceReading:
    line = await open_line(port, settings)
    try:
        return await _ask(line, unit, known, quantities, spans)
    finally:
        line.close()


async def _ask(
    line: Any, unit: int, known: MeterProfile | None, quantities: Sequence[str] | None, spans: Sequence[Span]
) -> DeviceReading:
    from lentera_gateway.commissioning.one_device import read_quantities, read_registers

    if known is None:
        return await read_registers(line, unit, spans)
    return await read_quantities(line, unit, known, quantities or None)


async def _write(port: Path, settings: LineSettings, unit: int, address: int, values: tuple[int, ...]) -> WriteReport:
    from lentera_gateway.commissioning.one_device import write_registers

    line = await open_line(port, settings)
    try:
        return await write_registers(line, unit, address, values)
    finally:
        line.close()


def _show(reading: DeviceReading, *, raw: bool, json: bool) -> None:
    refused = {str(span): why for span, why in reading.refused.items()}
    if json:
        registers = {f"{code}:{at}": word for (code, at), word in sorted(reading.registers.items())}
        plain: dict[str, Any] = {"unit": reading.unit, "values": reading.values, "registers": registers}
        output.print_json(plain | {"refused": refused})
        return
    from lentera_model.quantities import CATALOGUE

    if reading.values:
        rows = {name: f"{value:.6g} {CATALOGUE[name].unit}" for name, value in reading.values.items()}
        output.print_pairs(rows)
    else:
        rows = {f"{code}:{at}": f"{word}  0x{word:04x}" for (code, at), word in sorted(reading.registers.items())}
        output.print_pairs(rows)
    _print_raw(reading.raw if raw else ())
    for span, why in refused.items():
        output.note(f"{span}: {why}")


def _print_raw(answers: Sequence[RawAnswer]) -> None:
    for answer in answers:
        typer.echo(f"> {answer.asked.hex(' ')}\n< {answer.heard.hex(' ') or '-'}")


def register(app: typer.Typer) -> None:
    """Mount the commands into the `gateway` group."""
    app.command("read", help=_words("help.read"), epilog=_words("epilog.read"))(read)
    app.command("write", help=_words("help.write"), epilog=_words("epilog.write"))(write)
    app.command("watch", help=_words("help.watch"), epilog=_words("epilog.watch"))(watch)
