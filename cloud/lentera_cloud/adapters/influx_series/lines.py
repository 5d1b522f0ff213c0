"""Line protocol: records as the text that InfluxDB takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from lentera_cloud.adapters.series_common.records import ColumnSet, Record

MEASUREMENT: Final = "reading"
DEVICE_TAG: Final = "device"
QUALITY_FIELD: Final = "quality"

_ESCAPES: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_TEXTS: Final = 1 << 16


class _Texts(dict[float, str]):
    """Numbers as text, with a memory: a meter tells few different ones, and writing one anew takes ten times as long.

    Bounded: a full one begins again. Threads may share it, for every number has one text, whoever writes it.
    """

    def __missing__(self, value: float) -> str:
        if len(self) >= _TEXTS:
            self.clear()
        text = self[value] = repr(value)
        return text


_TEXT: Final = _Texts().__getitem__


@lru_cache(maxsize=4096)
def _form(columns: ColumnSet) -> str:
    """Return the fields of a column set with a place for each value, for the quality and for the time."""
    fields = ",".join([f"{name}=%s" for name in columns.names])
    return f" {fields},{QUALITY_FIELD}=%di %d"


@lru_cache(maxsize=65536)
def _series(device: str) -> str:
    return f"{MEASUREMENT},{DEVICE_TAG}={device.translate(_ESCAPES)}"


def line(record: Record) -> str:
    """Return the line of one record, its time in milliseconds.

    Every quantity is a float field, written with a point or an exponent as `repr` does, so that a field never changes
    its type; `quality` is an integer field. Names are checked before and need no escape; devices get one all the same.
    """
    columns = record.columns
    values = map(_TEXT, columns.packer.unpack(record.data))
    return _series(record.device) + _form(columns) % (*values, record.quality, record.at_ms)


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
