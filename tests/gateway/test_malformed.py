"""What devices published that is of no use, asked of a running gateway as a technician asks."""

import asyncio
import json
import os
import sys

import pytest

from lentera_sim.faults.order import FaultOrder
from lentera_sim.street import StreetPlan
from tests.gateway.board import board

PLAN = StreetPlan(meters=1, lamps=1, plugs=1, tasmota=1, plug_every_s=0.5, lamp_every_s=1.0)

pytestmark = pytest.mark.usefixtures("mosquitto")


async def lentera(folder, *words: str, language: str = "en") -> tuple[int, str, str]:
    """Run `lentera gateway malformed gateway.yaml WORDS`; return exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lentera", "gateway", "malformed", str(folder / "gateway.yaml"), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LENTERA_LANG": language},
    )
    out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


async def test_what_is_of_no_use_is_shown_with_its_reason_and_its_beginning(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, PLAN) as it:
        code, text, _ = await lentera(folder)
        assert (code, text.strip()) == (0, "Every message since the start could be used.")
        await it.street.faults.take(FaultOrder("plug-01", "wrong_types", None, on=True))
        await it.street.faults.take(FaultOrder("tasmota-01", "nan", None, on=True))

        def unwell() -> set[str]:
            driver = it.status()["buses"]["lamps"]["driver"]
            return {name for name, told in driver["devices"].items() if told.get("malformed", 0) >= 2}

        await it.until(lambda: unwell() == {"plug-01", "tasmota-01"})
        code, text, _ = await lentera(folder)
        assert code == 0
        for word in ("plug-01:", "tasmota-01:", "tele/tasmota-01/SENSOR", "no JSON", "'/power' is", '{"value":'):
            assert word in text, text
        code, text, _ = await lentera(folder, "plug-01", "--json")
        devices = json.loads(text)["devices"]
        assert list(devices) == ["plug-01"]
        newest = devices["plug-01"]["recent"][-1]
        assert newest["topic"] == "zigbee2mqtt/plug-01"
        assert 0 <= newest["age_s"] < 60
        assert newest["size"] > 64 >= len(newest["first"])
        assert "pesan tidak dapat dipakai" in (await lentera(folder, language="id"))[1]
        code, _, error = await lentera(folder, "plug-1")
        assert code == 1
        assert "plug-01" in error
        await it.stop()
    code, _, error = await lentera(folder)
    assert code == 1
    assert error
