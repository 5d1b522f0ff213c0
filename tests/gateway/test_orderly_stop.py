"""An orderly stop and start of the gateway's process: the cloud is told that it was stopped, and for how long."""

from lentera_gateway.clock import system_wall_ms
from lentera_model.protocol import GapReport
from lentera_sim.street import StreetPlan
from tests.gateway.board import board

MOST_BEFORE_MS = 6_000
"""A gateway that stops in order claims nothing that is older than 5 s; one for clocks and rounding."""


async def test_a_stop_and_a_start_are_told_as_stopped_with_their_times(tmp_path):
    async with board(tmp_path / "run", StreetPlan(meters=1, lamps=0, tcp_every_s=0.5)) as it:
        await it.until(it.cloud.readings)
        asked_ms = system_wall_ms()
        await it.stop()
        stopped_ms = system_wall_ms()
        newest_ms = max(reading.at_ms for reading in it.cloud.readings())
        before = len(it.cloud.readings())
        await it.start()
        await it.until(lambda: len(it.cloud.readings()) > before)
        await it.until(lambda: any(isinstance(one, GapReport) for one in it.cloud.told))
        (gap,) = [one for one in it.cloud.told if isinstance(one, GapReport)]
        back_ms = min(reading.at_ms for reading in it.cloud.readings() if reading.at_ms > stopped_ms)
        slack_ms = gap.uncertainty_ms + 1_000
        assert (gap.reason, gap.devices, gap.detail_s, gap.values) == ("stopped", [], 0, 0)
        assert asked_ms - MOST_BEFORE_MS - slack_ms <= gap.from_ms <= stopped_ms + slack_ms
        assert gap.from_ms >= newest_ms - slack_ms, "it claims what was delivered"
        assert stopped_ms - slack_ms <= gap.to_ms <= back_ms + slack_ms
        assert gap.from_ms < gap.to_ms
