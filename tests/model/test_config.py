"""The gateway's configuration: what passes, and what each mistake is told."""

from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from lentera_model.config import GatewayConfig, ModbusBus

GOOD: dict[str, Any] = {
    "version": 1,
    "gateway": {"id": "gw-stabat-01", "name": "Jalan Merdeka"},
    "cloud": {"url": "wss://cloud.example/v1/link", "key_file": "key.pem"},
    "journal": {"memory_dir": "/run/lentera", "card_dir": "/var/lib/lentera"},
    "buses": [
        {"id": "rs485-0", "driver": "modbus", "transport": "rtu", "port": "/dev/ttyUSB0"},
        {"id": "lan", "driver": "modbus", "transport": "tcp", "host": "10.0.0.9"},
        {"id": "lamps", "driver": "mqtt", "host": "127.0.0.1"},
    ],
    "devices": [
        {"id": "m1", "profile": "eastron_sdm630", "bus": "rs485-0", "unit": 1},
        {"id": "l1", "profile": "zigbee2mqtt_light", "bus": "lamps", "topic": "lamp-1", "rated_power_w": 60},
    ],
}


def changed(path: list[str | int], value: object) -> dict[str, Any]:
    data = deepcopy(GOOD)
    part: Any = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return data


def test_a_good_file_passes_with_its_defaults() -> None:
    config = GatewayConfig.model_validate(GOOD)
    assert config.cloud.mode == "economy"
    assert config.journal.power_loss_budget_s == 10
    bus = config.bus("rs485-0")
    assert isinstance(bus, ModbusBus)
    assert bus.baud == 9600


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["gatway"], {}, "gatway"),
        (["version"], 2, "version"),
        (["gateway", "id"], "gw 1", "1 to 64 letters"),
        (["cloud", "url"], "http://cloud/v1/link", "url"),
        (["journal", "seal_bytes"], 10, "seal_bytes"),
        (["buses", 0, "port"], None, "needs `port`"),
        (["buses", 0, "baud"], 9601, "baud"),
        (["buses", 1, "host"], None, "needs `host`"),
        (["buses", 1, "id"], "rs485-0", "bus id 'rs485-0' is used twice"),
        (["buses", 2, "driver"], "zigbee", "driver"),
        (["buses"], [*GOOD["buses"], {**GOOD["buses"][0], "id": "rs485-1"}], "bus 'rs485-0' is on /dev/ttyUSB0"),
        (["buses"], [*GOOD["buses"], {**GOOD["buses"][1], "id": "lan-2"}], "bus 'lan' is on 10.0.0.9:502"),
        (["devices", 1, "id"], "m1", "device id 'm1' is used twice"),
        (["devices", 0, "unit"], 300, "unit"),
        (["devices", 0, "unit"], None, "needs `unit`"),
        (["devices", 1, "topic"], "lamp/#", "topic"),
        (["devices", 1, "unit"], 4, "needs `topic`"),
        (["devices", 0, "bus"], "rs485-9", "there is no bus 'rs485-9'"),
        (["devices", 0, "quantities"], ["volts"], "no quantity is called 'volts'"),
        (["devices", 0, "name"], "Panel\x00 12", "name"),
        (["devices", 0, "every_s"], "often", "every_s"),
        (
            ["devices"],
            [*GOOD["devices"], {**GOOD["devices"][0], "id": "m2"}],
            "device 'm1' already has the same address 1",
        ),
    ],
)
def test_each_mistake_is_named(path: list[str | int], value: object, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GatewayConfig.model_validate(changed(path, value))
    errors = caught.value.errors()
    assert any(says in f"{error['loc']} {error['msg']}" for error in errors), errors
    assert all(error["loc"][0] == path[0] for error in errors), "the place in the file is part of the message"
