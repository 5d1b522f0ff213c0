"""New meters get their ids one after another, proved by reading back; nothing is written to what is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import WriteMultipleRegistersRequest

from lentera_drivers.modbus.raw_port import RawPort
from lentera_drivers.modbus.transport import LineSettings
from lentera_gateway.commissioning.readdress import Readdresser, ReaddressError, order_of_ids
from lentera_sim import scenes
from lentera_sim.scenes import SceneMeter
from lentera_sim.virtual_time import run_in_virtual_time
from lentera_sim.wires.memory_line import MemoryLine
from lentera_sim.wires.station import Station
from lentera_sim.wires.unit import Answer, ModbusUnit

SETTINGS = LineSettings(9600, "N", 1)


def new_meter(name: str = "eastron_sdm630", unit: int = 1, *, takes_id: bool = True, seed: int = 1) -> SceneMeter:
    """A meter fresh from the box, switched on."""
    (meter,) = scenes.fresh(1, model=name).meters
    return replace(meter, unit=unit, powered=True, takes_id=takes_id, seed=seed)


async def opened(stations: Sequence[Station]) -> Readdresser:
    port = RawPort()
    await port.open_serial(MemoryLine(stations).open, SETTINGS)
    return Readdresser(port, scenes.catalogue(), 1)


def test_twelve_meters_from_id_1_get_ids_1_to_12() -> None:
    stations = [scenes.station_of(meter) for meter in scenes.fresh(12).meters]

    async def work() -> list[int]:
        readdresser = await opened(stations)
        ids = order_of_ids(range(1, 13), 1, await readdresser.taken(range(1, 13)))
        assert ids == [*range(2, 13), 1]
        for station, unit in zip(stations, ids, strict=True):
            waiting = asyncio.create_task(readdresser.next_meter())
            await asyncio.sleep(20)  # the technician walks to the next meter
            assert not waiting.done()
            station.powered = True
            await readdresser.give(await waiting, unit)
            assert station.unit_id == unit
        assert asyncio.get_running_loop().time() - 12 * 20 < 180, "the walking aside"
        return readdresser.result.given

    assert run_in_virtual_time(work()) == [*range(2, 13), 1]
    assert [station.unit_id for station in stations] == [*range(2, 13), 1]


def test_ids_that_are_taken_are_left_out() -> None:
    async def work() -> list[int]:
        return await (await opened([scenes.station_of(new_meter(unit=3))])).taken(range(1, 6))

    assert run_in_virtual_time(work()) == [3]
    assert order_of_ids(range(1, 6), 1, [3]) == [2, 4, 5, 1]


def give(stations: Sequence[Station], unit: int = 2) -> list[int]:
    """Give the next meter an id; return the ids that the line has then."""

    async def work() -> None:
        readdresser = await opened(stations)
        await readdresser.give(await readdresser.next_meter(), unit)

    run_in_virtual_time(work())
    return [station.unit_id for station in stations]


def stations(*meters: SceneMeter) -> list[Station]:
    return [scenes.station_of(meter) for meter in meters]


def test_two_new_meters_at_once_are_not_written_to() -> None:
    both = stations(new_meter(), replace(new_meter(seed=2), turnaround_s=0.026))
    with pytest.raises(ReaddressError, match="switch one off"):
        give(both)
    assert [station.unit_id for station in both] == [1, 1]


class Locked(ModbusUnit):
    """Shows its id, and takes no other until it is in set-up mode."""

    def answer(self, request: ModbusPDU) -> Answer | None:
        if isinstance(request, WriteMultipleRegistersRequest):
            return Answer(ExceptionResponse(request.function_code, 2), self.device)
        return super().answer(request)


def test_a_meter_that_refuses_is_to_be_put_into_set_up_mode() -> None:
    meter = new_meter()
    values = scenes.measured(meter)
    with pytest.raises(ReaddressError, match="-SET-"):
        give([Station(Locked("meter", meter.profile, lambda: values), 1)])


def test_a_meter_that_has_something_else_in_the_register_of_its_id_is_not_written_to() -> None:
    """As an unknown relative has: its volts and hertz are those of a model that is known."""
    with pytest.raises(ReaddressError, match="nothing was written"):
        give(stations(new_meter(takes_id=False)))


class Forgetful(ModbusUnit):
    """Says that it has taken its new id, and has not."""

    def answer(self, request: ModbusPDU) -> Answer | None:
        found = super().answer(request)
        self.unit_id = 1
        return found


def test_a_meter_that_forgets_the_id_is_not_believed() -> None:
    meter = new_meter()
    values = scenes.measured(meter)
    with pytest.raises(ReaddressError, match="no meter proves the new id 2"):
        give([Station(Forgetful("meter", meter.profile, lambda: values), 1)])


def test_a_model_whose_id_register_nobody_knows_is_left_alone() -> None:
    with pytest.raises(ReaddressError, match=r"buttons|not known"):
        give(stations(new_meter("schneider_iem3155_iem3255")))


def test_an_id_that_somebody_has_is_not_given() -> None:
    with pytest.raises(ReaddressError, match="taken"):
        give(stations(new_meter(), new_meter(unit=2)))


def test_relatives_that_keep_their_id_in_one_place_need_not_be_told_apart() -> None:
    assert give(stations(new_meter("eastron_sdm72d_m_v2")), 9) == [9]
