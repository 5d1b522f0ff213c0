"""Why a value is there or is not: the table of verdicts, and a running gateway that is asked on the command line."""

import asyncio
import json
import os
import sys

import pytest

from lentera_drivers.driver import Outcome, OutcomeKind
from lentera_gateway.acquire.exception_report import LastStored
from lentera_gateway.acquire.why import Facts, Verdict, judge
from lentera_model.readings import Quality
from lentera_sim.street import StreetPlan
from tests.gateway.board import board

NOW = 1_000_000
OK = Outcome(OutcomeKind.OK, NOW - 2_000, NOW - 2_000)
LEFT_OUT = LastStored(230.0, NOW - 60_000, Quality.GOOD, 230.1, NOW - 2_000, 5)


def failed(kind: OutcomeKind, code: int | None = None) -> Outcome:
    return Outcome(kind, NOW - 3_000, NOW - 50_000, code, "words")


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (Facts(NOW, 10_000, None), Verdict.NOT_YET),
        (Facts(NOW, 10_000, OK), Verdict.STORED),
        (Facts(NOW, 10_000, OK, waiting_batches=3), Verdict.QUEUED),
        (Facts(NOW, 10_000, OK, link_up=False), Verdict.QUEUED),
        (Facts(NOW, 10_000, OK, LEFT_OUT), Verdict.DEADBAND),
        (Facts(NOW, 10_000, OK, LEFT_OUT, waiting_batches=3), Verdict.DEADBAND),
        (Facts(NOW, 10_000, OK, LastStored(230.0, NOW, Quality.GOOD)), Verdict.STORED),
        (Facts(NOW, 400, Outcome(OutcomeKind.OK, NOW - 30_000, NOW - 30_000)), Verdict.LATE),
        (Facts(NOW, 10_000, failed(OutcomeKind.LATE)), Verdict.LATE),
        (Facts(NOW, 10_000, failed(OutcomeKind.DEAD), LEFT_OUT), Verdict.DEAD),
        (Facts(NOW, 10_000, failed(OutcomeKind.REFUSED, 4)), Verdict.REFUSED),
        (Facts(NOW, 10_000, failed(OutcomeKind.ABSENT, 2)), Verdict.ABSENT),
        (Facts(NOW, 10_000, failed(OutcomeKind.NO_VALUE)), Verdict.NO_VALUE),
        (Facts(NOW, 10_000, failed(OutcomeKind.UNREADABLE)), Verdict.UNREADABLE),
        (Facts(NOW, 10_000, failed(OutcomeKind.BUS_DOWN)), Verdict.BUS_DOWN),
    ],
)
def test_the_table(facts, verdict):
    assert judge(facts).verdict is verdict


def test_every_outcome_has_a_verdict():
    for kind in OutcomeKind:
        assert judge(Facts(NOW, 10_000, failed(kind))).verdict in Verdict


def test_the_numbers_behind_a_verdict():
    because = judge(Facts(NOW, 10_000, failed(OutcomeKind.REFUSED, 4)))
    assert (because.age_s, because.read_age_s, because.exception_code, because.detail) == (3, 50, 4, "words")
    because = judge(Facts(NOW, 10_000, OK, LEFT_OUT))
    assert (because.stored_value, because.stored_age_s, because.read_value, because.left_out) == (230.0, 60, 230.1, 5)


async def why(folder, *words: str, **environ: str) -> tuple[int, str, str]:
    command = (sys.executable, "-m", "lentera", "gateway", "why", str(folder / "gateway.yaml"), *words)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LENTERA_LANG": "en", **environ},
    )
    out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


async def verdict(folder, device: str, quantity: str) -> str:
    code, out, error = await why(folder, device, quantity, "--json")
    assert code == 0, error
    return json.loads(out)["verdict"]


async def says(folder, device: str, quantity: str, *verdicts: str) -> None:
    """Ask until the verdict is one of these."""
    async with asyncio.timeout(20):
        while await verdict(folder, device, quantity) not in verdicts:
            pass


async def test_a_running_gateway_says_why(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, StreetPlan(meters=3, lamps=2)) as it:
        await it.until(lambda: it.status().get("ready"))
        await it.until(lambda: it.cloud.readings())
        assert await verdict(folder, "meter-cabinet", "voltage_l1") in ("stored", "queued")
        assert it.status()["buses"]["rs485-0"]["driver"]["replies"] > 0
        assert it.status()["buses"]["lamps"]["driver"]["messages"] > 0
        await says(folder, "meter-office", "energy_active_export", "deadband")
        assert await verdict(folder, "lamp-001", "level_percent") in ("stored", "queued", "late")

        it.street.street.units["meter-market"].dead = True
        await says(folder, "meter-market", "frequency", "late", "dead")
        code, out, error = await why(folder, "meter-market", "frequency")
        assert code == 0, error
        assert "A value last came" in out
        code, out, _ = await why(folder, "meter-market", "frequency", LENTERA_LANG="id")
        assert code == 0
        assert "Nilai terakhir datang" in out

        code, _, error = await why(folder, "meter-cabinet", "voltage_l9")
        assert code == 1
        assert "did you mean voltage_l" in error
        code, _, error = await why(folder, "meter-nowhere", "voltage_l1")
        assert code == 1
        assert "this gateway has no device 'meter-nowhere'" in error
        await it.stop()
        code, _, error = await why(folder, "meter-market", "frequency")
        assert code == 1
        assert "The gateway is not running" in error
        assert "meter-market" in error
