"""What only InfluxDB can do wrong: be away, be killed, refuse, lose a bucket; and that no text becomes Flux."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from lentera_cloud.adapters.influx_series import InfluxSeries, answers, flux, lines, store
from lentera_cloud.adapters.influx_series.errors import InfluxUnavailableError
from lentera_cloud.adapters.series_common.records import to_records
from lentera_cloud.ports import SeriesQuery, SeriesResult, StoreRefusedError, StoreUnavailableError
from lentera_model.identifiers import InvalidIdError
from lentera_model.quantities import stored_precision
from lentera_model.readings import Quality, Reading
from tests.cloud.series.model import HOUR_MS, T0, reading

ALL = (0, T0 + 1000 * HOUR_MS)


@pytest.fixture
async def influx(influxdb) -> AsyncIterator[InfluxSeries]:
    one = InfluxSeries(influxdb.url, influxdb.token, influxdb.org)
    await one.start()
    yield one
    await one.close()


# ------------------------------------------------------------------------------------------------- away and back


async def test_a_server_that_dies_and_comes_back_has_everything_once(own_influxdb, tenant):
    info = own_influxdb.info
    one = InfluxSeries(info.url, info.token, info.org)
    await one.start()
    written = [reading(T0 + i * 1000, voltage_l1=i, energy_active_import=i) for i in range(200)]
    await one.write(tenant, written[:100])
    own_influxdb.kill()
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        await one.write(tenant, written[50:])
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        await one.latest(tenant, ["m1"])
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        await one.start()
    await asyncio.to_thread(own_influxdb.start)
    await one.start()
    await one.write(tenant, written[50:])
    assert await one.count(tenant, "m1", *ALL) == {"voltage_l1": 200, "energy_active_import": 200}
    assert [found async for found in one.raw(tenant, "m1", *ALL)] == written
    await one.close()


async def test_writes_that_were_acknowledged_survive_a_kill(own_influxdb, tenant):
    info = own_influxdb.info
    one = InfluxSeries(info.url, info.token, info.org)
    await one.start()
    acknowledged: list[Reading] = []

    async def send() -> None:
        for i in range(100_000):
            row = reading(T0 + i * 1000, voltage_l1=i)
            try:
                await one.write(tenant, [row])
            except StoreUnavailableError:
                return
            acknowledged.append(row)
            if len(acknowledged) == 50:
                own_influxdb.kill()

    await send()
    await asyncio.to_thread(own_influxdb.start)
    found = [row async for row in one.raw(tenant, "m1", *ALL)]
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1
    await one.close()


async def test_a_wrong_token_keeps_the_data_and_names_the_setting(influxdb, tenant):
    one = InfluxSeries(influxdb.url, "wrong", influxdb.org)
    with pytest.raises(StoreUnavailableError, match="LENTERA_INFLUX_TOKEN"):
        await one.start()
    with pytest.raises(StoreUnavailableError, match="LENTERA_INFLUX_TOKEN"):
        await one.write(tenant, [reading(T0, voltage_l1=1)])
    await one.close()


async def test_a_wrong_organisation_keeps_the_data_and_names_the_setting(influxdb, tenant):
    one = InfluxSeries(influxdb.url, influxdb.token, "nobody")
    with pytest.raises(StoreUnavailableError, match="LENTERA_INFLUX_ORG"):
        await one.start()
    await one.close()


async def test_a_store_that_is_not_started_says_so(influxdb, tenant):
    one = InfluxSeries(influxdb.url, influxdb.token, influxdb.org)
    with pytest.raises(StoreUnavailableError, match="not started"):
        await one.write(tenant, [reading(T0, voltage_l1=1)])
    await one.close()
    await one.start()
    await one.write(tenant, [reading(T0, voltage_l1=1)])
    await one.close()
    await one.close()
    with pytest.raises(StoreUnavailableError, match="not started"):
        await one.latest(tenant, ["m1"])


async def test_a_bucket_that_somebody_deleted_is_made_again(influx, influxdb, tenant):
    await influx.write(tenant, [reading(T0, voltage_l1=1)])

    def delete() -> None:
        with InfluxDBClient(influxdb.url, influxdb.token, org=influxdb.org) as client:
            client.buckets_api().delete_bucket(client.buckets_api().find_bucket_by_name(f"lentera-{tenant}"))

    for value in (2.0, 3.0):
        await asyncio.to_thread(delete)
        if value > 2:
            assert await influx.latest(tenant, ["m1"]) == {}
        await influx.write(tenant, [reading(T0, voltage_l1=value)])
        assert (await influx.latest(tenant, ["m1"]))["m1"]["voltage_l1"].value == value


async def test_two_stores_make_one_bucket_together(influx, influxdb, tenant):
    others = [InfluxSeries(influxdb.url, influxdb.token, influxdb.org) for _ in range(4)]
    for one in others:
        await one.start()
    await asyncio.gather(*(one.write(tenant, [reading(T0 + i, voltage_l1=i)]) for i, one in enumerate(others)))
    assert await influx.count(tenant, "m1", *ALL) == {"voltage_l1": 4}
    for one in others:
        await one.close()


# --------------------------------------------------------------------------------------------- refused content


async def test_what_influxdb_refuses_is_refused_alone(influx, influxdb, tenant):
    await influx.write(tenant, [reading(T0, voltage_l1=1)])

    def spoil() -> None:
        with InfluxDBClient(influxdb.url, influxdb.token, org=influxdb.org) as client:
            api = client.write_api(write_options=SYNCHRONOUS)
            api.write(f"lentera-{tenant}", influxdb.org, f"reading,device=m2 tilt=1i {T0}000000")

    await asyncio.to_thread(spoil)
    results = await asyncio.gather(
        *(influx.write(tenant, [reading(T0 + i, voltage_l1=i)]) for i in range(1, 5)),
        influx.write(tenant, [reading(T0 + 5, "m2", tilt=1)]),
        *(influx.write(tenant, [reading(T0 + i, voltage_l1=i)]) for i in range(6, 10)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None)] * 4 + [StoreRefusedError] + [type(None)] * 4
    assert "tilt" in str(results[4])
    assert await influx.count(tenant, "m1", *ALL) == {"voltage_l1": 9}


class Answer(BaseHTTPRequestHandler):
    """Answers every request as the test says: for what a healthy InfluxDB cannot be brought to say."""

    status, headers_, body = 200, {}, b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        for name, value in {"Content-Length": str(len(self.body)), **self.headers_}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    handler = type("Handler", (Answer,), {"status": status, "headers_": headers, "body": body})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "headers", "body", "retry_after_s", "said"),
    [
        (429, {"Retry-After": "7"}, b'{"code":"too many requests","message":"slow down"}', 7.0, "slow down"),
        (503, {}, b"upstream away", None, "upstream away"),
        (500, {"Retry-After": "soon"}, b"", None, "500"),
    ],
)
async def test_an_overloaded_server_is_unavailable_and_its_wish_is_kept(status, headers, body, retry_after_s, said):
    with answering(status, headers, body) as url:
        one = InfluxSeries(url, "token", "org")
        with pytest.raises(InfluxUnavailableError, match=said) as caught:
            await one.start()
        assert caught.value.retry_after_s == retry_after_s
        with pytest.raises(InfluxUnavailableError, match=said):
            await one.count("stabat", "m1", *ALL)
        await one.close()


async def test_an_answer_of_something_else_is_no_answer():
    with answering(200, {"Content-Type": "text/html"}, b"<html>Log in</html>\n<p>a,b</p>\n") as url:
        one = InfluxSeries(url, "token", "org")
        with pytest.raises(StoreUnavailableError, match="does not speak like InfluxDB 2"):
            await one.start()
        with pytest.raises(StoreUnavailableError, match="proxy"):
            await one.count("stabat", "m1", *ALL)
        await one.close()


def test_an_error_that_comes_in_the_middle_of_an_answer_is_raised():
    text = ",result,table,_time,_value,_field,device\n,,0,2026-11-25T01:02:03Z,1.5,voltage_l1,m1\n\n"
    broken = text + "error,reference\nout of memory,897\n"
    assert list(answers.cells(text.splitlines(keepends=True))) == [("m1", "voltage_l1", 1_795_568_523_000, 1.5)]
    with pytest.raises(StoreUnavailableError, match="out of memory"):
        list(answers.cells(broken.splitlines(keepends=True)))


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("2026-11-25T01:02:03Z", 0), ("2026-11-25T01:02:03.5Z", 500), ("2026-11-25T01:02:03.004999Z", 4)],
)
def test_times_are_read_to_the_millisecond(text, milliseconds):
    assert answers.parse_time(text) == 1_795_568_523_000 + milliseconds


# ------------------------------------------------------------------------------------------------- text and Flux

HOSTILE = [
    'm1") |> drop(columns: ["_value"]) //',
    'm1\\"',
    "m1\\",
    "${r._field}",
    'm1" or true or r.device == "',
    "m1\n|> limit(n: 1)",
    "lämp\u2603\U0001f4a1",
    "",
    "\x00\x7f",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_no_device_or_quantity_name_becomes_flux(influx, tenant, text):
    await influx.write(tenant, [reading(T0, voltage_l1=1)])
    assert await influx.count(tenant, text, *ALL) == {}
    assert await influx.latest(tenant, [text]) == {}
    assert await influx.query(tenant, SeriesQuery(text, ("voltage_l1",), *ALL)) == SeriesResult([])
    assert await influx.query(tenant, SeriesQuery("m1", (text,), *ALL)) == SeriesResult([])
    assert [row async for row in influx.raw(tenant, text, *ALL)] == []


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_flux_string_is_the_text_it_was_made_of(influxdb, text):
    def echo() -> str:
        question = f'import "array"\narray.from(rows: [{{_value: {flux.string(text)}}}])'
        with InfluxDBClient(influxdb.url, influxdb.token, org=influxdb.org) as client:
            return (
                client.query_api().query(question)[0].records[0]["_value"] or ""
            )  # CSV ends lines by CR LF, inside a text too

    assert (await asyncio.to_thread(echo)).replace("\r\n", "\n") == text


async def test_a_tenant_that_is_no_id_has_no_bucket(influx):
    for name in ("a b", "../x", "", 'x"'):
        with pytest.raises(InvalidIdError):
            await influx.write(name, [reading(T0, voltage_l1=1)])
        with pytest.raises(InvalidIdError):
            await influx.latest(name, ["m1"])


# -------------------------------------------------------------------------------------------------- bounded work


def test_a_line_has_floats_with_a_point_and_the_quality_as_an_integer():
    one = Reading("lamp-1", "p", T0, {"level_percent": 40, "energy_active_import": 1e22}, Quality.SUSPECT)
    text = lines.line(to_records([one])[0])
    assert text.decode() == f"reading,device=lamp-1 energy_active_import=1e22,level_percent=40.0,quality=1i {T0}"


def test_a_line_keeps_every_digit_and_may_name_a_word_of_pythons():
    values = {"class": 0.1, "level_percent": 230.1, "energy_active_import": 123456789.123456789, "current_l1": 1e-30}
    [record] = to_records([Reading("lamp-1", "p", T0, values)])
    fields = dict(one.split("=") for one in lines.line(record).decode().split(" ")[1].split(","))
    assert fields.pop("quality") == "0i"
    assert {name: float(text) for name, text in fields.items()} == {
        name: stored_precision(name, value) for name, value in values.items()
    }


def test_requests_are_bounded_in_values():
    records = to_records([reading(T0 + i, voltage_l1=i, current_l1=i) for i in range(10)])
    bodies = list(lines.chunks(records, 7))
    assert [body.count(b"\n") + 1 for body in bodies] == [3, 3, 3, 1]
    assert b"\n".join(bodies) == b"\n".join(lines.chunks(records, 1000))
    assert [body.count(b"\n") + 1 for body in lines.chunks(records, 1)] == [1] * 10


async def test_rows_are_paged_whole_however_sparse_a_field_is(influx, tenant, monkeypatch):
    monkeypatch.setattr(store, "_PAGE_ROWS", 7)
    written = [
        reading(
            T0 + i * 60_000, quality=Quality(i % 3 == 0), voltage_l1=i, **({"level_percent": i} if i % 11 == 0 else {})
        )
        for i in range(150)
    ]
    far = [reading(T0 + 200 * 24 * HOUR_MS + i, voltage_l1=i) for i in range(20)]
    await influx.write(tenant, written + far)
    assert [row async for row in influx.raw(tenant, "m1", 0, T0 + 9000 * HOUR_MS)] == written + far


async def test_many_devices_with_values_of_many_ages(influx, new_tenant: Callable[[], str], monkeypatch):
    monkeypatch.setattr(store, "_DEVICES_A_QUESTION", 3)
    tenant = new_tenant()
    rows = [reading(T0 + i, f"m{i}", quality=Quality.SUSPECT, level_percent=i) for i in range(8)]
    rows += [reading(T0 + 1000 + i, f"m{i}", voltage_l1=i) for i in range(8)]
    await influx.write(tenant, rows)
    latest = await influx.latest(tenant, [f"m{i}" for i in range(8)])
    assert len(latest) == 8
    for values in latest.values():
        assert values["level_percent"].quality is Quality.SUSPECT
        assert values["voltage_l1"].quality is Quality.GOOD
