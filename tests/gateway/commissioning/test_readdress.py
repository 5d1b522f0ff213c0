"""New meters get their ids one after another, proved by reading back; nothing is written to what is not known."""

from __future__ import annotations

import asyncio
import struct

import pytest

from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_gateway.commissioning.readdress import Readdresser, ReaddressError, order_of_ids
from lentera_sim.virtual_time import run_in_virtual_time
from tests.gateway.commissioning import scenes
from tests.gateway.commissioning.small_line import Meter, SmallLine, meter_of

SETTINGS = LineSettings(9600, "N", 1)
ID_REGISTER = 20


def id_words(unit: int) -> dict[int, int]:
    high, low = struct.unpack(">HH", struct.pack(">f", float(unit)))
    return {ID_REGISTER: high, ID_REGISTER + 1: low}


def take_id(meter: Meter, address: int, words: tuple[int, ...]) -> bool:
    """What an SDM does when its node register is written: it answers once at the old id, then lives at the new one."""
    if address != ID_REGISTER or len(words) != 2:
        return False
    unit = int(struct.unpack(">f", struct.pack(">HH", *words))[0])
    meter.writable.update(id_words(unit))
    asyncio.get_running_loop().call_later(0.2, setattr, meter, "unit", unit)
    return True


def new_meter(name: str = "eastron_sdm630", unit: int = 1) -> Meter:
    """A meter fresh from the box: no load, counters at zero."""
    profile = load_profile(name)
    assert isinstance(profile, MeterProfile)
    meter = meter_of(profile, unit, SETTINGS, scenes.values_for(profile, 0.0, 0.0))
    meter.functions = (*meter.functions, 3)
    meter.writable = id_words(unit)
    meter.on_write = take_id
    meter.on = False
    return meter


async def opened(meters: list[Meter]) -> Readdresser:
    port = RawPort()
    await port.open_serial(SmallLine(meters).open, SETTINGS)
    return Readdresser(port, scenes.profiles(), 1)


def test_twelve_meters_from_id_1_get_ids_1_to_12() -> None:
    meters = [new_meter() for _ in range(12)]

    async def work() -> list[int]:
        readdresser = await opened(meters)
        ids = order_of_ids(range(1, 13), 1, await readdresser.taken(range(1, 13)))
        assert ids == [*range(2, 13), 1]
        for meter, unit in zip(meters, ids, strict=True):
            waiting = asyncio.create_task(readdresser.next_meter())
            await asyncio.sleep(20)  # the technician walks to the next meter
            assert not waiting.done()
            meter.on = True
            await readdresser.give(await waiting, unit)
        return readdresser.result.given

    assert run_in_virtual_time(work()) == [*range(2, 13), 1]
    assert [meter.unit for meter in meters] == [*range(2, 13), 1]


def test_ids_that_are_taken_are_left_out() -> None:
    old = new_meter(unit=3)
    old.on = True

    async def work() -> list[int]:
        return await (await opened([old])).taken(range(1, 6))

    assert run_in_virtual_time(work()) == [3]
    assert order_of_ids(range(1, 6), 1, [3]) == [2, 4, 5, 1]


def give(meters: list[Meter], unit: int = 2) -> None:
    async def work() -> None:
        for meter in meters:
            meter.on = True
        readdresser = await opened(meters)
        await readdresser.give(await readdresser.next_meter(), unit)

    run_in_virtual_time(work())


def test_two_new_meters_at_once_are_not_written_to() -> None:
    meters = [new_meter(), new_meter()]
    meters[1].turnaround_s = 0.026
    with pytest.raises(ReaddressError, match="switch one off"):
        give(meters)
    assert [meter.unit for meter in meters] == [1, 1]


def test_a_meter_that_refuses_is_to_be_put_into_set_up_mode() -> None:
    meter = new_meter()
    meter.on_write = None
    with pytest.raises(ReaddressError, match="-SET-"):
        give([meter])


def test_a_meter_that_forgets_the_id_is_not_believed() -> None:
    meter = new_meter()
    meter.on_write = lambda _meter, _address, _words: True
    with pytest.raises(ReaddressError, match="no meter proves the new id 2"):
        give([meter])


def test_a_model_whose_id_register_nobody_knows_is_left_alone() -> None:
    meter = new_meter("schneider_iem3155_iem3255")
    with pytest.raises(ReaddressError, match=r"buttons|not known"):
        give([meter])


def test_an_id_that_somebody_has_is_not_given() -> None:
    with pytest.raises(ReaddressError, match="taken"):
        give([new_meter(), new_meter(unit=2)])


def test_relatives_that_keep_their_id_in_one_place_need_not_be_told_apart() -> None:
    meter = new_meter("eastron_sdm72d_m_v2")
    give([meter], 9)
    assert meter.unit == 9
