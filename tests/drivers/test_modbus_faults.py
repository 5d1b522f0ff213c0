"""The Modbus driver against devices and buses that are late, wrong, silent or gone."""

import asyncio

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from lentera_drivers.driver import (
    BusDownError,
    DeviceReplyError,
    DeviceRestingError,
    DeviceTimeoutError,
    DriverSetupError,
)
from lentera_model.commands import Reason
from lentera_model.config import ModbusBus
from tests.drivers.modbus_bench import (
    TIMEOUT_MS,
    VOLTS,
    Bench,
    answers,
    meter,
    port_of,
    rtu_bus,
    small,
    tcp_bus,
    tcp_server,
)
from tests.drivers.wires import (
    FRAME_S,
    PtyCable,
    ScriptedRtuServer,
    parse_request,
    rtu_exception,
    rtu_frame,
    serve_on_port,
)


@pytest.mark.parametrize("wire", ["serial", "converter"])
@pytest.mark.parametrize("late_ms", [TIMEOUT_MS + 60, TIMEOUT_MS + 500])
async def test_a_late_reply_never_answers_another_question(wire, late_ms):
    """The first reply comes after its timeout; the values of the next reads are their own all the same."""
    words = {100: 1, 101: 2, 500: 5, 501: 6}
    first = True

    async def answer(frame: bytes, send) -> None:
        nonlocal first
        if first:
            first = False
            await asyncio.sleep(late_ms / 1000)
        await answers(words)(frame, send)

    if wire == "converter":
        async with ScriptedRtuServer(answer) as server:
            await read_round_a_late_reply(tcp_bus(server.port, "rtu_over_tcp"))
            assert server.connections == 2, "the socket with the late reply was given up"
        return
    with PtyCable() as cable:
        stop = await serve_on_port(cable.ports[0], answer, [])
        await read_round_a_late_reply(rtu_bus(cable.ports[1]))
        stop()


async def read_round_a_late_reply(bus: ModbusBus) -> None:
    """Time out on m1, read m2 at once and then m1 again: every value must belong to its own address."""
    profiles = VOLTS | {"other": small(("voltage_l1", 500), ("voltage_l2", 501))["small"]}
    bench = Bench(bus, [meter(1), meter(2, "other")], profiles)
    async with bench as driver:
        with pytest.raises(DeviceTimeoutError):
            await driver.read("m1")
        bench.now_offset_ms += 2_000  # the unit would rest: jump ahead, so that it is asked again at once
        [other] = await driver.read("m2")
        assert other.values == {"voltage_l1": 5.0, "voltage_l2": 6.0}
        good = 0
        for _ in range(4):
            try:
                [sample] = await driver.read("m1")
            except (DeviceTimeoutError, DeviceReplyError):
                bench.now_offset_ms += 600_000
                continue
            assert sample.values == {"voltage_l1": 1.0, "voltage_l2": 2.0}
            good += 1
        assert good


async def test_a_late_reply_to_the_same_unit_fails_the_probe():
    """Beyond every silence: the stale block reaches the probe's question, whose length is another."""
    late: list[bytes] = []
    seen = 0

    async def answer(frame: bytes, send) -> None:
        nonlocal seen
        seen += 1
        unit, function, address, count = parse_request(frame)
        reply = rtu_frame(unit, function, [address + at for at in range(count)])
        if seen == 1:
            late.append(reply)  # kept, and sent in place of the answer to the next question
        elif seen == 2:
            send(late.pop())
        else:
            send(reply)

    with PtyCable() as cable:
        stop = await serve_on_port(cable.ports[0], answer, [])
        bench = Bench(rtu_bus(cable.ports[1]), [meter()], VOLTS)
        async with bench as driver:
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m1")
            bench.now_offset_ms += 10_000
            with pytest.raises(DeviceReplyError, match="got function 3 with 2 registers, asked for function 3 with 1"):
                await driver.read("m1")
            bench.now_offset_ms += 10_000
            [sample] = await driver.read("m1")
            assert sample.values == {"voltage_l1": 100.0, "voltage_l2": 101.0}
        stop()


async def test_a_reply_of_the_wrong_length_is_not_used():
    async def answer(frame: bytes, send) -> None:
        unit, function, _, count = parse_request(frame)
        send(rtu_frame(unit, function, [7] * (count + 1)))

    async with ScriptedRtuServer(answer) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], VOLTS)
        async with bench as driver:
            with pytest.raises(DeviceReplyError, match="got function 3 with 3 registers, asked for function 3 with 2"):
                await driver.read("m1")
            assert bench.statuses[-1][:2] == ("m1", False)


async def test_a_reply_with_another_function_is_not_used():
    async def answer(frame: bytes, send) -> None:
        unit, _, _, count = parse_request(frame)
        send(rtu_frame(unit, 4, [7] * count))

    async with (
        ScriptedRtuServer(answer) as server,
        Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], VOLTS) as driver,
    ):
        with pytest.raises(DeviceReplyError, match="got function 4"):
            await driver.read("m1")


async def test_a_silent_unit_does_not_slow_the_others():
    async def answer(frame: bytes, send) -> None:
        if frame[0] != 9:
            await answers({100: 1, 101: 2})(frame, send)

    async with ScriptedRtuServer(answer) as server:
        devices = [meter(1), meter(2), meter(9)]
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), devices, VOLTS)
        async with bench as driver:
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m9")
            started = asyncio.get_running_loop().time()
            for _ in range(20):
                for name in ("m1", "m2"):
                    assert await driver.read(name)
                with pytest.raises(DeviceRestingError, match=r"m9: unit 9: no answer 1 times, asked again in"):
                    await driver.read("m9")
            assert asyncio.get_running_loop().time() - started < 1.9, "nothing waited for the silent unit"
            assert [request[0] for request in server.requests].count(9) == 1
            bench.now_offset_ms += 4_000
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m9")
            assert server.requests[-1] == (9, 3, 100, 1), "a short probe, not the whole block"
            with pytest.raises(DeviceRestingError, match="no answer 2 times"):
                await driver.read("m9")
            assert [status[:2] for status in bench.statuses if status[0] == "m9"] == [("m9", False)]


async def test_a_unit_that_comes_back_is_read_at_once_after_its_probe():
    silent = True

    async def answer(frame: bytes, send) -> None:
        if not silent:
            await answers({100: 1, 101: 2})(frame, send)

    async with ScriptedRtuServer(answer) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], VOLTS)
        async with bench as driver:
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m1")
            silent = False
            bench.now_offset_ms += 4_000
            [sample] = await driver.read("m1")
            assert sample.values == {"voltage_l1": 1.0, "voltage_l2": 2.0}
            assert [status[1] for status in bench.statuses] == [False, True]


async def test_what_a_probe_reads_is_kept_although_the_unit_falls_silent_again():
    """The probe's one register is a whole value; the block that follows it gets no answer."""
    silent = True

    async def answer(frame: bytes, send) -> None:
        if not silent and parse_request(frame)[3] == 1:
            await answers({100: 231})(frame, send)

    async with ScriptedRtuServer(answer) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], VOLTS)
        async with bench as driver:
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m1")
            silent = False
            bench.now_offset_ms += 4_000
            asked_ms = bench.clock()
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m1")
            assert [sample.values for sample in bench.samples] == [{"voltage_l1": 231.0}]
            assert asked_ms <= bench.samples[0].monotonic_ms <= bench.clock()


async def test_half_a_value_in_a_probe_is_no_sample():
    silent = True

    async def answer(frame: bytes, send) -> None:
        if not silent:
            await answers({})(frame, send)

    async with ScriptedRtuServer(answer) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter(profile="abb_b23")])
        async with bench as driver:
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m1")
            silent = False
            bench.now_offset_ms += 4_000
            assert await driver.read("m1")
            assert bench.samples == []


async def test_what_came_before_a_silence_is_kept():
    async def answer(frame: bytes, send) -> None:
        if parse_request(frame)[2] == 100:
            await answers({100: 231})(frame, send)

    profiles = small(("voltage_l1", 100), ("voltage_l2", 900))
    async with ScriptedRtuServer(answer) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], profiles)
        async with bench as driver:
            [sample] = await driver.read("m1")
            assert sample.values == {"voltage_l1": 231.0}
            with pytest.raises(DeviceRestingError):
                await driver.read("m1")


async def test_a_converter_that_cannot_reach_its_unit_is_a_silence():
    async def answer(frame: bytes, send) -> None:
        send(rtu_exception(frame[0], frame[1], 11))

    async with (
        ScriptedRtuServer(answer) as server,
        Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], VOLTS) as driver,
    ):
        with pytest.raises(DeviceTimeoutError, match="exception 11"):
            await driver.read("m1")


async def test_frames_on_a_line_keep_their_silence():
    stamps: list[float] = []

    async def answer(frame: bytes, send) -> None:
        stamps.append(asyncio.get_running_loop().time())
        await answers({})(frame, send)
        stamps.append(asyncio.get_running_loop().time())

    profiles = small(("voltage_l1", 100), gap_ms=30)
    with PtyCable() as cable:
        stop = await serve_on_port(cable.ports[0], answer, [])
        async with Bench(rtu_bus(cable.ports[1]), [meter(1), meter(2)], profiles) as driver:
            await asyncio.gather(*(driver.read(name) for name in ("m1", "m2", "m1")))
        stop()
    silences = [stamps[at + 1] - stamps[at] for at in range(1, len(stamps) - 1, 2)]
    assert len(silences) == 2
    assert min(silences) >= 0.0315 + FRAME_S


async def test_a_bus_that_is_down_says_so_and_comes_back(held_port):
    port = held_port
    bench = Bench(tcp_bus(port), [meter()], VOLTS)
    async with bench as driver:
        with pytest.raises(BusDownError, match=rf"m1: 127.0.0.1:{port} cannot be reached"):
            await driver.read("m1")
        with pytest.raises(BusDownError, match="is down"):
            await driver.read("m1")
        assert bench.statuses[0][:2] == ("m1", False)
        data = SimDevice(1, simdata=[SimData(100, values=[1, 2], datatype=DataType.REGISTERS)])
        server = ModbusTcpServer([data], address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        sample = None
        async with asyncio.timeout(5):
            while sample is None:
                try:
                    [sample] = await driver.read("m1")
                except BusDownError:
                    await asyncio.sleep(0.02)
        assert sample.values == {"voltage_l1": 1.0, "voltage_l2": 2.0}
        assert [status[1] for status in bench.statuses] == [False, True]
        await server.shutdown()
        with pytest.raises((BusDownError, DeviceTimeoutError)):
            await driver.read("m1")


async def test_a_port_that_does_not_exist():
    async with Bench(rtu_bus("/dev/does-not-exist"), [meter()], VOLTS) as driver:
        with pytest.raises(BusDownError, match="/dev/does-not-exist cannot be reached"):
            await driver.read("m1")


async def test_a_serial_port_that_is_unplugged():
    with PtyCable() as cable:
        stop = await serve_on_port(cable.ports[0], answers({100: 1, 101: 2}), [])
        async with Bench(rtu_bus(cable.ports[1]), [meter()], VOLTS) as driver:
            assert await driver.read("m1")
            stop()
            cable.unplug()
            with pytest.raises(BusDownError):
                await driver.read("m1")


async def test_a_slow_device_on_tcp_does_not_shift_the_answers():
    delays = [0.3, 0, 0, 0, 0]

    async def action(_fc, _start, _address, _count, _registers, _set) -> ExcCodes | None:
        await asyncio.sleep(delays.pop(0) if delays else 0)
        return None

    data = SimDevice(1, simdata=[SimData(100, values=[1, 2], datatype=DataType.REGISTERS)], action=action)
    async with tcp_server(data) as server:
        bench = Bench(tcp_bus(port_of(server)), [meter()], VOLTS)
        async with bench as driver:
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m1")
            bench.now_offset_ms += 4_000
            sample = None
            while sample is None:
                try:
                    [sample] = await driver.read("m1")
                except DeviceTimeoutError:
                    bench.now_offset_ms += 600_000
            assert sample.values == {"voltage_l1": 1.0, "voltage_l2": 2.0}


async def test_a_meter_has_no_level():
    async with Bench(tcp_bus(1), [meter()], VOLTS) as driver:
        end = await driver.set_level("m1", 40, 1)
        assert (end.outcome, end.reason) == ("failed", Reason.NOT_SUPPORTED)
        end = await driver.set_level("nobody", 40, 1)
        assert (end.outcome, end.reason) == ("failed", Reason.DEVICE_UNKNOWN)
        with pytest.raises(DriverSetupError, match="no device 'nobody'"):
            await driver.read("nobody")


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DriverSetupError, match="profile 'zigbee2mqtt_light' does not speak modbus"):
        Bench(tcp_bus(1), [meter(profile="zigbee2mqtt_light")])
    with pytest.raises(DriverSetupError, match="profile 'small' is not loaded"):
        Bench(tcp_bus(1), [meter()], {"other": VOLTS["small"]})
    with pytest.raises(DriverSetupError, match="has none of frequency"):
        Bench(tcp_bus(1), [meter(quantities=["frequency"])], VOLTS)
