"""`lentera completeness` against a cloud: a strip a day, and each missing value with its reason in both languages."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from lentera.answers import CountsAt
from lentera.cli.completeness import block, days, percent, reason_words
from lentera.client import Client
from lentera.language import CATALOGUE, Words
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.domain.completeness import HOUR_MS, NOT_GIVEN, ON_THE_WAY, SILENT, UNKNOWN, Pace
from lentera_cloud.domain.conflicts import Conflict
from lentera_cloud.domain.tallies import HourTally
from lentera_cloud.ports import DeviceRow, GatewayRow
from lentera_cloud.serve import serve
from lentera_cloud.settings import Settings
from lentera_gateway.acquire import reasons, tally
from lentera_model.batch import BatchKey
from lentera_model.protocol import TallyRow
from lentera_model.readings import Reading
from tests.lentera.test_client import Cloud, lentera

MINUTE = 60_000
BEGIN = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS - 6 * HOUR_MS


async def seed(settings: Settings) -> None:
    """A meter that is read each minute and was silent for 20 minutes of the second hour, and one without paces."""
    registry, series = SqlRegistry(settings.registry_url), SqliteSeries(settings.series_path)
    await registry.start()
    await series.start()
    await registry.gateways.add(GatewayRow("langkat", "gw-1", "", bytes(32), BEGIN))
    await registry.gateways.seen("langkat", "gw-1", BEGIN + 6 * HOUR_MS)
    rows = [DeviceRow("langkat", name, name, "meter", "p", "gw-1", "b", "1", BEGIN) for name in ("meter-1", "old-1")]
    await registry.devices.upsert("langkat", rows)
    await registry.tallies.note_paces("langkat", "gw-1", {"meter-1": [Pace(MINUTE)]}, BEGIN)
    for hour, missed in enumerate(({}, {"silent": 15, "resting": 5}, {})):
        row = TallyRow("meter-1", MINUTE, 60, 60 - sum(missed.values()), 0, missed)
        await registry.tallies.add("langkat", HourTally("gw-1", 1, hour + 1, BEGIN + hour * HOUR_MS, (row,)))
    times = [minute for minute in range(180) if not 80 <= minute < 100]
    readings = [Reading("meter-1", "", BEGIN + minute * MINUTE + 9, {"voltage_l1": 230.0}) for minute in times]
    await series.write("langkat", [*readings, Reading("old-1", "", BEGIN, {"voltage_l1": 230.0})])
    second = Conflict("meter-1", "voltage_l1", BEGIN + 9, 230.0, 231.5, BatchKey("gw-2", 3, 4))
    await registry.conflicts.add("langkat", [second], BEGIN)
    await series.close()
    await registry.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud in a thread, with the seed in its stores."""
    folder = tmp_path_factory.mktemp("cloud")
    settings = Settings.model_validate(
        {
            "registry_url": f"sqlite+aiosqlite:///{folder}/registry.db",
            "series_path": folder / "series",
            "secret_file": folder / "secret",
            "port": 0,
        }
    )
    token = asyncio.run(create_tenant_and_token(settings, "langkat", "analyst", "tests"))
    asyncio.run(seed(settings))
    ready, up, stop = list[str](), threading.Event(), list[Callable[[], object]]()

    async def run() -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))

        def at(url: str) -> None:
            ready.append(url)
            up.set()

        await serve(settings, ready=at, stop=ended)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert up.wait(30)
    yield Cloud(ready[0], token, token)
    stop[0]()
    thread.join(20)


def moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


SPAN = ("--from", moment(BEGIN), "--to", moment(BEGIN + 3 * HOUR_MS))


def test_a_device_is_a_strip_a_sum_and_its_reasons(cloud: Cloud) -> None:
    done = lentera(cloud, "completeness", "meter-1", *SPAN, TZ="UTC")
    assert done.returncode == 0, done.stderr
    hours = "".join(line.split()[1] for line in done.stdout.splitlines() if line.startswith("20"))
    at = BEGIN // HOUR_MS % 24
    assert [hours[(at + hour) % 24 + 24 * ((at + hour) // 24)] for hour in range(3)] == ["█", "▆", "█"]
    assert "88.89 % complete: 180 values due, 160 received, 0 unchanged, 0 as means, 20 missing." in done.stdout
    assert "the device gave no answer, or did not report" in done.stdout
    told = lentera(cloud, "completeness", "meter-1", *SPAN, LENTERA_LANG="id").stdout
    assert "88.89 % lengkap" in told
    assert "perangkat tidak menjawab" in told


def test_by_hour_only_the_hours_with_something_missing_are_listed(cloud: Cloud) -> None:
    done = lentera(cloud, "completeness", "meter-1", *SPAN, "--by", "hour", TZ="UTC")
    second = datetime.fromtimestamp((BEGIN + HOUR_MS) / 1000, UTC)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{second:%Y-%m-%d %H:00}")]
    assert "66.67 %" in line
    assert "silent 15, resting 5" in line
    assert not [line for line in done.stdout.splitlines() if line.startswith(f"{second:%Y-%m-%d} {second.hour + 1}:")]


def test_without_a_device_the_worst_comes_first_and_json_is_the_apis_answer(cloud: Cloud) -> None:
    lines = lentera(cloud, "completeness", *SPAN).stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["meter-1", "old-1"]
    found = json.loads(lentera(cloud, "completeness", "meter-1", *SPAN, "--by", "hour", "--json").stdout)
    assert found["from"].startswith(moment(BEGIN)[:13])
    assert [step["missing"] for step in found["items"][0]["steps"]] == [0, 20, 0]
    with Client(cloud.url, cloud.analyst) as client:
        answer = client.completeness(["meter-1"], moment(BEGIN), moment(BEGIN + 3 * HOUR_MS), by="quantity")
    assert [(item.quantity, item.missing) for item in answer.items] == [("voltage_l1", 20)]


def test_a_device_of_an_old_gateway_and_one_that_is_not_there_are_said(cloud: Cloud) -> None:
    done = lentera(cloud, "completeness", "old-1", *SPAN)
    assert "How many values are due is not known" in done.stdout
    assert "Stored values: 1." in done.stdout
    for language, word in (("en", "nobody"), ("id", "nobody")):
        lost = lentera(cloud, "completeness", "nobody", LENTERA_LANG=language)
        assert lost.returncode == 1
        assert word in lost.stderr


def counts(expected: int | None, missing: int, hour: int = 0) -> CountsAt:
    at = datetime(2026, 11, 25, hour, tzinfo=UTC)
    received = (expected or 0) - missing
    return CountsAt(at=at, expected=expected, received=received, unchanged=0, estimated=0, missing=missing)


def test_a_full_block_is_only_a_complete_hour() -> None:
    assert [block(counts(360, missing)) for missing in (0, 1, 180, 359, 360)] == ["█", "▇", "▅", "▁", "▁"]
    assert [block(one) for one in (None, counts(None, 0), counts(0, 0))] == ["·"] * 3
    assert [percent(counts(100_000, missing)) for missing in (0, 1, 50_000, 100_000)] == [
        "100 %",
        "99.99 %",
        "50.00 %",
        "0.00 %",
    ]
    assert percent(counts(None, 0)) == "-"


def test_hours_are_put_into_days_of_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-7")
    time.tzset()
    try:
        found = days([counts(360, 0, 16), counts(360, 360, 17)])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == [
        ("2026-11-25", "·" * 23 + "█", "100 %"),
        ("2026-11-26", "▁" + "·" * 23, "0.00 %"),
    ]


def test_every_reason_has_words_in_both_languages() -> None:
    told = {value for module in (reasons, tally) for name, value in vars(module).items() if name.isupper()}
    words = {value for value in told if isinstance(value, str)} | {NOT_GIVEN, ON_THE_WAY, SILENT, UNKNOWN}
    gaps = {"killed", "power_cut", "stopped", "journal_thinned", "journal_dropped", "damaged", "clock_unknown"}
    for reason in words | gaps | {"quota", "samples_dropped", "refused"}:
        assert f"missing.{reason}" in CATALOGUE, reason
    for language in ("en", "id"):
        assert reason_words(Words(language), "of_a_newer_gateway") == "of_a_newer_gateway"


def test_values_in_conflict_are_listed_of_one_device_or_none(cloud: Cloud) -> None:
    (line,) = [line for line in lentera(cloud, "conflicts", TZ="UTC").stdout.splitlines() if "meter-1" in line]
    assert line.split()[-4:] == ["230", "231.5", "gw-2", "3/4"]
    (item,) = json.loads(lentera(cloud, "conflicts", "meter-1", "--json").stdout)["items"]
    assert (item["stored_value"], item["other_value"], item["gateway_id"]) == (230.0, 231.5, "gw-2")
    none = lentera(cloud, "conflicts", "old-1", LENTERA_LANG="id")
    assert "bertentangan" in none.stderr
    assert none.stdout == ""
