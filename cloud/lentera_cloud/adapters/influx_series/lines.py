"""Line protocol: records as the text that InfluxDB takes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from lentera_cloud.adapters.series_common.records import ColumnSet, Record

MEASUREMENT: Final = "reading"
DEVICE_TAG: Final = "device"
QUALITY_FIELD: Final = "quality"

_ESCAPES: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_FROM_JSON: Final = bytes.maketrans(b":", b"=")
_NOT_IN_LINES: Final = b'"{}'


@lru_cache(maxsize=4096)
def _fields(columns: ColumnSet) -> Callable[..., msgspec.Struct]:
    """Return a struct whose JSON has the fields of a column set: of one the values, then the quality, are given.

    msgspec writes a number several times as fast as `repr` does, in as few digits, all of them kept.
    """
    places = [f"value_{place}" for place in range(len(columns.names))]
    names = dict(zip(places, columns.names, strict=True)) | {QUALITY_FIELD: QUALITY_FIELD}
    return msgspec.defstruct(
        "Fields", [*((place, float) for place in places), (QUALITY_FIELD, int)], rename=names, gc=False
    )


@lru_cache(maxsize=65536)
def _series(device: str) -> bytes:
    return f"{MEASUREMENT},{DEVICE_TAG}={device.translate(_ESCAPES)}".encode("ascii")


_to_json: Final = msgspec.json.Encoder().encode


def line(record: Record) -> bytes:
    """Return the line of one record, its time in milliseconds.

    Every quantity is a float field, written with a point or an exponent, so that a field never changes its type;
    `quality` is an integer field. Names are checked before and need no escape; devices get one all the same.
    """
    columns = record.columns
    fields = _to_json(_fields(columns)(*columns.packer.unpack(record.data), record.quality))
    return b"%b %bi %d" % (_series(record.device), fields.translate(_FROM_JSON, _NOT_IN_LINES), record.at_ms)


def chunks(records: Sequence[Record], max_values: int) -> Iterator[bytes]:
    """Yield bodies of requests that hold at most `max_values` values each (one record more where it is larger)."""
    body: list[bytes] = []
    values = 0
    for record in records:
        if body and values + len(record.columns.names) > max_values:
            yield b"\n".join(body)
            body, values = [], 0
        body.append(line(record))
        values += len(record.columns.names)
    if body:
        yield b"\n".join(body)
