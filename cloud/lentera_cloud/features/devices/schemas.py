"""Devices on the wire."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lentera_cloud.features.devices.service import DeviceView
from lentera_cloud.kit.times import to_wire, to_wire_or_none
from lentera_model.identifiers import ID_PATTERN
from lentera_model.quantities import CATALOGUE
from lentera_model.readings import QualityWord

DeviceKind = Literal["meter", "luminaire"]


class LatestOut(BaseModel):
    """The newest value of a quantity."""

    value: float
    unit: str | None = Field(
        description="SI unit, as the catalogue of quantities has it; `1` for a bare number such as a power factor. "
        "null: the catalogue here does not know the quantity (its gateway is newer), so the unit is not known.",
        examples=["W"],
    )
    at: str = Field(description="When the device gave it.")
    quality: QualityWord = Field(
        description="suspect: uncertain; stale: kept for longer than the device may be silent; implausible: a rule of "
        "its profile's probe failed; device_fault: the device says so of itself."
    )


class LevelOut(BaseModel):
    """A lamp's light level in percent of full output: what was asked, and what is."""

    commanded_percent: float | None = Field(
        description="Last level commanded through this service that may have reached the lamp; null if none did."
    )
    measured_percent: float | None = Field(description="Level that the lamp reports; null if it never did.")


class DeviceOut(BaseModel):
    """A meter or a luminaire."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "device_id": "lamp-001",
                    "name": "Jalan Merdeka 1",
                    "kind": "luminaire",
                    "profile": "zigbee2mqtt_light",
                    "gateway_id": "gw-stabat-01",
                    "bus": "lamps",
                    "address": "lamp-001",
                    "declared": True,
                    "contested_by": None,
                    "online": True,
                    "online_reason": "it gives readings",
                    "last_reading_at": "2026-11-25T01:02:03.004Z",
                    "latest": {
                        "level_percent": {
                            "value": 40,
                            "unit": "%",
                            "at": "2026-11-25T01:02:03.004Z",
                            "quality": "good",
                        }
                    },
                    "level": {"commanded_percent": 40, "measured_percent": 40},
                }
            ]
        }
    )

    device_id: str
    name: str
    kind: DeviceKind
    profile: str = Field(description="Device model, as its profile is called.")
    gateway_id: str = Field(description="The gateway that reaches it: a path, no part of its identity.")
    bus: str
    address: str
    declared: bool = Field(description="False once its gateway no longer lists it; its history stays.")
    contested_by: str | None = Field(description="Another gateway that claims it; PUT .../gateway decides.")
    online: bool | None = Field(description="null where it is not known.")
    online_reason: str = Field(description="How it is known, or why not.")
    last_reading_at: str | None
    latest: dict[str, LatestOut] = Field(description="Newest value of each quantity.")
    level: LevelOut | None = Field(description="For luminaires; null for meters.")


class DevicesOut(BaseModel):
    """Devices in order of id."""

    items: list[DeviceOut]


class MoveIn(BaseModel):
    """Which gateway the device belongs to from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"gateway_id": "gw-stabat-02"}]})

    gateway_id: str = Field(pattern=ID_PATTERN, examples=["gw-stabat-02"])


def _unit(quantity: str) -> str | None:
    known = CATALOGUE.get(quantity)
    return known.unit if known else None


def device_out(view: DeviceView) -> DeviceOut:
    """Describe a device as it stands."""
    row = view.row
    measured = view.latest.get("level_percent")
    level = LevelOut(
        commanded_percent=row.commanded_percent, measured_percent=measured.value if measured is not None else None
    )
    latest = {
        name: LatestOut(
            value=one.value,
            unit=_unit(name),
            at=to_wire(one.at_ms),
            quality=one.quality.word,
        )
        for name, one in sorted(view.latest.items())
    }
    return DeviceOut(
        device_id=row.device_id,
        name=row.name,
        kind="luminaire" if row.kind == "luminaire" else "meter",
        profile=row.profile,
        gateway_id=row.gateway_id,
        bus=row.bus,
        address=row.address,
        declared=row.declared,
        contested_by=row.contested_by,
        online=view.reachable.online,
        online_reason=view.reachable.reason,
        last_reading_at=to_wire_or_none(view.last_reading_ms),
        latest=latest,
        level=level if row.kind == "luminaire" else None,
    )
