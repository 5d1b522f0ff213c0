"""What a newcomer does in a second shell, on one running demo: list, dim, see the power fall, query."""

import csv
import io
from collections.abc import Iterator

import pytest

from lentera.client import Client
from tests.e2e.harness import Demo, running_demo, until

POWER = "power_active_total"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all tests of this page."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        running.ready()
        yield running


@pytest.fixture(scope="module")
def api(demo: Demo) -> Iterator[Client]:
    """The API of the running demo, for what is asked again and again."""
    with demo.client() as client:
        yield client


def power(api: Client, device: str) -> float:
    """The newest total active power, W."""
    return api.device(device).latest[POWER].value


def full(demo: Demo, api: Client, lamp: str) -> None:
    """Wait until the lamp is seen at 100 %, with its power."""

    def at_full() -> bool:
        device = api.device(lamp)
        at = device.level.measured_percent if device.level else None
        return at is not None and at > 99 and POWER in device.latest

    until(at_full, 20, f"{lamp} at 100 %\n{demo.log()}")


def test_devices_are_listed_and_line_up(demo: Demo, api: Client) -> None:
    full(demo, api, "lamp-001")
    text = demo.lentera("devices").stdout
    header, _, *rows = text.splitlines()
    assert header.split()[:2] == ["ID", "Name"]
    start = header.index("Kind")
    assert all(row[start - 1] == " " and row[start] != " " for row in rows if row.strip())
    found = demo.json("devices")
    assert {device["kind"] for device in found} == {"meter", "luminaire"}
    assert {device["device_id"] for device in found} == {device.device_id for device in api.devices()}
    assert all(device["device_id"] in text for device in found)


def test_a_lamp_at_100_is_dimmed_to_40_and_its_level_and_power_fall(demo: Demo, api: Client) -> None:
    full(demo, api, "lamp-003")
    before_w = power(api, "lamp-003")
    done = demo.lentera("dim", "lamp-003", "40")
    assert "lamp-003 is at 40 %" in done.stdout
    assert "confirmed" in done.stdout

    def fell() -> bool:
        device = api.device("lamp-003")
        assert device.level is not None
        level = device.level.measured_percent or 100
        return 38 <= level <= 42 and power(api, "lamp-003") < 0.7 * before_w

    until(fell, 20, f"lamp-003 at 40 % with less power\n{demo.log()}")
    shown = demo.lentera("devices", "lamp-003").stdout
    assert "40 %" in shown
    assert "level_percent" in shown


def test_the_cabinet_meter_sees_the_street_go_dark(demo: Demo, api: Client) -> None:
    names = [f"lamp-{number:03d}" for number in range(4, 11)]
    for name in names:
        full(demo, api, name)
    until(lambda: POWER in api.device("meter-cabinet").latest, 20, "the cabinet's power")
    before_w, lit_w = power(api, "meter-cabinet"), sum(power(api, name) for name in names)
    for command in [api.send_level(name, 10) for name in names]:
        assert api.wait(command, timeout_s=20).status == "succeeded"
    until(lambda: sum(power(api, name) for name in names) < 0.5 * lit_w, 20, f"less power than {lit_w} W")
    wanted_w = before_w - 0.4 * lit_w
    until(lambda: power(api, "meter-cabinet") < wanted_w, 20, f"the cabinet below {wanted_w} W, was {before_w}")


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


def test_the_cloud_is_well_and_the_gateway_online(api: Client) -> None:
    assert api.health().status == "ok"
    assert [gateway.online for gateway in api.gateways()] == [True]
