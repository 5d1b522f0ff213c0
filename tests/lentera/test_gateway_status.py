"""`lentera gateway status`: what a gateway wrote of itself, as a table in the reader's language or as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lentera.cli.gateway_status import show
from lentera.language import Words

NOW_MS = 1_800_000_000_000
BUS = {"up": True, "polls": 70, "failures": 2, "late": 5, "skipped": 31, "load_percent": 131.4, "error": None}
FOUND = {
    "gateway": "gw-1",
    "clock": "ntp",
    "link": {"up": True, "error": None},
    "air": {"month_bytes": 12_345_678, "month": "2026-11-01"},
    "journal": {"waiting_batches": 3, "counters": {"values": 5000, "dropped_values": 0}},
    "buses": {"rs485-0": BUS, "hall": BUS | {"error": "port gone", "load_percent": 0.0}},
    "devices": {
        "m1": {"online": True, "reason": "answers", "last_ok": NOW_MS - 4_000, "late": 5, "skipped": 30},
        "m2": {"online": None, "reason": "", "last_ok": None, "late": 0, "skipped": 1},
    },
}


def table(out: str, name: str) -> list[str]:
    """Return the words of the row that begins with a name."""
    return next(line.split() for line in out.splitlines() if line.startswith(name))


def test_it_shows_late_and_skipped_cycles_bus_by_bus_and_device_by_device(capsys):
    show(FOUND, Words("en"), NOW_MS)
    out = capsys.readouterr().out
    assert table(out, "rs485-0") == ["rs485-0", "131", "%", "70", "2", "5", "31"]
    assert table(out, "hall")[-2:] == ["port", "gone"]
    assert table(out, "m1") == ["m1", "yes", "4.0s", "5", "30", "answers"]
    assert table(out, "m2")[-3:] == ["-", "0", "1"]
    assert "3 batches wait for the cloud" in out
    assert "connected" in out


def test_it_speaks_indonesian_and_says_what_is_wrong(capsys):
    away = FOUND | {"link": {"up": False, "error": "no route"}, "clock": None}
    show(away, Words("id"), NOW_MS)
    out = capsys.readouterr().out
    for said in ("Terlambat", "Dilewati", "Beban", "tidak tersambung: no route", "belum diketahui"):
        assert said in out
    show(away, Words("en"), NOW_MS)
    out = capsys.readouterr().out
    for said in ("Late", "Skipped", "Load", "not connected: no route", "not known yet"):
        assert said in out


@pytest.mark.parametrize(
    ("disputed_ms", "english", "indonesian"),
    [
        (
            90_000,
            "ntp; the board's own clock is 90.0 s ahead of it and is not",
            "ntp; jam papan sendiri lebih cepat 90.0",
        ),
        (-1_500, "ntp; the board's own clock is 1.5 s behind it and is not", "ntp; jam papan sendiri lebih lambat 1.5"),
    ],
)
def test_it_says_that_the_boards_clock_contradicts_the_time_that_is_held(capsys, disputed_ms, english, indonesian):
    show(FOUND | {"clock_disputed_ms": disputed_ms}, Words("en"), NOW_MS)
    assert english in capsys.readouterr().out
    show(FOUND | {"clock_disputed_ms": disputed_ms}, Words("id"), NOW_MS)
    assert indonesian in capsys.readouterr().out
    show(FOUND | {"clock_disputed_ms": 0}, Words("en"), NOW_MS)
    assert "not believed" not in capsys.readouterr().out


def test_it_tells_what_was_given_up_for_want_of_room_and_is_silent_where_nothing_was(capsys):
    counters = {"thinned_60_s_values": 12_345, "thinned_900_s_values": 67, "dropped_values": 8}
    gone = FOUND | {"journal": {"waiting_batches": 3, "counters": counters}}
    show(gone, Words("en"), NOW_MS)
    assert "12 345 values thinned to one a minute, 67 to one in 15 minutes, 0 of counters" in capsys.readouterr().out
    show(gone, Words("id"), NOW_MS)
    assert "dijarangkan jadi satu per menit" in capsys.readouterr().out
    show(FOUND, Words("en"), NOW_MS)
    assert "Given up" not in capsys.readouterr().out


@pytest.fixture
def file(tmp_path: Path) -> Path:
    device = {"id": "m1", "profile": "eastron_sdm630", "bus": "rs485-0", "unit": 1}
    config = {
        "version": 1,
        "gateway": {"id": "gw-1"},
        "cloud": {"url": "ws://127.0.0.1:1/v1/link", "key_file": "key.pem"},
        "journal": {"memory_dir": "journal/memory", "card_dir": "journal/card"},
        "buses": [{"id": "rs485-0", "driver": "modbus", "transport": "rtu", "port": "/dev/ttyUSB0", "baud": 9600}],
        "devices": [device],
    }
    (tmp_path / "gateway.yaml").write_text(json.dumps(config))  # JSON is YAML too
    return tmp_path / "gateway.yaml"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "lentera", "gateway", "status", *words)
    environ = {**os.environ, "LENTERA_LANG": "en"}
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)


def test_a_gateway_that_never_ran_is_told_so(file):
    done = run(str(file))
    assert done.returncode == 1
    assert "status.json is not there or does not read" in done.stderr
    assert "lentera gateway run" in done.stderr


def test_an_old_file_is_shown_with_a_warning_and_json_is_the_file(file):
    path = file.parent / "journal" / "memory" / "status.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(FOUND))
    fresh = run(str(file))
    assert (fresh.returncode, fresh.stderr) == (0, "")
    os.utime(path, (1_000, 1_000))
    old = run(str(file))
    assert old.returncode == 0
    assert "the gateway does not run, or hangs" in old.stderr
    assert json.loads(run(str(file), "--json").stdout) == FOUND
