"""GET /v1/series over HTTP: what is asked, what is answered, what is refused and how it is said."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.adapters.sqlite_series import SqliteSeries
from lentera_cloud.bootstrap import add_token
from lentera_cloud.domain.roles import Role
from lentera_cloud.features.series import routes, service
from lentera_cloud.features.series.asking import DEFAULT_LIMIT
from lentera_cloud.features.series.schemas import number
from lentera_cloud.kit import problems
from lentera_cloud.kit.identity import Identity
from lentera_cloud.ports import DeviceRow, GatewayRow
from lentera_model.quantities import stored_precision
from lentera_model.readings import Quality
from tests.cloud.series.model import HOUR_MS, T0, reading

NOW = T0 + HOUR_MS


def at(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FixedClock:
    def now_ms(self) -> int:
        return NOW


class Api:
    """The route on real stores, without the rest of the cloud."""

    def __init__(self, registry: SqlRegistry, store: SqliteSeries) -> None:
        self.registry, self.store = registry, store
        self.app = FastAPI()
        problems.install(self.app)
        self.app.include_router(routes.router)
        self.app.state.identity = Identity(registry, FixedClock(), b"secret" * 8)
        self.app.state.series = service.SeriesService(store, registry.devices, FixedClock())
        self.token = ""

    async def get(self, token: str | None = None, **params: str | list[str]) -> httpx.Response:
        query = {name.rstrip("_"): value for name, value in params.items()}
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test") as client:
            return await client.get("/v1/series", params=query, headers=headers)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    registry = SqlRegistry(f"sqlite+aiosqlite:///{tmp_path / 'registry.db'}")
    store = SqliteSeries(tmp_path / "series")
    await registry.start()
    await store.start()
    one = Api(registry, store)
    one.token = await add_token(registry, "stabat", Role.ANALYST, "desk")
    for tenant, gateway, device in (("stabat", "gw-1", "m1"), ("binjai", "gw-2", "m2")):
        await registry.tenants.create_tenant(tenant, tenant, 0)
        await registry.gateways.add(GatewayRow(tenant, gateway, gateway, bytes(32), 0))
        row = DeviceRow(tenant, device, "Panel", "meter", "eastron_sdm630", gateway, "rs485-0", "1", 0)
        await registry.devices.upsert(tenant, [row])
    yield one
    await store.close()
    await registry.close()


async def test_stored_readings_come_as_they_are(api):
    await api.store.write(
        "stabat",
        [
            reading(T0, power_active_total=2381.5, energy_active_import=1_234_567.0),
            reading(T0 + 1, quality=Quality.SUSPECT, power_active_total=231.2),
        ],
    )
    answer = await api.get(device="m1", quantity=["power_active_total", "energy_active_import"], from_=at(T0))
    assert answer.status_code == 200
    assert answer.json() == {
        "device": "m1",
        "quantities": [{"name": "power_active_total", "unit": "W"}, {"name": "energy_active_import", "unit": "Wh"}],
        "points": [
            {
                "at": at(T0),
                "values": {"power_active_total": 2381.5, "energy_active_import": 1_234_567.0},
                "quality": "good",
            },
            {
                "at": at(T0 + 1),
                "values": {
                    "power_active_total": stored_precision("power_active_total", 231.2),
                    "energy_active_import": None,
                },
                "quality": "suspect",
            },
        ],
        "truncated": False,
    }


async def test_windows_and_aggregates(api):
    await api.store.write("stabat", [reading(T0 + i * 60_000, voltage_l1=i) for i in range(30)])
    for aggregate, values in {"mean": [7, 22], "min": [0, 15], "max": [14, 29], "last": [14, 29]}.items():
        answer = await api.get(device="m1", quantity="voltage_l1", every="15m", aggregate=aggregate)
        assert [point["values"]["voltage_l1"] for point in answer.json()["points"]] == values
        assert [point["at"] for point in answer.json()["points"]] == [at(T0), at(T0 + 900_000)]
    without = await api.get(device="m1", quantity="voltage_l1", every="15m")
    assert [point["values"]["voltage_l1"] for point in without.json()["points"]] == [7, 22]


RANGES = [
    ("-1h", "now", [0, 10, 59]),
    ("-30m", "now", [59]),
    ("-3600s", "-50m", [0]),
    ("-7d", "-1s", [0, 10, 59]),
    ("-1w", at(T0 + 600_000), [0]),
    (at(T0 + 600_000), at(T0 + 600_001), [10]),
    ("2026-09-21T21:00:00+07:00", "now", [0, 10, 59]),
    ("2026-09-21T21:00:00 07:00", "now", [0, 10, 59]),  # a "+" that nobody escaped
]


async def test_bounds_in_every_way_of_writing(api):
    assert at(T0) == "2026-09-21T14:00:00.000Z"
    await api.store.write("stabat", [reading(T0 + i * 60_000, voltage_l1=i) for i in (0, 10, 59)])
    for from_, to, found in RANGES:
        answer = await api.get(device="m1", quantity="voltage_l1", from_=from_, to=to)
        assert [point["values"]["voltage_l1"] for point in answer.json()["points"]] == found, (from_, to)


async def test_no_quantity_asks_for_all_that_the_device_has(api):
    await api.store.write("stabat", [reading(T0, voltage_l1=1, tilt_of_pole=2)])
    answer = await api.get(device="m1")
    assert answer.json()["quantities"] == [{"name": "tilt_of_pole", "unit": None}, {"name": "voltage_l1", "unit": "V"}]
    assert answer.json()["points"][0]["values"] == {"tilt_of_pole": 2.0, "voltage_l1": 1.0}


async def test_a_device_without_readings_has_no_points(api):
    assert (await api.get(device="m1")).json() == {"device": "m1", "quantities": [], "points": [], "truncated": False}
    answer = await api.get(device="m1", format="csv")
    assert answer.text == "at,quality\r\n"
    assert (await api.get(device="m1", quantity="voltage_l1")).json()["points"] == []


async def test_a_long_answer_is_cut_and_says_so(api):
    await api.store.write("stabat", [reading(T0 + i, voltage_l1=i) for i in range(DEFAULT_LIMIT + 1)])
    whole = (await api.get(device="m1", quantity="voltage_l1")).json()
    assert (len(whole["points"]), whole["truncated"]) == (DEFAULT_LIMIT, True)
    some = (await api.get(device="m1", quantity="voltage_l1", limit="3")).json()
    assert [point["values"]["voltage_l1"] for point in some["points"]] == [0, 1, 2]
    assert some["truncated"] is True


async def test_csv_has_units_and_goes_to_the_end(api, monkeypatch):
    monkeypatch.setattr(service, "PAGE_POINTS", 7)
    await api.store.write("stabat", [reading(T0 + i * 1000, voltage_l1=230 + i / 10) for i in range(100)])
    await api.store.write("stabat", [reading(T0 + 5000, quality=Quality.SUSPECT, power_factor_total=0.95)])
    answer = await api.get(device="m1", quantity=["voltage_l1", "power_factor_total"], format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="m1.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["at", "voltage_l1 [V]", "power_factor_total [1]", "quality"]
    assert rows[1] == [at(T0), "230", "", "good"]
    assert rows[6] == [at(T0 + 5000), "230.5", "0.95", "suspect"]
    assert [row[1] for row in rows[1:]] == [f"{230 + i / 10:.4g}" for i in range(100)]


async def test_csv_stops_at_a_limit(api, monkeypatch):
    monkeypatch.setattr(service, "PAGE_POINTS", 7)
    await api.store.write("stabat", [reading(T0 + i * 1000, voltage_l1=i) for i in range(20)])
    for limit in (1, 7, 8, 20, 21):
        answer = await api.get(device="m1", quantity="voltage_l1", format="csv", limit=str(limit))
        assert answer.text.count("\r\n") == 1 + min(limit, 20)


async def test_csv_of_windows_is_the_same_in_pages(api, monkeypatch):
    await api.store.write("stabat", [reading(T0 + i * 10_000, voltage_l1=i) for i in range(300)])
    asked = {"device": "m1", "quantity": "voltage_l1", "every": "1m", "format": "csv"}
    whole = (await api.get(**asked)).text
    monkeypatch.setattr(service, "PAGE_POINTS", 3)
    assert (await api.get(**asked)).text == whole
    assert whole.count("\r\n") == 51


MISFITS: list[tuple[dict[str, Any], str, str]] = [
    ({"from_": "yesterday"}, "query.from", "-1h"),
    ({"from_": "-1y"}, "query.from", "-30s, -15m, -1h or -7d"),
    ({"from_": "2026-11-25T01:02:03"}, "query.from", "no zone"),
    ({"to": "2026-13-01T00:00:00Z"}, "query.to", "no time"),
    ({"to": "1960-01-01T00:00:00Z"}, "query.to", "1970 to 2100"),
    ({"from_": "now", "to": "-1h"}, "query.from", "not before `to`"),
    ({"every": "15"}, "query.every", "10s, 15m, 1h or 1d"),
    ({"every": "1mo"}, "query.every", "10s, 15m, 1h or 1d"),
    ({"every": "0s"}, "query.every", "between 1s and 366d"),
    ({"every": "999999d"}, "query.every", "between 1s and 366d"),
    ({"aggregate": "mean"}, "query.aggregate", "add `every`"),
    ({"every": "15m", "aggregate": "median"}, "query.aggregate", "'mean', 'min', 'max' or 'last'"),
    ({"quantity": "power_activ_total"}, "query.quantity", "did you mean power_active_total?"),
    ({"quantity": "x" * 10_000}, "query.quantity", "GET /v1/devices"),
    ({"quantity": ["voltage_l1"] * 101}, "query.quantity", "100"),
    ({"limit": "0"}, "query.limit", "greater than or equal to 1"),
    ({"limit": "100001"}, "query.limit", "less than or equal to 100000"),
    ({"format": "xml"}, "query.format", "'json' or 'csv'"),
    ({"device": "lampu jalan"}, "query.device", "pattern"),
]


async def test_what_does_not_fit_is_named_with_its_remedy(api):
    for params, field, said in MISFITS:
        answer = await api.get(**({"device": "m1"} | params))
        assert answer.status_code == 422, (params, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"] == "invalid_request"
        assert problem["errors"][0]["field"] == field
        assert said in problem["errors"][0]["message"]
        assert len(problem["detail"]) < 500


async def test_a_foreign_device_is_answered_like_one_that_is_not_there(api):
    await api.store.write("binjai", [reading(T0, "m2", voltage_l1=1)])
    for device in ("m2", "nothing"):
        answer = await api.get(device=device)
        assert answer.status_code == 404
        assert answer.json()["code"] == "unknown_device"
        assert answer.json()["detail"] == f"There is no device {device!r}: GET /v1/devices lists yours."


async def test_every_role_may_read(api):
    for role in Role:
        token = await add_token(api.registry, "stabat", role, "somebody")
        assert (await api.get(token, device="m1")).status_code == 200


async def test_nobody_reads_without_a_token(api):
    assert (await api.get("lnt_nobody_nothing", device="m1")).status_code == 401


async def test_a_store_that_is_away_is_a_503_in_both_formats(api):
    await api.store.close()
    for wanted in ("json", "csv"):
        answer = await api.get(device="m1", quantity="voltage_l1", format=wanted)
        assert answer.status_code == 503
        assert answer.json()["code"] == "store_unavailable"
        assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0"),
        (-12.0, "-12"),
        (stored_precision("voltage_l1", 231.2), "231.2"),
        (0.1, "0.1"),
        (stored_precision("voltage_l1", 0.1), "0.1"),
        (1 / 3, "0.3333333333333333"),
        (1e300, "1e+300"),
        (123456789.25, "123456789.25"),
    ],
)
def test_numbers_are_as_short_as_they_can_be(value, text):
    assert number(value) == text


def test_the_documentation_shows_parameters_and_both_formats():
    app = FastAPI()
    app.include_router(routes.router)
    operation = app.openapi()["paths"]["/v1/series"]["get"]
    names = [one["name"] for one in operation["parameters"]]
    assert sorted(names) == ["aggregate", "device", "every", "format", "from", "limit", "quantity", "to"]
    assert all(one["description"] for one in operation["parameters"])
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/csv"}
    # No 403: every role may read.
    assert set(operation["responses"]) == {"200", "401", "404", "422", "503"}
