"""What a newcomer does in a second shell, on one running demo: list, dim, see the power fall, query."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Demo, running_demo, until

POWER = "power_active_total"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all tests of this page."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        running.ready()
        yield running


def lamps(demo: Demo) -> list[dict[str, Any]]:
    """The luminaires as the API tells them."""
    return demo.json("devices", "--kind", "luminaire")


def power(demo: Demo, device: str) -> float:
    """The newest total active power, W."""
    return demo.json("devices", device)["latest"][POWER]["value"]


def full(demo: Demo, lamp: str) -> dict[str, Any]:
    """Wait until the lamp is seen at 100 %."""

    def at_full() -> dict[str, Any] | None:
        device = demo.json("devices", lamp)
        at = (device["level"] or {}).get("measured_percent")
        return device if at is not None and at > 99 and POWER in device["latest"] else None

    return until(at_full, 20, f"{lamp} at 100 %\n{demo.log()}")


def test_devices_are_listed_and_line_up(demo: Demo) -> None:
    full(demo, "lamp-001")
    text = demo.lentera("devices").stdout
    header, _, *rows = text.splitlines()
    assert header.split()[:2] == ["ID", "Name"]
    start = header.index("Kind")
    assert all(row[start - 1] == " " and row[start] != " " for row in rows if row.strip())
    found = demo.json("devices")
    assert {device["kind"] for device in found} == {"meter", "luminaire"}
    assert all(device["device_id"] in text for device in found)


def test_a_lamp_is_dimmed_and_its_power_and_the_cabinets_fall(demo: Demo) -> None:
    before = full(demo, "lamp-003")
    lamp_before = before["latest"][POWER]["value"]
    done = demo.lentera("dim", "lamp-003", "40")
    assert "lamp-003 is at 40 %" in done.stdout
    assert "confirmed" in done.stdout

    def fell() -> bool:
        device = demo.json("devices", "lamp-003")
        level = device["level"]["measured_percent"]
        return 38 <= level <= 42 and device["latest"][POWER]["value"] < 0.7 * lamp_before

    until(fell, 20, f"lamp-003 at 40 % with less power\n{demo.log()}")


def test_the_cabinet_meter_sees_the_whole_street_go_dark(demo: Demo) -> None:
    until(lambda: POWER in demo.json("devices", "meter-cabinet")["latest"], 20, "the cabinet's power")
    names = [lamp["device_id"] for lamp in lamps(demo)][:6]
    for name in names:
        full(demo, name) if name not in ("lamp-003",) else None
    before_w, lit_w = power(demo, "meter-cabinet"), sum(power(demo, name) for name in names)
    for name in names:
        demo.lentera("dim", name, "10")
    dark_w = sum(power(demo, name) for name in names)
    assert dark_w < lit_w
    wanted_w = before_w - 0.6 * (lit_w - dark_w)
    until(lambda: power(demo, "meter-cabinet") < wanted_w, 20, f"the cabinet below {wanted_w} W, was {before_w}")


def test_the_last_hour_as_table_csv_json_and_plot(demo: Demo) -> None:
    arguments = ["series", "meter-cabinet", "--last", "1h", "--every", "10s", "--quantity", POWER, "-q", "voltage_l1"]
    found = until(lambda: demo.json(*arguments)["points"], 20, "a point in the series")
    assert all(150 < point["values"]["voltage_l1"] < 280 for point in found)
    table = demo.lentera(*arguments).stdout
    assert f"{POWER} (W)" in table
    rows = list(csv.DictReader(io.StringIO(demo.lentera(*arguments, "--format", "csv").stdout)))
    assert len(rows) >= len(found)
    assert any(POWER in name for name in rows[0])
    assert "┤" in demo.lentera(*arguments, "--plot").stdout


def test_dim_speaks_indonesian(demo: Demo) -> None:
    done = demo.lentera("dim", "lamp-002", "55", LENTERA_LANG="id")
    assert "lamp-002 pada 55 %: dipastikan" in done.stdout


def test_an_unknown_lamp_and_an_impossible_level_are_refused_in_words(demo: Demo) -> None:
    unknown = demo.lentera("dim", "lamp-999", "40", check=False)
    assert unknown.returncode == 1
    assert "lamp-999" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    high = demo.lentera("dim", "lamp-001", "140", check=False)
    assert high.returncode == 2
    assert "LEVEL" in high.stderr
    meter = demo.lentera("dim", "meter-cabinet", "40", check=False)
    assert meter.returncode == 1


def test_the_api_answers_the_same_as_the_client(demo: Demo) -> None:
    from lentera import Client
    from lentera.session import read_session

    session = read_session(Path(demo.environ["LENTERA_SESSION_FILE"]))
    assert session is not None
    with Client(session.url, session.token) as client:
        assert client.health().status == "ok"
        assert {device.device_id for device in client.devices()} == {d["device_id"] for d in demo.json("devices")}
        assert client.gateways()[0].online is True
