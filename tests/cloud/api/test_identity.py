"""Deny by default: every route with no token, a wrong one, the wrong role, another tenant's."""

import re
import time

import pytest
import structlog
from fastapi.routing import APIRoute, APIWebSocketRoute

from lentera_cloud.bootstrap import add_token
from lentera_cloud.domain.roles import Permission, Role, is_allowed
from lentera_cloud.kit.identity import require_gateway
from lentera_cloud.kit.secret import SecretFileError, load_secret
from tests.cloud.support import Api, Board, problem

OPEN = {"/v1/health", "/docs"}
LINK = {"/v1/link"}


def dependencies(dependant) -> list:
    """Every function that a route depends on."""
    return [call for one in dependant.dependencies for call in (one.call, *dependencies(one))]


def permission_of(route: APIRoute) -> Permission | None:
    found = {getattr(call, "permission", None) for call in dependencies(route.dependant)} - {None}
    assert len(found) <= 1, route.path
    return found.pop() if found else None


def routes_of(app) -> list:
    """All routes, those of included routers too."""
    found = []
    for route in app.routes:
        inner = getattr(getattr(route, "original_router", None), "routes", None)
        found += inner if inner is not None else [route]
    return found


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "some-id", path)


def guarded(api: Api) -> list[tuple[str, str, Permission]]:
    found = []
    for route in routes_of(api.app):
        if isinstance(route, APIRoute) and route.path not in OPEN:
            permission = permission_of(route)
            if permission is not None:
                found += [(method, route.path, permission) for method in sorted(route.methods or ())]
    return found


async def test_every_route_is_guarded_or_open_on_purpose(api):
    seen = set()
    for route in routes_of(api.app):
        if isinstance(route, APIWebSocketRoute):
            assert route.path in LINK
        elif isinstance(route, APIRoute) and route.path not in OPEN:
            by_gateway = require_gateway in dependencies(route.dependant)
            assert by_gateway or permission_of(route), f"{route.path} asks for no permission"
        seen.add(getattr(route, "path", ""))
    assert seen >= OPEN | LINK | {"/v1/devices", "/v1/commands", "/v1/gateways", "/v1/batches"}


async def test_no_token_and_bad_tokens_are_refused_everywhere(api):
    good = api.tokens["stabat", "admin"]
    wrong_secret = good[:-2] + ("aa" if good[-2:] != "aa" else "bb")
    routes = guarded(api)
    assert len(routes) >= 10
    for method, path, _ in routes:
        problem(await api.client.request(method, filled(path)), 401, "no_token")
        for token in (wrong_secret, "lnt_" + "a" * 16 + "_" + "a" * 52, "garbage", good + "a"):
            answer = await api.client.request(method, filled(path), headers={"Authorization": f"Bearer {token}"})
            document = problem(answer, 401, "bad_token")
            assert token not in str(document)
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("scheme", ["Basic abc", "Bearer", "Bearer ", "lnt_x"])
async def test_another_scheme_is_no_token(api, scheme):
    problem(await api.client.get("/v1/devices", headers={"Authorization": scheme}), 401, "no_token")


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_reaches_exactly_its_routes(api, role):
    for method, path, permission in guarded(api):
        answer = await api(method, filled(path), role.value)
        if is_allowed(role, permission):
            assert answer.status_code not in (401, 403), (method, path, answer.text)
        else:
            assert role.value in problem(answer, 403, "not_allowed")["detail"]


async def test_another_tenants_things_are_answered_like_nothing(api, settings):
    board = Board()
    body = {"gateway_id": "gw-1", "name": "Theirs", "public_key": board.public_key}
    assert (await api("POST", "/v1/gateways", tenant="binjai", json=body)).status_code == 201
    assert (await api("GET", "/v1/gateways")).json() == {"items": []}
    for method, path in (("GET", ""), ("GET", "/refusals"), ("POST", "/revoke")):
        ours = problem(await api(method, f"/v1/gateways/gw-1{path}"), 404, "unknown_gateway")
        nothing = problem(await api(method, f"/v1/gateways/gw-9{path}"), 404, "unknown_gateway")
        assert ours["detail"].replace("gw-1", "gw-9") == nothing["detail"]
    problem(await api("POST", "/v1/gateways", json=body), 409, "already_exists")
    assert (await api("GET", "/v1/gateways/gw-1", tenant="binjai")).json()["revoked_at"] is None


async def test_a_revoked_or_expired_token_is_refused_at_once(api):
    tenants = api.cloud.registry.tenants
    token = await add_token(api.cloud.registry, "stabat", Role.ANALYST, "guest")
    headers = {"Authorization": f"Bearer {token}"}
    assert (await api.client.get("/v1/devices", headers=headers)).status_code == 200
    assert await tenants.revoke_token("stabat", token.split("_")[1], 1)
    problem(await api.client.get("/v1/devices", headers=headers), 401, "bad_token")
    gone = await add_token(api.cloud.registry, "stabat", Role.ANALYST, "guest", lifetime_s=0)
    problem(await api.client.get("/v1/devices", headers={"Authorization": f"Bearer {gone}"}), 401, "bad_token")


async def test_a_registered_private_key_is_pointed_out_and_not_repeated(api):
    body = {"gateway_id": "gw-1", "public_key": "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----"}
    document = problem(await api("POST", "/v1/gateways", json=body), 422, "invalid_request")
    assert document["errors"][0]["field"] == "body.public_key"
    assert "MC4CAQ" not in str(document)


# ---------------------------------------------------------------------------------------------- gateways' own tokens


@pytest.fixture
async def board(api) -> Board:
    one = Board()
    body = {"gateway_id": "gw-1", "name": "Ours", "public_key": one.public_key}
    assert (await api("POST", "/v1/gateways", "technician", json=body)).status_code == 201
    return one


async def post(api: Api, board: Board, **claims):
    return await api.client.post("/v1/batches", content=b"x", headers=board.authorization(**claims))


async def test_a_gateways_token_lets_it_in_and_opens_nothing_else(api, board):
    problem(await post(api, board), 422, "batch_refused")
    answer = await api.client.get("/v1/devices", headers=board.authorization())
    problem(answer, 401, "bad_token")


@pytest.mark.parametrize(
    "claims", [{"aud": "other"}, {"iss": "gw-9"}, {"iss": None}, {"exp": None}, {"aud": None}, {"iat": "now"}]
)
async def test_a_token_with_other_claims_is_refused(api, board, claims):
    problem(await post(api, board, **claims), 401, "bad_token")


async def test_anothers_key_and_an_unsigned_token_are_refused(api, board):
    problem(await post(api, Board("gw-1")), 401, "bad_token")
    unsigned = "eyJhbGciOiJub25lIn0." + board.token().split(".")[1] + "."
    answer = await api.client.post("/v1/batches", content=b"x", headers={"Authorization": f"Bearer {unsigned}"})
    problem(answer, 401, "bad_token")
    answer = await api.client.post("/v1/batches", headers={"Authorization": f"Bearer {api.tokens['stabat', 'admin']}"})
    problem(answer, 401, "bad_token")
    problem(await api.client.post("/v1/batches", content=b"x"), 401, "no_token")


@pytest.mark.parametrize("off_s", [-86_400, -300, 300, 10**9])
async def test_a_board_with_a_wrong_clock_comes_in_by_the_nonce(api, board, off_s):
    wrong = int(time.time()) + off_s
    document = problem(await post(api, board, now_s=wrong), 401, "clock_untrusted")
    problem(await post(api, board, now_s=wrong, nonce=document["nonce"]), 422, "batch_refused")
    problem(await post(api, board, now_s=wrong, nonce="forged"), 401, "clock_untrusted")


async def test_a_token_that_lives_too_long_is_refused(api, board):
    now = int(time.time())
    problem(await post(api, board, iat=now, exp=now + 121), 401, "clock_untrusted")
    problem(await post(api, board, iat=now, exp=now + 120), 422, "batch_refused")


async def test_a_revoked_gateway_is_refused_at_once(api, board):
    answer = await api("POST", "/v1/gateways/gw-1/revoke", "technician")
    assert answer.json()["revoked_at"]
    problem(await post(api, board), 403, "gateway_revoked")


# ---------------------------------------------------------------------------------------------------- the secret file


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path):
    path = tmp_path / "deep" / "secret"
    first = load_secret(path)
    assert len(first) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_secret(path) == first
    assert [one.name for one in path.parent.iterdir()] == ["secret"]
    path.chmod(0o644)
    with pytest.raises(SecretFileError, match="chmod 600"):
        load_secret(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(SecretFileError, match="5 bytes"):
        load_secret(path)


async def test_no_secret_reaches_the_log(api, board):
    with structlog.testing.capture_logs() as lines:
        await api("GET", "/v1/devices")
        await post(api, board)
        await post(api, board, aud="other")
    text = str(lines)
    assert board.token().split(".")[2] not in text
    assert api.tokens["stabat", "admin"] not in text
