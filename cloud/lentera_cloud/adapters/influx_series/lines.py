"""Line protocol: records as the text that InfluxDB takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from lentera_cloud.adapters.series_common.records import Record

MEASUREMENT: Final = "reading"
DEVICE_TAG: Final = "device"
QUALITY_FIELD: Final = "quality"

_ESCAPES: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})


def line(record: Record) -> str:
    """Return the line of one record, its time in milliseconds.

    Every quantity is a float field, written with a point or an exponent as `repr` does, so that a field never changes
    its type; `quality` is an integer field. Names are checked before and need no escape; devices get one all the same.
    """
    names, values = record.columns.names, record.columns.packer.unpack(record.data)
    fields = ",".join([f"{name}={value!r}" for name, value in zip(names, values, strict=True)])
    device = record.device.translate(_ESCAPES)
    return f"{MEASUREMENT},{DEVICE_TAG}={device} {fields},{QUALITY_FIELD}={record.quality}i {record.at_ms}"


def chunks(records: Sequence[Record], max_values: int) -> Iterator[bytes]:
    """Yield bodies of requests that hold at most `max_values` values each (one record more where it is larger)."""
    body: list[str] = []
    values = 0
    for record in records:
        if body and values + len(record.columns.names) > max_values:
            yield _body(body)
            body, values = [], 0
        body.append(line(record))
        values += len(record.columns.names)
    if body:
        yield _body(body)


def _body(lines: Iterable[str]) -> bytes:
    return "\n".join(lines).encode("ascii")
