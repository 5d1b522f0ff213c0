"""What the demo was asked to do."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class InfluxOptions:
    """A real InfluxDB 2 server to store the readings in; the token may create buckets."""

    url: str
    token: str
    org: str


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Size and length of the demo.

    `seconds` None runs until Ctrl-C; with a number lamps are dimmed and the ledger is checked at the end. `tenant`
    names the city; on InfluxDB each run gets a name (and so a bucket) of its own. `keep` leaves the run's folder.
    """

    seconds: float | None = None
    json: bool = False
    influx: InfluxOptions | None = None
    tenant: str = "langkat"
    meters: int | None = None
    lamps: int | None = None
    seed: int = 1
    broker: str = "auto"
    port: int = 0
    run_dir: Path | None = None
    keep: bool = False

    @property
    def store(self) -> str:
        """Name of the store of readings: sqlite or influxdb."""
        return "influxdb" if self.influx else "sqlite"


def unique_tenant(base: str) -> str:
    """A tenant name that no earlier run has used, so that a reused InfluxDB starts this run with an empty bucket."""
    return f"{base}-{secrets.token_hex(4)}"
