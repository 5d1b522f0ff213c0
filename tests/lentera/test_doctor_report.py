"""What the doctor found in words: in full, or in 600 characters that say how much they leave out."""

import asyncio
import errno
import json
import os
import subprocess
import sys

import pytest

from lentera.doctor_report import report, short_report, shortened
from lentera.language import Words
from lentera_drivers.modbus.transport import LineSettings, OnBytes, OnLost
from lentera_gateway.commissioning.diagnosis import Cause, Finding, diagnose
from lentera_gateway.commissioning.doctor import examine
from lentera_sim.wires.memory_line import MemoryPort
from tests.lentera.test_cli import run

SETTINGS = LineSettings(9600, "N", 1)
LANGUAGES = pytest.mark.parametrize("language", ["en", "id"])


@LANGUAGES
@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_told_in_at_most_600_characters(cause, language):
    found = [Finding(cause, False, tuple(range(1, 248)), (SETTINGS,) * 9, "x" * 500)] * 3
    told = short_report(found, Words(language), "/dev/serial/by-id/" + "y" * 200, SETTINGS)
    assert len(told) <= 600
    assert len(told.splitlines()) >= 2


@pytest.mark.parametrize(("language", "more"), [("en", "more"), ("id", "lagi")])
def test_causes_beyond_600_characters_are_counted_and_in_full_none_is_left_out(language, more):
    found = [Finding(cause, False, detail="3/12") for cause in Cause][:9]
    short = short_report(found, Words(language), "/dev/ttyUSB0", SETTINGS)
    kept = len(short.splitlines()) - 2
    assert 3 <= kept < 9
    assert short.splitlines()[-1] == f"... ({9 - kept} {more})"
    full = report(found, Words(language), "/dev/ttyUSB0", SETTINGS)
    assert len(full) == 1 + 9
    assert full[: 1 + kept] == short.splitlines()[: 1 + kept]


@pytest.mark.parametrize(("language", "more"), [("en", "12 ... (235 more)"), ("id", "12 ... (235 lagi)")])
def test_units_beyond_a_dozen_are_counted(language, more):
    found = [Finding(Cause.UNIT_SILENT, True, tuple(range(1, 248)))]
    assert more in short_report(found, Words(language), "/dev/ttyUSB0", SETTINGS)
    assert "246, 247" in report(found, Words(language), "/dev/ttyUSB0", SETTINGS)[1]


def test_a_text_is_cut_at_a_word():
    assert shortened("two masters on one line read nonsense", 21) == "two masters on ..."
    assert shortened("two masters on one line", 23) == "two masters on one line"
    assert shortened("x" * 100, 20) == "x" * 17 + "..."
    for most in range(10, 60):
        assert len(shortened("stop it first, two masters on one line read each other's answers", most)) <= most


async def test_who_holds_the_port_is_named_and_nothing_is_said_in_another_language():
    leader, follower = os.openpty()
    port = os.ttyname(follower)
    script = (
        "import fcntl,sys; f=open(sys.argv[1],'rb+',0); fcntl.flock(f,2); print('held',flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    os.close(follower)
    done = await asyncio.to_thread(run, "gateway", "doctor", port, LENTERA_LANG="id")
    as_json = await asyncio.to_thread(run, "gateway", "doctor", port, "--json")
    holder.communicate(b"\n")
    os.close(leader)
    head, cause = done.stdout.splitlines()
    assert (done.returncode, head) == (1, f"Jalur {port}, 9600 8N1:")
    assert cause.startswith("Sebab: port dipakai oleh python")
    assert cause.endswith(f"(pid {holder.pid}). Hentikan program itu (sering gateway sendiri), lalu periksa lagi.")
    assert json.loads(as_json.stdout)["text"]["id"].splitlines()[1] == cause


@LANGUAGES
async def test_a_port_that_does_not_work_is_told_in_the_systems_own_words_alone(language):
    async def connect(settings: LineSettings, on_bytes: OnBytes, on_lost: OnLost) -> MemoryPort[LineSettings]:
        raise OSError(errno.EIO, "/dev/ttyUSB0 cannot be set to 9600 8N1: [Errno 5] Input/output error")

    found = diagnose(await examine(connect, SETTINGS, (1,), ()))
    assert found == (Finding(Cause.PORT_BROKEN, True, detail="Input/output error"),)
    (_, told) = report(found, Words(language), "/dev/ttyUSB0", SETTINGS)
    assert "cannot be set" not in told


async def test_a_semicolon_does_not_end_a_line():
    found = [Finding(Cause.NO_TERMINATION, False, detail="3/12")]
    (_, told) = report(found, Words("en"), "/dev/ttyUSB0", SETTINGS)
    assert "none between; or lower the baud." in told
