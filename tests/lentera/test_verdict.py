"""What makes a counted run's exit code 1: each kind of fault is found and said in words."""

from typing import Any

import pytest
import typer

from lentera.cli import output
from lentera.cli.demo import _finish
from lentera.demo.dimmer import Tally
from lentera.demo.ledgercheck import own_faults
from lentera.demo.verdict import CountedRun, faults_of, silent_devices
from lentera_sim.ledger import LedgerEntry


def report(missing: int = 0, duplicated: int = 0, failed: int = 0) -> dict[str, Any]:
    """The part of a report that can hold faults."""
    return {"readings": {"missing": missing, "duplicated": duplicated}, "commands": {"failed": failed}}


def test_a_clean_run_has_no_fault() -> None:
    assert faults_of(report(), 0, [], []) == ()


def test_every_kind_of_fault_is_said_with_its_number() -> None:
    assert faults_of(report(1, 2, 3), 1, ["a", "b"], ["c"]) == (
        "1 value is missing",
        "2 values are doubled",
        "1 value is out of order",
        "3 commands failed",
        "2 lamps' commanded levels contradict theirs",
        "1 device answered too little",
    )


@pytest.mark.parametrize("json", [True, False])
def test_a_fault_is_code_1_and_leaves_the_report_as_it_is(json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    output.errors_as_json(False)
    with pytest.raises(typer.Exit) as ended:
        _finish(CountedRun(report(), ("1 value is out of order",)), json)
    assert ended.value.exit_code == 1
    out, err = capsys.readouterr()
    assert "1 value is out of order" in err
    assert "order" not in out
    _finish(CountedRun(report()), json)


def answers(device: str, number: int, *quantities: str) -> list[LedgerEntry]:
    """A device's answers, one a second, each block of quantities a line of its own."""
    return [LedgerEntry("answered", device, at * 1000, {name: 1.0}) for at in range(number) for name in quantities]


def test_a_device_that_answers_less_than_half_of_its_schedule_is_found() -> None:
    entries = [*answers("good", 5, "a", "b"), *answers("slow", 4, "a", "b", "c"), *answers("lamp", 1, "a")]
    every_s = {"good": 1, "slow": 1, "lamp": 10, "dead-lamp": 10, "rare": 60, "dead": 2}
    assert silent_devices(entries, every_s, 10) == [
        "dead answered 0 times, its schedule promises 5",
        "dead-lamp answered 0 times, its schedule promises 1",
        "slow answered 4 times, its schedule promises 10",
    ]


def test_stored_levels_that_contradict_the_commands_are_found_even_if_a_command_failed() -> None:
    assert own_faults({"l": [40, 70]}, Tally(proved={"l": [40, 70]})) == []
    assert own_faults({"l": [40]}, Tally(proved={"l": [40, 70]}))
    assert own_faults({"l": [40, 55, 70]}, Tally(proved={"l": [40, 70]}))
    assert own_faults({"l": [40, 55, 70]}, Tally(failed=1, proved={"l": [40, 70]})) == []
    assert own_faults({"l": [70, 40]}, Tally(failed=1, proved={"l": [40, 70]}))
