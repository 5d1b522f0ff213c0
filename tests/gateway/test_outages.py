"""What is missing at start or dies in between: the broker, the cloud, a wire; the rest goes on and nothing is lost."""

import asyncio

import aiomqtt
import pytest
import yaml

from lentera_gateway.app import run
from lentera_gateway.link import LinkTiming, load_key, make_key
from tests.gateway.cloud import OpenCloud

QUICK = LinkTiming(open_within_s=2.0, ping_every_s=0.2, answer_within_s=2.0)


def config(broker_port, cloud_url, modbus_port=1):
    return {
        "version": 1,
        "gateway": {"id": "gw-test"},
        "cloud": {"url": cloud_url, "key_file": "key.pem", "mode": "live"},
        "journal": {"memory_dir": "mem", "card_dir": "card"},
        "buses": [
            {"id": "lan", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "tcp_port": modbus_port},
            {"id": "lamps", "driver": "mqtt", "host": "127.0.0.1", "tcp_port": broker_port},
        ],
        "devices": [
            {"id": "m1", "profile": "siemens_pac3200", "bus": "lan", "unit": 1, "every_s": 0.5},
            {"id": "lamp-1", "profile": "zigbee2mqtt_light", "bus": "lamps", "topic": "lamp-1", "every_s": 5},
        ],
    }


@pytest.fixture
async def cloud(tmp_path):
    make_key(tmp_path / "key.pem")
    it = OpenCloud(load_key(tmp_path / "key.pem").public_key())
    await it.start()
    yield it
    await it.stop()


async def publish(broker, brightness):
    async with aiomqtt.Client(broker.info.host, broker.info.port) as client:
        await client.publish("zigbee2mqtt/lamp-1", f'{{"state": "ON", "brightness": {brightness}}}', qos=1)


def levels(cloud):
    return sorted(
        {r.values["level_percent"] for r in cloud.readings() if r.device == "lamp-1" and "level_percent" in r.values}
    )


async def test_a_broker_that_is_down_at_start_is_waited_for_and_its_death_is_survived(tmp_path, cloud, own_mosquitto):
    port = own_mosquitto.info.port
    own_mosquitto.stop()
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(config(port, cloud.url)))
    stop = asyncio.Event()
    gateway = asyncio.create_task(run(path, stop, QUICK))
    try:
        await cloud.until(lambda: any(s.device == "m1" and not s.online for s in cloud.statuses))
        assert '"ready":false' in (tmp_path / "mem" / "status.json").read_text()
        own_mosquitto.start()
        await cloud.until(lambda: '"ready":true' in (tmp_path / "mem" / "status.json").read_text())
        await publish(own_mosquitto, 254)
        await cloud.until(lambda: levels(cloud) == [100.0])
        own_mosquitto.kill()
        own_mosquitto.start()
        async with asyncio.timeout(20):
            while levels(cloud) != [0.0, 100.0]:
                await publish(own_mosquitto, 0)
                await asyncio.sleep(0.5)
    finally:
        stop.set()
        await asyncio.wait_for(gateway, 5)


async def test_the_gateway_ends_in_time_though_nothing_answers(tmp_path):
    make_key(tmp_path / "key.pem")
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(config(1, "ws://127.0.0.1:1/v1/link")))
    stop = asyncio.Event()
    gateway = asyncio.create_task(run(path, stop, QUICK))
    async with asyncio.timeout(10):
        while not (tmp_path / "mem" / "status.json").exists():
            await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    stop.set()
    await asyncio.wait_for(gateway, 5)
    assert loop.time() - begin < 2.5
