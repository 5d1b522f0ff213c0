"""A journal as a file to carry home: every value a row, exact, and never half a file under the final name."""

import csv
import struct
import subprocess
import sys
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera.errors import ExportError
from lentera.journal_export import COLUMNS, check_target, export, local_time, number_text, rows_of
from lentera.language import Words
from lentera_gateway.journal.index import Key
from lentera_gateway.journal.inspect import Waiting, Where
from lentera_model.batch import BatchKey, ClockFit, encode
from lentera_model.readings import Quality, Sample

BOOT = bytes(16)
FIT = ClockFit(1_790_000_000_000, 5, "ntp")
WIB = timezone(timedelta(hours=7))
EN = Words("en")
ROOT = Path(__file__).resolve().parents[2]
SAMPLES = [
    Sample("m1", "p", 1000, {"voltage_l1": 230.1, "energy_active_import": 123456789.25}),
    Sample("m1", "p", 2000, {"voltage_l1": 229.9}, Quality.IMPLAUSIBLE),
]


def waiting(samples=SAMPLES, clock: ClockFit | None = FIT, spoiled=False, sequence=4) -> Waiting:
    sealed = bytearray(encode(BatchKey("gw-1", 3, sequence), BOOT, 3000, samples, clock))
    sealed[-1] ^= spoiled
    values = sum(len(one.values) for one in samples)
    return Waiting(Where.CARD, Key(3, sequence), BOOT, clock, values, 3000, bytes(sealed))


def put(path: Path, *batches: Waiting) -> tuple[int, list[Waiting]]:
    spoiled: list[Waiting] = []
    return export(path, batches, lambda one, _: spoiled.append(one), EN), spoiled


def test_a_row_says_all_of_a_value():
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in rows_of(waiting(), WIB)]
    assert len(rows) == 3
    assert rows[-1] == {
        "time": "2026-09-21T21:13:22.000+07:00",
        "unix_ms": 1_790_000_002_000,
        "device": "m1",
        "quantity": "voltage_l1",
        "unit": "V",
        "value": pytest.approx(229.9),
        "quality": "implausible",
        "epoch": 3,
        "sequence": 4,
        "tier": "card",
    }


def test_a_value_without_a_time_has_none():
    assert [row[:2] for row in rows_of(waiting(clock=None))] == [("", None)] * 3
    assert local_time(1 << 53) == ""


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_moments_number_is_short_and_exact(value):
    text = number_text("voltage_l1", value)
    assert struct.pack("<f", float(text)) == struct.pack("<f", value) or value == 0 == float(text)
    assert number_text("voltage_l1", 230.10000610351562) == "230.1"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_counters_number_keeps_all_its_digits(value):
    assert float(number_text("energy_active_import", value)) == value
    assert float(number_text("a_name_of_tomorrow", value)) == value


def test_csv_holds_every_value_and_a_batch_that_does_not_read_stops_nothing(tmp_path):
    path = tmp_path / "out.csv"
    count, spoiled = put(path, waiting(spoiled=True, sequence=1), waiting())
    assert (count, [one.key.sequence for one in spoiled]) == (3, [1])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["quantity"], row["value"]) for row in rows if row["quality"] == "good"] == [
        ("voltage_l1", "230.1"),
        ("energy_active_import", "123456789.25"),
    ]
    assert {row["sequence"] for row in rows} == {"4"}
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_parquet_holds_the_same(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "out.parquet"
    assert put(path, waiting(), waiting(clock=None, sequence=5))[0] == 6
    table = parquet.read_table(path)
    assert table.column_names == list(COLUMNS)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        *rows_of(waiting()),
        *rows_of(waiting(clock=None, sequence=5)),
    ]


@pytest.mark.parametrize("language", ["en", "id"])
def test_a_target_that_will_not_do_is_refused_before_anything_is_read(tmp_path, monkeypatch, language):
    words = Words(language)
    there = tmp_path / "there.csv"
    there.write_text("kept")
    with pytest.raises(ExportError, match=r"there\.csv"):
        check_target(there, (), words)
    with pytest.raises(ExportError, match=r"\.csv .*\.parquet"):
        check_target(tmp_path / "out.xlsx", (), words)
    (tmp_path / "card").mkdir()
    with pytest.raises(ExportError, match="gateway"):
        check_target(tmp_path / "card" / "new" / ".." / "out.csv", (tmp_path / "mem", tmp_path / "card"), words)
    monkeypatch.setattr("lentera.journal_export.find_spec", lambda _: None)
    with pytest.raises(ExportError, match=r"pyarrow.*out\.csv"):
        check_target(tmp_path / "out.parquet", (), words)
    check_target(tmp_path / "out.csv", (tmp_path / "mem", tmp_path / "card"), words)
    assert there.read_text() == "kept"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "out.csv"

    def batches():
        yield waiting()
        path.write_text("somebody else's")

    with pytest.raises(ExportError, match="already"):
        export(path, batches(), lambda *_: None, EN)
    assert path.read_text() == "somebody else's"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ExportError, match=r"No such file.*Check that .*nowhere is there"):
        put(tmp_path / "nowhere" / "out.csv", waiting())


def test_nothing_is_left_when_it_is_broken_off(tmp_path):
    def batches():
        yield waiting()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(tmp_path / "out.csv", batches(), lambda *_: None, EN)
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, sys
from pathlib import Path
from tests.lentera.test_journal_export import put, waiting
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
put(Path(sys.argv[1]), *(waiting(sequence=n) for n in range(1, 2000)))
"""


def test_a_full_medium_leaves_no_half_file_and_says_where(tmp_path):
    """The kernel refuses the bytes beyond a limit of the process, as it does on a full file system."""
    path = tmp_path / "stick" / "out.csv"
    path.parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert f"{path} was not written: {path.parent} is full" in done.stderr
    assert list(path.parent.iterdir()) == []
