"""Telegraf as a peer: its Modbus input with one request a meter, its disk buffer, its InfluxDB output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bench.load import FUNCTION_CODE, quantities
from tests.services.process import find_program
from tests.services.servers import InfluxInfo


def program() -> Path | None:
    """Where Telegraf is, None where it is not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return find_program("telegraf", also=[cache / "lentera" / "bin" / "telegraf"])


def missing() -> str | None:
    """Why it cannot be measured here, None when it can."""
    return None if program() else "Telegraf is not installed: bench/peers/build-telegraf builds it"


def agent(interval: str, buffer_dir: Path) -> str:
    """Its settings for all: the disk buffer is its way to lose nothing; the rest are its defaults."""
    return f"""
[agent]
  interval = "{interval}"
  round_interval = true
  metric_batch_size = 1000
  metric_buffer_limit = 100000
  flush_interval = "10s"
  omit_hostname = true
  buffer_strategy = "disk"
  buffer_directory = "{buffer_dir}"
"""


def influx_output(info: InfluxInfo, bucket: str) -> str:
    """Its output to InfluxDB 2."""
    return f"""
[[outputs.influxdb_v2]]
  urls = ["{info.url}"]
  token = "{info.token}"
  organization = "{info.org}"
  bucket = "{bucket}"
"""


def file_output(path: Path) -> str:
    """Its output to a file, for a bench that has no InfluxDB."""
    return f"""
[[outputs.file]]
  files = ["{path}"]
"""


def _request(unit: int, values: int) -> str:
    kind = "input" if FUNCTION_CODE == 4 else "holding"
    fields = ",\n".join(
        f'      {{ address={2 * at}, name="{name}", type="FLOAT32", scale={scale:.1f} }}'
        for at, (name, _, scale) in enumerate(quantities(values))
    )
    return f"""
  [[inputs.modbus.request]]
    slave_id = {unit}
    byte_order = "ABCD"
    register = "{kind}"
    fields = [
{fields}
    ]
    [inputs.modbus.request.tags]
      meter = "unit{unit}"
"""


def tcp_meters(ports: Sequence[int], values: int) -> str:
    """One input a meter, since each has an address of its own."""
    return "".join(
        f"""
[[inputs.modbus]]
  name = "meter-{number}"
  controller = "tcp://127.0.0.1:{port}"
  timeout = "1s"
  configuration_type = "request"
  [inputs.modbus.tags]
    device = "meter-{number}"
{_request(1, values)}"""
        for number, port in enumerate(ports)
    )


def serial_meters(port: Path, units: Sequence[int], values: int, baud: int = 9600) -> str:
    """One input for the line, since only one may hold the port; one request a unit."""
    return f"""
[[inputs.modbus]]
  name = "line"
  controller = "file://{port}"
  baud_rate = {baud}
  data_bits = 8
  parity = "N"
  stop_bits = 1
  transmission_mode = "RTU"
  timeout = "1s"
  configuration_type = "request"
{"".join(_request(unit, values) for unit in units)}"""


def command(config: Path) -> list[str]:
    """The argument vector that runs it."""
    return [str(program()), "--config", str(config), "--quiet"]
