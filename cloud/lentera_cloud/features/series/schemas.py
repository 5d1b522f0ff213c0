"""Series on the wire: one JSON object, or lines of CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from lentera_cloud.kit.times import to_wire
from lentera_cloud.ports import SeriesPoint, SeriesResult
from lentera_model.quantities import CATALOGUE, round_to_float32
from lentera_model.readings import QualityWord

Format = Literal["json", "csv"]

_EXACT_INTEGERS = 1e15


class QuantityOut(BaseModel):
    """A quantity that was asked for."""

    name: str = Field(examples=["power_active_total"])
    unit: str | None = Field(
        description="SI unit, as the catalogue of quantities has it; `1` for a bare number such as a power factor. "
        "null: the catalogue here does not know the quantity (its gateway is newer), so the unit is not known.",
        examples=["W"],
    )


class PointOut(BaseModel):
    """One stored instant, or one window."""

    at: str = Field(description="When the device gave it; with `every`, the window's start.")
    values: dict[str, float | None] = Field(description="By quantity; null where nothing is stored.")
    quality: QualityWord = Field(
        description="The worst of the readings in the point, from good over suspect (uncertain), stale and "
        "implausible (a rule of its profile's probe failed) to device_fault (the device says so of itself)."
    )


class SeriesOut(BaseModel):
    """The answer; only the documentation validates it, it is written straight from the store's answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "device": "meter-cabinet",
                    "quantities": [{"name": "power_active_total", "unit": "W"}],
                    "points": [
                        {
                            "at": "2026-11-25T01:00:00.000Z",
                            "values": {"power_active_total": 2381.5},
                            "quality": "good",
                        }
                    ],
                    "truncated": False,
                }
            ]
        }
    )

    device: str
    quantities: list[QuantityOut]
    points: list[PointOut] = Field(description="In time order.")
    truncated: bool = Field(description="True when `limit` cut off the newest points: ask on from the last `at`.")


def unit_of(name: str) -> str | None:
    """Return a quantity's SI unit ("1" for a bare number), None if the catalogue does not know the quantity."""
    known = CATALOGUE.get(name)
    return known.unit if known else None


def to_json(device: str, names: Sequence[str], result: SeriesResult) -> bytes:
    """Return the JSON of an answer."""
    body: dict[str, Any] = {
        "device": device,
        "quantities": [{"name": name, "unit": unit_of(name)} for name in names],
        "points": [
            {"at": to_wire(point.at_ms), "values": point.values, "quality": point.quality.word}
            for point in result.points
        ],
        "truncated": result.truncated,
    }
    return msgspec.json.encode(body)


def csv_head(names: Iterable[str]) -> str:
    """Return the CSV's first line: `at`, each quantity with its unit in brackets, `quality`."""
    titles = [f"{name} [{unit}]" if (unit := unit_of(name)) else name for name in names]
    return _csv([["at", *titles, "quality"]])


def csv_lines(names: Sequence[str], points: Iterable[SeriesPoint]) -> str:
    """Return the CSV lines of points; what is not stored is an empty cell."""
    return _csv(
        [to_wire(point.at_ms), *(number(point.values[name]) for name in names), point.quality.word] for point in points
    )


def number(value: float | None) -> str:
    """Return the shortest decimal that stands for a stored value.

    A value kept as float32 is 231.2 in a meter and 231.1999969482422 as a float64; 231.2 says all that is known.
    """
    if value is None:
        return ""
    if value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return str(int(value))
    short = f"{value:.7g}"
    return short if "e" not in short and round_to_float32(float(short)) == value else repr(value)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
