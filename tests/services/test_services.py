"""The fixtures give servers that really work: each is used here as the project's own code uses it."""

import asyncio
import os
from pathlib import Path

import asyncpg
import paho.mqtt.client as mqtt
import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from paho.mqtt.enums import CallbackAPIVersion

from tests.services.fixtures import BrokerInfo, InfluxInfo, PostgresInfo
from tests.services.process import Server, ServerError, missing
from tests.services.servers import Influx, Mosquitto


async def publish_and_receive(broker: BrokerInfo, topic: str, payload: bytes) -> bytes:
    """Return what a subscriber of ``topic`` received of ``payload``."""
    loop = asyncio.get_running_loop()
    received: asyncio.Future[bytes] = loop.create_future()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)

    @client.connect_callback()
    def subscribe(*_: object) -> None:
        client.subscribe(topic, qos=1)

    @client.subscribe_callback()
    def publish(*_: object) -> None:
        client.publish(topic, payload, qos=1)

    @client.message_callback()
    def hand_over(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        loop.call_soon_threadsafe(received.set_result, bytes(message.payload))

    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        return await asyncio.wait_for(received, 10)
    finally:
        client.disconnect()
        client.loop_stop()


async def test_a_message_crosses_mosquitto(mosquitto: BrokerInfo) -> None:
    assert await publish_and_receive(mosquitto, "services/one", b"terang") == b"terang"


async def test_an_own_broker_comes_back_on_its_port(own_mosquitto: Mosquitto) -> None:
    own_mosquitto.kill()
    with pytest.raises(OSError):
        own_mosquitto.answers()
    own_mosquitto.start()
    assert await publish_and_receive(own_mosquitto.info, "services/two", b"redup") == b"redup"


async def test_postgres_answers_a_query(postgres: PostgresInfo) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    try:
        assert await connection.fetchval("SELECT 6 * 7") == 42
    finally:
        await connection.close()


@pytest.mark.parametrize("run", [1, 2])
async def test_each_test_has_a_database_of_its_own(postgres_database: PostgresInfo, run: int) -> None:
    connection = await asyncpg.connect(postgres_database.dsn)
    try:
        # The second run would fail if it saw the first one's table.
        await connection.execute("CREATE TABLE lamp (name text)")
        await connection.execute("INSERT INTO lamp VALUES ($1)", f"lamp-{run}")
        assert await connection.fetchval("SELECT name FROM lamp") == f"lamp-{run}"
    finally:
        await connection.close()


def write_and_read(info: InfluxInfo, level_percent: float) -> list[float]:
    """Write one point to the first bucket and return every value found there."""
    with InfluxDBClient(info.url, info.token, org=info.org) as client:
        line = f"reading,device=lamp-001 level_percent={level_percent} 1700000000000000000"
        client.write_api(write_options=SYNCHRONOUS).write("first", info.org, line)
        query = 'from(bucket: "first") |> range(start: 2023-11-01T00:00:00Z, stop: 2023-12-01T00:00:00Z)'
        return [record.get_value() for table in client.query_api().query(query) for record in table.records]


def test_influxdb_keeps_what_is_written(influxdb: InfluxInfo) -> None:
    assert write_and_read(influxdb, 40.0) == [40.0]


def test_an_own_influxdb_keeps_its_data_over_a_kill(own_influxdb: Influx) -> None:
    assert write_and_read(own_influxdb.info, 70.0) == [70.0]
    own_influxdb.kill()
    own_influxdb.start()
    assert write_and_read(own_influxdb.info, 70.0) == [70.0]


class Faulty(Server):
    """A server that says why and gives up."""

    name = "faulty"

    def command(self) -> list[str]:
        return ["/bin/sh", "-c", "echo the disk is full; exit 3"]

    def answers(self) -> bool:
        raise ConnectionRefusedError


def test_a_server_that_gives_up_is_reported_with_its_log() -> None:
    server = Faulty()
    try:
        with pytest.raises(ServerError, match=r"code 3[^$]*the disk is full"):
            server.start()
    finally:
        server.close()
    assert not server.folder.exists()


def test_a_closed_server_leaves_no_process_and_no_folder(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("mosquitto")  # skips where it is not installed
    server = Mosquitto()
    server.start()
    pid = server.pid
    server.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not server.folder.exists()


@pytest.mark.parametrize(("required", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_server_skips_or_fails_with_the_remedy(
    required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "LENTERA_REQUIRE_SERVICES", required)
    with pytest.raises(outcome, match="apt-get install lampu"):
        missing("Lampu", "apt-get install lampu")
