"""Every kind of fault, by what it can be put on: for people who choose one."""

from __future__ import annotations

from collections.abc import Sequence

from lentera_sim.faults import meter_faults, mqtt_faults, wire_faults
from lentera_sim.faults.kinds import FaultKind


def catalogue() -> dict[str, Sequence[FaultKind]]:
    """Return what can be wrong with a meter, a serial bus, a TCP host, and a device and the broker on MQTT."""
    return {
        "meter": meter_faults.KINDS,
        "serial bus": wire_faults.LINE_KINDS,
        "TCP bus": wire_faults.HOST_KINDS,
        "lamp, plug": mqtt_faults.DEVICE_KINDS,
        "MQTT bus": mqtt_faults.BROKER_KINDS,
    }
