"""kill -9 of gateway, cloud, InfluxDB, PostgreSQL and Mosquitto at random instants, alone and together.

The short form is one run of a kill of each, of two together and of all at once. LENTERA_FAULTS=long kills 200 times, in
runs of 20. LENTERA_FAULTS_SEED gives the first seed; the table names each run's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.progress import Progress

from lentera_sim.broker import find_mosquitto
from tests.faults.kills.plan import Strike, long_plan, short_plan
from tests.faults.kills.run import Verdict, run, table
from tests.faults.seeds import FIRST_SEED, LONG
from tests.services.process import missing
from tests.services.servers import Influx, Postgres

KILLS, KILLS_A_RUN = 200, 20


def plans() -> dict[int, list[Strike]]:
    """Return seed -> plan of each run of this form."""
    if not LONG:
        return {FIRST_SEED: short_plan(FIRST_SEED)}
    return {seed: long_plan(seed, KILLS_A_RUN) for seed in range(FIRST_SEED, FIRST_SEED + KILLS // KILLS_A_RUN)}


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar of kills on a terminal in the long form."""
    with Progress(disable=not (LONG and sys.stdout.isatty())) as bar:
        task = bar.add_task("kills", total=total)
        yield lambda count: bar.advance(task, count)


@pytest.mark.slow
@pytest.mark.timeout(7200 if LONG else 600)
async def test_kills_cost_nothing_but_the_last_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for there, name, remedy in (
        (find_mosquitto(), "Mosquitto", "apt-get install mosquitto"),
        (Postgres.installed(), "PostgreSQL", "apt-get install postgresql"),
        (Influx.program(), "InfluxDB 2", "tests/services/build-influxd builds it"),
    ):
        if not there:
            missing(name, remedy)
    verdicts: list[Verdict] = []
    planned = plans()
    with capsys.disabled():
        with progress(sum(len(strike.victims) for plan in planned.values() for strike in plan)) as struck:
            for seed, plan in planned.items():
                folder = tmp_path / str(seed)
                folder.mkdir()
                verdicts.append(await run(folder, seed, plan, struck))
        print(f"\n{table(verdicts)}")
    assert all(verdict.result.produced > 500 for verdict in verdicts), "too little was answered to prove anything"
    assert all(verdict.whole for verdict in verdicts), "\n".join(note for one in verdicts for note in one.notes)
