"""`lentera devices`: what there is, how it is, and how fresh the news is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lentera.cli import output
from lentera.cli.extras import require_client
from lentera.language import Words, reader_words
from lentera.spans import age_text
from lentera.words_errors import reason_in_indonesian

if TYPE_CHECKING:
    from lentera.answers import Device

POWER = "power_active_total"
FAULT = "device_fault"
"""Above 0 the device says of itself that it is at fault; the reason has its words."""

_words = reader_words()


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("devices", help=_words("help.devices"), epilog=_words("epilog.devices"))(devices)


def devices(
    device: Annotated[str | None, typer.Argument(metavar="ID", help=_words("help.devices.id"))] = None,
    kind: Annotated[str | None, typer.Option(help=_words("help.devices.kind"))] = None,
    json: Annotated[bool, typer.Option("--json", help=_words("help.devices.json"))] = False,
) -> None:
    """Print the devices of the tenant, or one device."""
    require_client()
    from lentera.client import Client

    words = reader_words()
    with Client() as client:
        if device is not None:
            found = client.device(device)
            output.print_json(found) if json else _print_one(found, words)
            return
        found = client.devices(kind)
    if json:
        output.print_json(found)
    elif found:
        _print_list(found, words)
    else:
        output.note(words("devices.none"))


def row_of(device: Device, words: Words, now: datetime) -> list[str]:
    """One line of the table: id, name, kind, level, power, age of the last reading, online."""
    power = device.latest.get(POWER)
    level = device.level.measured_percent if device.level else None
    return [
        device.device_id,
        device.name,
        words.either(f"kind.{device.kind}", device.kind),
        "-" if level is None else f"{level:.0f} %",
        "-" if power is None else f"{output.number(power.value)} {power.unit or ''}",
        _age(device, words, now),
        words(f"online.{str(device.online).lower()}"),
    ]


def headers(words: Words) -> list[str]:
    """The headings that go with row_of()."""
    return [words(f"column.{name}") for name in ("id", "name", "kind", "level", "power", "age", "online")]


def _age(device: Device, words: Words, now: datetime) -> str:
    if device.last_reading_at is None:
        return "-"
    return words("age.ago", age=age_text((now - device.last_reading_at).total_seconds()))


def _said(reason: str, words: Words) -> str:
    return reason_in_indonesian(reason) if words.language == "id" else reason


def _print_list(found: list[Device], words: Words) -> None:
    now = datetime.now(UTC)
    output.print_table(headers(words), [row_of(device, words, now) for device in found], right=frozenset({3, 4, 5}))


def _print_one(device: Device, words: Words) -> None:
    now = datetime.now(UTC)
    pairs = dict(zip(headers(words), row_of(device, words, now), strict=True))
    pairs["Profile"] = device.profile
    pairs["Gateway"] = device.gateway_id or "-"
    if device.level is not None and device.level.commanded_percent is not None:
        pairs[words("column.commanded")] = f"{device.level.commanded_percent:.0f} %"
    fault = device.latest.get(FAULT)
    if device.online_reason and (device.online is False or (fault is not None and fault.value > 0)):
        pairs[words("column.online")] += f" ({_said(device.online_reason, words)})"
    output.print_pairs(pairs)
    if device.latest:
        typer.echo()
        rows = [
            [
                name,
                output.number(value.value, 3),
                value.unit or "-",
                age_text((now - value.at).total_seconds()),
                str(value.quality or "good"),
            ]
            for name, value in sorted(device.latest.items())
        ]
        titles = [words(f"column.{name}") for name in ("quantity", "value", "unit", "age", "quality")]
        output.print_table(titles, rows, right=frozenset({1, 3}))
