"""`lentera gateways`: the gateways as the cloud sees them, how far their batches have come, and how they deliver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lentera.cli import output
from lentera.cli.extras import require_client
from lentera.language import Words, reader_words

if TYPE_CHECKING:
    from lentera.answers import Delivery, EpochReceipts, Gateway

_words = reader_words()
_HOLES_SHOWN = 5
_MEGABYTE = 1_000_000

app = typer.Typer(name="gateways", help=_words("help.gateways"), no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help=_words("help.gateways.json"))]
GatewayId = Annotated[str, typer.Argument(metavar="GATEWAY", help=_words("help.gateways.id"))]


@app.callback()
def gateways() -> None:
    """Group the commands about gateways as the cloud sees them."""


@app.command("list", help=_words("help.gateways.list"), epilog=_words("epilog.gateways.list"))
def list_command(json: Json = False) -> None:
    """Print one line a gateway."""
    require_client()
    from lentera.client import Client

    words = reader_words()
    with Client() as client:
        found = client.gateways()
    if json:
        output.print_json(found)
    elif found:
        titles = [words(f"gateways.column.{name}") for name in ("online", "waiting", "seen", "version", "name")]
        output.print_table(["Gateway", *titles], [row_of(one, words) for one in found], right=frozenset({2}))
    else:
        output.note(words("gateways.none"))


def row_of(gateway: Gateway, words: Words) -> list[str]:
    """One line of the table: id, online, batches that wait, last heard, version, name."""
    seen = "-" if gateway.last_seen_at is None else f"{gateway.last_seen_at.astimezone():%Y-%m-%d %H:%M:%S}"
    waiting = "-" if gateway.journal_waiting is None else str(gateway.journal_waiting)
    online = words(f"online.{str(gateway.online).lower()}")
    return [gateway.gateway_id, online, waiting, seen, gateway.agent_version or "-", gateway.name]


@app.command("receipts", help=_words("help.gateways.receipts"), epilog=_words("epilog.gateways.receipts"))
def receipts(gateway: GatewayId, json: Json = False) -> None:
    """Print up to which batch of each epoch everything is stored, and which are missing between."""
    require_client()
    from lentera.client import Client

    words = reader_words()
    with Client() as client:
        found = client.receipts(gateway)
    if json:
        output.print_json(found)
    elif found:
        names = ("epoch", "high_water", "newest", "missing", "holes", "changed")
        titles = [words(f"gateways.column.{name}") for name in names]
        output.print_table(titles, [epoch_row(one) for one in found], right=frozenset({0, 1, 2, 3}))
    else:
        output.note(words("gateways.no_batches"))


def epoch_row(one: EpochReceipts) -> list[str]:
    """One line of the table of epochs; a hole is written as the numbers that it spans."""
    shown = [f"{hole.first}" if hole.first == hole.last else f"{hole.first}-{hole.last}" for hole in one.holes]
    holes = ", ".join(shown[:_HOLES_SHOWN]) + (" ..." if len(shown) > _HOLES_SHOWN else "")
    changed = f"{one.changed_at.astimezone():%Y-%m-%d %H:%M:%S}"
    return [str(one.epoch), str(one.high_water), str(one.newest), str(one.missing), holes or "-", changed]


@app.command("delivery", help=_words("help.gateways.delivery"), epilog=_words("epilog.gateways.delivery"))
def delivery(
    gateway: GatewayId,
    mode: Annotated[
        Literal["live", "economy", "own"] | None, typer.Option(help=_words("help.gateways.delivery.mode"))
    ] = None,
    rate: Annotated[
        int | None, typer.Option("--rate-bytes-s", min=0, help=_words("help.gateways.delivery.rate"))
    ] = None,
    quota: Annotated[
        float | None, typer.Option("--quota-mb", min=0, help=_words("help.gateways.delivery.quota"))
    ] = None,
    day: Annotated[
        int | None, typer.Option("--month-day", min=0, max=28, help=_words("help.gateways.delivery.day"))
    ] = None,
    json: Json = False,
) -> None:
    """Print how a gateway delivers; with options, set it first, and leave what they do not name."""
    require_client()
    from lentera.client import Client

    with Client() as client:
        found = client.delivery(gateway)
        if any(option is not None for option in (mode, rate, quota, day)):
            found = client.set_delivery(
                gateway,
                mode=found.mode if mode is None else None if mode == "own" else mode,
                rate_bytes_s=found.rate_bytes_s if rate is None else rate,
                quota_bytes=found.quota_bytes if quota is None else round(quota * _MEGABYTE),
                month_day=found.month_day if day is None else day,
            )
    output.print_json(found) if json else show_delivery(found, reader_words())


def show_delivery(found: Delivery, words: Words) -> None:
    """Print how a gateway delivers, for people."""
    own = words("gateways.own")
    detail = words("gateways.full_detail") if not found.detail_s else words("gateways.means", seconds=found.detail_s)
    watched = found.watched_until
    output.print_pairs(
        {
            "Gateway": found.gateway_id,
            words("gateways.mode"): found.mode or own,
            words("gateways.rate"): f"{found.rate_bytes_s} B/s" if found.rate_bytes_s else own,
            words("gateways.quota"): f"{found.quota_bytes / _MEGABYTE:g} MB" if found.quota_bytes else own,
            words("gateways.month_day"): str(found.month_day) if found.month_day else own,
            words("gateways.month"): f"{found.month_bytes / _MEGABYTE:.1f} MB",
            words("gateways.detail"): detail,
            words("gateways.watched"): "-" if watched is None else f"{watched.astimezone():%H:%M:%S}",
        }
    )


@app.command("watch", help=_words("help.gateways.watch"), epilog=_words("epilog.gateways.watch"))
def watch(
    gateway: GatewayId,
    seconds: Annotated[
        int, typer.Option("--for", metavar="S", min=0, max=3600, help=_words("help.gateways.watch.for"))
    ] = 300,
    json: Json = False,
) -> None:
    """Make a gateway live for somebody who looks, for a while."""
    require_client()
    from lentera.client import Client

    words = reader_words()
    with Client() as client:
        found = client.watch_gateway(gateway, seconds)
    if json:
        output.print_json(found)
    elif found.watched_until is None:
        output.note(words("gateways.watch_over", gateway=gateway))
    else:
        output.note(watching(found, words))


def watching(found: Delivery, words: Words) -> str:
    """Say until when a gateway is live, or that its quota lets it not be so."""
    until = "-" if found.watched_until is None else f"{found.watched_until.astimezone():%H:%M:%S}"
    text = "gateways.held_back" if found.held_back_by_quota else "gateways.watching"
    return words(text, gateway=found.gateway_id, until=until)
