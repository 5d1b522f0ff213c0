"""What the writer thread does with a tenant's file: store records, compact closed hours. Synchronous."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from lentera_cloud.adapters.series_common.records import ColumnSet, Record
from lentera_cloud.adapters.sqlite_series.segments import HOUR_MS, decode_block, encode_block, from_rows, merge

_MAX_CACHED_SERIES: Final = 200_000

_DEVICE: Final = ("INSERT OR IGNORE INTO device (name) VALUES (?)", "SELECT id FROM device WHERE name = ?")
_COLUMN_SET: Final = (
    "INSERT OR IGNORE INTO column_set (columns) VALUES (?)",
    "SELECT id FROM column_set WHERE columns = ?",
)
_INSERT: Final = "INSERT OR IGNORE INTO row VALUES (?, ?, ?, ?)"
_INSERTS: Final = tuple((rows, _INSERT + ", (?, ?, ?, ?)" * (rows - 1)) for rows in (256, 16, 1))
"""For so many rows at once: each statement gives Python's lock away and has to win it back from other threads."""
_HOUR_OF_ROWS: Final = (
    "SELECT at_ms, quality, data FROM row WHERE series = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms"
)
_FORGET_ROWS: Final = "DELETE FROM row WHERE series = ? AND at_ms >= ? AND at_ms < ?"


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the body in one write transaction: committed at its end, rolled back on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def columns_text(columns: ColumnSet) -> str:
    """Return how a column set is written in the file: `d:energy_active_import,f:power_active_total`."""
    return ",".join(f"{letter}:{name}" for letter, name in zip(columns.formats, columns.names, strict=True))


def parse_columns(text: str) -> ColumnSet:
    """Return the column set of its text in the file; the inverse of `columns_text`."""
    pairs = (column.partition(":") for column in text.split(","))
    return ColumnSet.from_columns([(letter, name) for letter, _, name in pairs])


class FileWriter:
    """The one writer of a tenant's file in this process; used by the writer thread alone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take over an open connection."""
        self._connection = connection
        self._series: dict[tuple[str, ColumnSet], int] = {}

    def close(self) -> None:
        """Close the connection, which also folds the log into the file."""
        self._connection.close()

    def store(self, records: Sequence[Record]) -> None:
        """Insert the records in one durable transaction; those whose instant is stored already change nothing.

        Raises:
            sqlite3.Error: nothing of it is stored.
        """
        fresh: dict[tuple[str, ColumnSet], int] = {}
        with transaction(self._connection):
            rows = [(self._series_id(record, fresh), record.at_ms, record.quality, record.data) for record in records]
            rows.sort(key=lambda row: row[:2])
            self._insert(rows)
        if len(self._series) > _MAX_CACHED_SERIES:
            self._series.clear()
        self._series.update(fresh)  # only now: a rolled back id must not be remembered

    def _insert(self, rows: Sequence[tuple[int, int, int, bytes]]) -> None:
        at = 0
        for size, statement in _INSERTS:
            while len(rows) - at >= size:
                self._connection.execute(statement, [field for row in rows[at : at + size] for field in row])
                at += size

    def _series_id(self, record: Record, fresh: dict[tuple[str, ColumnSet], int]) -> int:
        key = (record.device, record.columns)
        known = self._series.get(key) or fresh.get(key)
        if known is None:
            device = self._intern(_DEVICE, record.device)
            columns = self._intern(_COLUMN_SET, columns_text(record.columns))
            self._connection.execute(
                "INSERT OR IGNORE INTO series (device, column_set) VALUES (?, ?)", (device, columns)
            )
            found = "SELECT id FROM series WHERE device = ? AND column_set = ?"
            known = fresh[key] = int(self._connection.execute(found, (device, columns)).fetchone()[0])
        return known

    def _intern(self, statements: tuple[str, str], text: str) -> int:
        insert, find = statements
        self._connection.execute(insert, (text,))
        return int(self._connection.execute(find, (text,)).fetchone()[0])

    def compact(self, before_ms: int, max_blocks: int, after: tuple[int, int]) -> tuple[int, int] | None:
        """Move rows of hours that end by `before_ms` into blocks, at most `max_blocks` of them, in one transaction.

        Args:
            before_ms: Unix epoch milliseconds, a multiple of an hour.
            max_blocks: bounds how long a waiting write may wait.
            after: (series, at_ms) from which on to look for rows; begin with (0, 0).

        Returns:
            Where to go on, None when nothing is left to do.
        """
        with transaction(self._connection):
            for _ in range(max_blocks):
                found = self._connection.execute(
                    "SELECT series, at_ms FROM row WHERE (series, at_ms) >= (?, ?) ORDER BY series, at_ms LIMIT 1",
                    after,
                ).fetchone()
                if found is None:
                    return None
                series, at_ms = found
                if at_ms >= before_ms:
                    after = (series + 1, 0)
                    continue
                hour = at_ms // HOUR_MS
                self._compact_hour(series, hour)
                after = (series, (hour + 1) * HOUR_MS)
        return after

    def _compact_hour(self, series: int, hour: int) -> None:
        connection, span = self._connection, (series, hour * HOUR_MS, (hour + 1) * HOUR_MS)
        text = connection.execute(
            "SELECT columns FROM column_set JOIN series ON column_set.id = column_set WHERE series.id = ?", (series,)
        ).fetchone()[0]
        columns = parse_columns(text)
        segment = from_rows(columns, connection.execute(_HOUR_OF_ROWS, span))
        block = connection.execute(
            "SELECT data, rows FROM block WHERE series = ? AND hour = ?", (series, hour)
        ).fetchone()
        if block is not None:
            segment = merge(decode_block(block[0], columns, hour, block[1]), segment)
        connection.execute(
            "INSERT INTO block (series, hour, rows, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (series, hour) DO UPDATE SET rows = excluded.rows, data = excluded.data",
            (series, hour, len(segment.times_ms), encode_block(segment, hour)),
        )
        connection.execute(_FORGET_ROWS, span)
