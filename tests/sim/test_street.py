"""A street's plan: ids, names, powers and the gateway configuration that fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lentera_model.config import GatewayConfig
from lentera_sim.errors import PlanError
from lentera_sim.gateway_config import street_config, write_config
from lentera_sim.lamps.device import Behaviour
from lentera_sim.street import RATED_POWERS_W, StreetPlan, build_street


def config_of(plan: StreetPlan) -> GatewayConfig:
    tcp = [meter.device for meter in plan.meter_plans() if meter.transport == "tcp"]
    ports = {device: 5020 + number for number, device in enumerate(tcp)}
    raw = street_config(
        plan,
        serial=Path("/tmp/tty"),
        tcp_ports=ports,
        broker=("127.0.0.1", 1883),
        cloud_url="ws://127.0.0.1:8080/v1/link",
        key_file="key.pem",
    )
    return GatewayConfig.model_validate(raw)


def test_the_default_street() -> None:
    plan = StreetPlan()
    assert [meter.device for meter in plan.meter_plans()] == ["meter-cabinet", "meter-office", "meter-market"]
    lamps = plan.lamp_plans()
    assert [lamp.device for lamp in lamps] == [f"lamp-{number:03d}" for number in range(1, 13)]
    assert sum(lamp.profile == "zigbee2mqtt_light" for lamp in lamps) == 8
    assert all(lamp.rated_w in RATED_POWERS_W and "Jalan" in lamp.name and "Stabat" in lamp.name for lamp in lamps)
    assert [sum(lamp.phase == phase for lamp in lamps) for phase in range(3)] == [4, 4, 4]


def test_the_seed_gives_the_same_street_again() -> None:
    assert StreetPlan(seed=5).lamp_plans() == StreetPlan(seed=5).lamp_plans()
    assert StreetPlan(seed=5).lamp_plans() != StreetPlan(seed=6).lamp_plans()


@pytest.mark.parametrize("plan", [StreetPlan(), StreetPlan(meters=1, lamps=0), StreetPlan(meters=6, lamps=100)])
def test_the_configuration_names_every_device_of_the_street(plan: StreetPlan) -> None:
    street = build_street(plan)
    config = config_of(plan)
    assert {device.id for device in config.devices} == set(street.units) | set(street.lamps)
    for device in config.devices:
        if device.id in street.lamps:
            assert device.rated_power_w == street.lamps[device.id].luminaire.rated_w


def test_chosen_quantities_reach_the_configuration_and_the_ledgers_side() -> None:
    plan = StreetPlan(quantities={"meter-cabinet": ("voltage_l1",), "lamp-001": ("level_percent",)})
    devices = {device.id: device.quantities for device in config_of(plan).devices}
    assert devices["meter-cabinet"] == ["voltage_l1"]
    assert devices["meter-office"] is None
    lamp = build_street(plan).lamps["lamp-001"]
    assert lamp.wanted({"level_percent": 1.0, "voltage_l1": 2.0}) == {"level_percent": 1.0}


def test_the_configuration_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    config = config_of(StreetPlan()).model_dump(mode="json", exclude_none=True)
    write_config(path, config)
    assert yaml.safe_load(path.read_text()) == config
    assert [entry.name for entry in tmp_path.iterdir()] == ["gateway.yaml"]


def test_the_cabinets_meter_sees_its_lamps() -> None:
    street = build_street(StreetPlan(epoch_ms=1_790_000_000_000))
    now_ms = street.clock.now_ms()
    dark_w = street.meters["meter-cabinet"].values(now_ms)["power_active_total"]
    for lamp in street.lamps.values():
        lamp.luminaire.energise(now_ms)
    lit_w = street.meters["meter-cabinet"].values(now_ms)["power_active_total"]
    assert lit_w - dark_w == pytest.approx(1.015 * sum(lamp.luminaire.rated_w for lamp in street.lamps.values()))


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ({"meters": 0}, "1 to 200 meters"),
        ({"lamps": 1001}, "0 to 1000 lamps"),
        ({"speed": 0}, "above 0"),
        ({"lamp_every_s": -1}, "above 0"),
        ({"behaviours": {"lamp-099": Behaviour.SLOW}}, "no device lamp-099"),
        ({"quantities": {"lamp-1": ("level_percent",)}}, "no device lamp-1;"),
    ],
)
def test_an_impossible_plan_is_refused(numbers: dict[str, object], complaint: str) -> None:
    with pytest.raises(PlanError, match=complaint):
        StreetPlan(**numbers)  # pyright: ignore[reportArgumentType]
