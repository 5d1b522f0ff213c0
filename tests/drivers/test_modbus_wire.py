"""The Modbus driver against pymodbus's own servers, on TCP and on a serial line."""

import asyncio
from pathlib import Path

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from lentera_drivers.driver import (
    DeviceRefusedError,
)
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_model.config import ModbusBus
from lentera_model.readings import Quality
from tests.drivers.modbus_bench import (
    VOLTS,
    Bench,
    image_of,
    meter,
    port_of,
    small,
    tcp_bus,
    tcp_server,
    together,
    values_for,
)
from tests.drivers.wires import FRAME_S, PtyCable


async def test_a_meter_on_tcp_is_read_whole():
    profile = load_profile("siemens_pac3200")
    assert isinstance(profile, MeterProfile)
    wanted = values_for(profile)
    async with tcp_server(SimDevice(1, simdata=image_of(profile, wanted))) as server:
        bench = Bench(tcp_bus(port_of(server), timeout_ms=2000), [meter(profile="siemens_pac3200")])
        async with bench as driver:
            before = bench.clock()
            samples = await driver.read("m1")
            assert together(samples) == pytest.approx(wanted)
            for sample in samples:
                assert before <= sample.monotonic_ms <= bench.clock()
                assert (sample.device, sample.profile) == ("m1", "siemens_pac3200")
            assert bench.statuses == [("m1", True, "answers")]


@pytest.mark.parametrize("profile_id", ["eastron_sdm630", "abb_b23"])
async def test_meters_on_a_serial_line_are_read_whole(profile_id):
    profile = load_profile(profile_id)
    assert isinstance(profile, MeterProfile)
    wanted = values_for(profile)
    with PtyCable() as cable:
        devices = [SimDevice(unit, simdata=image_of(profile, wanted), action=heard_whole) for unit in (1, 2)]
        server = ModbusSerialServer(devices, port=cable.ports[0], baudrate=19200)
        await server.serve_forever(background=True)
        bus = ModbusBus(
            id="b", driver="modbus", transport="rtu", port=Path(cable.ports[1]), baud=19200, timeout_ms=2000
        )
        async with Bench(bus, [meter(1, profile_id), meter(2, profile_id)]) as driver:
            samples = await asyncio.gather(driver.read("m1"), driver.read("m2"))
            for poll in samples:
                assert together(poll) == pytest.approx(wanted)
        await server.shutdown()


async def heard_whole(*_: object) -> None:
    """Answer once the question's last bit has come: a pseudo-terminal hands it over at once."""
    await asyncio.sleep(FRAME_S)


async def test_only_the_wanted_quantities_are_asked_for():
    profile = load_profile("abb_b23")
    assert isinstance(profile, MeterProfile)
    async with tcp_server(SimDevice(1, simdata=image_of(profile, values_for(profile)))) as server:
        device = meter(profile="abb_b23", quantities=["voltage_l1", "voltage_l3"])
        async with Bench(tcp_bus(port_of(server), timeout_ms=2000), [device]) as driver:
            [sample] = await driver.read("m1")
            assert sorted(sample.values) == ["voltage_l1", "voltage_l3"]
            plan = driver.describe_plan()
            assert [request.target for request in plan] == ["unit 1, function 3, registers 23296..23301"]
            assert plan[0].quantities == ("voltage_l1", "voltage_l3")
            assert plan[0].wire_ms is not None


async def test_null_values_are_absent_and_implausible_ones_suspect():
    profiles = small(("voltage_l1", 0), ("voltage_l2", 1))
    registers = profiles["small"].registers
    registers = (
        registers[0].model_copy(update={"null_markers": (0xFFFF,)}),
        registers[1].model_copy(update={"maximum": 300.0}),
    )
    profiles = {"small": profiles["small"].model_copy(update={"registers": registers})}
    data = SimDevice(1, simdata=[SimData(0, values=[0xFFFF, 301], datatype=DataType.REGISTERS)])
    async with tcp_server(data) as server, Bench(tcp_bus(port_of(server)), [meter()], profiles) as driver:
        [sample] = await driver.read("m1")
        assert sample.values == {"voltage_l2": 301.0}
        assert sample.quality is Quality.SUSPECT


async def test_an_exception_names_device_address_and_exception():
    async with tcp_server(SimDevice(1, simdata=[SimData(0, values=[1], datatype=DataType.REGISTERS)])) as server:
        bench = Bench(tcp_bus(port_of(server)), [meter()], VOLTS)
        async with bench as driver:
            with pytest.raises(
                DeviceRefusedError, match=r"m1: unit 1 on .*registers 100..101: illegal data address"
            ) as raised:
                await driver.read("m1")
            assert raised.value.exception_code == 2
            assert bench.statuses == [("m1", True, "answers")], "a refusal is an answer"


async def test_what_one_block_refuses_does_not_cost_the_others():
    async with tcp_server(SimDevice(1, simdata=[SimData(100, values=[231], datatype=DataType.REGISTERS)])) as server:
        profiles = small(("voltage_l1", 100), ("voltage_l2", 900))
        async with Bench(tcp_bus(port_of(server)), [meter()], profiles) as driver:
            [sample] = await driver.read("m1")
            assert sample.values == {"voltage_l1": 231.0}


async def test_a_meter_that_refuses_holes_is_asked_without_them():
    data = [
        SimData(100, values=[231], datatype=DataType.REGISTERS),
        SimData(105, values=[232], datatype=DataType.REGISTERS),
    ]
    async with tcp_server(SimDevice(1, simdata=data)) as server:
        profiles = small(("voltage_l1", 100), ("voltage_l2", 105))
        async with Bench(tcp_bus(port_of(server)), [meter()], profiles) as driver:
            assert len(driver.describe_plan()) == 1
            [sample] = await driver.read("m1")
            assert sample.values == {"voltage_l1": 231.0, "voltage_l2": 232.0}
            assert len(driver.describe_plan()) == 2
