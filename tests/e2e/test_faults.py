"""A street whose meters and wires go wrong one after the other under the whole chain: no value wrong, none lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from lentera_sim.faults.mailbox import ask_run
from lentera_sim.faults.order import parse_order
from tests.e2e.harness import report_of, running_demo

ON_THE_LINE = (
    "meter-office=counter_reset",
    "meter-cabinet=slow:0.3/3",
    "rs485-0=noise:0.003@1/6",
    "meter-cabinet=late:1.5@4/4",
    "rs485-0=unplugged@10/2",
    "meter-office=exception:6@13/3",
    "meter-cabinet=counter_zero@14/2",
    "meter-office=dial_limit:1@16",
    "meter-cabinet=no_values@17/2",
)
ON_TCP = (
    "meter-market=late:1.5/5",
    "lan-meter-market=mixes@8/3",
    "lan-meter-004=resets/2",
    "lan-meter-004=cuts@8/3",
    "meter-005=exception:4/4",
    "lan-meter-005=unplugged@8/4",
    "meter-006=dead/3",
    "meter-006=hole@8/6",
    "meter-006=meter_swapped@12",
)


@pytest.mark.slow
def test_what_goes_wrong_on_the_wires_makes_no_value_wrong_and_loses_none(tmp_path: Path) -> None:
    with running_demo(tmp_path, "--seconds", "24", "--json", "--meters", "6") as demo:
        demo.ready()
        for text in (*ON_THE_LINE, *ON_TCP):
            ask_run(demo.run_dir, parse_order(text))
        report = report_of(demo)
        readings = report["readings"]
        assert (readings["missing"], readings["duplicated"]) == (0, 0), f"{report}\n{demo.errors.read_text()}"
        assert report["commands"]["failed"] == 0
        assert demo.process.returncode == 0, demo.log()
        assert readings["produced"] > 3000
