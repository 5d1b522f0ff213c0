"""Which benches run, and what becomes of one that fails."""

import json
import sys
from importlib import import_module

import pytest

from bench import __main__ as main_module
from bench import million, window
from bench.processes import ChildFailedError


@pytest.fixture
def run(monkeypatch, capsys):
    def work(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        return main_module.main(), capsys.readouterr().out

    return work


def test_one_that_fails_stops_no_other(run, monkeypatch):
    def measure() -> object:
        raise ChildFailedError("meters ended with code 1")

    monkeypatch.setattr(window, "measure", measure)
    monkeypatch.setattr(million, "measure", lambda: {"polls": 3})
    code, out = run("--json", "--only", "window", "million")
    assert code == 1
    assert json.loads(out) == {"window": {"not_measured": "meters ended with code 1"}, "million": {"polls": 3}}


def test_a_table_for_people(run, monkeypatch):
    monkeypatch.setattr(million, "measure", lambda: {"polls": 3, "lentera, rtu": {"wrong_values": 0}})
    code, out = run("--only", "million")
    assert code == 0
    assert out.splitlines()[:3] == ["million", "polls                        3", "lentera, rtu (wrong_values)  0"]


def test_those_that_measure_for_some_time_are_told_for_how_long(run, monkeypatch):
    monkeypatch.setattr(window, "measure", lambda seconds=60.0: {"seconds": seconds})
    monkeypatch.setattr(million, "measure", lambda: {"polls": 3})
    code, out = run("--json", "--seconds", "5", "--only", "window", "million")
    assert code == 0
    assert json.loads(out) == {"window": {"seconds": 5.0}, "million": {"polls": 3}}


def test_what_is_no_bench_is_refused(run):
    with pytest.raises(SystemExit):
        run("--only", "wire33")


@pytest.mark.parametrize("module", main_module.BENCHES.values())
def test_each_bench_can_measure_and_show(module):
    bench = import_module(module)
    assert callable(bench.measure)
    assert callable(bench.table)
