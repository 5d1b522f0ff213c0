"""A scan that is cut short, by an adapter that is pulled out or by Ctrl-C, gives and writes what it has found."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from lentera_sim import scenes
from lentera_sim.ledger import Ledger
from lentera_sim.wires.medium import Reply
from lentera_sim.wires.serial_line import SerialLine
from lentera_sim.wires.settings import WireSettings
from lentera_sim.wires.station import Station

SETTINGS = WireSettings(19200)
SILENT_UNIT = 4


class Silent(Station):
    """Dead, and tells when it is asked a second time: by then a scan has recognised those who answered."""

    def __init__(self) -> None:
        super().__init__(scenes.unit_of(meter_of(SILENT_UNIT)), SILENT_UNIT, SETTINGS)
        self.asked = 0
        self.asked_again = asyncio.Event()

    def hear(self, frame: bytes) -> Iterable[Reply]:
        self.asked += frame[0] == SILENT_UNIT
        if self.asked > 1:
            self.asked_again.set()
        return ()


def meter_of(unit: int) -> scenes.SceneMeter:
    return scenes.SceneMeter(scenes.profile_of("eastron_sdm630"), unit, SETTINGS)


async def cut_short(tmp_path: Path, how: str, *options: str, language: str = "en") -> tuple[int, str, str]:
    """Scan a meter and a silent unit, and cut the scan short once it asks those who were silent again."""
    silent = Silent()
    line = SerialLine(tmp_path / "line", [scenes.station_of(meter_of(1)), silent], Ledger(tmp_path / "ledger.jsonl"))
    await line.open()
    command = ("-m", "lentera", "gateway", "scan", "line", "--baud", "19200", "--units", "1-40", *options)
    scan = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "LENTERA_LANG": language},
    )
    async with asyncio.timeout(50):
        await silent.asked_again.wait()
        if how == "unplugged":
            await line.unplug()
        else:
            scan.send_signal(signal.SIGINT)
        out, error = await scan.communicate()
    await line.close()
    return scan.returncode or 0, out.decode(), error.decode()


@pytest.mark.parametrize(
    ("how", "exit_code", "language", "told"),
    [
        ("unplugged", 1, "en", "went away (the adapter was unplugged)"),
        ("unplugged", 1, "id", "Pasang adaptor dengan kuat"),
        ("ctrl-c", 130, "en", "The scan was stopped"),
        ("ctrl-c", 130, "id", "Pemindaian dihentikan"),
    ],
)
async def test_what_was_found_is_shown_and_written(
    tmp_path: Path, how: str, exit_code: int, language: str, told: str
) -> None:
    file = tmp_path / "gateway.yaml"
    code, out, error = await cut_short(tmp_path, how, "--write", str(file), language=language)
    assert code == exit_code, error
    assert "eastron_sdm630" in out
    assert told in error
    assert "Traceback" not in error
    assert "unit: 1," in file.read_text()
    assert f'port: "{tmp_path / "line"}"' in file.read_text(), "a gateway runs in another folder than this scan"


async def test_a_program_reads_how_a_scan_ended(tmp_path: Path) -> None:
    code, out, error = await cut_short(tmp_path, "unplugged", "--json")
    found = json.loads(out)
    assert (code, found["ending"], found["why"]) == (1, "port_gone", "the adapter was unplugged")
    assert [unit["profile"] for unit in found["units"]] == ["eastron_sdm630"]
    assert json.loads(error)["error"] == "port"
