"""An adapter that is pulled out and put back while the gateway runs: the same path, another device behind it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from lentera_sim.street import StreetPlan
from lentera_sim.wires.serial_line import SerialLine
from tests.gateway.board import Board, board

PLAN = StreetPlan(meters=3, lamps=1, serial_every_s=1.0, tcp_every_s=1.0, reports={})
SERIAL = ("meter-cabinet", "meter-office")
BUS = "rs485-0"

pytestmark = pytest.mark.usefixtures("mosquitto")


def line_of(it: Board) -> SerialLine:
    line = it.street.wires.line
    assert isinstance(line, SerialLine)
    return line


def newest_ms(it: Board) -> dict[str, int]:
    """When each meter of the serial line gave its newest value that has reached the cloud."""
    found: dict[str, int] = dict.fromkeys(SERIAL, 0)
    for reading in it.cloud.readings():
        if reading.device in found:
            found[reading.device] = max(found[reading.device], reading.at_ms)
    return found


async def until_read_on(it: Board) -> None:
    """Wait until both meters have given values that are newer than all there are now."""
    before = newest_ms(it)
    await it.until(lambda: all(newest_ms(it)[meter] > before[meter] for meter in SERIAL), 30)


@contextmanager
def taken(device: str) -> Iterator[None]:
    """Somebody else has the number of a pseudo-terminal that has become free, so that the next one is another."""
    opened: list[int] = []
    try:
        while not opened or (len(opened) < 200 and os.ttyname(opened[-1]) != device):
            opened += os.openpty()
        yield
    finally:
        for descriptor in opened:
            os.close(descriptor)


async def test_the_gateway_goes_on_when_an_adapter_comes_back_as_another_device(tmp_path):
    async with board(tmp_path / "run", PLAN, start=False) as it:
        it.command = [sys.executable, "-m", "lentera", "gateway", "run"]
        await it.start()
        pid = it.status()["pid"]
        line = line_of(it)
        behind = [os.readlink(line.path)]
        await until_read_on(it)
        for _ in range(2):
            await line.unplug()
            assert not os.path.lexists(line.path)
            await it.until(lambda: "does not exist; plug the adapter in" in str(it.status()["buses"][BUS]["error"]))
            await it.until(lambda: not it.status()["buses"][BUS]["up"])
            with taken(behind[-1]):
                await line.plug()
                behind.append(os.readlink(line.path))
            await until_read_on(it)
            await it.until(lambda: it.status()["buses"][BUS]["up"])
        assert all(before != after for before, after in pairwise(behind))
        assert it.status()["pid"] == pid
        assert it.status()["buses"][BUS]["driver"]["openings"] == 3
        await it.street.quieten()
        await it.stop()
        result = it.audit()
        assert (result.missing, result.unexplained, result.duplicated) == (0, 0, 0), result.details[:10]
        assert result.produced > 100
