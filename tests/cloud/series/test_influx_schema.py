"""The page that dashboards bind to says what a real bucket holds, and its Flux examples run."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from lentera_cloud.adapters.influx_series import InfluxSeries
from lentera_model.quantities import CATALOGUE
from lentera_model.readings import Quality, Reading
from tests.cloud.series.model import T0

PAGE = Path(__file__).parents[3].joinpath("docs", "formats", "influxdb.md").read_text(encoding="utf-8")
TYPES = {"float": "double", "integer": "long"}
"""Flux's annotation of a column whose field has that type on the page."""


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    head_and_body = lines[: next((i for i, line in enumerate(lines) if line.startswith("| code |")), len(lines))]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in head_and_body[2:]]


@pytest.fixture
async def client(influxdb, tenant):
    """A plain client beside a bucket that holds every quantity at a good and at a suspect instant."""
    store = InfluxSeries(influxdb.url, influxdb.token, influxdb.org)
    await store.start()
    every = dict.fromkeys(CATALOGUE, 7.0)
    await store.write(tenant, [Reading("meter-cabinet", "p", T0, every)])
    await store.write(tenant, [Reading("lamp-1", "p", T0 + 1, every, Quality.SUSPECT)])
    await store.close()
    with InfluxDBClient(influxdb.url, influxdb.token, org=influxdb.org) as one:
        yield one


def ask(client: InfluxDBClient, flux: str) -> list[dict]:
    return [record.values for part in client.query_api().query(flux) for record in part.records]


def test_the_page_has_every_quantity_of_the_catalogue_with_its_unit():
    fields = {name: (unit, kind) for name, _, unit, kind, _ in table("Fields")}
    assert fields.pop("quality") == ("-", "code")
    assert fields == {name: (entry.unit, entry.kind.value) for name, entry in CATALOGUE.items()}


def test_the_page_has_every_quality():
    codes = re.findall(r"^\| (\d) \| (\w+) \|", PAGE, re.MULTILINE)
    assert [(int(code), name.upper()) for code, name in codes] == [(q.value, q.name) for q in Quality]


async def test_a_real_bucket_holds_what_the_page_says(client, tenant):
    glance = {what: re.findall(r"`([^`]+)`", line) for what, line in _glance().items()}
    bucket = f"lentera-{tenant}"
    schema = 'import "influxdata/influxdb/schema"\n'
    span = f"start: {T0 // 1000}, stop: {T0 // 1000 + 60}"
    found = await asyncio.to_thread(ask, client, f'{schema}schema.measurements(bucket: "{bucket}", {span})')
    assert [row["_value"] for row in found] == glance["measurement"]
    measurement = f'bucket: "{bucket}", measurement: "reading", {span}'
    tags = await asyncio.to_thread(ask, client, f"{schema}schema.measurementTagKeys({measurement})")
    assert [row["_value"] for row in tags if not row["_value"].startswith("_")] == glance["tag"]
    fields = await asyncio.to_thread(ask, client, f"{schema}schema.measurementFieldKeys({measurement})")
    assert {row["_value"] for row in fields} == {row[0] for row in table("Fields")}


async def test_every_field_has_the_type_of_the_page(client, tenant):
    flux = f'from(bucket: "lentera-{tenant}") |> range(start: {T0 // 1000}, stop: {T0 // 1000 + 60})'
    tables = await asyncio.to_thread(client.query_api().query, flux)
    types: dict[str, str] = {}
    for part in tables:
        kind = next(column.data_type for column in part.columns if column.label == "_value")
        types[part.records[0]["_field"]] = kind
        times = [record["_time"] for record in part.records]
        assert all(time.microsecond % 1000 == 0 for time in times)
    assert types == {row[0]: TYPES[row[1]] for row in table("Fields")}


async def test_the_bucket_is_kept_for_ever(client, tenant):
    bucket = await asyncio.to_thread(client.buckets_api().find_bucket_by_name, f"lentera-{tenant}")
    assert bucket is not None
    assert [rule.every_seconds for rule in bucket.retention_rules] == [0]


async def test_every_example_runs_and_finds_something(client, tenant):
    examples = re.findall(r"```flux\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        flux = (
            example.replace("lentera-langkat", f"lentera-{tenant}")
            .replace("${device}", "meter-cabinet")
            .replace("2026-11-24T17:00:00Z", "v.timeRangeStart")
            .replace("2026-11-25T17:00:00Z", "v.timeRangeStop")
        )
        grafana = f"timeRangeStart: time(v: {T0 - 1000}000000), timeRangeStop: time(v: {T0 + 1000}000000)"
        option = f"option v = {{{grafana}, windowPeriod: 1m}}\n"
        if "schema." in flux:
            flux = flux.replace('tag: "device"', f'tag: "device", start: {T0 // 1000 - 1}, stop: {T0 // 1000 + 1}')
            option = ""
        assert await asyncio.to_thread(ask, client, option + flux), example


def _glance() -> dict[str, str]:
    return {row[0]: row[1] for row in (_cells(line) for line in PAGE.splitlines() if line.startswith("| "))}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")][:2]
