"""`lentera gateway scan`, `doctor` and `readdress`: what a technician does before the gateway runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require
from lentera.doctor_report import report, short_report
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from lentera_drivers.modbus.raw_port import RawPort
    from lentera_drivers.modbus.transport import LineSettings
    from lentera_drivers.profiles import MeterProfile
    from lentera_gateway.commissioning.found import ScanResult
    from lentera_gateway.commissioning.new_config import NewBus
    from lentera_gateway.commissioning.scan import Progress, ScanWish

_words = reader_words()
LATENCY_S = 0.02
"""How much later than on the wire bytes may be seen, where nothing is known of the adapter or network."""
_SCHEDULING_MS = 4

Line = Annotated[Path, typer.Argument(metavar="PORT", help=_words("help.commission.line"))]
Json = Annotated[bool, typer.Option("--json", help=_words("help.commission.json"))]
Baud = Annotated[int, typer.Option(help=_words("help.commission.baud"), min=300)]
Parity = Annotated[str, typer.Option(help=_words("help.commission.parity"))]


def parse_ids(text: str, *, of_host: bool = False) -> tuple[int, ...]:
    """Read unit ids such as 1-32,40; a Modbus TCP host may be asked as 0 or 255 too, which mean the host itself."""
    allowed = {*range(1, 248), *((0, 255) if of_host else ())}
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not first.isdecimal() or not last.isdecimal():
            raise typer.BadParameter(reader_words()("usage.ids", text=part))
        low, high = int(first[:9]), int(last[:9])
        if low > high:
            raise typer.BadParameter(reader_words()("usage.ids", text=part))
        if high > max(allowed) or not allowed.issuperset(range(low, high + 1)):
            raise typer.BadParameter(
                reader_words()("units.of_host" if of_host else "units.of_line", ids=part.strip()[:40])
            )
        found += range(low, high + 1)
    return tuple(dict.fromkeys(found))


def line_settings(baud: int, parity: str) -> LineSettings:
    """Build settings of one stop bit."""
    from lentera_drivers.modbus.transport import LineSettings

    for known in ("N", "E", "O"):
        if parity.upper() == known:
            return LineSettings(baud, known, 1)
    raise typer.BadParameter(reader_words()("usage.parity", text=parity))


def meters() -> list[MeterProfile]:
    """Every meter profile that comes with Lentera."""
    from lentera_drivers.profiles import MeterProfile, list_profiles, load_profile

    return [profile for profile in map(load_profile, list_profiles()) if isinstance(profile, MeterProfile)]


def latency_s(timer_ms: int | None) -> float:
    """Return how much later than on the wire an adapter with this latency timer hands bytes over, in seconds.

    A scan waits so much longer for each of thousands of answers, so a quick adapter shall not be waited for.
    """
    return LATENCY_S if timer_ms is None else (timer_ms + _SCHEDULING_MS) / 1000


async def open_line(port: Path, settings: LineSettings) -> RawPort:
    """Open a serial port for single questions; a port that cannot be opened ends the command with words."""
    from lentera_drivers.modbus.raw_port import RawPort
    from lentera_drivers.modbus.serial_health import serial_health
    from lentera_drivers.modbus.serial_port import open_serial

    raw = RawPort()
    try:
        await raw.open_serial(open_serial(port), settings)
        raw.latency_s = latency_s(serial_health(port).latency_timer_ms)
    except OSError as error:
        output.print_error(str(error.strerror or error), code="port")
        raise typer.Exit(1) from error
    return raw


def scan(
    port: Annotated[Path | None, typer.Argument(metavar="[PORT]", help=_words("help.commission.port"))] = None,
    host: Annotated[str | None, typer.Option(help=_words("help.scan.host"))] = None,
    tcp_port: Annotated[int, typer.Option(help=_words("help.scan.tcp_port"), min=1, max=65535)] = 502,
    rtu_over_tcp: Annotated[bool, typer.Option("--rtu-over-tcp", help=_words("help.scan.rtu_over_tcp"))] = False,
    baud: Annotated[int | None, typer.Option(help=_words("help.commission.baud"), min=300)] = None,
    parity: Annotated[str | None, typer.Option(help=_words("help.scan.parity"), show_default=False)] = None,
    units: Annotated[str | None, typer.Option(help=_words("help.scan.units"))] = None,
    expect: Annotated[int | None, typer.Option(help=_words("help.scan.expect"), min=1)] = None,
    minutes: Annotated[float | None, typer.Option(help=_words("help.scan.minutes"), min=0.1)] = None,
    raw: Annotated[bool, typer.Option("--raw", help=_words("help.commission.raw"))] = False,
    write: Annotated[Path | None, typer.Option(metavar="FILE", help=_words("help.scan.write"))] = None,
    gateway: Annotated[str, typer.Option(help=_words("help.scan.gateway"))] = "gw-new",
    cloud: Annotated[str, typer.Option(help=_words("help.scan.cloud"))] = "wss://lentera.example.go.id/v1/link",
    json: Json = False,
) -> None:
    """Walk a line or host and name what lives there."""
    require("gateway")
    from lentera.cli import scan_write
    from lentera.cli.scan_told import tell
    from lentera_gateway.commissioning.new_config import NewBus, plan_config
    from lentera_gateway.commissioning.scan import ScanWish

    if port is None and host is None:
        _list_ports(json)
        return
    settings = _settings(port, host, baud, parity)
    transport = "rtu" if host is None else "rtu_over_tcp" if rtu_over_tcp else "tcp"
    ids = () if units is None else parse_ids(units, of_host=transport == "tcp")
    wish = ScanWish(settings, ids, None if minutes is None else minutes * 60, expect)
    bus = NewBus(port=str(port or ""), host=host or "", tcp_port=tcp_port, transport=transport)
    lasting = bus if write is None else scan_write.prepare(write, bus, reader_words())
    with _progress(quiet=json) as on_progress:
        result = asyncio.run(_scan(bus, wish, on_progress))
    plan = plan_config(result.units)
    exit_code = tell(result, plan, meters(), raw=raw, json=json, is_host=host is not None)
    if write is not None:
        scan_write.write(write, plan, lasting, gateway, cloud, reader_words(), is_cut=bool(exit_code))
    if exit_code:
        raise typer.Exit(exit_code)


def _settings(port: Path | None, host: str | None, baud: int | None, parity: str | None) -> LineSettings | None:
    """Return the settings that a scan was given, None for all usual ones; refuse options that contradict each other."""
    settings = line_settings(9600 if baud is None else baud, "N" if parity is None else parity)
    if port is not None and host is not None:
        raise typer.BadParameter(reader_words()("scan.port_or_host", port=port))
    if parity is not None and baud is None:
        raise typer.BadParameter(reader_words()("scan.parity_alone"))
    return None if baud is None else settings


async def _scan(bus: NewBus, wish: ScanWish, on_progress: Callable[[Progress], None]) -> ScanResult:
    from lentera_drivers.modbus.raw_port import RawPort
    from lentera_drivers.modbus.tcp_socket import open_tcp
    from lentera_drivers.modbus.transport import LineSettings
    from lentera_gateway.commissioning.found import Ending
    from lentera_gateway.commissioning.scan import Scan

    if bus.host:
        line = RawPort("tcp" if bus.transport == "tcp" else "rtu", LATENCY_S)
        try:
            await line.open_socket(open_tcp(bus.host, bus.tcp_port, 5.0))
        except OSError as error:
            output.print_error(str(error.strerror or error), code="host")
            raise typer.Exit(1) from error
    else:
        line = await open_line(Path(bus.port), wish.settings or LineSettings())
    walk, where = Scan(line, meters(), wish, on_progress), bus.host or bus.port
    try:
        return await walk.run(where)
    except asyncio.CancelledError:  # Ctrl-C: what took minutes to find is not thrown away
        return walk.result(where, Ending.STOPPED)
    finally:
        line.close()


def _list_ports(json: bool) -> None:
    from lentera_gateway.commissioning.ports import candidate_ports

    ports = candidate_ports()
    if json:
        output.print_json([str(port) for port in ports])
    elif not ports:
        typer.echo(reader_words()("scan.no_ports"))
    else:
        typer.echo("\n".join([reader_words()("scan.ports"), *(f"  {port}" for port in ports)]))


def _progress(quiet: bool) -> AbstractContextManager[Callable[[Progress], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        return nullcontext(lambda _progress: None)
    from lentera.cli.scan_bar import ScanBar

    return ScanBar()


def doctor(
    port: Line,
    baud: Baud = 9600,
    parity: Parity = "N",
    units: Annotated[str, typer.Option(help=_words("help.doctor.units"))] = "1-8",
    text: Annotated[bool, typer.Option("--text", help=_words("help.doctor.text"))] = False,
    json: Json = False,
) -> None:
    """Look at the symptoms on a line and say what is likely wrong."""
    require("gateway")
    from lentera_drivers.modbus.serial_health import serial_health
    from lentera_drivers.modbus.serial_port import open_serial
    from lentera_gateway.commissioning.diagnosis import Cause, diagnose
    from lentera_gateway.commissioning.doctor import examine
    from lentera_gateway.commissioning.walk import usual_settings

    settings = line_settings(baud, parity)
    timer = serial_health(port).latency_timer_ms if port.exists() else None
    others = usual_settings(meters())
    work = examine(open_serial(port), settings, parse_ids(units), others, latency_timer_ms=timer, latency_s=LATENCY_S)
    found = diagnose(asyncio.run(work))
    if json:
        texts = {language: short_report(found, Words(language), str(port), settings) for language in ("id", "en")}
        causes = [{"cause": str(one.cause), "sure": one.sure, "units": list(one.units)} for one in found]
        output.print_json({"causes": causes, "text": texts})
    elif text:
        typer.echo(short_report(found, reader_words(), str(port), settings))
    else:
        output.print_paragraphs(report(found, reader_words(), str(port), settings))
    if found[0].cause is not Cause.HEALTHY:
        raise typer.Exit(1)


def readdress(
    port: Line,
    ids: Annotated[str, typer.Option(help=_words("help.readdress.ids"))],
    factory_id: Annotated[int, typer.Option(help=_words("help.readdress.factory"), min=1, max=247)] = 1,
    baud: Baud = 9600,
    parity: Parity = "N",
    json: Json = False,
) -> None:
    """Give new meters their ids."""
    require("gateway")
    given = asyncio.run(_readdress(port, parse_ids(ids), factory_id, line_settings(baud, parity), quiet=json))
    if json:
        output.print_json({"given": given})


async def _readdress(port: Path, ids: Sequence[int], factory_id: int, settings: LineSettings, quiet: bool) -> list[int]:
    from lentera_gateway.commissioning.readdress import Readdresser, order_of_ids

    words = reader_words()
    line = await open_line(port, settings)
    try:
        readdresser = Readdresser(line, meters(), factory_id)
        taken = await readdresser.taken(ids)
        if taken and not quiet:
            typer.echo(words("readdress.taken", ids=", ".join(map(str, taken))))
        order = order_of_ids(ids, factory_id, taken)
        for done, unit in enumerate(order):
            output.note(words("readdress.next", done=done, of=len(order), unit=unit))
            await readdresser.give(await readdresser.next_meter(), unit)
            output.note(words("readdress.given", unit=unit))
        return readdresser.result.given
    finally:
        line.close()


def register(app: typer.Typer) -> None:
    """Mount the commands into the `gateway` group."""
    app.command("scan", help=_words("help.scan"), epilog=_words("epilog.scan"))(scan)
    app.command("doctor", help=_words("help.doctor"), epilog=_words("epilog.doctor"))(doctor)
    app.command("readdress", help=_words("help.readdress"), epilog=_words("epilog.readdress"))(readdress)
