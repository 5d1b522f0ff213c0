"""The peers get the same load as we do, and what they deliver is counted."""

import json
import threading
import tomllib
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from bench.load import quantities
from bench.peers import telegraf, thingsboard
from bench.peers.thingsboard_platform import NO_LIMITS, TELEMETRY, Platform, values_in
from tests.services.process import missing
from tests.services.servers import InfluxInfo, Mosquitto


def test_telegraf_asks_each_meter_once_for_all_values():
    info = InfluxInfo("http://127.0.0.1:1", "token", "org")
    text = telegraf.agent("1s", Path("/b")) + telegraf.influx_output(info, "bucket") + telegraf.tcp_meters([11, 12], 40)
    config = tomllib.loads(text)
    first, second = config["inputs"]["modbus"]
    assert (first["controller"], second["controller"]) == ("tcp://127.0.0.1:11", "tcp://127.0.0.1:12")
    (request,) = first["request"]
    assert [field["address"] for field in request["fields"]] == list(range(0, 80, 2))
    assert [field["name"] for field in request["fields"]] == [name for name, _, _ in quantities(40)]
    assert config["agent"]["buffer_strategy"] == "disk"


def test_telegraf_holds_a_serial_port_once_for_all_units():
    (line,) = tomllib.loads(telegraf.serial_meters(Path("/dev/pts/9"), range(1, 33), 30))["inputs"]["modbus"]
    assert [request["slave_id"] for request in line["request"]] == list(range(1, 33))
    assert {len(request["fields"]) for request in line["request"]} == {30}


def test_thingsboard_reads_the_same_registers_in_a_range_or_by_name():
    (in_range,) = thingsboard.tcp_meters([11], 40, 1.0)
    (by_name,) = thingsboard.tcp_meters([11], 40, 1.0, named=True)
    assert [entry["address"] for entry in in_range["timeseries"]] == ["0-79"]
    assert [entry["address"] for entry in by_name["timeseries"]] == list(range(0, 80, 2))
    assert [entry["tag"] for entry in by_name["timeseries"]] == [name for name, _, _ in quantities(40)]
    assert in_range["pollPeriod"] == by_name["pollPeriod"] == 1000


def test_telemetry_is_counted_by_value():
    payload = {
        "meter-1": [{"ts": 1, "values": {"value_0": 1.0, "value_2": 2.0}}, {"ts": 2, "values": {"value_0": 1.0}}],
        "meter-2": [{"ts": 1, "values": {}}, {"ts": 1}],
    }
    assert values_in(json.dumps(payload).encode()) == 3
    assert values_in(b"{}") == 0


def test_the_platform_answers_for_its_limits_and_counts():
    if Mosquitto.program() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    answered, told = threading.Event(), []

    def heard(client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        told.append((message.topic, json.loads(message.payload)))
        answered.set()

    with Platform() as platform:
        gateway = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="gateway")
        gateway.on_message = heard
        gateway.connect("127.0.0.1", platform.port)
        gateway.subscribe("v1/devices/me/rpc/response/+", qos=1)
        gateway.loop_start()
        gateway.publish(TELEMETRY, json.dumps({"meter-1": [{"ts": 1, "values": {"value_0": 1.0}}]}), qos=1)
        gateway.publish("v1/devices/me/rpc/request/7", '{"method": "getSessionLimits"}', qos=1)
        assert answered.wait(10)
        gateway.disconnect()
        gateway.loop_stop()
    assert told == [("v1/devices/me/rpc/response/7", NO_LIMITS)]
    assert platform.values == 1, "a broker hands the messages of one sender over in order"
