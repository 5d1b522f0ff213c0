"""The gateway configuration that fits a simulated street."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lentera_model.config import GatewayConfig
from lentera_sim.street import StreetPlan

SERIAL_BUS = "rs485-0"
MQTT_BUS = "lamps"


def tcp_bus(device: str) -> str:
    """Return the id of the bus that a Modbus TCP meter has for itself."""
    return f"lan-{device}"


def street_config(
    plan: StreetPlan,
    *,
    serial: Path | int,
    tcp_ports: Mapping[str, int],
    broker: tuple[str, int],
    cloud_url: str,
    key_file: str,
) -> dict[str, Any]:
    """Return the configuration as plain data, checked.

    `serial` is the path of the serial line, or the TCP port of the converter that it is behind; `tcp_ports` is meter id
    to port for the TCP meters, `broker` the host and port of the lamps' broker.
    """
    host, port = broker
    buses: list[dict[str, Any]] = [
        {"id": SERIAL_BUS, "driver": "modbus", **_serial(plan, serial)},
        *(
            {"id": tcp_bus(device), "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "tcp_port": tcp_port}
            for device, tcp_port in tcp_ports.items()
        ),
        {"id": MQTT_BUS, "driver": "mqtt", "host": host, "tcp_port": port},
    ]
    config = {
        "version": 1,
        "gateway": {"id": plan.gateway, "name": "Jalan Merdeka, Stabat"},
        "cloud": {"url": cloud_url, "key_file": key_file, "mode": "live"},
        "journal": {"memory_dir": "journal/memory", "card_dir": "journal/card"},
        "buses": buses,
        "devices": [*_meters(plan), *_lamps(plan), *_plugs(plan)],
    }
    GatewayConfig.model_validate(config)
    return config


def _serial(plan: StreetPlan, serial: Path | int) -> dict[str, Any]:
    if isinstance(serial, int):
        return {"transport": "rtu_over_tcp", "host": "127.0.0.1", "tcp_port": serial, "baud": plan.baud}
    return {"transport": "rtu", "port": str(serial), "baud": plan.baud, "parity": "N"}


def _meters(plan: StreetPlan) -> list[dict[str, Any]]:
    return [
        {
            "id": meter.device,
            "name": meter.name,
            "profile": meter.profile,
            "bus": SERIAL_BUS if meter.transport == "rtu" else tcp_bus(meter.device),
            "unit": meter.unit,
            "every_s": meter.every_s,
            **_quantities(plan, meter.device),
            **_report(plan, meter.device),
        }
        for meter in plan.meter_plans()
    ]


def _lamps(plan: StreetPlan) -> list[dict[str, Any]]:
    return [
        {
            "id": lamp.device,
            "name": lamp.name,
            "profile": lamp.profile,
            "bus": MQTT_BUS,
            "topic": lamp.device,
            "every_s": lamp.every_s,
            "rated_power_w": lamp.rated_w,
            **_quantities(plan, lamp.device),
        }
        for lamp in plan.lamp_plans()
    ]


def _plugs(plan: StreetPlan) -> list[dict[str, Any]]:
    return [
        {
            "id": plug.device,
            "name": plug.name,
            "profile": plug.profile,
            "bus": MQTT_BUS,
            "topic": plug.device,
            "every_s": plug.every_s,
            **_quantities(plan, plug.device),
            **_report(plan, plug.device),
        }
        for plug in plan.plug_plans()
    ]


def _quantities(plan: StreetPlan, device: str) -> dict[str, list[str]]:
    chosen = plan.quantities.get(device)
    return {} if chosen is None else {"quantities": list(chosen)}


def _report(plan: StreetPlan, device: str) -> dict[str, Any]:
    rule = plan.reports.get(device)
    return {} if rule is None else {"report": rule.model_dump()}


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write a configuration as YAML, whole or not at all."""
    draft = path.with_suffix(".draft")
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=200)
    draft.write_text("# Written by the street simulator for this run.\n" + text, encoding="utf-8")
    draft.replace(path)
