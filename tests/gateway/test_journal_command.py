"""`lentera gateway journal` beside a real gateway whose cloud is down, after its death, and after its end."""

import asyncio
import csv
import json
import os
import signal
import sys
from collections import defaultdict
from contextlib import asynccontextmanager

import pytest
import yaml
from msgspec.structs import replace

from lentera_model.readings import Reading
from lentera_sim.audit import audit
from lentera_sim.ledger import read_ledger
from lentera_sim.street import StreetPlan
from tests.gateway.board import board

PLAN = StreetPlan(meters=2, lamps=3, serial_every_s=1.0, tcp_every_s=0.5, lamp_every_s=1.0, reports={})
LAST_SECOND_MS = 1_500
OWN_WORDS = ("level_commanded_percent", "device_fault")

pytestmark = [pytest.mark.usefixtures("mosquitto"), pytest.mark.timeout(120)]


async def journal(folder, *words, language="en"):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lentera", "gateway", "journal", str(folder / "gateway.yaml"), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LENTERA_LANG": language, "TZ": "Asia/Jakarta"},
    )
    out, error = await process.communicate()
    return process.returncode, out.decode(), error.decode()


async def facts(folder):
    code, out, error = await journal(folder, "--json")
    assert (code, error) == (0, "")
    return json.loads(out)


async def exported(folder, path):
    code, out, error = await journal(folder, "--export", str(path), "--json")
    assert code == 0, error
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert json.loads(out)["exported_values"] == len(rows)
    return json.loads(out), rows


def keys(rows, *tiers):
    return {(int(row["epoch"]), int(row["sequence"])) for row in rows if row["tier"] in tiers}


def economy(folder):
    """Seal each two seconds, onto the card after four: so readings wait in each place."""
    path = folder / "gateway.yaml"
    config = yaml.safe_load(path.read_text())
    config["cloud"]["mode"] = "economy"
    config["journal"] |= {"seal_age_s": 2, "power_loss_budget_s": 4}
    path.write_text(yaml.safe_dump(config))


def audited(it, rows, counts):
    """Hold what the cloud got and what the file holds against what the devices say they answered."""
    it.street.ledger.flush()
    stored = defaultdict(list)
    for reading in it.cloud.readings():
        values = {name: value for name, value in reading.values.items() if name not in OWN_WORDS}
        stored[reading.device].append(replace(reading, values=values))
    for row in rows:
        if row["quantity"] not in OWN_WORDS and (int(row["epoch"]), int(row["sequence"])) not in it.cloud.batches:
            value = {row["quantity"]: float(row["value"])}
            stored[row["device"]].append(Reading(row["device"], "", int(row["unix_ms"]), value))
    entries = [entry for entry in read_ledger(it.run_dir / "ledger.jsonl") if counts(entry.at_ms)]
    return audit(entries, stored, repeat_window_ms=2000)


@asynccontextmanager
async def without_a_cloud(folder):
    """A gateway whose cloud is gone, with readings waiting in memory, on the card and in no batch yet."""
    async with board(folder, PLAN, start=False) as it:
        economy(folder)
        await it.start()
        it.street.energise()
        await it.cloud.until(lambda: it.cloud.batches)
        await it.cloud.stop()
        await it.until(lambda: not it.status()["link"]["up"])
        await it.until(lambda: it.status()["journal"]["card_bytes"] > 0 and it.status()["journal"]["memory_bytes"] > 0)
        await it.until(lambda: (folder / "journal/memory/unsealed").stat().st_size > 0)
        yield it


async def test_beside_a_running_gateway_it_says_what_the_gateway_says(tmp_path):
    folder = tmp_path / "run"
    async with without_a_cloud(folder) as it:
        assert it.process is not None
        it.process.send_signal(signal.SIGSTOP)  # so that both speak of one instant
        status = it.status()["journal"]
        found, rows = await exported(folder, tmp_path / "running.csv")
        it.process.send_signal(signal.SIGCONT)
        known = {key for key in keys(rows, "memory", "card") if key <= (status["epoch"], status["sequence"])}
        assert len(known) == status["waiting_batches"]
        assert found["tiers"]["card"]["bytes"] == status["card_bytes"]
        assert found["tiers"]["memory"]["bytes"] >= status["memory_bytes"]
        for tier in ("memory", "card", "unsealed"):
            assert found["tiers"][tier]["values"] == sum(row["tier"] == tier for row in rows)
            times = [int(row["unix_ms"]) for row in rows if row["tier"] == tier]
            assert found["tiers"][tier]["oldest_ms"] == min(times, default=None)
            assert found["tiers"][tier]["newest_ms"] == max(times, default=None)
        assert (found["running"], found["link_up"], found["next"]["code"]) == (True, False, "link")
        passed = found["rates"]
        assert passed["card_bytes"] == status["counters"]["written_card_bytes"]
        assert passed["values_in_per_s"] * passed["basis_s"] >= status["values_total"]
        in_cloud = sum(len(reading.values) for reading in it.cloud.readings())
        assert passed["values_out_per_s"] * passed["basis_s"] <= in_cloud + 1e-6
        assert rows[0]["time"].endswith("+07:00")

        code, out, error = await journal(folder)
        assert (code, error.count("do not read")) == (0, 0)
        for said in ("not connected", "in memory", "on the card", "a second in", "MB written a day", "Next: check the"):
            assert said in out
        _, out, _ = await journal(folder, language="id")
        for said in ("tidak tersambung", "di kartu", "per detik masuk", "Berikutnya: periksa sambungan"):
            assert said in out


async def test_after_a_kill_every_value_is_there_and_is_sent_afterwards_as_it_was_read(tmp_path):
    folder = tmp_path / "run"
    async with without_a_cloud(folder) as it:
        killed_ms = await it.kill()
        found, rows = await exported(folder, tmp_path / "killed.csv")
        assert (found["running"], found["link_up"], found["rates"]) == (False, None, None)
        assert found["next"]["code"] == "start"
        result = audited(it, rows, lambda at_ms: at_ms < killed_ms - LAST_SECOND_MS)
        assert result.missing == 0, [str(one) for one in result.details if one.what == "missing"]
        assert result.produced > 100
        assert len({(row["device"], row["quantity"], row["unix_ms"]) for row in rows}) == len(rows), "nothing twice"
        code, _, error = await journal(folder, "--export", str(tmp_path / "killed.csv"))
        assert code == 1
        assert "killed.csv is there already" in error

        await it.cloud.start()
        await it.start()
        await it.cloud.until(lambda: keys(rows, "memory", "card", "unsealed") <= set(it.cloud.batches))
        await it.stop()
        assert it.cloud.contradictions == []
        sent = {(r.device, name, r.at_ms) for r in it.cloud.readings() for name in r.values}
        dated = [row for row in rows if row["tier"] != "unsealed"]
        assert {(row["device"], row["quantity"], int(row["unix_ms"])) for row in dated} <= sent


async def test_a_flipped_byte_costs_its_batch_alone_and_is_named(tmp_path):
    folder = tmp_path / "run"
    async with without_a_cloud(folder) as it:
        await it.kill()
        _, rows = await exported(folder, tmp_path / "whole.csv")
        card = sorted((folder / "journal/card/segments").iterdir())[0]
        whole = card.read_bytes()
        card.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        found, left = await exported(folder, tmp_path / "flipped.csv")
        assert found["tiers"]["card"]["damaged_records"] == 1
        lost = keys(rows, "card") - keys(left, "card")
        assert len(lost) == 1
        assert [row for row in rows if (int(row["epoch"]), int(row["sequence"])) not in lost] == left
        _, _, error = await journal(folder)
        assert f"{card}: bytes 0 to " in error


async def test_after_an_orderly_end_all_is_on_the_card_value_by_value(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, PLAN) as it:
        await it.cloud.until(lambda: len(it.cloud.batches) >= 2)
        await it.cloud.stop()
        await it.until(lambda: it.status()["journal"]["waiting_batches"] >= 1)
        await it.street.quieten()
        await it.stop()
        found, rows = await exported(folder, tmp_path / "home.csv")
        assert {row["tier"] for row in rows} == {"card"}
        assert found["tiers"]["memory"]["batches"] == found["tiers"]["unsealed"]["values"] == 0
        result = audited(it, rows, lambda _: True)
        assert (result.missing, result.duplicated, result.out_of_order) == (0, 0, 0), result.details[:10]
        assert result.produced > 100


async def test_what_the_cloud_refused_is_in_quarantine(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, PLAN, start=False) as it:
        it.cloud.refuse = dict.fromkeys(range(1, 4), ("unregistered", "register the gateway first"))
        await it.start()
        await it.cloud.until(lambda: any(sequence > 3 for _, sequence in it.cloud.batches))
        await it.until(lambda: it.status()["journal"]["quarantined"] == 3)
        found = await facts(folder)
        assert found["tiers"]["quarantine"]["batches"] == 3
        assert found["next"]["code"] == "refused"


async def test_a_gateway_that_never_ran_and_one_that_left_nothing(tmp_path):
    folder = tmp_path / "run"
    async with board(folder, PLAN, start=False) as it:
        code, out, error = await journal(folder)
        assert (code, out) == (1, "")
        assert "no gateway has run with" in error
        code, _, error = await journal(folder, "--export", str(tmp_path / "x.csv"), language="id")
        assert code == 1
        assert "Tidak ada jurnal" in error
        assert list(tmp_path.glob("*x.csv*")) == []
        code, _, error = await journal(folder, "--json")
        assert (code, json.loads(error)["error"]) == (1, "no_journal")
        await it.start()
        await it.cloud.until(lambda: it.cloud.batches)
        for unit in it.street.street.units.values():
            unit.faults.dead = True
        await it.until(lambda: it.status()["journal"]["waiting_batches"] == 0)
        await it.stop()
        found, rows = await exported(folder, tmp_path / "x.csv")
        assert (rows, found["next"]["code"]) == ([], "start_empty")
        (folder / "gateway.yaml").write_text("version: 2")
        assert (await journal(folder))[0] == 1
