"""ThingsBoard IoT Gateway as a peer: its Modbus connector, its SQLite storage, and a broker in place of its cloud."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.load import FUNCTION_CODE, quantities

_STORAGE = {
    "type": "sqlite",
    "data_file_path": "./data/",
    "messages_ttl_check_in_hours": 1,
    "messages_ttl_in_days": 7,
    "max_read_records_count": 1000,
    "size_limit": 1024,
    "max_db_amount": 10,
    "oversize_check_period": 1,
    "writing_batch_size": 1000,
}


def home() -> Path:
    """The virtual environment that bench/peers/install-thingsboard makes."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lentera" / "tb-gateway"


def missing() -> str | None:
    """Why it cannot be measured here, None when it can."""
    if (home() / "complete").exists():
        return None
    return "ThingsBoard IoT Gateway is not installed: bench/peers/install-thingsboard does it"


def _range(values: int) -> list[dict[str, Any]]:
    """All values as one range, its cheapest way: one request a meter; the tags carry addresses in place of names."""
    return [
        {
            "tag": "value_${address}",
            "type": "32float",
            "functionCode": FUNCTION_CODE,
            "objectsCount": 2,
            "address": f"0-{2 * values - 1}",
            "maxRegistersPerRequest": 2 * values,
        }
    ]


def _tags(values: int) -> list[dict[str, Any]]:
    """A tag a value with its own name, as its documentation's examples do it: a request for each."""
    return [
        {"tag": name, "type": "32float", "functionCode": FUNCTION_CODE, "objectsCount": 2, "address": 2 * at}
        for at, (name, _, _) in enumerate(quantities(values))
    ]


def _meter(name: str, values: int, every_s: float, where: Mapping[str, Any], *, named: bool = False) -> dict[str, Any]:
    return {
        **where,
        "deviceName": name,
        "deviceType": "meter",
        "timeout": 1,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "retries": 0,
        "retryOnEmpty": False,
        "retryOnInvalid": False,
        "pollPeriod": round(every_s * 1000),
        "connectAttemptTimeMs": 500,
        "connectAttemptCount": 5,
        "waitAfterFailedAttemptsMs": 30000,
        "attributes": [],
        "timeseries": _tags(values) if named else _range(values),
        "attributeUpdates": [],
        "rpc": [],
    }


def tcp_meters(ports: Sequence[int], values: int, every_s: float, *, named: bool = False) -> list[dict[str, Any]]:
    """The connector's meters on TCP; `named`: each value with its name, else in one range."""
    return [
        _meter(
            f"meter-{number}",
            values,
            every_s,
            {"host": "127.0.0.1", "port": port, "type": "tcp", "method": "socket", "unitId": 1},
            named=named,
        )
        for number, port in enumerate(ports)
    ]


def serial_meters(port: Path, units: Sequence[int], values: int, every_s: float) -> list[dict[str, Any]]:
    """The connector's meters on one serial line."""
    line = {"port": str(port), "type": "serial", "method": "rtu", "baudrate": 9600, "stopbits": 1, "bytesize": 8}
    return [_meter(f"meter-{unit}", values, every_s, {**line, "parity": "N", "unitId": unit}) for unit in units]


def write_config(folder: Path, meters: Sequence[Mapping[str, Any]], broker_port: int) -> None:
    """Write its configuration folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    general = {
        "thingsboard": {
            "host": "127.0.0.1",
            "port": broker_port,
            "remoteShell": False,
            "remoteConfiguration": False,
            "latencyDebugMode": False,
            "statistics": {"enable": False, "statsSendPeriodInSeconds": 3600},
            "deviceFiltering": {"enable": False, "filterFile": "list.json"},
            "maxPayloadSizeBytes": 65000,
            "minPackSendDelayMS": 50,
            "minPackSizeToSend": 500,
            "checkConnectorsConfigurationInSeconds": 3600,
            "handleDeviceRenaming": False,
            "security": {"type": "accessToken", "accessToken": "bench"},
            "qos": 1,
            "reportStrategy": {"type": "ON_RECEIVED"},
            "checkingDeviceActivity": {"checkDeviceInactivity": False},
            # A broker of its own sets no limits; with ThingsBoard's the peer would wait for its cloud, not work.
            **{
                f"{name}ateLimits": "0:0,"
                for name in ("r", "dpR", "messagesR", "deviceMessagesR", "deviceR", "deviceDpR")
            },
        },
        "storage": {**_STORAGE, "data_file_path": f"{folder / 'data'}/"},
        "grpc": {"enabled": False},
        "connectors": [{"type": "modbus", "name": "bench", "configuration": "modbus.json"}],
    }
    (folder / "tb_gateway.json").write_text(json.dumps(general))
    connector = {"master": {"slaves": list(meters)}, "logLevel": "ERROR", "name": "bench"}
    (folder / "modbus.json").write_text(json.dumps(connector))
    library = next((home() / "lib").glob("python3*/site-packages/thingsboard_gateway/config"))
    logs = (library / "logs.json").read_text().replace('"INFO"', '"ERROR"').replace("./logs/", f"{folder}/logs/")
    (folder / "logs.json").write_text(logs)
    (folder / "list.json").write_text("{}")


def command() -> list[str]:
    """The argument vector that runs it."""
    return [str(home() / "bin" / "thingsboard-gateway")]


def environ(folder: Path) -> dict[str, str]:
    """What its environment must hold."""
    return {"TB_GW_CONFIG_DIR": str(folder)}
