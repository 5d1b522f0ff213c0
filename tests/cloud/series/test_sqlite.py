"""What only the SQLite store can do wrong: locks, full disks, foreign and damaged files, kills, compaction."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lentera_cloud.adapters.series_common.records import column_set
from lentera_cloud.adapters.sqlite_series import SqliteSeries, files, schema, segments, writing
from lentera_cloud.adapters.sqlite_series.schema import SeriesFileError
from lentera_cloud.ports import StoreUnavailableError
from lentera_model.identifiers import InvalidIdError
from lentera_model.readings import Reading
from tests.cloud.series.model import HOUR_MS, T0, reading

ALL = (0, T0 + 1000 * HOUR_MS)
zstd = segments.zstd


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "series"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[SqliteSeries]:
    one = SqliteSeries(folder)
    await one.start()
    yield one
    await one.close()


def look(folder: Path, question: str, tenant: str = "stabat") -> list[tuple]:
    """Ask a tenant's file directly."""
    connection = sqlite3.connect(folder / f"{tenant}.series.sqlite3")
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


async def test_a_locked_file_is_unavailable_and_works_again_afterwards(store, folder, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_S", 0.05)
    await store.write("stabat", [reading(T0, voltage_l1=1)])
    other = sqlite3.connect(folder / "stabat.series.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match=r"stabat\.series\.sqlite3.*locked.*end it"):
        await store.write("stabat", [reading(T0 + 1, "new-device", voltage_l1=2)])
    assert await store.count("stabat", "m1", *ALL) == {"voltage_l1": 1}  # reading goes on meanwhile
    await store.write("binjai", [reading(T0, voltage_l1=1)])  # and so do other tenants
    other.execute("ROLLBACK")
    other.close()
    await store.write("stabat", [reading(T0 + 1, "new-device", voltage_l1=2)])
    assert await store.count("stabat", "new-device", *ALL) == {"voltage_l1": 1}


async def test_a_full_store_loses_nothing_that_it_acknowledged(folder):
    small = SqliteSeries(folder, max_bytes_per_tenant=200_000)
    await small.start()
    acknowledged = 0

    async def fill() -> None:
        nonlocal acknowledged
        while True:
            await small.write("stabat", [reading(T0 + acknowledged + i, f"m{i}", voltage_l1=i) for i in range(500)])
            acknowledged += 500

    with pytest.raises(StoreUnavailableError, match=r"full.*free space"):
        await fill()
    assert acknowledged > 0
    await small.close()
    large = SqliteSeries(folder)
    await large.start()
    await large.write("stabat", [reading(T0 + acknowledged + i, f"m{i}", voltage_l1=i) for i in range(500)])
    await large.close()
    assert look(folder, "SELECT count(*) FROM row") == [(acknowledged + 500,)]
    assert look(folder, "PRAGMA integrity_check") == [("ok",)]


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match=r"file.*"):
        await SqliteSeries(tmp_path / "file" / "series").start()


async def test_a_newer_file_is_refused_at_start_and_left_as_it_is(store, folder):
    await store.write("stabat", [reading(T0, voltage_l1=1)])
    await store.close()
    connection = sqlite3.connect(folder / "stabat.series.sqlite3")
    connection.execute("UPDATE schema_version SET version = 2")
    connection.commit()
    connection.close()
    with pytest.raises(SeriesFileError, match=r"stabat\.series\.sqlite3 has schema version 2.*knows 1 to 1.*newer"):
        await SqliteSeries(folder).start()
    assert look(folder, "SELECT version FROM schema_version") == [(2,)]


async def test_a_file_of_something_else_is_not_touched(store, folder):
    connection = sqlite3.connect(folder / "stabat.series.sqlite3")
    connection.execute("CREATE TABLE diary (entry TEXT)")
    connection.close()
    with pytest.raises(SeriesFileError, match="something else"):
        await store.write("stabat", [reading(T0, voltage_l1=1)])
    assert look(folder, "SELECT name FROM sqlite_schema") == [("diary",)]
    with pytest.raises(SeriesFileError, match="something else"):
        await store.start()


@pytest.mark.parametrize("begin", [b"", None])
async def test_a_file_whose_making_was_cut_short_is_made_anew(store, folder, begin):
    path = folder / "stabat.series.sqlite3"
    if begin is None:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        assert path.stat().st_size > 0
    else:
        path.write_bytes(begin)
    await store.start()
    assert await store.latest("stabat", ["m1"]) == {}
    await store.write("stabat", [reading(T0, voltage_l1=1)])
    assert await store.count("stabat", "m1", *ALL) == {"voltage_l1": 1}


async def test_a_damaged_file_is_named_and_other_tenants_go_on(store, folder):
    (folder / "stabat.series.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailableError, match=r"stabat\.series\.sqlite3.*restore it from a backup"):
        await store.write("stabat", [reading(T0, voltage_l1=1)])
    with pytest.raises(StoreUnavailableError, match=r"stabat\.series\.sqlite3"):
        await store.latest("stabat", ["m1"])
    await store.write("binjai", [reading(T0, voltage_l1=1)])
    with pytest.raises(StoreUnavailableError, match=r"stabat\.series\.sqlite3"):
        await store.maintain(T0 + 2 * HOUR_MS)
    await store.close()
    (folder / "binjai.series.sqlite3").rename(folder / "zz.series.sqlite3")
    await store.start()
    with pytest.raises(StoreUnavailableError, match=r"stabat\.series\.sqlite3"):
        await store.maintain(T0 + 2 * HOUR_MS)
    assert look(folder, "SELECT rows FROM block", "zz") == [(1,)]
    assert await store.count("zz", "m1", *ALL) == {"voltage_l1": 1}


@pytest.mark.parametrize("damage", [b"\x02", b"\x01not zstd", b"\x01" + zstd.compress(b"short")])
async def test_a_damaged_block_is_named_by_its_hour(store, folder, damage):
    await store.write("stabat", [reading(T0 + i, voltage_l1=i) for i in range(10)])
    await store.maintain(T0 + 2 * HOUR_MS)
    connection = sqlite3.connect(folder / "stabat.series.sqlite3")
    connection.execute("UPDATE block SET data = ?", (damage,))
    connection.commit()
    connection.close()
    with pytest.raises(StoreUnavailableError, match=f"hour {T0 // HOUR_MS}"):
        await store.count("stabat", "m1", *ALL)


async def test_tenant_names_never_leave_the_folder(store):
    for name in ("../stabat", "a/b", "", ".hidden"):
        with pytest.raises(InvalidIdError):
            await store.write(name, [reading(T0, voltage_l1=1)])
        with pytest.raises(InvalidIdError):
            await store.latest(name, ["m1"])


async def test_asking_makes_no_file(store, folder):
    await store.latest("stabat", ["m1"])
    await store.count("stabat", "m1", *ALL)
    await store.maintain(T0)
    assert list(folder.iterdir()) == []


async def test_more_tenants_than_open_files(folder, monkeypatch):
    monkeypatch.setattr(files, "_OPEN_WRITERS", 2)
    store = SqliteSeries(folder)
    await store.start()
    for round_ in range(2):
        for number in range(5):
            await store.write(f"town-{number}", [reading(T0 + round_, voltage_l1=number)])
    for number in range(5):
        assert await store.count(f"town-{number}", "m1", *ALL) == {"voltage_l1": 2}
    await store.close()


async def test_a_store_that_is_not_running_says_so_and_may_start_again(folder):
    store = SqliteSeries(folder)
    with pytest.raises(StoreUnavailableError, match="not started"):
        await store.write("stabat", [reading(T0, voltage_l1=1)])
    await store.start()
    await store.start()
    await store.write("stabat", [reading(T0, voltage_l1=1)])
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailableError, match="not started"):
        await store.count("stabat", "m1", *ALL)
    await store.start()
    assert await store.count("stabat", "m1", *ALL) == {"voltage_l1": 1}
    await store.close()


async def test_closing_finishes_the_writes_that_wait(folder):
    store = SqliteSeries(folder)
    await store.start()
    writes = [asyncio.create_task(store.write("stabat", [reading(T0 + i, voltage_l1=i)])) for i in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)
    assert look(folder, "SELECT count(*) FROM row") == [(20,)]


# ---------------------------------------------------------------------------------------------------- compaction


async def test_compaction_takes_closed_hours_only(store, folder):
    rows = [reading(T0 + hour * HOUR_MS + i * 1000, voltage_l1=i) for hour in range(3) for i in range(10)]
    await store.write("stabat", rows)
    await store.maintain(T0 + HOUR_MS + 299_999)  # five minutes have not passed
    assert look(folder, "SELECT count(*) FROM block") == [(0,)]
    await store.maintain(T0 + HOUR_MS + 300_000)
    assert look(folder, "SELECT hour, rows FROM block") == [(T0 // HOUR_MS, 10)]
    assert look(folder, "SELECT count(*), min(at_ms) FROM row") == [(20, T0 + HOUR_MS)]


async def test_compaction_of_many_series_and_hours_leaves_no_row(store, folder):
    rows = [
        reading(T0 + hour * HOUR_MS + i * 600_000, f"lamp-{lamp}", level_percent=i)
        for lamp in range(20)
        for hour in range(5)
        for i in range(6)
    ]
    await store.write("stabat", rows)
    await store.maintain(T0 + 6 * HOUR_MS)
    assert look(folder, "SELECT count(*) FROM row") == [(0,)]
    assert look(folder, "SELECT count(*), sum(rows) FROM block") == [(100, 600)]


async def test_late_rows_join_their_block_and_repeats_change_nothing(store, folder):
    await store.write("stabat", [reading(T0 + i * 10, voltage_l1=i) for i in range(50)])
    await store.maintain(T0 + 2 * HOUR_MS)
    before = look(folder, "SELECT data FROM block")
    await store.write("stabat", [reading(T0 + i * 10, voltage_l1=i) for i in range(50)])
    await store.maintain(T0 + 2 * HOUR_MS)
    assert look(folder, "SELECT data FROM block") == before
    await store.write("stabat", [reading(T0 + 5, voltage_l1=99), reading(T0 + 10, voltage_l1=99)])
    await store.maintain(T0 + 2 * HOUR_MS)
    assert look(folder, "SELECT rows FROM block") == [(51,)]
    found = [one.values["voltage_l1"] async for one in store.raw("stabat", "m1", *ALL)]
    assert found[:3] == [0.0, 99.0, 1.0]  # what was stored first at T0 + 10 stays


async def test_a_compaction_that_fails_half_way_leaves_everything(store, folder, monkeypatch):
    await store.write("stabat", [reading(T0 + h * HOUR_MS + i, voltage_l1=i) for h in range(3) for i in range(10)])
    whole, calls = segments.encode_block, []

    def broken(segment, hour):
        calls.append(hour)
        if len(calls) == 2:
            raise OSError("disk I/O error")
        return whole(segment, hour)

    monkeypatch.setattr(writing, "encode_block", broken)
    with pytest.raises(StoreUnavailableError, match="disk I/O error"):
        await store.maintain(T0 + 9 * HOUR_MS)
    assert look(folder, "SELECT count(*) FROM block") == [(0,)]
    assert await store.count("stabat", "m1", *ALL) == {"voltage_l1": 30}
    monkeypatch.setattr(writing, "encode_block", whole)
    await store.maintain(T0 + 9 * HOUR_MS)
    assert look(folder, "SELECT count(*) FROM row") == [(0,)]
    assert await store.count("stabat", "m1", *ALL) == {"voltage_l1": 30}


def test_a_block_is_laid_out_as_the_page_says():
    columns = column_set(("voltage_l1", "energy_active_import"))
    assert writing.columns_text(columns) == "d:energy_active_import,f:voltage_l1"
    assert writing.parse_columns("d:energy_active_import,f:voltage_l1") == columns
    hour = T0 // HOUR_MS
    values = [{"voltage_l1": 230.5, "energy_active_import": 1.0}, {"voltage_l1": 231.5, "energy_active_import": 2.0}]
    rows = [(T0 + 256, 0, columns.pack(values[0])), (T0 + 1256, 1, columns.pack(values[1]))]
    block = segments.encode_block(segments.from_rows(columns, rows), hour)
    assert block[:1] == b"\x01"
    assert zstd.decompress(block[1:]).hex(" ") == (
        "00 e8 01 03 00 00 00 00 "  # steps 256 and 1000, transposed
        "00 01 "  # quality
        "00 00 00 00 00 00 00 00 00 00 00 00 f0 00 3f 40 "  # 1.0 and 2.0 as float64
        "00 00 80 80 66 67 43 43"  # 230.5 and 231.5 as float32
    )
    segment = segments.decode_block(block, columns, hour, 2)
    assert list(segment.times_ms) == [T0 + 256, T0 + 1256]
    assert list(segment.column("voltage_l1")) == [230.5, 231.5]


# -------------------------------------------------------------------------------------------------------- kills

WRITER = textwrap.dedent(
    """
    import asyncio, sys
    from lentera_cloud.adapters.sqlite_series import SqliteSeries
    from lentera_model.readings import Reading

    async def main(folder, t0):
        store = SqliteSeries(folder)
        await store.start()
        for n in range(1_000_000):
            values = {"voltage_l1": float(n)}
            await store.write("stabat", [Reading(f"m{i}", "", t0 + n * 60_000, values) for i in range(20)])
            print(n, flush=True)
            if n % 20 == 19:
                await store.maintain(t0 + n * 60_000)

    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
    """
)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_kill_during_writes_and_compaction_loses_nothing_acknowledged(folder, seed):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(T0)], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    until = 120 + random.Random(seed).randrange(200)
    acknowledged = -1
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= until:
            break
    process.kill()
    rest = process.stdout.read().split()
    process.wait()
    acknowledged = int(rest[-1]) if rest else acknowledged
    store = SqliteSeries(folder)
    await store.start()
    for i in range(20):
        found = [one async for one in store.raw("stabat", f"m{i}", *ALL)]
        assert len(found) in (acknowledged + 1, acknowledged + 2)
        assert found == [Reading(f"m{i}", "", T0 + n * 60_000, {"voltage_l1": float(n)}) for n in range(len(found))]
    await store.close()
    assert look(folder, "PRAGMA integrity_check") == [("ok",)]
    assert look(folder, "SELECT count(*) > 0 FROM block") == [(1,)]
