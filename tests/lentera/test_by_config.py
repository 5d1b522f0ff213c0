"""What `gateway read`, `watch` and `write` refuse before anything is asked, in both languages."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
import yaml

from lentera.cli.app import main
from lentera_drivers import profiles
from lentera_sim.gateway_config import street_config
from lentera_sim.street import StreetPlan

CABINET, OFFICE = "meter-cabinet", "meter-office"
SDM630 = "eastron_sdm630"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose office has a tariff that may be written; nobody runs it and its ports do not exist."""
    plan = StreetPlan(meters=2, lamps=1)
    wires = {"serial": tmp_path / "no-port", "tcp_ports": {}, "broker": ("127.0.0.1", 1)}
    plain = street_config(plan, **wires, cloud_url="ws://127.0.0.1:1/v1/link", key_file="key.pem")
    next(one for one in plain["devices"] if one["id"] == OFFICE)["profile"] = "own.yaml"
    text = (Path(profiles.__file__).parent / "abb_b23.yaml").read_text()
    tariff = '  - {quantity: tariff, address: 100, count: 1, type: uint16, unit: "1", minimum: 1, maximum: 4, '
    tariff += "write_function_code: 6}\n"
    (tmp_path / "own.yaml").write_text(text.replace("registers:\n", "registers:\n" + tariff, 1))
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(plain))
    return file


@pytest.mark.parametrize(
    ("language", "words", "code", "said"),
    [
        ("en", ("read", "FILE", "x"), 1, "has no device 'x'; there are: meter-cabinet, meter-office"),
        ("en", ("read", "FILE", "meter-ofice"), 1, "did you mean meter-office?"),
        ("id", ("watch", "FILE", "meter-ofice"), 1, "maksudnya meter-office?"),
        ("en", ("read", "FILE", CABINET, "--quantity", "voltage_l9"), 1, "did you mean voltage_l"),
        ("id", ("watch", "FILE", CABINET, "--quantity", "volt"), 1, "Profil eastron_sdm630 tidak punya 'volt'"),
        ("en", ("read", "FILE", "--quantity", "no_such"), 1, "has no 'no_such'"),
        ("en", ("read", "FILE", "lamp-001"), 1, "reports by itself on MQTT"),
        ("id", ("write", "FILE", "lamp-001", "1", "1"), 1, "melapor sendiri lewat MQTT"),
        ("en", ("read", "FILE", CABINET, "--registers", "5:0"), 2, "4:0-5"),
        ("en", ("read", "FILE", CABINET, "--profile", "abb_b23"), 2, "--profile is for a port"),
        ("id", ("watch", "FILE", CABINET, "--baud", "9600"), 2, "--baud untuk port"),
        ("en", ("write", "FILE", CABINET, "voltage_l1", "230", "--yes"), 1, "no way to write voltage_l1"),
        ("id", ("write", "FILE", CABINET, "voltage_l1", "230", "--yes"), 1, "tidak menyebut cara menulis voltage_l1"),
        ("en", ("write", "FILE", OFFICE, "tariff", "9", "--yes"), 1, "outside the profile's limits, 1.0 to 4.0"),
        ("en", ("write", "FILE", OFFICE, "tariff", "two", "--yes"), 2, "takes one number"),
        ("en", ("write", "FILE", OFFICE, "tariff", "nan", "--yes"), 1, "outside the profile's limits"),
        ("en", ("write", "FILE", OFFICE, "100", "70000", "--yes"), 2, "'70000' is no register's value"),
        ("en", ("write", "FILE", OFFICE, "tariff", "2"), 1, "Set tariff of meter-office to 2?"),
        ("en", ("write", "FILE", CABINET, "20", "16512", "0", "--yes"), 1, "its unit id"),
        ("en", ("read", "FILE", CABINET), 1, "does not exist"),
        ("id", ("read", "FILE", CABINET), 1, "hentikan program yang memakainya"),
        ("en", ("read", "gone.yaml"), 1, "gone.yaml"),
        ("en", ("read", "/dev/ttyS9", "248"), 2, "one unit id, 1 to 247"),
        ("en", ("read", "/dev/ttyS9", "1", "2"), 2, "one unit id, 1 to 247"),
        ("id", ("read", "/dev/ttyS9", CABINET), 2, "satu nomor unit"),
        ("en", ("write", "/dev/ttyS9", "1", "tariff", "2", "--yes"), 2, "Give --profile"),
        ("en", ("write", "/dev/ttyS9", "1", "65536", "2", "--yes"), 2, "addresses go from 0 to 65535"),
        ("en", ("read", "/dev/ttyS9", "1", "--registers", "9:0-5"), 2, "'9:0-5' names no registers. Write FUNCTION"),
        ("id", ("read", "/dev/ttyS9", "1", "--registers", "4:5-0"), 2, "Tulis register awal sebelum akhir"),
        ("en", ("read", "/dev/ttyS9", "1", "--profile", "zigbee2mqtt_plug"), 2, "is not a meter's profile"),
        ("id", ("read", "/dev/ttyS9", "1", "--profile", "zigbee2mqtt_plug"), 2, "bukan profil meter"),
        ("en", ("write", "/dev/ttyS9", "5", "20", "16512", "0", "--profile", SDM630, "--yes"), 1, "readdress /dev/tty"),
        (
            "id",
            ("write", "/dev/ttyS9", "5", "19", "1", "2", "--profile", SDM630, "--yes"),
            1,
            "nomor unitnya dan tidak",
        ),
        ("en", ("doctor", "/dev/ttyS9", "--units", "1-x"), 2, "'1-x' is no list of unit ids"),
        ("en", ("doctor", "/dev/ttyS9", "--parity", "X"), 2, "Write N (none), E (even) or O (odd)"),
    ],
)
def test_a_question_that_cannot_be_put_is_refused(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    language: str,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("LENTERA_LANG", language)
    monkeypatch.setattr("sys.stdin", StringIO())  # nobody confirms
    with pytest.raises(SystemExit) as ended:
        main(["gateway", *(str(config) if word == "FILE" else word for word in words)])
    told = capsys.readouterr()
    assert ended.value.code == code, told
    assert said in " ".join(told.err.split())
    assert not told.out.strip()


def test_an_error_is_json_where_json_was_wanted(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LENTERA_LANG", "en")
    with pytest.raises(SystemExit):
        main(["gateway", "read", str(config), "x", "--json"])
    assert '"error": "device_unknown"' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["gateway", "read", str(config), CABINET, "--json"])
    assert '"error": "bus_down"' in capsys.readouterr().out
