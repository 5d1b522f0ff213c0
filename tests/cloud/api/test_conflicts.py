"""Values that contradict stored ones are shown and counted, to their tenant alone."""

from tests.cloud.api.test_outages import post, registered
from tests.cloud.support import now_ms, running_app, settings_in


async def contradicted(api, board, at_ms: int) -> None:
    """Bring two values for one instant of the meter, and one of another quantity that agrees."""
    for value in (50.0, 49.5, 49.5):
        answer = await post(api, board, board.sealed(("meter-1", at_ms, {"frequency": value, "voltage_l1": 230.0})))
        assert (answer.status_code, answer.json()["refused"]) == (200, [])


async def test_a_second_value_is_shown_with_the_batch_that_brought_it(tmp_path):
    async with running_app(settings_in(tmp_path, series="sqlite", series_path=tmp_path / "series")) as api:
        board, at_ms = await registered(api), now_ms() - 60_000
        await contradicted(api, board, at_ms)
        answer = (await api("GET", "/v1/conflicts", role="analyst")).json()
        (one,) = answer["items"]
        assert (one["device_id"], one["quantity"], one["stored_value"], one["other_value"]) == (
            "meter-1",
            "frequency",
            50.0,
            49.5,
        )
        assert (one["gateway_id"], one["epoch"], one["sequence"]) == ("gw-1", 1, 2)
        assert (answer["truncated"], answer["kept"]) == (False, 1)
        series = await api("GET", "/v1/series?device=meter-1&quantity=frequency", role="analyst")
        assert [point["values"] for point in series.json()["points"]] == [{"frequency": 50.0}]
        assert (await api("GET", "/v1/devices/meter-1")).json()["latest"]["frequency"]["value"] == 50.0


async def test_conflicts_are_asked_for_by_device_quantity_time_and_number(tmp_path):
    async with running_app(settings_in(tmp_path)) as api:
        board, at_ms = await registered(api), now_ms() - 60_000
        await contradicted(api, board, at_ms)
        await contradicted(api, board, at_ms + 1)
        for question, items, kept in (
            ("", 2, 2),
            ("?device=meter-1&quantity=frequency", 2, 2),
            ("?device=lamp-1", 0, 0),
            ("?quantity=voltage_l1", 0, 0),
            ("?from=-30s", 0, 2),
            ("?to=-1h", 0, 2),
        ):
            answer = (await api("GET", f"/v1/conflicts{question}")).json()
            assert (len(answer["items"]), answer["kept"], answer["truncated"]) == (items, kept, False), question
        cut = (await api("GET", "/v1/conflicts?limit=1")).json()
        assert (cut["truncated"], cut["items"][0]["sequence"]) == (True, 5)
        refused = await api("GET", "/v1/conflicts?from=yesterday")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "query.from")


async def test_they_are_counted_for_prometheus_and_seen_by_their_tenant_alone(tmp_path):
    async with running_app(settings_in(tmp_path)) as api:
        board = await registered(api)
        await contradicted(api, board, now_ms() - 60_000)
        await post(api, board, board.sealed(("stranger", now_ms(), {"frequency": 50.0})))
        answer = await api("GET", "/v1/metrics", role="analyst")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = answer.text.splitlines()
        assert 'lentera_conflicting_values_total{device="meter-1",quantity="frequency"} 1' in lines
        assert 'lentera_refused_readings_total{gateway="gw-1",device="stranger",code="undeclared_device"} 1' in lines
        theirs = await api("GET", "/v1/metrics", tenant="binjai")
        assert [line for line in theirs.text.splitlines() if not line.startswith("#")] == []
        assert (await api("GET", "/v1/conflicts", tenant="binjai")).json()["items"] == []
        assert (await api.client.get("/v1/metrics")).status_code == 401
