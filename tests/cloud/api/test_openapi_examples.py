"""The API's description shows by example what to send and what comes back, in the service's own words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lentera_cloud.app import create_app
from lentera_cloud.domain.problems import ProblemCode
from lentera_cloud.kit.problem_examples import DETAILS
from lentera_cloud.settings import Settings
from tests.cloud.support import Board, open_link, settings_in

PROBLEM = "application/problem+json"
BINARY = "application/octet-stream"
DIM = {"target": {"device": "lamp-999"}, "name": "set_level", "args": {"level_percent": 40}}


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """The API's description."""
    return create_app(settings_in(tmp_path)).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def shown(document: dict[str, Any], holder: dict[str, Any]) -> list[Any]:
    """The examples of a parameter or a body: its own, or those of its schema."""
    schema = holder["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    own = [one["value"] for one in holder.get("examples", {}).values()]
    return own or schema.get("examples", [])


def test_every_operation_parameter_and_body_is_explained_by_example(document):
    found = list(operations(document))
    assert len(found) >= 14
    for where, operation in found:
        assert operation["summary"], where
        assert len(operation["description"]) > 20, where
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (where, parameter["name"])
            assert shown(document, parameter), (where, parameter["name"])
        for kind, body in operation.get("requestBody", {}).get("content", {}).items():
            if kind == BINARY:
                assert len(operation["requestBody"]["description"]) > 100, where
                assert body["schema"]["format"] == "binary", where
            else:
                assert shown(document, body), where


def test_every_error_answer_shows_a_real_problem(document):
    seen = 0
    for where, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            examples = answer["content"][PROBLEM]["examples"]
            assert examples, (where, status)
            for code, example in examples.items():
                value = example["value"]
                assert (value["code"], value["status"]) == (code, int(status)), where
                assert value["type"].endswith(code), where
                assert value["title"], where
                assert len(value["detail"]) > 20, (where, code)
                assert "What was wrong here" not in value["detail"], (where, code)
                assert ("errors" in value) == (code == "invalid_request"), where
                for error in value.get("errors", []):
                    assert value["detail"] == f"{error['field']}: {error['message']}", where
                assert ("nonce" in value, "refusal" in value) == (code == "clock_untrusted", code == "batch_refused")
                seen += 1
    assert seen > 50


def said(document: dict[str, Any], method: str, path: str, code: str) -> str:
    """The detail that the description shows for a problem of an operation."""
    for answer in document["paths"][path][method]["responses"].values():
        for example in answer.get("content", {}).get(PROBLEM, {}).get("examples", {}).values():
            if example["value"]["code"] == code:
                return example["value"]["detail"]
    raise AssertionError(f"{method} {path} describes no {code}")


@pytest.mark.parametrize(
    ("role", "method", "path", "address", "request_", "code"),
    [
        ("analyst", "get", "/v1/devices", "?gateway_id=gw-stabat-99", {}, "unknown_gateway"),
        ("analyst", "get", "/v1/devices", "?kind=tree", {}, "invalid_request"),
        ("analyst", "get", "/v1/devices/{device_id}", "/v1/devices/lamp-999", {}, "unknown_device"),
        ("analyst", "get", "/v1/devices/{device_id}", "/v1/devices/-x", {}, "invalid_request"),
        ("analyst", "get", "/v1/series", "?device=lamp-999", {}, "unknown_device"),
        ("analyst", "get", "/v1/commands", "?limit=501", {}, "invalid_request"),
        ("analyst", "get", "/v1/commands/{command_id}", "/v1/commands/c_1?wait_s=31", {}, "invalid_request"),
        ("analyst", "post", "/v1/commands", "", {"json": DIM}, "not_allowed"),
        ("operator", "post", "/v1/commands", "", {"json": DIM}, "unknown_device"),
        ("operator", "post", "/v1/commands", "", {"json": DIM | {"args": {"level_percent": 101}}}, "invalid_request"),
        ("analyst", "post", "/v1/gateways/{gateway_id}/revoke", "/v1/gateways/gw-1/revoke", {}, "not_allowed"),
        ("admin", "get", "/v1/gateways/{gateway_id}", "/v1/gateways/gw-stabat-99", {}, "unknown_gateway"),
        ("admin", "get", "/v1/gateways/{gateway_id}/refusals", "/v1/gateways/-x/refusals", {}, "invalid_request"),
    ],
)
async def test_the_service_says_what_its_description_shows(api, document, role, method, path, address, request_, code):
    target = address if address.startswith("/") else path + address
    answer = (await api(method.upper(), target, role, **request_)).json()
    assert (answer["code"], answer["detail"]) == (code, said(document, method, path, code))


async def test_what_is_said_without_a_good_token_is_what_the_description_shows(api):
    assert (await api.client.get("/v1/devices")).json()["detail"] == DETAILS[ProblemCode.NO_TOKEN]
    unknown = {"Authorization": f"Bearer {api.tokens['stabat', 'admin'][:-4]}abcd"}
    assert (await api.client.get("/v1/devices", headers=unknown)).json()["detail"] == DETAILS[ProblemCode.BAD_TOKEN]


async def test_the_series_example_works_as_it_stands(site, document):
    parameters = document["paths"]["/v1/series"]["get"]["parameters"]
    first = {one["name"]: next(iter(one["examples"].values()))["value"] for one in parameters if "examples" in one}
    assert first == {
        "device": "meter-cabinet",
        "quantity": ["power_active_total"],
        "from": "-1h",
        "to": "now",
        "every": "1m",
    }
    from lentera_model.protocol import DeviceDeclaration

    async with open_link(site.url, site.board) as link:
        await link.hello(DeviceDeclaration("meter-cabinet", "meter", "eastron_sdm630", "M", "b", "1"))
    answer = await site.client.get("/v1/series", params=first)
    assert (answer.status_code, answer.json()["quantities"]) == (200, [{"name": "power_active_total", "unit": "W"}])


async def test_a_taken_id_is_said_as_the_description_shows(site):
    board = Board("gw-stabat-01")
    await site.register(board)
    body = {"gateway_id": "gw-stabat-01", "public_key": board.public_key}
    answer = await site.client.post("/v1/gateways", json=body)
    assert answer.json()["detail"] == DETAILS[ProblemCode.ALREADY_EXISTS]


def test_the_series_path_is_said_to_be_a_folder():
    description = Settings.model_fields["series_path"].description or ""
    assert description.startswith("Folder of")
    assert "file" not in description.lower()
