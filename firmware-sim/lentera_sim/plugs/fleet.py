"""The small meters of a street: their plan, the devices, and the programs that speak for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lentera_drivers.profiles import SensorProfile, load_profile
from lentera_sim.clock import SimClock
from lentera_sim.errors import PlanError
from lentera_sim.lamps.bridge import DeviceBridge
from lentera_sim.ledger import Ledger
from lentera_sim.physics.grid import Grid
from lentera_sim.physics.noise import channel_key, draw
from lentera_sim.plugs.appliance import Appliance
from lentera_sim.plugs.json_meter import JsonMeters
from lentera_sim.plugs.plug import NetworkPlug
from lentera_sim.plugs.tasmota import TasmotaModule
from lentera_sim.plugs.zigbee_plug import ZigbeePlugs

PLUG, TASMOTA, JSON_METER = "zigbee2mqtt_plug", "tasmota_energy", "generic_json_meter"
_NAMES = {PLUG: ("plug", "Stopkontak"), TASMOTA: ("tasmota", "Modul Tasmota"), JSON_METER: ("json", "Meter JSON")}
_PLACES = ("Warung Bu Sri", "Pos Ronda", "Kantor Lurah", "Puskesmas", "Masjid Raya", "Balai Desa")


@dataclass(frozen=True, slots=True)
class PlugPlan:
    """One small meter: id (and MQTT topic), name, profile, peak of its load in W, phase 0 to 2, period in s."""

    device: str
    name: str
    profile: str
    peak_w: float
    phase: int
    every_s: float


def plug_plans(counts: Mapping[str, int], seed: int, every_s: float) -> tuple[PlugPlan, ...]:
    """Return the small meters of a street, `counts` of each profile."""
    key = channel_key(seed, "small loads")
    found: list[PlugPlan] = []
    for profile, count in counts.items():
        stem, kind = _NAMES[profile]
        for number in range(1, count + 1):
            place = _PLACES[(len(found)) % len(_PLACES)]
            peak_w = round(150 + 100 * (draw(key, len(found)) + 1))
            found.append(PlugPlan(f"{stem}-{number:02d}", f"{kind} {place}", profile, peak_w, len(found) % 3, every_s))
    return tuple(found)


def build_plug(
    plan: PlugPlan, seed: int, grid: Grid, clock: SimClock, quantities: Sequence[str] | None = None
) -> NetworkPlug:
    """Build one, with its load.

    Raises:
        PlanError: its profile is no sensor's.
    """
    profile = load_profile(plan.profile)
    if not isinstance(profile, SensorProfile):
        raise PlanError(f"{plan.device}: profile {plan.profile} is no sensor's")
    counter_wh = float(round(60_000 * (draw(channel_key(seed, plan.device), 0) + 1.1)))
    appliance = Appliance(plan.device, seed, grid, plan.phase, plan.peak_w, clock.epoch_ms, counter_wh)
    return NetworkPlug(plan.device, profile, appliance, clock, seed=seed, every_s=plan.every_s, quantities=quantities)


def plug_programs(
    plugs: Iterable[NetworkPlug], host: str, port: int, ledger: Ledger, clock: SimClock
) -> list[DeviceBridge[NetworkPlug]]:
    """Return the programs that speak for them: one Zigbee2MQTT, one for the JSON meters, one a Tasmota module."""
    by_profile: dict[str, list[NetworkPlug]] = {}
    for plug in plugs:
        by_profile.setdefault(plug.profile.id, []).append(plug)
    programs: list[DeviceBridge[NetworkPlug]] = []
    if zigbee := by_profile.get(PLUG):
        programs.append(ZigbeePlugs("sim-zigbee2mqtt-plugs", host, port, zigbee, ledger, clock))
    if meters := by_profile.get(JSON_METER):
        programs.append(JsonMeters("sim-json-meters", host, port, meters, ledger, clock))
    programs += [TasmotaModule(host, port, plug, ledger, clock) for plug in by_profile.get(TASMOTA, ())]
    return programs
