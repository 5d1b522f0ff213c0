"""What the running demo shows."""

import io
import sys
from datetime import UTC, datetime, timedelta

import pytest

from lentera.answers import Command, Device, ExecutionAnswer, LatestValue, Level, ReasonAnswer
from lentera.demo.dimmer import Tally
from lentera.demo.view import Snapshot, View, banner, rows, summary
from lentera.demo.watch import CommandCounter, Rate, newest_command
from lentera.language import Words

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def lamp(online: bool | None = True) -> Device:
    """A lamp at 40 % of 60 W, read three seconds ago."""
    at = NOW - timedelta(seconds=3)
    return Device(
        device_id="lamp-003",
        name="Jalan Merdeka 3",
        kind="luminaire",
        profile="p",
        online=online,
        last_reading_at=at,
        latest={"power_active_total": LatestValue(value=24.04, unit="W", at=at)},
        level=Level(commanded_percent=40, measured_percent=39.8),
    )


def test_a_row_keeps_commanded_and_measured_apart() -> None:
    assert rows([lamp()], Words("en"), NOW) == [
        ("lamp-003", "luminaire", "40 %", "40 %", "24.0 W", "3.0s", "yes"),
    ]
    assert rows([lamp(None)], Words("id"), NOW)[0][-1] == "?"


def test_the_summary_says_what_flows() -> None:
    tally = Tally(sent=5, succeeded=3, failed=1)
    line = summary(Snapshot(12.3, [lamp(), lamp(False)], 81.6, 2, True, tally))
    assert "devices online 1/2" in line
    assert "values/s 82" in line
    assert "journal waiting 2" in line
    assert "3 done, 1 failed of 5" in line


def test_without_a_terminal_there_is_a_line_now_and_then_and_nothing_on_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = View(Words("en"))
    view.note("the cloud answers")
    for second in range(3):
        view.show(Snapshot(float(second), [lamp()]))
    view.end()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("devices online") == 1
    assert "the cloud answers" in err


def test_on_a_terminal_there_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    view = View(Words("id"))
    view.show(Snapshot(1.0, [lamp()] * 100, newest_command="last command: lamp-003"))
    view.note("the cloud ended with code -9; starting it again")
    view.end()
    shown = terminal.getvalue()
    assert "lamp-003" in shown
    assert "Terhubung" in shown
    assert "more: lentera devices" in shown
    assert "starting it again" in shown


def test_the_rate_survives_a_restart_of_the_counter() -> None:
    rate = Rate()
    assert rate.update(0.0, None) is None
    assert rate.update(1.0, 100) is None
    assert rate.update(2.0, 200) == 100
    assert rate.update(3.0, 5) == 100
    assert rate.update(4.0, 105) == 100


def test_the_newest_command_is_told_with_its_proof_or_its_reason() -> None:
    execution = ExecutionAnswer(execution_id="e", device_id="lamp-003", state="succeeded", confirmed_by="readback")
    command = Command(
        command_id="c",
        name="set_level",
        args={"level_percent": 40},
        created_at=NOW,
        status="succeeded",
        executions=[execution],
    )
    assert newest_command([command]) == "last command: lamp-003 to 40 %: succeeded, confirmed by readback"
    failed = ExecutionAnswer(
        execution_id="e", device_id="lamp-003", state="failed", reason=ReasonAnswer(code="bus_timeout")
    )
    command = Command(command_id="c", name="set_level", args={}, created_at=NOW, status="failed", executions=[failed])
    assert newest_command([command]).endswith("failed (bus_timeout)")
    assert newest_command([]) == ""


def test_commands_of_a_second_shell_are_counted_once_by_their_newest_state() -> None:
    def command(number: int, status: str) -> Command:
        return Command(command_id=f"c{number}", name="set_level", args={}, created_at=NOW, status=status)

    counter = CommandCounter()
    assert counter.tally() == Tally()
    counter.update([command(2, "running"), command(1, "succeeded")])
    counter.update([command(3, "failed"), command(2, "succeeded")])
    assert counter.tally() == Tally(sent=3, succeeded=2, failed=1)


def test_the_banner_can_be_copied() -> None:
    text = banner("http://127.0.0.1:1", "lnt_a_b", "mosquitto", "meter-cabinet")
    assert "http://127.0.0.1:1/docs" in text
    assert "lnt_a_b" in text
    assert "mosquitto" in text
    assert "  lentera dim lamp-003 40\n" in text
