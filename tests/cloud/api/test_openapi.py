"""The API keeps to its own description, whatever is thrown at it."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lentera_cloud.app import create_app, open_registry
from lentera_cloud.domain.roles import Role
from lentera_cloud.domain.tokens import make_token
from lentera_cloud.ports import ApiToken, DeviceRow, GatewayRow
from lentera_cloud.settings import Settings
from tests.cloud.support import running_app, settings_in

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


HEALTH: list[Any] = list(HealthCheck)


async def prepared(config: Settings, token: str, parts) -> None:
    """Put a token, a gateway and two devices into the registry."""
    registry = open_registry(config)
    await registry.start()
    await registry.tenants.create_tenant("stabat", "Stabat", 1)
    await registry.tenants.add_token(ApiToken(parts.token_id, "stabat", Role.ADMIN, "fuzz", parts.secret_sha256, 1))
    await registry.gateways.add(GatewayRow("stabat", "gw-stabat-01", "", bytes(32), 1))
    rows = [
        DeviceRow("stabat", name, name, kind, "p", "gw-stabat-01", "b", "1", 1)
        for name, kind in (("lamp-001", "luminaire"), ("meter-cabinet", "meter"))
    ]
    await registry.devices.upsert("stabat", rows)
    await registry.close()


@pytest.mark.timeout(240)
def test_no_input_breaks_the_api_or_its_description(tmp_path: Path):
    config = settings_in(tmp_path)
    token, parts = make_token(bytes(10), bytes(range(32)))
    asyncio.run(prepared(config, token, parts))
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(config))
    seen, statuses = set(), set()

    with asgi.get_client(schema.app) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        for result in schema.get_all_operations():
            operation: Any = result.ok()  # type: ignore[union-attr]
            seen.add(operation.label)

            def attempt(case) -> None:
                if case.query and "wait_s" in case.query:
                    case.query["wait_s"] = 0
                answer = case.call_and_validate(session=client, checks=CHECKS)
                statuses.add((case.operation.label, answer.status_code))

            # What the description shows as an example, then anything that it allows.
            for strategy in (*operation.get_strategies_from_examples(), operation.as_strategy()):
                settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=HEALTH)(
                    given(case=strategy)(attempt)
                )()
    assert len(seen) >= 12
    assert {200, 202, 404, 422} <= {status for _, status in statuses}
    assert ("GET /v1/devices", 200) in statuses
    assert 401 not in {status for label, status in statuses if label != "POST /v1/batches"}


def described(tmp_path: Path) -> dict:
    return create_app(settings_in(tmp_path)).openapi()


def test_every_route_is_described_with_its_problems(tmp_path):
    document = described(tmp_path)
    assert "ProblemDocument" in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert len(operation["description"]) > 20, where
            if path != "/v1/health":
                assert {"401", "503"} <= operation["responses"].keys(), where
                assert operation["security"], where
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], where


def test_every_reference_in_the_description_leads_somewhere(tmp_path):
    document = described(tmp_path)
    names = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert names <= document["components"]["schemas"].keys()


def test_every_setting_is_in_the_example_file():
    example = (Path(__file__).parents[3] / "config" / "cloud.env.example").read_text()
    named = set(re.findall(r"^#?LENTERA_(\w+)=", example, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"registry_url": "mysql://x"}, "postgresql"),
        ({"series": "influxdb"}, "LENTERA_INFLUX_TOKEN"),
        ({"series": "csv"}, "sqlite"),
        ({"port": 70000}, "port"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        settings_in(tmp_path, **changes)


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("LENTERA_PORT", "9090")
    monkeypatch.setenv("LENTERA_INFLUX_TOKEN", "hush")
    found = Settings()
    assert found.port == 9090
    assert "hush" not in repr(found)


async def test_the_documentation_needs_no_other_machine(tmp_path):
    async with running_app(settings_in(tmp_path)) as api:
        page = (await api.client.get("/docs")).text
        assert "https://" not in page
        for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page):
            assert (await api.client.get(asset)).status_code == 200, asset
        assert len(re.findall(r'(?:src|href)="(/[^"]+)"', page)) == 3
