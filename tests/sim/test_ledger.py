"""The ledger keeps every line in order and reads it back exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from lentera_sim.errors import LedgerError
from lentera_sim.ledger import Ledger, LedgerEntry, read_ledger


def test_what_is_written_is_read_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.answered("m", {"voltage_l1": 230.10000610351562, "energy_active_import": 0.1 + 0.2}, 1)
    ledger.acted("lamp", {"level_percent": 40.0}, 2)
    ledger.unsure("m", {"voltage_l1": 1e-300}, 3)
    ledger.answered("m", {}, 4)
    ledger.close()
    assert list(read_ledger(path)) == [
        LedgerEntry("answered", "m", 1, {"voltage_l1": 230.10000610351562, "energy_active_import": 0.1 + 0.2}),
        LedgerEntry("acted", "lamp", 2, {}, {"level_percent": 40.0}),
        LedgerEntry("unsure", "m", 3, {"voltage_l1": 1e-300}),
    ]
    assert ledger.answered_values == 2


def test_lines_are_held_back_until_flushed_and_never_without_bound(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.answered("m", {"voltage_l1": 230.0}, 1)
    assert path.stat().st_size == 0
    ledger.flush()
    assert len(list(read_ledger(path))) == 1
    for number in range(5000):
        ledger.answered("m", {"voltage_l1": 230.0}, number)
    assert len(list(read_ledger(path))) > 4000
    ledger.close()
    assert len(list(read_ledger(path))) == 5001


def test_a_street_started_again_appends(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for at_ms in (1, 2):
        ledger = Ledger(path)
        ledger.answered("m", {"voltage_l1": 230.0}, at_ms)
        ledger.close()
    assert [entry.at_ms for entry in read_ledger(path)] == [1, 2]


def test_a_torn_last_line_is_left_out_and_nonsense_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    line = '{"k":"answered","device":"m","at_ms":1,"values":{"voltage_l1":1.0}}\n'
    path.write_text(line + line[:30])
    assert len(list(read_ledger(path))) == 1
    path.write_text(line + '{"k":"answered"}\n' + line)
    with pytest.raises(LedgerError, match=r"ledger\.jsonl:2: not a ledger line"):
        list(read_ledger(path))
    path.write_text("[1]\n")
    with pytest.raises(LedgerError, match=":1:"):
        list(read_ledger(path))
