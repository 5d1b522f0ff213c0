"""The writer outlives every error of its stores: nothing is dropped, nothing is acknowledged early, health says so."""

import asyncio
import sqlite3

import pytest
from sqlalchemy.exc import DatabaseError, DBAPIError

from lentera_cloud.adapters.sql.database import _translated
from lentera_cloud.kit import patience
from lentera_cloud.ports import StoreUnavailableError
from tests.cloud.api.test_outages import healthy, post, registered
from tests.cloud.support import now_ms, running_app, settings_in


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Try again soon."""
    monkeypatch.setattr(patience.waits_s, "__defaults__", (0.02, 0.05))


async def test_an_unforeseen_error_of_the_registry_ends_no_writer(tmp_path, monkeypatch):
    async with running_app(settings_in(tmp_path)) as api:
        board = await registered(api)
        receipts = api.cloud.registry.receipts
        real, broken = receipts.add, asyncio.Event()
        broken.set()

        async def add(*arguments) -> None:
            if broken.is_set():
                raise RuntimeError("nobody foresaw this")
            await real(*arguments)

        monkeypatch.setattr(receipts, "add", add)
        at_ms = now_ms()
        posts = [
            asyncio.create_task(post(api, board, board.sealed(("meter-1", at_ms + n, {"frequency": 50.0}))))
            for n in range(3)
        ]
        await healthy(api, status="degraded")
        assert not any(one.done() for one in posts)
        assert "registry" in (await api.client.get("/v1/health")).json()["ingest"]
        broken.clear()
        answers = await asyncio.wait_for(asyncio.gather(*posts), 5)
        assert {one.status_code for one in answers} == {200}
        await healthy(api, status="ok", ingest="ok")
        assert list(await receipts.stored("stabat", "gw-1", 1)) == [(1, 3)]


async def test_an_error_of_the_writer_itself_ends_no_writer(tmp_path, monkeypatch):
    async with running_app(settings_in(tmp_path)) as api:
        board = await registered(api)
        from lentera_cloud.features.ingest import writer

        real, faults = writer._parcels, iter([True, True])

        def parcels(pending):
            if next(faults, False):
                raise RuntimeError("a fault of the writer")
            return real(pending)

        monkeypatch.setattr(writer, "_parcels", parcels)
        answer = await asyncio.wait_for(post(api, board, board.sealed(("meter-1", now_ms(), {"frequency": 50.0}))), 5)
        assert answer.status_code == 200
        await healthy(api, ingest="ok")


class WithState(Exception):
    """As asyncpg's errors: with a SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize("state", ["25006", "40P01", "40001", "55P03", "58030", "08006", "53100", "57P01"])
def test_what_postgresql_calls_a_passing_state_is_not_now(state):
    with pytest.raises(StoreUnavailableError), _translated("here"):
        raise DBAPIError("INSERT", {}, WithState(state))


def test_a_fault_of_a_statement_is_no_outage():
    with pytest.raises(DBAPIError), _translated("here"):
        raise DBAPIError("INSERT", {}, WithState("42601"))
    with pytest.raises(DatabaseError), _translated("here"):
        raise DatabaseError("INSERT", {}, sqlite3.ProgrammingError("wrong number of bindings"))


def test_a_damaged_sqlite_file_is_not_now():
    with pytest.raises(StoreUnavailableError, match="malformed"), _translated("here"):
        raise DatabaseError("INSERT", {}, sqlite3.DatabaseError("database disk image is malformed"))


async def test_a_registry_that_turns_read_only_is_waited_for(tmp_path, postgres_server):
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    name = f"readonly_{now_ms()}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    url = postgres_server.database(name).url
    async with running_app(settings_in(tmp_path, registry_url=url)) as api:
        board = await registered(api)
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")

        async def read_only(word: str) -> None:
            async with engine.connect() as connection:
                await connection.execute(text("SET default_transaction_read_only=off"))
                await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only={word}"))
            await api.cloud.registry._database.engine.dispose()

        await read_only("on")
        posting = asyncio.create_task(post(api, board, board.sealed(("meter-1", now_ms(), {"frequency": 50.0}))))
        await healthy(api, status="degraded", registry="ok")
        assert not posting.done()
        await read_only("off")
        assert (await asyncio.wait_for(posting, 10)).status_code == 200
        await healthy(api, status="ok")
        await engine.dispose()
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
