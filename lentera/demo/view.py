"""What the demo shows while it runs: progress of the start, then a live table; without a terminal a line now and then.

Everything goes to stderr except the banner of an interactive run, so that `--json` owns stdout.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lentera.answers import Device
from lentera.demo.dimmer import Tally
from lentera.language import Words
from lentera.spans import age_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

LINE_EVERY_S = 5.0
POWER = "power_active_total"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the street at one moment, as the public API and the gateway's status file tell it.

    `values_per_s` counts stored values; `journal_waiting` are sealed batches not yet acknowledged (None: unknown).
    """

    elapsed_s: float
    devices: list[Device] = field(default_factory=list)
    values_per_s: float | None = None
    journal_waiting: int | None = None
    gateway_online: bool | None = None
    commands: Tally = field(default_factory=Tally)
    newest_command: str = ""


def summary(snapshot: Snapshot) -> str:
    """The snapshot in one line."""
    online = sum(1 for device in snapshot.devices if device.online)
    rate = "-" if snapshot.values_per_s is None else f"{snapshot.values_per_s:.0f}"
    waiting = "-" if snapshot.journal_waiting is None else str(snapshot.journal_waiting)
    tally = snapshot.commands
    return (
        f"{snapshot.elapsed_s:5.0f} s  devices online {online}/{len(snapshot.devices)}  values/s {rate}  "
        f"journal waiting {waiting}  commands {tally.succeeded} done, {tally.failed} failed of {tally.sent}"
    )


def rows(devices: list[Device], words: Words, now: datetime) -> list[tuple[str, ...]]:
    """A row a device: id, kind, commanded level, measured level, power, age of the last reading, online."""
    return [
        (
            device.device_id,
            words.either(f"kind.{device.kind}", device.kind),
            _percent(device.level.commanded_percent if device.level else None),
            _percent(device.level.measured_percent if device.level else None),
            _power(device),
            age_text((now - device.last_reading_at).total_seconds() if device.last_reading_at else None),
            words(f"online.{str(device.online).lower()}"),
        )
        for device in devices
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"


def _power(device: Device) -> str:
    power = device.latest.get(POWER)
    return "-" if power is None else f"{power.value:.1f} {power.unit or ''}"


class View:
    """Progress lines and the table on stderr; falls back to plain lines where there is no terminal."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._live: Live | None = None
        self._last_line = 0.0
        self._began = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def note(self, text: str) -> None:
        """One line of news, with the seconds since the start."""
        line = f"{time.monotonic() - self._began:6.1f} s  {text}\n"
        if self._live is not None:
            self._live.console.print(line.rstrip("\n"), markup=False, highlight=False)
        else:
            sys.stderr.write(line)
            sys.stderr.flush()

    def show(self, snapshot: Snapshot) -> None:
        """Draw the newest state: the table in place, or a line each five seconds."""
        if not self.terminal:
            if time.monotonic() - self._last_line >= LINE_EVERY_S:
                self._last_line = time.monotonic()
                sys.stderr.write(summary(snapshot) + "\n")
                sys.stderr.flush()
            return
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        self._live.update(self._table(snapshot, self._live.console.height), refresh=True)

    def end(self) -> None:
        """Leave the last table on the screen and give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self, snapshot: Snapshot, height: int) -> RenderableType:
        from rich.box import SIMPLE_HEAD
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        titles = ("id", "kind", "commanded", "level", "power", "age", "online")
        for index, title in enumerate(titles):
            justify = "right" if 2 <= index <= 5 else "left"
            table.add_column(self._words(f"column.{title}"), justify=justify, no_wrap=True)
        shown = rows(snapshot.devices, self._words, datetime.now(UTC))
        room = max(5, height - 8)
        for row in shown[:room]:
            table.add_row(*(Text(cell) for cell in row))
        parts: list[RenderableType] = [Text(summary(snapshot), style="bold"), table]
        if len(shown) > room:
            parts.append(Text(f"... and {len(shown) - room} more: lentera devices"))
        if snapshot.newest_command:
            parts.append(Text(snapshot.newest_command))
        parts.append(Text("Ctrl-C stops everything.", style="dim"))
        return Group(*parts)


def banner(url: str, token: str, broker: str, meter: str, lamp: str = "lamp-003") -> str:
    """Where to look, and what to try in a second shell; the lines can be copied as they are."""
    return f"""
The street is lit. Broker: {broker}.

  API docs   {url}/docs
  Token      {token}

Try in a second shell (the commands find this demo by themselves):

  source .venv/bin/activate
  lentera devices
  lentera dim {lamp} 40
  lentera devices {lamp}
  lentera series {lamp} --last 5m --quantity power_active_total --plot
  lentera series {meter} --last 1h --every 1m
  lentera series {meter} --last 1h --every 1m --format csv
  lentera series {meter} --last 1h --every 1m --format json
  curl -H 'Authorization: Bearer {token}' {url}/v1/devices/{lamp}

"""
