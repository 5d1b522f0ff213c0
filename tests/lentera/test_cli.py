"""The command line from outside: help, errors, exit codes, languages, extras. With a cloud: test_client.py."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lentera.answers import Command, ExecutionAnswer, ReasonAnswer
from lentera.cli import extras, output
from lentera.cli.app import main
from lentera.cli.dim import outcome
from lentera.cli.reference import commands
from lentera.errors import MissingExtraError
from lentera.language import Words

ENGLISH, INDONESIAN = Words("en"), Words("id")


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with no cloud to be found unless `environ` names one."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LENTERA_", "LC_", "LANG"))}
    clean["LENTERA_SESSION_FILE"] = "/nonexistent/session.json"
    return subprocess.run(
        [sys.executable, "-m", "lentera", *arguments],
        env={**clean, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def command_of(status: str, execution: ExecutionAnswer | None) -> Command:
    """A set_level command in a given state."""
    return Command(
        command_id="c_1",
        name="set_level",
        args={"level_percent": 40},
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        status=status,
        executions=[execution] if execution else [],
    )


def execution_of(state: str, confirmed_by: str | None = None, code: str | None = None) -> ExecutionAnswer:
    """One lamp's execution in a given state."""
    reason = ReasonAnswer(code=code, text="heard nothing for 20 s") if code else None
    return ExecutionAnswer(
        execution_id="e_1", device_id="lamp-003", state=state, confirmed_by=confirmed_by, reason=reason
    )


def test_every_command_has_examples_and_help() -> None:
    leaves = [(name, text) for name, text in commands() if "Commands:" not in text]
    assert len(leaves) >= 11
    for name, text in leaves:
        assert "Examples:" in text or "Contoh:" in text, name
        assert f"{name}" in text.split("Examples:")[-1], f"{name}: its examples do not use it"


def test_every_command_that_prints_a_result_has_json() -> None:
    silent = {"lentera gateway run", "lentera cloud serve", "lentera cloud work"}
    for name, text in commands():
        if "Commands:" not in text and name not in silent:
            assert "--json" in text, name


def test_the_help_names_every_command_and_is_quick() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("demo", "gateway", "cloud", "sim", "devices", "dim", "series"):
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, lentera.cli.app; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    heavy = {"httpx", "fastapi", "sqlalchemy", "pymodbus", "rich.table", "pydantic", "uvicorn", "jwt"}
    assert not heavy & set(loaded)


def test_no_cloud_to_talk_to_is_one_paragraph_with_the_remedy() -> None:
    done = run("devices")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "LENTERA_URL" in done.stderr
    assert "lentera demo" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_cloud_that_does_not_answer_is_named() -> None:
    done = run("devices", "--json", LENTERA_URL="http://127.0.0.1:9", LENTERA_TOKEN="lnt_a_b")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "http://127.0.0.1:9 cannot be reached" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["dim", "lamp-001", "140"], "LEVEL"),
        (["dim", "lamp-001"], "LEVEL"),
        (["demo", "--json"], "--seconds"),
        (["demo", "--store", "influxdb", "--influx-url", "http://x"], "--influx-token"),
        (["demo", "--influx-url", "http://x"], "--store influxdb"),
        (["series", "m", "--format", "xml"], "--format"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_code_2_and_says_what(arguments: list[str], word: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_with_json_an_error_is_json_too_and_the_code_is_the_same() -> None:
    usage = run("dim", "lamp-001", "140", "--json")
    assert (usage.returncode, usage.stdout) == (2, "")
    assert json.loads(usage.stderr)["error"] == "usage"
    nowhere = run("devices", "--json")
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert json.loads(nowhere.stderr)["error"] == "no_cloud"
    assert "LENTERA_URL" in json.loads(nowhere.stderr)["text"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["devices"], "Tidak ada cloud yang dituju"),
        (["series", "m", "--last", "soon"], "bukan rentang waktu"),
        (["dim", "lamp-001", "140"], "Nilai salah untuk 'LEVEL'"),
        (["dim", "lamp-001", "much"], "bukan angka"),
        (["dim", "lamp-001"], "belum diisi"),
        (["devices", "--nonsense"], "Tidak ada opsi --nonsense"),
        (["gateway", "check"], "belum diisi"),
    ],
)
def test_errors_are_indonesian_where_the_reader_is(arguments: list[str], words: str) -> None:
    done = run(*arguments, LENTERA_LANG="id")
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert not re.search(r"Input should|Invalid|Missing|is not", done.stderr)


@pytest.mark.parametrize("command", ["devices", "dim", "series", "gateway check", "gateway key", "gateway run"])
def test_the_help_of_operators_and_technicians_is_indonesian_throughout(command: str) -> None:
    text = run(*command.split(), "--help", LENTERA_LANG="id").stdout
    assert "Contoh:" in text
    own = text.replace("Show this message and exit.", "")
    assert not re.search(r"\b(the|Print|Seconds|How|What|Exit code|Only|Examples)\b", own), own


def test_the_epilog_is_indonesian() -> None:
    assert "Kode keluar" in run("--help", LENTERA_LANG="id").stdout


def test_a_bad_span_is_explained() -> None:
    done = run("series", "m", "--last", "soon", LENTERA_URL="http://127.0.0.1:9", LENTERA_TOKEN="t")
    assert done.returncode == 1
    assert "--last: 'soon' is no time span" in done.stderr


def test_help_is_indonesian_where_the_reader_is() -> None:
    assert "Redupkan satu lampu" in run("dim", "--help", LANG="id_ID.UTF-8").stdout
    assert "Dim one lamp" in run("dim", "--help", LANG="id_ID.UTF-8", LENTERA_LANG="en").stdout


def test_a_missing_extra_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "pymodbus" else object())
    with pytest.raises(MissingExtraError, match=r"`gateway`.*missing: pymodbus.*pip install 'lentera\[gateway\]'"):
        extras.require("gateway")
    extras.require("cloud")
    with pytest.raises(MissingExtraError, match=r"pip install 'lentera\[gateway,cloud,sim\]'"):
        extras.require("gateway", "cloud", "sim")


def test_a_board_without_httpx_has_the_commands_but_is_told_what_they_need(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "httpx" else object())
    with pytest.raises(SystemExit) as ended:
        main(["devices"])
    assert ended.value.code == 1
    assert "pip install 'lentera[cloud]'" in capsys.readouterr().err


@pytest.mark.parametrize("proof", ["readback", "power"])
def test_a_proved_lamp_is_done_and_says_on_what_it_rests(proof: str) -> None:
    done, text = outcome(command_of("succeeded", execution_of("succeeded", proof)), "lamp-003", 40, 60, ENGLISH)
    assert done
    assert "lamp-003 is at 40 %: confirmed by" in text


def test_an_echo_is_no_proof() -> None:
    done, text = outcome(command_of("succeeded", execution_of("succeeded", "echo")), "lamp-003", 40, 60, ENGLISH)
    assert not done
    done, text = outcome(
        command_of("failed", execution_of("unproved", "echo", "unproved")), "lamp-003", 40, 60, INDONESIAN
    )
    assert not done
    assert "tidak terbukti" in text
    assert "mungkin sudah atau belum pada 40 %" in text


def test_what_is_not_proved_is_not_said_to_have_failed_and_shows_what_was_heard_last() -> None:
    execution = ExecutionAnswer(
        execution_id="e_1",
        device_id="lamp-003",
        state="unproved",
        confirmed_by="echo",
        reason=ReasonAnswer(
            code="unproved", text="40 % was echoed, but nothing measured within 20 s shows that the lamp acted"
        ),
        result={"level_percent": 40.0, "power_active_total": 58.25, "from_tomorrow": 1.0},
    )
    done, text = outcome(command_of("failed", execution), "lamp-003", 40, 60, ENGLISH)
    assert not done
    assert "not proved; the lamp may or may not be at 40 %" in text
    assert "from_tomorrow 1, level_percent 40 %, power_active_total 58.25 W" in text
    assert "not dimmed" not in text
    assert "could be measured" not in text
    _, text = outcome(command_of("failed", execution), "lamp-003", 40, 60, INDONESIAN)
    assert "tidak ada pengukuran" in text
    assert "echoed" not in text
    assert "power_active_total 58.25 W" in text


def test_a_failure_tells_the_reason_in_words_and_the_gateways_own() -> None:
    failed = command_of("failed", execution_of("failed", None, "device_offline"))
    done, text = outcome(failed, "lamp-003", 40, 60, ENGLISH)
    assert not done
    assert "the lamp is offline" in text
    assert "heard nothing for 20 s" in text
    done, text = outcome(command_of("failed", None), "lamp-003", 40, 60, ENGLISH)
    assert "no reason was given" in text


def test_a_command_still_under_way_gives_its_id() -> None:
    done, text = outcome(command_of("running", execution_of("running")), "lamp-003", 40, 5, ENGLISH)
    assert not done
    assert "c_1" in text
    assert "5 s" in text


def test_tables_line_up_with_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["ID", "Power"], [["lampu-é", "1.5 W"], ["日本", "100.0 W"]], right=frozenset({1}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].rstrip().endswith("  1.5 W")
    assert lines[3].rstrip().endswith("100.0 W")
    assert lines[2].index("1.5") - lines[3].index("100.0") == 2 + 2


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m lentera --help | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in done.stderr
