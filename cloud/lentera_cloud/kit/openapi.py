"""What the API's description says beside its routes."""

from typing import Any

from fastapi import FastAPI

from lentera_cloud.kit.problems import ProblemDocument

DESCRIPTION = """\
Street lighting and energy meters of a city: see devices, dim lamps, query what meters measured.

**First steps.** Press *Authorize* and paste an API token (`lnt_...`). Then try `GET /v1/devices`, dim a lamp with
`POST /v1/commands`, follow it with `GET /v1/commands/{command_id}?wait_s=20`, and see `GET /v1/series`.

**Times** are RFC 3339 in UTC. **Units** are SI: W, Wh, V, A; levels in percent.

**Errors** are problem documents (RFC 9457, `application/problem+json`): `code` is for programs, `detail` says what was
wrong and what to do, `errors` names each field of a request that does not fit.

**Roles.** admin: everything in its tenant. technician: gateways, and reading. operator: commands, and reading.
analyst: reading. A token sees its own tenant only; what belongs to another is answered like what does not exist.
"""

TAGS = [
    {"name": "devices", "description": "Meters and luminaires: what they last said, whether they answer."},
    {"name": "commands", "description": "Light levels asked for, and what became of each: `sent` never means done."},
    {"name": "series", "description": "What was measured, over time."},
    {"name": "gateways", "description": "The boards that reach the devices: register, see, revoke."},
    {"name": "ingest", "description": "For gateways: sealed batches come in."},
    {"name": "health", "description": "Whether the service is well."},
]


def describe() -> dict[str, Any]:
    """Return the arguments of FastAPI that describe the API."""
    return {
        "summary": "Edge gateways, street lights and energy meters of a city",
        "description": DESCRIPTION,
        "openapi_tags": TAGS,
        "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }


def install(app: FastAPI) -> None:
    """Add the problem document's schema, which every route's error answers refer to, to the description."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "ProblemDocument" not in schemas:
            problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= problem.pop("$defs")
            schemas["ProblemDocument"] = problem
        return document

    app.openapi = openapi
