"""What in a street can have faults, by the ids of its gateway.yaml: devices and buses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lentera_sim.broker import RunningBroker
from lentera_sim.faults.kinds import Faults
from lentera_sim.faults.meter_faults import meter_faults
from lentera_sim.faults.mqtt_faults import broker_faults, device_faults
from lentera_sim.faults.wire_faults import host_faults, line_faults
from lentera_sim.gateway_config import MQTT_BUS, SERIAL_BUS, tcp_bus
from lentera_sim.lamps.bridge import DeviceBridge
from lentera_sim.wires.converter import Converter
from lentera_sim.wires.serial_line import SerialLine
from lentera_sim.wires.tcp_meter import TcpMeter
from lentera_sim.wires.unit import ModbusUnit


def modbus_targets(
    units: Mapping[str, ModbusUnit], line: SerialLine | Converter, hosts: Mapping[str, TcpMeter]
) -> dict[str, Faults]:
    """Return id to faults of meters (`units` by device id), of the serial bus and of each host's bus."""
    found: dict[str, Faults] = {device: meter_faults(unit) for device, unit in units.items()}
    found[SERIAL_BUS] = line_faults(line)
    found |= {tcp_bus(device): host_faults(host) for device, host in hosts.items()}
    return found


def mqtt_targets(bridges: Iterable[DeviceBridge[Any]], broker: RunningBroker) -> dict[str, Faults]:
    """Return id to faults of lamps and small meters, and of the bus that is their broker."""
    found = {device.device: device_faults(bridge, device) for bridge in bridges for device in bridge.devices}
    return found | {MQTT_BUS: broker_faults(broker)}
