"""The last hour's figures for Prometheus, and that the dashboard asks for nothing that they do not have."""

import json
import re
from pathlib import Path

import pytest
import yaml

from lentera_cloud.domain.completeness import HOUR_MS
from lentera_cloud.domain.conflicts import Conflict
from lentera_cloud.domain.gaps import KnownGap
from lentera_cloud.features.completeness import figures
from lentera_cloud.ports import RefusalCount
from lentera_model.batch import BatchKey
from tests.cloud.api.test_completeness import HOUR, MINUTE, street, write

CONFIG = Path(__file__).resolve().parents[3] / "config"
DASHBOARD = CONFIG / "grafana" / "dashboards" / "lentera-completeness.json"
__all__ = ["street"]  # a fixture

NOW = HOUR + 3 * HOUR_MS + 30 * MINUTE
"""Half an hour after the third hour, in which the lamp missed 40 of 60 reports."""


Samples = dict[frozenset[tuple[str, str]], float]
"""Labels -> value."""


async def scraped(
    api, role: str = "analyst", tenant: str = "stabat"
) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """What Prometheus reads: metric -> labels -> value."""
    answer = await api("GET", "/v1/metrics", role="analyst", tenant=tenant)
    assert answer.status_code == 200, answer.text
    found: dict[str, Samples] = {}
    for line in answer.text.splitlines():
        match = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (-?[0-9.]+)", line)
        if match is None:
            name = re.match(r"# (?:HELP|TYPE) ([a-z_]+) ", line)
            assert name, line
            found.setdefault(name[1], {})
        else:
            labels = frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            found.setdefault(match[1], {})[labels] = float(match[3])
    return found


def of(gateway: str = "gw-1", **more: str) -> frozenset[tuple[str, str]]:
    return frozenset({("gateway", gateway), *more.items()})


@pytest.fixture
async def later(street):
    """The street, half an hour after its third hour, with a bit of every trouble."""
    cloud, at_ms = street.cloud, NOW
    cloud.clock.at_ms = at_ms
    registry = cloud.registry
    await registry.gateways.seen("stabat", "gw-1", at_ms, journal_waiting=7, journal_bytes=4096)
    await registry.gaps.add("stabat", KnownGap("gw-1", 2, 1, "killed", HOUR - 9_000, HOUR - 1_000, HOUR - 9_000), at_ms)
    conflict = Conflict("meter-1", "voltage_l1", HOUR, 230.0, 231.0, BatchKey("gw-1", 1, 1))
    await registry.conflicts.add("stabat", [conflict], at_ms)
    refusal = RefusalCount("gw-1", "stranger", "undeclared_device", "who?", 3, at_ms)
    await registry.receipts.note_refusals("stabat", [refusal])
    await registry.receipts.add("stabat", [BatchKey("gw-1", 1, 1), BatchKey("gw-1", 1, 2)], at_ms)
    return street


async def test_the_last_full_hour_of_each_device(later):
    found = await scraped(later)
    assert found["lentera_hour_start_seconds"] == {frozenset(): (HOUR + 2 * HOUR_MS) / 1000}
    assert found["lentera_hour_expected_values"] == {of(device="lamp-1"): 60, of(device="meter-1"): 120}
    assert found["lentera_hour_received_values"] == {of(device="lamp-1"): 20, of(device="meter-1"): 120}
    assert found["lentera_hour_estimated_values"] == {of(device="lamp-1"): 0, of(device="meter-1"): 0}
    assert found["lentera_hour_unchanged_values"] == {of(device="lamp-1"): 0, of(device="meter-1"): 0}
    assert found["lentera_hour_missing_values"] == {of(device="lamp-1", reason="silent"): 40}


async def test_means_under_a_quota_are_told_apart(later):
    gap = KnownGap("gw-1", 2, 2, "quota", HOUR + 2 * HOUR_MS, HOUR + 3 * HOUR_MS, HOUR + 2 * HOUR_MS, detail_s=900)
    await later.cloud.registry.gaps.add("stabat", gap, NOW)
    found = await scraped(later)
    meter = of(device="meter-1")
    assert found["lentera_hour_estimated_values"][meter] == 2 * 4  # two quantities, four quarters of an hour
    parts = ("received", "estimated", "unchanged")
    assert sum(found[f"lentera_hour_{part}_values"][meter] for part in parts) == 120


async def test_how_fresh_the_readings_of_each_gateway_are(later):
    found = await scraped(later)
    assert found["lentera_gateway_newest_reading_seconds"] == {of(): (HOUR + 179 * MINUTE) // 1000}
    assert (await scraped(later, tenant="binjai"))["lentera_gateway_newest_reading_seconds"] == {}


async def test_they_are_worked_out_once_a_minute(later):
    before = (await scraped(later))["lentera_hour_received_values"]
    await write(later, "meter-1", range(120, 180), frequency=50.0)
    assert (await scraped(later))["lentera_hour_received_values"] == before
    later.cloud.clock.at_ms += figures.GOOD_FOR_MS
    assert (await scraped(later))["lentera_hour_received_values"][of(device="meter-1")] == 180


async def test_a_city_has_figures_of_gateways_instead_of_lamps(later, monkeypatch):
    monkeypatch.setattr(figures, "MAX_DEVICES", 1)
    found = await scraped(later)
    assert found["lentera_hour_expected_values"] == {of(device="*"): 180}
    assert found["lentera_hour_missing_values"] == {of(device="*", reason="silent"): 40}


def questions(dashboard: dict) -> list[str]:
    """Every question that the dashboard asks Prometheus, those of its variables too."""
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return asked + [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]


def named(question: str) -> list[tuple[str, set[str]]]:
    """The metrics of a question, each with the labels that it is asked by."""
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", question) for label in group.split(",")}
    values = set(re.findall(r"label_values\(.*, ([a-z]+)\)", question))
    found = re.findall(r"(lentera_[a-z_]+)(?:\{([^}]*)\})?", question)
    return [(name, grouped | values | set(re.findall(r"([a-z_]+)=", inside))) for name, inside in found]


async def test_the_dashboard_asks_for_nothing_that_is_not_there(later):
    found = await scraped(later)
    dashboard = json.loads(DASHBOARD.read_text())
    asked = questions(dashboard)
    assert len(asked) > 15
    used = set()
    for question in asked:
        metrics = named(question)
        assert metrics, question
        for name, labels in metrics:
            used.add(name)
            assert name in found, f"{question}: there is no metric {name}"
            there = {label for sample in found[name] for label, _ in sample}
            assert found[name], f"no sample of {name} to compare with"
            grouped = labels - there
            # A question of several metrics groups by labels that one of them may lack, never all.
            if grouped:
                others = {label for other, _ in metrics for sample in found[other] for label, _ in sample}
                assert labels <= others, f"{question}: {name} has no {grouped}"
    page = (CONFIG.parent / "docs" / "api.md").read_text()
    assert not [name for name in found if f"`{name}`" not in page], "docs/api.md has a table of the metrics"
    assert used == set(found), f"no panel shows {sorted(set(found) - used)}"
    legends = [target["legendFormat"] for panel in dashboard["panels"] for target in panel["targets"]]
    known = {label for samples in found.values() for sample in samples for label, _ in sample}
    assert {name for text in legends for name in re.findall(r"\{\{(\w+)\}\}", text)} <= known


def test_the_dashboard_and_what_loads_it_fit_together():
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    provisioning = CONFIG / "grafana" / "provisioning"
    providers = yaml.safe_load((provisioning / "dashboards" / "lentera.yaml").read_text())["providers"]
    assert providers[0]["options"]["path"] == "/var/lib/grafana/dashboards/lentera"
    sources = yaml.safe_load((provisioning / "datasources" / "lentera.yaml").read_text())["datasources"]
    assert [one["type"] for one in sources] == ["prometheus"]
    scraping = yaml.safe_load((CONFIG / "prometheus.yaml").read_text())["scrape_configs"]
    assert scraping[0]["metrics_path"] == "/v1/metrics"
