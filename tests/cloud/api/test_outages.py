"""Stores that are down at the start or die in between: the service says so, waits, and nothing is missing after."""

import asyncio
from collections.abc import Callable

import pytest

from lentera_cloud.adapters.memory_series import MemorySeries
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.features.ingest.budget import ByteBudget
from lentera_cloud.kit import patience
from lentera_cloud.ports import SeriesQuery, StoreRefusedError, StoreUnavailableError
from lentera_model.readings import Reading
from tests.cloud.support import Board, now_ms, problem, running_app, running_server, settings_in


class Switch(MemorySeries):
    """A store in memory that can be switched off, or made to refuse what a rule says."""

    def __init__(self) -> None:
        super().__init__()
        self.on = True
        self.refuses: Callable[[Reading], bool] = lambda _: False
        self.writes = 0
        self.attempted = asyncio.Event()

    async def start(self) -> None:
        self._check()

    def _check(self) -> None:
        self.attempted.set()
        if not self.on:
            raise StoreUnavailableError("switched off")

    async def write(self, tenant, readings) -> None:
        self._check()
        if any(self.refuses(reading) for reading in readings):
            raise StoreRefusedError("not this")
        self.writes += 1
        await super().write(tenant, readings)

    async def latest(self, tenant, devices):
        self._check()
        return await super().latest(tenant, devices)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Try again soon."""
    monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(patience.waits_s, "__defaults__", (0.02, 0.05))


async def registered(api) -> Board:
    board = Board()
    body = {"gateway_id": "gw-1", "public_key": board.public_key}
    assert (await api("POST", "/v1/gateways", json=body)).status_code == 201
    gateway = await api.cloud.registry.gateways.by_id("gw-1")
    from tests.cloud.support import LAMP, METER

    await api.cloud.ingest.declare(gateway, [LAMP, METER])
    return board


async def post(api, board, sealed):
    return await api.client.post("/v1/batches", content=sealed, headers=board.authorization())


async def healthy(api, **want) -> None:
    async with asyncio.timeout(5):
        while True:
            health = (await api.client.get("/v1/health")).json()
            if all(health[name] == value for name, value in want.items()):
                return
            await asyncio.sleep(0.02)


async def test_a_series_store_that_is_down_at_start(tmp_path, monkeypatch):
    monkeypatch.setattr("lentera_cloud.app.START_PATIENCE_S", 0.1)
    series = Switch()
    series.on = False
    async with running_app(settings_in(tmp_path), series=series) as api:
        health = (await api.client.get("/v1/health")).json()
        assert (health["status"], health["registry"]) == ("degraded", "ok")
        assert "waiting" in health["series"]
        board = await registered(api)
        answer = problem(await api("GET", "/v1/devices"), 503, "store_unavailable")
        assert answer["detail"]
        sealed = board.sealed(("meter-1", now_ms(), {"frequency": 50.0}))
        posting = asyncio.create_task(post(api, board, sealed))
        await asyncio.sleep(0.1)
        assert not posting.done()
        series.on = True
        assert (await posting).status_code == 200
        await healthy(api, status="ok")
        device = (await api("GET", "/v1/devices/meter-1")).json()
        assert device["latest"]["frequency"]["value"] == 50.0


async def test_a_series_store_that_dies_in_between_loses_nothing(tmp_path):
    series = Switch()
    async with running_app(settings_in(tmp_path), series=series) as api:
        board = await registered(api)
        began = now_ms()
        batches = [board.sealed(("meter-1", began + n, {"frequency": float(n)})) for n in range(30)]
        series.on = False
        posts = [asyncio.create_task(post(api, board, sealed)) for sealed in batches]
        await asyncio.sleep(0.1)
        assert not any(one.done() for one in posts)
        await healthy(api, status="degraded")
        stored = await api.cloud.registry.receipts.stored("stabat", "gw-1", 1)
        assert stored.total() == 0
        series.on = True
        answers = await asyncio.gather(*posts)
        assert {one.status_code for one in answers} == {200}
        result = await series.query("stabat", SeriesQuery("meter-1", ("frequency",), began, began + 1000))
        assert [point.values["frequency"] for point in result.points] == [float(n) for n in range(30)]
        assert series.writes <= 3
        await healthy(api, status="ok")


async def test_what_the_store_refuses_is_narrowed_down_to_its_device(tmp_path):
    series = Switch()
    series.refuses = lambda reading: reading.values.get("frequency") == 13.0
    async with running_app(settings_in(tmp_path), series=series) as api:
        board = await registered(api)
        at_ms = now_ms()
        batches = [board.sealed(("meter-1", at_ms + n, {"frequency": float(n)})) for n in range(12)]
        batches.append(
            board.sealed(("meter-1", at_ms + 13, {"frequency": 13.0}), ("lamp-1", at_ms, {"level_percent": 1.0}))
        )
        batches.append(board.sealed(("meter-1", at_ms + 14, {"frequency": 13.0})))
        answers = await asyncio.gather(*(post(api, board, sealed) for sealed in batches))
        assert [one.status_code for one in answers] == [200] * 13 + [422]
        (refused,) = answers[12].json()["refused"]
        assert (refused["device_id"], refused["code"]) == ("meter-1", "store_refused")
        assert answers[13].json()["refusal"] == "store_refused"
        assert (await api("GET", "/v1/devices/lamp-1")).json()["level"]["measured_percent"] == 1.0
        stored = await api.cloud.registry.receipts.stored("stabat", "gw-1", 1)
        assert list(stored) == [(1, 13)]


async def test_an_adapters_fault_is_loud_and_loses_nothing(tmp_path):
    series = Switch()
    async with running_app(settings_in(tmp_path), series=series) as api:
        board = await registered(api)
        faults = iter([True, True, False])

        def fault(_reading) -> bool:
            if next(faults, False):
                raise ZeroDivisionError("a fault of the adapter")
            return False

        series.refuses = fault
        answer = await post(api, board, board.sealed(("meter-1", now_ms(), {"frequency": 50.0})))
        assert answer.status_code == 200


async def test_a_registry_that_is_down_at_start_and_dies_in_between(tmp_path, postgres_server, monkeypatch):
    monkeypatch.setattr("lentera_cloud.app.START_PATIENCE_S", 0.1)
    name = f"outage_{now_ms()}"
    url = postgres_server.database(name).url
    settings = settings_in(tmp_path, registry_url=url)
    import httpx

    async with running_server(settings) as address, httpx.AsyncClient(base_url=address) as client:
        health = (await client.get("/v1/health")).json()
        assert (health["status"], health["series"]) == ("degraded", "ok")
        headers = {"Authorization": "Bearer lnt_" + "a" * 16 + "_" + "a" * 52}
        answer = await client.get("/v1/devices", headers=headers)
        problem(answer, 503, "store_unavailable")
        assert answer.headers["retry-after"]
        postgres_server.execute(f"CREATE DATABASE {name}")
        async with asyncio.timeout(10):
            while (await client.get("/v1/health")).json()["status"] != "ok":
                await asyncio.sleep(0.05)
        problem(await client.get("/v1/devices", headers=headers), 401, "bad_token")
        kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        postgres_server.execute(kill)
        problem(await client.get("/v1/devices", headers=headers), 401, "bad_token")
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_registry_that_dies_between_store_and_receipt(tmp_path, monkeypatch):
    series = Switch()
    async with running_app(settings_in(tmp_path), series=series) as api:
        board = await registered(api)
        receipts = api.cloud.registry.receipts
        real, left = receipts.add, 3

        async def fails_at_first(*arguments) -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                raise StoreUnavailableError("registry away")
            await real(*arguments)

        monkeypatch.setattr(receipts, "add", fails_at_first)
        answer = await post(api, board, board.sealed(("meter-1", now_ms(), {"frequency": 50.0})))
        assert answer.status_code == 200
        assert series.writes == 1
        assert list(await receipts.stored("stabat", "gw-1", 1)) == [(1, 1)]


async def test_a_restart_knows_what_was_stored(tmp_path):
    series = Switch()
    settings = settings_in(tmp_path)
    async with running_app(settings, series=series) as api:
        board = await registered(api)
        sealed = board.sealed(("meter-1", now_ms(), {"frequency": 50.0}))
        assert (await post(api, board, sealed)).json()["replayed"] is False
    async with running_app(settings, series=series) as api:
        assert (await post(api, board, sealed)).json()["replayed"] is True
    assert series.writes == 1
    registry = SqlRegistry(settings.registry_url)
    with pytest.raises(StoreUnavailableError, match="not started"):
        await registry.ping()
    await registry.start()
    assert [one.device_id for one in await registry.devices.of_tenant("stabat")] == ["lamp-1", "meter-1"]
    await registry.close()


async def test_the_memory_of_waiting_batches_is_bounded():
    budget = ByteBudget(100)
    await budget.acquire(60)
    second = asyncio.create_task(budget.acquire(60))
    third = asyncio.create_task(budget.acquire(10))
    await asyncio.sleep(0)
    assert not second.done()
    assert not third.done(), "who came first is served first"
    second.cancel()
    await asyncio.wait([second])
    await third
    assert budget.used_bytes == 70
    budget.release(60)
    budget.release(10)
    await budget.acquire(1000)
    assert budget.used_bytes == 1000
    late = asyncio.create_task(budget.acquire(1))
    await asyncio.sleep(0)
    budget.release(1000)
    await late
    assert budget.used_bytes == 1


async def test_a_full_budget_stops_reading_and_goes_on_later(tmp_path):
    series = Switch()
    async with running_app(settings_in(tmp_path), series=series) as api:
        board = await registered(api)
        ingest = api.cloud.ingest
        ingest.budget = ByteBudget(4_000)
        gateway = await api.cloud.registry.gateways.by_id("gw-1")
        series.on = False
        began = now_ms()
        batches = [board.sealed(("meter-1", began + n, {"frequency": 1.0})) for n in range(40)]
        admitted = []

        async def read_on() -> None:
            for sealed in batches:
                admitted.append(await ingest.admit(gateway, sealed))

        reading = asyncio.create_task(read_on())
        await asyncio.sleep(0.1)
        assert 0 < len(admitted) < 10
        assert ingest.budget.used_bytes <= 4_000
        series.on = True
        await asyncio.wait_for(reading, 5)
        await asyncio.gather(*admitted)
        assert ingest.budget.used_bytes == 0
        assert await series.count("stabat", "meter-1", 0, 1 << 50) == {"frequency": 40}
