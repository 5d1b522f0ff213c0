"""A counted run in which something is killed: what is lost is nothing, or no more than the pages say."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lentera.client import Client
from lentera.demo.ledgercheck import read_report_rules
from lentera_sim.audit import audit
from lentera_sim.broker import find_mosquitto
from lentera_sim.ledger import LedgerEntry, read_ledger
from tests.e2e.harness import Demo, broker_of, let_run, report_of, running_demo, stored_readings, until
from tests.services.process import missing

# A gateway that is killed loses what it had read but not yet written: at most about its last second.
LAST_WORDS_MS = 1500
# The mark that a gateway lives is a tick old at most, and by the length of a poll before it.
MARKED_WITHIN_MS = 15_000
# The ledger's clock and ours are one, but the kill takes effect a moment after we ask for it.
KILL_TAKES_MS = 300
# A new gateway process knows no lamp's clock yet, so what waited at the broker may be stamped when it comes. The report
# of the run itself judges more strictly and may count such a value as missing and doubled.
LATE_MS = 4500


def proved_levels(api: Client) -> list[tuple[str, float]]:
    """Each lamp and level of a command that is said to have succeeded; each must name its proof."""
    found = []
    for command in api.commands(limit=500):
        for execution in command.executions:
            if execution.state == "succeeded":
                assert execution.confirmed_by in ("readback", "power"), command
                found.append((execution.device_id, command.args["level_percent"]))
    return found


def acted_levels(entries: list[LedgerEntry]) -> dict[str, set[float]]:
    """The levels that each lamp says it went to."""
    found: dict[str, set[float]] = {}
    for entry in entries:
        if entry.kind == "acted" and "level_percent" in entry.what:
            found.setdefault(entry.device, set()).add(round(float(entry.what["level_percent"])))
    return found


def assert_commands_are_true(demo: Demo, proved: list[tuple[str, float]], report: dict[str, Any]) -> None:
    """Every lamp that is said to have obeyed has obeyed, by its own word."""
    acted = acted_levels(list(read_ledger(demo.run_dir / "ledger.jsonl")))
    assert proved
    for lamp, level in proved:
        assert any(abs(level - other) <= 1 for other in acted.get(lamp, set())), (lamp, level, acted.get(lamp))
    commands = report["commands"]
    assert commands["succeeded"] + commands["failed"] == commands["sent"]


def watch_proofs(demo: Demo, seconds: float) -> list[tuple[str, float]]:
    """Let the run go on, then ask the API once, before it stops, which commands succeeded."""
    with demo.client() as api:
        let_run(seconds)
        return proved_levels(api)


def at_risk(entries: list[LedgerEntry], killed_ms: int) -> Counter[tuple[str, str]]:
    """How many values of each device and quantity were answered in the moment that a kill may cost.

    Counted, not dated: where a value repeats, the ledger check cannot say which of the equal ones is the lost one, and
    one of which nobody knows whether it arrived may have been given the row of one that did.
    """
    early, late = killed_ms - LAST_WORDS_MS, killed_ms + KILL_TAKES_MS
    return Counter(
        (entry.device, quantity)
        for entry in entries
        if entry.kind in ("answered", "unsure") and early <= entry.at_ms <= late
        for quantity in entry.values
    )


@pytest.mark.slow
def test_nothing_is_missing_or_doubled_when_the_broker_is_killed(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    with running_demo(tmp_path, "--seconds", "12", "--json", "--broker", "mosquitto") as demo:
        demo.ready()
        let_run(4)
        broker_of(demo).kill()
        proved = watch_proofs(demo, 6)
        report = report_of(demo)
        readings = report["readings"]
        assert (readings["missing"], readings["duplicated"]) == (0, 0), f"{report}\n{demo.log()}"
        assert readings["produced"] > 200
        assert report["commands"]["succeeded"] > 0
        assert_commands_are_true(demo, proved, report)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_killed_gateway_loses_at_most_its_last_moment(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        missing("Mosquitto", "apt-get install mosquitto")
    with running_demo(tmp_path, "--seconds", "12", "--json", "--broker", "mosquitto") as demo:
        demo.ready()
        let_run(5)
        os.kill(demo.pid("gateway"), signal.SIGKILL)
        killed_ms = time.time_ns() // 1_000_000
        proved = watch_proofs(demo, 5)
        with demo.client() as api:
            (gap,) = until(lambda: [one for one in api.gaps().items if one.reason == "killed"], 30, "the gap is told")
        from_ms, to_ms = (round(one.timestamp() * 1000) for one in (gap.from_, gap.to))
        assert from_ms - gap.uncertainty_ms <= killed_ms + KILL_TAKES_MS, gap
        assert killed_ms - MARKED_WITHIN_MS <= from_ms, gap
        assert killed_ms < to_ms, gap
        report = report_of(demo)
        assert "the gateway ended with code -9; starting it again" in demo.errors.read_text()
        entries = list(read_ledger(demo.run_dir / "ledger.jsonl"))
        devices = sorted({entry.device for entry in entries})
        stored = asyncio.run(stored_readings(demo, devices))
        rules = read_report_rules(demo.run_dir / "gateway.yaml")
        result = audit(entries, stored, tolerance_ms=LATE_MS, repeat_window_ms=LATE_MS, rules=rules)
        lost = [finding for finding in result.details if finding.what == "missing"]
        assert len(lost) == result.missing, "more findings than are listed"
        excess = Counter((finding.device, finding.quantity) for finding in lost) - at_risk(entries, killed_ms)
        assert not excess, f"{excess}\n{killed_ms}: {lost}\n{demo.log()}"
        assert result.duplicated == 0, f"{report}\n{demo.log()}"
        assert any(entry.kind == "answered" and entry.at_ms > killed_ms + 3000 for entry in entries), (
            "it never came back"
        )
        assert_commands_are_true(demo, proved, report)
