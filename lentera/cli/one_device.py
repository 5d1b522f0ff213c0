"""`lentera gateway read`, `write` and `watch`: a meter on a port that nobody holds, or those of a configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lentera.cli import by_config, output
from lentera.cli.commission import Json, line_settings, open_line
from lentera.cli.extras import require
from lentera.language import reader_words

if TYPE_CHECKING:
    from lentera_drivers.modbus.raw_answer import RawAnswer
    from lentera_drivers.modbus.raw_port import RawPort
    from lentera_drivers.modbus.transport import LineSettings
    from lentera_drivers.profiles import MeterProfile
    from lentera_gateway.commissioning.image import Span
    from lentera_gateway.commissioning.one_device import DeviceReading, WriteReport

_words = reader_words()

Where = Annotated[Path, typer.Argument(metavar="PORT|FILE", help=_words("help.read.where"))]
Who = Annotated[list[str] | None, typer.Argument(metavar="UNIT|DEVICE", help=_words("help.read.who"))]
ProfileName = Annotated[str | None, typer.Option("--profile", help=_words("help.read.profile"))]
Registers = Annotated[str | None, typer.Option(help=_words("help.read.registers"))]
Quantities = Annotated[list[str] | None, typer.Option("--quantity", help=_words("help.read.quantity"))]
Raw = Annotated[bool, typer.Option("--raw", help=_words("help.commission.raw"))]
PortBaud = Annotated[int | None, typer.Option("--baud", help=_words("help.read.baud"), min=300, show_default=False)]
PortParity = Annotated[str | None, typer.Option("--parity", help=_words("help.read.parity"), show_default=False)]


def parse_registers(text: str) -> Span:
    """Read registers such as 4:0-5 (function, first, last)."""
    from lentera_gateway.commissioning.image import Span
    from lentera_gateway.commissioning.one_device import MOST_REGISTERS

    code, _, places = text.partition(":")
    first, _, last = places.partition("-")
    if code not in ("3", "4") or not first.isdecimal() or not (last or first).isdecimal():
        raise typer.BadParameter(reader_words()("usage.registers", text=text))
    span = Span(int(code), int(first), int(last or first) - int(first) + 1)
    if not 1 <= span.count <= MOST_REGISTERS or span.end > 0x10000:
        raise typer.BadParameter(reader_words()("usage.register_span", text=text, most=MOST_REGISTERS))
    return span


def read(
    where: Where,
    who: Who = None,
    profile: ProfileName = None,
    registers: Registers = None,
    quantity: Quantities = None,
    baud: PortBaud = None,
    parity: PortParity = None,
    raw: Raw = False,
    json: Json = False,
) -> None:
    """Read meters."""
    require("gateway")
    if by_config.is_config(where):
        _leave_to_the_file(profile, baud, parity)
        by_config.read(_wish(where, who, quantity, registers, raw=raw, json=json))
        return
    unit, settings = _unit(who), _settings(baud, parity)
    spans, known = _wanted(profile, registers)
    reading = asyncio.run(_read_once(where, settings, unit, known, quantity, spans))
    if json:
        output.print_json(_plain(reading, raw))
    else:
        _show(reading, raw=raw)
    _tell_silence(reading, where, settings)
    if reading.refused and not reading.registers:
        raise typer.Exit(1)


def watch(
    where: Where,
    who: Who = None,
    profile: ProfileName = None,
    registers: Registers = None,
    quantity: Quantities = None,
    every: Annotated[float, typer.Option(help=_words("help.watch.every"), min=0.1)] = 2.0,
    count: Annotated[int, typer.Option(help=_words("help.watch.count"), min=0)] = 0,
    baud: PortBaud = None,
    parity: PortParity = None,
    raw: Raw = False,
    json: Json = False,
) -> None:
    """Read meters again and again."""
    require("gateway")
    if by_config.is_config(where):
        _leave_to_the_file(profile, baud, parity)
        by_config.watch(_wish(where, who, quantity, registers, raw=raw, json=json), every, count)
        return
    unit, settings = _unit(who), _settings(baud, parity)
    spans, known = _wanted(profile, registers)

    def show(reading: DeviceReading) -> None:
        if json:
            by_config.print_line(_plain(reading, raw))
        else:
            _show(reading, raw=raw)
            _tell_silence(reading, where, settings)

    work = _watch(where, settings, lambda line: _ask(line, unit, known, quantity, spans), show)
    with suppress(KeyboardInterrupt):
        asyncio.run(work(every, count))


def _watch(
    port: Path,
    settings: LineSettings,
    ask: Callable[[RawPort], Awaitable[DeviceReading]],
    show: Callable[[DeviceReading], None],
) -> Callable[[float, int], Coroutine[Any, Any, None]]:
    """Return what asks on a port and shows, each so many seconds, so many times (0: until it is interrupted)."""

    async def work(every_s: float, count: int) -> None:
        line = await open_line(port, settings)
        loop = asyncio.get_running_loop()
        due, done = loop.time(), 0
        try:
            while True:
                show(await ask(line))
                done += 1
                if done == count:
                    return
                due = max(due + every_s, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            line.close()

    return work


def write(
    where: Where,
    who: Annotated[str, typer.Argument(metavar="UNIT|DEVICE", help=_words("help.write.who"))],
    what: Annotated[str, typer.Argument(metavar="ADDRESS|QUANTITY", help=_words("help.write.what"))],
    values: Annotated[list[str], typer.Argument(metavar="VALUE", help=_words("help.write.values"))],
    profile: ProfileName = None,
    baud: PortBaud = None,
    parity: PortParity = None,
    yes: Annotated[bool, typer.Option("--yes", help=_words("help.write.yes"))] = False,
    raw: Raw = False,
    json: Json = False,
) -> None:
    """Write to a meter and read it back."""
    require("gateway")
    if by_config.is_config(where):
        _leave_to_the_file(profile, baud, parity)
        by_config.write(where, who, what, values, yes=yes, raw=raw, json=json)
        return
    unit = _unit([who])
    address, to_write, function_code = _registers_to_write(profile, what, values)
    if profile is not None:
        _spare_the_unit_id(where, unit, _meter(profile), address, len(to_write))
    words = reader_words()
    shown = " ".join(map(str, to_write))
    if not yes:
        typer.confirm(words("write.sure", words=shown, address=address, unit=unit), abort=True, err=True)
    report = asyncio.run(_write(where, _settings(baud, parity), unit, address, to_write, function_code))
    after = " ".join(map(str, report.after)) or "-"
    if json:
        plain = {"before": report.before, "written": report.written, "after": report.after}
        output.print_json(plain | {"confirmed": report.confirmed} | ({"raw": _bytes(report.raw)} if raw else {}))
    elif report.confirmed:
        typer.echo(words("write.done", after=after))
    _print_raw(report.raw if raw and not json else ())
    if not report.confirmed:
        output.print_error(_why_unconfirmed(report, where), code="readback")
        raise typer.Exit(1)


def _spare_the_unit_id(port: Path, unit: int, known: MeterProfile, address: int, count: int) -> None:
    """Refuse to write a meter's id: nothing here looks whether the new one is free."""
    from lentera_gateway.by_hand import unit_id_among

    unit_id = unit_id_among(known, address, count)
    if unit_id is not None:
        text = reader_words()("write.unit_id", address=unit_id, profile=known.id, port=port, unit=unit)
        output.print_error(text, code="write_denied")
        raise typer.Exit(1)


def _why_unconfirmed(report: WriteReport, port: Path) -> str:
    words = reader_words()
    if report.silent_after:
        return words("write.gone", unit=report.unit, address=report.address, port=port)
    if report.why_no_after:
        return words("write.not_read_back", why=report.why_no_after)
    after, written = (" ".join(map(str, held)) for held in (report.after, report.written))
    return words("write.differs", after=after, words=written)


def _wish(
    file: Path,
    who: Sequence[str] | None,
    quantity: Sequence[str] | None,
    registers: str | None,
    *,
    raw: bool,
    json: bool,
) -> by_config.Wish:
    if registers is not None:
        parse_registers(registers)
    return by_config.Wish(file, who or (), quantity, registers, raw, json)


def _leave_to_the_file(profile: str | None, baud: int | None, parity: str | None) -> None:
    """Refuse options that the configuration answers."""
    for name, given in (("--profile", profile), ("--baud", baud), ("--parity", parity)):
        if given is not None:
            raise typer.BadParameter(reader_words()("read.file_says", option=name))


def _unit(who: Sequence[str] | None) -> int:
    """Read the one unit id that goes with a port."""
    if who is None or len(who) != 1 or not who[0].isdecimal() or not 1 <= int(who[0]) <= 247:
        raise typer.BadParameter(reader_words()("read.one_unit"))
    return int(who[0])


def _settings(baud: int | None, parity: str | None) -> LineSettings:
    return line_settings(9600 if baud is None else baud, "N" if parity is None else parity)


def _registers_to_write(profile: str | None, what: str, values: Sequence[str]) -> tuple[int, tuple[int, ...], int]:
    """Return address, words and function code of a write on a port."""
    if what.isdecimal():
        if int(what) > 0xFFFF:
            raise typer.BadParameter(reader_words()("usage.address", text=what))
        return int(what), tuple(map(by_config.parse_word, values)), 16
    from lentera_gateway.by_hand import words_of

    known = _meter(profile)
    register, value = by_config.value_of(known, what, values)
    return register.address, tuple(words_of(known, register, value)), register.write_function_code or 16


def _wanted(profile: str | None, registers: str | None) -> tuple[list[Span], MeterProfile | None]:
    if registers is not None:
        return [parse_registers(registers)], None
    return [], _meter(profile)


def _meter(profile: str | None) -> MeterProfile:
    from lentera_drivers.profiles import MeterProfile, load_profile

    if profile is None:
        raise typer.BadParameter(reader_words()("read.nothing"))
    known = load_profile(profile)
    if not isinstance(known, MeterProfile):
        raise typer.BadParameter(reader_words()("read.no_meter", profile=known.id))
    return known


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
    line: RawPort, unit: int, known: MeterProfile | None, quantities: Sequence[str] | None, spans: Sequence[Span]
) -> DeviceReading:
    from lentera_gateway.commissioning.one_device import read_quantities, read_registers

    if known is None:
        return await read_registers(line, unit, spans)
    return await read_quantities(line, unit, known, quantities or None)


async def _write(
    port: Path, settings: LineSettings, unit: int, address: int, values: tuple[int, ...], function_code: int
) -> WriteReport:
    from lentera_gateway.commissioning.one_device import write_registers
    from lentera_gateway.direct import note_in_syslog

    facts = {"port": str(port), "unit": unit, "address": address, "words": values}
    line = await open_line(port, settings)
    try:
        note_in_syslog("write_asked", facts)
        report = await write_registers(line, unit, address, values, function_code)
        note_in_syslog("written", facts | {"before": report.before, "after": report.after, "kept": report.confirmed})
        return report
    finally:
        line.close()


def _plain(reading: DeviceReading, raw: bool) -> dict[str, Any]:
    registers = {f"{code}:{at}": word for (code, at), word in sorted(reading.registers.items())}
    refused = {str(span): why for span, why in reading.refused.items()}
    plain: dict[str, Any] = {"unit": reading.unit, "values": reading.values, "registers": registers}
    return plain | {"refused": refused} | ({"raw": _bytes(reading.raw)} if raw else {})


def _show(reading: DeviceReading, *, raw: bool) -> None:
    from lentera_model.quantities import CATALOGUE

    if reading.values:
        rows = {name: f"{value:.6g} {CATALOGUE[name].unit}" for name, value in reading.values.items()}
        output.print_pairs(rows)
    else:
        rows = {f"{code}:{at}": f"{word}  0x{word:04x}" for (code, at), word in sorted(reading.registers.items())}
        output.print_pairs(rows)
    _print_raw(reading.raw if raw else ())
    for span, why in reading.refused.items() if not reading.silent else ():
        output.note(f"{span}: {why}")


def _tell_silence(reading: DeviceReading, port: Path, settings: LineSettings) -> None:
    """Say once, with the next thing to do, that nobody answers."""
    if reading.silent:
        text = reader_words()("read.silent", unit=reading.unit, settings=settings, port=port)
        output.print_error(text, code="device_timeout")


def _bytes(answers: Sequence[RawAnswer]) -> list[dict[str, str]]:
    return [{"asked": answer.asked.hex(), "heard": answer.heard.hex()} for answer in answers]


def _print_raw(answers: Sequence[RawAnswer]) -> None:
    for answer in answers:
        typer.echo(f"> {answer.asked.hex(' ')}\n< {answer.heard.hex(' ') or '-'}")


def register(app: typer.Typer) -> None:
    """Mount the commands into the `gateway` group."""
    app.command("read", help=_words("help.read"), epilog=_words("epilog.read"))(read)
    app.command("write", help=_words("help.write"), epilog=_words("epilog.write"))(write)
    app.command("watch", help=_words("help.watch"), epilog=_words("epilog.watch"))(watch)
