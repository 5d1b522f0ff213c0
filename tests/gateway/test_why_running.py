"""Why, asked of a running gateway: a real process on real wires, each reason brought about on the street."""

import asyncio
import json
import os
import sys

from lentera_gateway.control_client import ask
from lentera_gateway.control_path import socket_path
from lentera_sim.street import StreetPlan
from tests.gateway.board import board


async def why(folder, *words: str, command: str = "why", **environ: str) -> tuple[int, str, str]:
    command_line = (sys.executable, "-m", "lentera", "gateway", command, str(folder / "gateway.yaml"), *words)
    process = await asyncio.create_subprocess_exec(
        *command_line,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LENTERA_LANG": "en", **environ},
    )
    out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


async def because(folder, device: str, quantity: str) -> dict:
    """Ask through the control socket, as the command does."""
    address = socket_path(folder / "journal" / "memory")
    return await asyncio.to_thread(ask, address, {"do": "why", "device": device, "quantity": quantity}, 5.0)


async def says(folder, device: str, quantity: str, *verdicts: str) -> dict:
    """Ask until the verdict is one of these."""
    async with asyncio.timeout(25):
        while (answer := await because(folder, device, quantity))["verdict"] not in verdicts:
            await asyncio.sleep(0.05)
    return answer


async def test_each_reason_on_a_street(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, StreetPlan(meters=6, lamps=2, tcp_every_s=0.5)) as it:
        units = it.street.street.units
        await it.until(lambda: it.cloud.readings())
        await says(folder, "meter-cabinet", "voltage_l1", "stored")
        await says(folder, "meter-office", "energy_active_export", "deadband")
        await says(folder, "lamp-001", "level_percent", "stored")

        units["meter-market"].faults.dead = True
        units["meter-004"].faults.exception = 2
        units["meter-005"].faults.delay_s = 0.6
        units["meter-006"].faults.exception = 4
        assert (await says(folder, "meter-004", "frequency", "refused"))["exception_code"] == 2
        assert (await says(folder, "meter-006", "frequency", "device_fault"))["exception_code"] == 4
        async with asyncio.timeout(25):  # the usual time of a poll grows poll by poll
            while (late := await says(folder, "meter-005", "frequency", "late"))["load_percent"] <= 100:
                await asyncio.sleep(0.05)
        assert late["skipped"] > 0
        assert late["skipped_age_s"] > 0
        await says(folder, "meter-market", "frequency", "dead")

        await it.until(lambda: it.status()["devices"]["meter-005"]["skipped"] >= late["skipped"])
        status = it.status()
        bus = next(bus for bus in status["buses"].values() if bus["load_percent"] > 100)
        assert bus["skipped"] == status["devices"]["meter-005"]["skipped"]
        assert status["devices"]["meter-cabinet"]["skipped"] == 0

        await it.cloud.stop()
        await it.until(lambda: not it.status()["link"]["up"])
        queued = await says(folder, "meter-cabinet", "voltage_l1", "queued")
        assert not queued["link_up"]
        assert (await because(folder, "meter-market", "frequency"))["verdict"] == "dead"

        await it.cloud.start()
        await says(folder, "meter-cabinet", "voltage_l1", "stored")
        units["meter-005"].faults.delay_s = 0.0
        await says(folder, "meter-005", "frequency", "stored")


async def test_it_speaks_both_languages_and_names_what_there_is(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, StreetPlan(meters=3, lamps=2)) as it:
        await it.until(lambda: it.cloud.readings())
        await it.until(lambda: it.status()["buses"]["rs485-0"]["driver"]["replies"] > 0)
        await it.until(lambda: it.status()["buses"]["lamps"]["driver"]["messages"] > 0)
        code, out, error = await why(folder, command="status")
        assert (code, error) == (0, "")
        assert {"rs485-0", "meter-market", "lamp-001"} <= {line.split(" ")[0] for line in out.splitlines()}
        it.street.street.units["meter-market"].faults.dead = True
        await says(folder, "meter-market", "frequency", "late", "dead")
        code, out, error = await why(folder, "meter-market", "frequency")
        assert code == 0, error
        assert "A value last came" in out
        code, out, error = await why(folder, "meter-market", "frequency", "--json")
        assert code == 0, error
        assert json.loads(out)["verdict"] in ("late", "dead")
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


async def test_what_the_cloud_refuses_is_not_called_delivered(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, StreetPlan(meters=1, lamps=2), start=False) as it:
        it.cloud.refuse = dict.fromkeys(range(1, 10000), ("unregistered", "register the gateway first"))
        await it.start()
        aside = await says(folder, "meter-cabinet", "voltage_l1", "set_aside")
        assert aside["detail"] == "register the gateway first"
        it.cloud.refuse = {}
        await says(folder, "meter-cabinet", "voltage_l1", "stored")
