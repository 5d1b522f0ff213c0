"""The fixtures that give a test a real server.

One server a test run (a worker), except the ``own_*`` ones, which a test may stop, kill and start again.
tests/conftest.py registers this module for every room.
A server that is not installed skips the test with the remedy.
"""

import secrets
from collections.abc import Iterator

import pytest

from tests.services.process import missing
from tests.services.servers import BrokerInfo, Influx, InfluxInfo, Mosquitto, Postgres, PostgresInfo


def _started_mosquitto() -> Mosquitto:
    if Mosquitto.program() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    server = Mosquitto()
    server.start()
    return server


def _started_influx() -> Influx:
    if Influx.program() is None:
        missing(
            "InfluxDB 2",
            "put influxd (InfluxData's package influxdb2) on PATH or name it in LENTERA_INFLUXD, "
            "or build it by tests/services/build-influxd",
        )
    server = Influx()
    server.start()
    return server


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[BrokerInfo]:
    """A Mosquitto broker for the whole run: use topics that no other test uses, or clear what you retained."""
    server = _started_mosquitto()
    yield server.info
    server.close()


@pytest.fixture
def own_mosquitto() -> Iterator[Mosquitto]:
    """A broker for this test alone: ``stop()``, ``kill()`` and ``start()`` it as the test needs."""
    server = _started_mosquitto()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The PostgreSQL server of the run; tests take ``postgres_database``."""
    if not Postgres.installed():
        missing("PostgreSQL", "apt-get install postgresql")
    server = Postgres()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres(postgres_server: Postgres) -> PostgresInfo:
    """The server's maintenance database, shared by the run."""
    return postgres_server.info


@pytest.fixture
def postgres_database(postgres_server: Postgres) -> Iterator[PostgresInfo]:
    """A fresh, empty database for this test."""
    name = f"test_{secrets.token_hex(6)}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.database(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def influxdb() -> Iterator[InfluxInfo]:
    """An InfluxDB 2 for the whole run: use a bucket or tenant that no other test uses."""
    server = _started_influx()
    yield server.info
    server.close()


@pytest.fixture
def own_influxdb() -> Iterator[Influx]:
    """An InfluxDB 2 for this test alone: ``stop()``, ``kill()`` and ``start()`` it as the test needs."""
    server = _started_influx()
    yield server
    server.close()
