"""A pause ends in its time, or at once when everything stops."""

import asyncio

from lentera_gateway.stopping import StopEvent
from lentera_sim.virtual_time import run_in_virtual_time


def test_a_pause_lasts_its_time_and_the_end_ends_them_all():
    async def scene() -> None:
        stop, loop = StopEvent(), asyncio.get_running_loop()
        began = loop.time()
        assert await stop.pause(5) is False
        assert await stop.pause(0) is False
        assert loop.time() - began == 5
        pauses = [asyncio.ensure_future(stop.pause(3600)) for _ in range(3)]
        loop.call_later(7, stop.set)
        assert await asyncio.gather(*pauses) == [True, True, True]
        assert loop.time() - began == 12
        assert await stop.pause(3600) is True
        assert loop.time() - began == 12

    run_in_virtual_time(scene())


def test_a_cancelled_pause_leaves_nothing_behind():
    async def scene() -> None:
        stop = StopEvent()
        pause = asyncio.ensure_future(stop.pause(3600))
        await asyncio.sleep(1)
        pause.cancel()
        await asyncio.gather(pause, return_exceptions=True)
        stop.set()
        assert pause.cancelled()

    run_in_virtual_time(scene())
