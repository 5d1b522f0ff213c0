"""Questions to one device between its polls: values, registers, writes that are read back, and the bytes of it all."""

from collections.abc import Iterable
from contextlib import asynccontextmanager

import pytest
from pymodbus.framer import FramerRTU

from lentera_drivers.driver import DeviceRefusedError, DeviceRestingError, DeviceTimeoutError
from lentera_model.readings import Quality
from tests.drivers.modbus_bench import Bench, meter, small, tcp_bus
from tests.drivers.wires import ScriptedRtuServer, parse_request, rtu_exception, rtu_frame

PROFILE = small(("voltage_l1", 100), ("voltage_l2", 102), ("voltage_l3", 104), ("voltage_l1_l2", 300))


class Device:
    """Has some registers and takes writes to some; keeps silent where it is told to."""

    def __init__(self, words: dict[int, int], writable: Iterable[int] = (), keeps: bool = True) -> None:
        self.words, self.writable, self.keeps = words, set(writable), keeps
        self.silent_for: set[int] = set()
        self.silent_units: set[int] = set()
        self.asked: list[tuple[int, int, int]] = []

    async def __call__(self, frame: bytes, send) -> None:
        unit, function, address, count = parse_request(frame)
        self.asked.append((function, address, count))
        if address in self.silent_for or unit in self.silent_units:
            return
        if function == 16:
            places = range(address, address + count)
            if not self.writable.issuperset(places):
                send(rtu_exception(unit, function, 2))
                return
            if self.keeps:
                data = frame[7:-2]
                self.words |= {at: data[2 * i] << 8 | data[2 * i + 1] for i, at in enumerate(places)}
            body = frame[:6]
            send(body + FramerRTU.compute_CRC(body).to_bytes(2, "big"))
        elif all(at in self.words for at in range(address, address + count)):
            send(rtu_frame(unit, function, [self.words[address + at] for at in range(count)]))
        else:
            send(rtu_exception(unit, function, 2))


class Turns:
    """The polls of a bus, as far as an enquiry sees them."""

    bench: Bench

    def __init__(self) -> None:
        self.asked: list[tuple[float, bool]] = []
        self.inside = 0

    @asynccontextmanager
    async def __call__(self, needs_ms: float, urgent: bool):
        self.asked.append((needs_ms, urgent))
        self.inside += 1
        assert self.inside == 1
        try:
            yield
        finally:
            self.inside -= 1


@asynccontextmanager
async def asking(device: Device, **more):
    """A driver, and what makes enquiries of its device m1."""
    turns, samples = Turns(), []
    async with ScriptedRtuServer(device) as server:
        bus = tcp_bus(server.port, "rtu_over_tcp")
        bench = Bench(bus, [meter(**more), meter(2)], PROFILE)
        async with bench as driver:
            turns.bench = bench
            yield lambda: driver.enquiry("m1", turns, samples.append), turns, samples


FULL = dict.fromkeys(range(100, 106), 230) | {300: 400}


async def test_quantities_are_read_in_turns_and_become_samples_where_they_are_configured():
    async with asking(Device(dict(FULL)), quantities=["voltage_l1", "voltage_l2"]) as (enquiry, turns, samples):
        one = enquiry()
        found = await one.read_quantities(None)
        assert found.values == {"voltage_l1": 230.0, "voltage_l2": 230.0}
        assert found.words == {}
        assert [sample.values for sample in samples] == [found.values]
        found = await enquiry().read_quantities(["voltage_l3", "voltage_l1_l2"])
        assert found.values == {"voltage_l3": 230.0, "voltage_l1_l2": 400.0}
        assert len(samples) == 1, "what is not configured is told, not stored"
    assert turns.asked
    assert all(needs_ms > 0 and not urgent for needs_ms, urgent in turns.asked)
    assert one.said[0].asked[:4] == bytes((1, 3, 0, 100))
    assert one.said[0].heard[:3] == bytes((1, 3, 6))


async def test_what_is_refused_is_asked_in_halves_and_named():
    words = {at: word for at, word in FULL.items() if at != 102}
    async with asking(Device(words)) as (enquiry, _, samples):
        found = await enquiry().read_quantities(None)
    assert found.values == {"voltage_l1": 230.0, "voltage_l3": 230.0, "voltage_l1_l2": 400.0}
    assert list(found.refused) == ["function 3, registers 102..102"]
    assert "exception 2" in found.refused["function 3, registers 102..102"]
    assert len(samples) == 3


async def test_registers_are_read_as_they_are_or_refused_as_a_whole():
    device = Device(dict(FULL))
    async with asking(device) as (enquiry, _, samples):
        found = await enquiry().read_registers(3, 100, 3)
        assert found.words == {(3, 100): 230, (3, 101): 230, (3, 102): 230}
        assert [sample.values for sample in samples] == [{"voltage_l1": 230.0, "voltage_l2": 230.0}]
        device.asked.clear()
        with pytest.raises(DeviceRefusedError, match="exception 2"):
            await enquiry().read_registers(3, 104, 9)
        assert device.asked == [(3, 104, 9)]


async def test_a_silent_device_is_asked_twice_and_then_no_more():
    device = Device(dict(FULL))
    device.silent_for = {300}
    async with asking(device) as (enquiry, _, _):
        found = await enquiry().read_quantities(None)
        assert found.values == {"voltage_l1": 230.0, "voltage_l2": 230.0, "voltage_l3": 230.0}
        assert "no answer" in found.refused["function 3, registers 300..300"]
        assert device.asked.count((3, 300, 1)) == 2
        device.silent_for = set(FULL)
        one = enquiry()
        with pytest.raises(DeviceTimeoutError):
            await one.read_quantities(None)
        assert {said.heard for said in one.said} == {b""}


async def test_a_write_is_urgent_and_read_back():
    device = Device(dict(FULL), {104, 105})
    async with asking(device) as (enquiry, turns, samples):
        written = await enquiry().write(104, [240, 241])
        assert (written.before, written.written, written.after) == ((230, 230), (240, 241), (240, 241))
        assert written.confirmed
        assert [urgent for _, urgent in turns.asked] == [True]
        assert [sample.values["voltage_l3"] for sample in samples] == [230.0, 240.0]
        device.keeps = False
        written = await enquiry().write(104, [250, 251])
        assert not written.confirmed
        assert written.after == (240, 241)
        with pytest.raises(DeviceRefusedError, match="exception 2"):
            await enquiry().write(100, [1])


async def test_a_write_to_what_cannot_be_read_is_not_confirmed():
    async with asking(Device(dict(FULL), {500}, keeps=False)) as (enquiry, _, _):
        written = await enquiry().write(500, [7])
    assert (written.before, written.after, written.confirmed) == ((), (), False)
    assert "exception 2" in written.why_no_after


async def test_a_value_that_speaks_against_itself_says_so():
    async with asking(Device(dict(FULL) | {100: 1000})) as (enquiry, _, samples):
        found = await enquiry().read_quantities(["voltage_l1"])
    assert found.quality == {"voltage_l1": Quality.IMPLAUSIBLE}
    assert [sample.quality for sample in samples] == [Quality.IMPLAUSIBLE]


async def test_a_device_that_rests_is_polled_again_once_it_has_answered_a_question():
    device = Device(dict(FULL))
    device.silent_units = {1}
    async with asking(device, quantities=["voltage_l1"]) as (enquiry, turns, _):
        driver = turns.bench.driver
        await driver.read("m2")
        for _ in range(3):
            turns.bench.now_offset_ms += 10_000
            with pytest.raises(DeviceTimeoutError):
                await driver.read("m1")
        asked = len(device.asked)
        with pytest.raises(DeviceTimeoutError):
            await enquiry().read_quantities(None)
        assert len(device.asked) == asked + 1, "one question for who was silent anyway"
        turns.bench.now_offset_ms += 4_000
        with pytest.raises(DeviceRestingError):
            await driver.read("m1")
        device.silent_units = set()
        assert (await enquiry().read_quantities(None)).values == {"voltage_l1": 230.0}
        assert [sample.values for sample in await driver.read("m1")] == [{"voltage_l1": 230.0}]
