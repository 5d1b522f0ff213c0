"""Flux: the questions as text, with every bound an instant in UTC that we computed. Pure.

No window with an offset, no month and no zone ever comes in here: those lose data or take several times as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from lentera_cloud.adapters.influx_series.lines import DEVICE_TAG, MEASUREMENT, QUALITY_FIELD
from lentera_cloud.ports import Aggregate

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = '|> keep(columns: ["_time", "_value", "_field", "device"])'
_COLUMNS_OF_ONE: Final = '|> keep(columns: ["_time", "_value", "_field"])'


def string(text: str) -> str:
    """Return a Flux string literal of any text: nothing in it can end the literal or start an expression."""
    out: list[str] = []
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif character == "$":
            out.append("\\x24")  # "${" begins an interpolation
        elif " " <= character < "\x7f":
            out.append(character)
        else:
            out.extend(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    return f'"{"".join(out)}"'


def instant(at_ms: int) -> str:
    """Return a Flux time literal of Unix epoch milliseconds."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def _any_of(column: str, texts: Iterable[str]) -> str:
    return " or ".join(f"r.{column} == {string(text)}" for text in texts)


def _source(bucket: str, devices: Iterable[str], from_ms: int, to_ms: int) -> str:
    return (
        f"from(bucket: {string(bucket)})\n"
        f"  |> range(start: {instant(from_ms)}, stop: {instant(to_ms)})\n"
        f"  |> filter(fn: (r) => r._measurement == {string(MEASUREMENT)})\n"
        f"  |> filter(fn: (r) => {_any_of(DEVICE_TAG, devices)})\n"
    )


def rows(
    bucket: str, device: str, from_ms: int, to_ms: int, *, fields: Iterable[str] | None = None, limit: int | None = None
) -> str:
    """Ask for stored values: of these fields (None: all, `quality` too), at most `limit` of each, the oldest first."""
    text = _source(bucket, [device], from_ms, to_ms)
    if fields is not None:
        text += f"  |> filter(fn: (r) => {_any_of('_field', fields)})\n"
    if limit is not None:
        text += f"  |> limit(n: {limit})\n"
    return text + f"  {_COLUMNS_OF_ONE}\n"


def ends(bucket: str, device: str, from_ms: int, to_ms: int) -> str:
    """Ask for the first and the last instant of a device in the range, as two results."""
    quality = (
        _source(bucket, [device], from_ms, to_ms) + f"  |> filter(fn: (r) => r._field == {string(QUALITY_FIELD)})\n"
    )
    return (
        f'{quality}  |> first()\n  {_COLUMNS_OF_ONE}\n  |> yield(name: "first")\n'
        f'{quality}  |> last()\n  {_COLUMNS_OF_ONE}\n  |> yield(name: "last")\n'
    )


def suspects(bucket: str, device: str, from_ms: int, to_ms: int) -> str:
    """Ask for the instants of a device whose quality is not good, with that quality."""
    return (
        _source(bucket, [device], from_ms, to_ms)
        + f"  |> filter(fn: (r) => r._field == {string(QUALITY_FIELD)})\n"
        + f"  |> filter(fn: (r) => r._value > 0)\n  {_COLUMNS_OF_ONE}\n"
    )


def windows(
    bucket: str,
    device: str,
    fields: Iterable[str],
    from_ms: int,
    to_ms: int,
    every_ms: int,
    aggregate: Aggregate,
    limit: int,
) -> str:
    """Ask for one aggregate a field and window, at most `limit` of a field, the oldest first.

    Windows are multiples of `every_ms` since the epoch; empty ones are absent.

    `_time` is where the window starts inside the range, so the first one carries `from_ms` when that cuts it.
    """
    return (
        _source(bucket, [device], from_ms, to_ms)
        + f"  |> filter(fn: (r) => {_any_of('_field', fields)})\n"
        + f'  |> aggregateWindow(every: {every_ms}ms, fn: {aggregate}, createEmpty: false, timeSrc: "_start")\n'
        + f"  |> limit(n: {limit})\n  {_COLUMNS_OF_ONE}\n"
    )


def counts(bucket: str, device: str, from_ms: int, to_ms: int) -> str:
    """Ask how many values each field of a device has in the range."""
    return (
        _source(bucket, [device], from_ms, to_ms)
        + f"  |> filter(fn: (r) => r._field != {string(QUALITY_FIELD)})\n"
        + '  |> count()\n  |> keep(columns: ["_value", "_field"])\n'
    )


def hourly_counts(bucket: str, devices: Iterable[str], from_ms: int, to_ms: int) -> str:
    """Ask how many values each field of each device has in each whole hour of the range; `_time` is its start."""
    return (
        _source(bucket, devices, from_ms, to_ms)
        + f"  |> filter(fn: (r) => r._field != {string(QUALITY_FIELD)})\n"
        + '  |> aggregateWindow(every: 1h, fn: count, createEmpty: false, timeSrc: "_start")\n'
        + f"  {_COLUMNS}\n"
    )


def newest(bucket: str, devices: Iterable[str], to_ms: int) -> str:
    """Ask for the last value of each field of each device."""
    return (
        _source(bucket, devices, 0, to_ms)
        + f"  |> filter(fn: (r) => r._field != {string(QUALITY_FIELD)})\n  |> last()\n  {_COLUMNS}\n"
    )


def newest_quality(bucket: str, devices: Iterable[str], to_ms: int) -> str:
    """Ask for the last quality of each device."""
    return (
        _source(bucket, devices, 0, to_ms)
        + f"  |> filter(fn: (r) => r._field == {string(QUALITY_FIELD)})\n  |> last()\n  {_COLUMNS}\n"
    )


def quality_at(bucket: str, instants: Iterable[tuple[str, int]]) -> str:
    """Ask for the quality of certain (device, instant) pairs, each as a result of its own in one request."""
    parts: list[str] = []
    for number, (device, at_ms) in enumerate(instants):
        parts.append(
            _source(bucket, [device], at_ms, at_ms + 1)
            + f"  |> filter(fn: (r) => r._field == {string(QUALITY_FIELD)})\n  {_COLUMNS}\n"
            + f'  |> yield(name: "q{number}")\n'
        )
    return "\n".join(parts)
