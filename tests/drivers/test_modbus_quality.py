"""How far a meter's values may be trusted: each way to each quality, with its reason, and nothing lost on the way."""

import struct

import pytest

from lentera_drivers.driver import DeviceRefusedError, OutcomeKind
from lentera_drivers.modbus.quality import QualityOf
from lentera_drivers.profiles import MeterProfile, load_profile
from lentera_model.readings import Quality
from tests.drivers.modbus_bench import Bench, meter, tcp_bus
from tests.drivers.wires import ScriptedRtuServer, parse_request, rtu_exception, rtu_frame

NAN, INFINITE = struct.unpack(">HH", struct.pack(">f", float("nan"))), (0x7F80, 0)


def profile(*registers: dict, **more) -> MeterProfile:
    data = {"kind": "meter", "id": "small", "manufacturer": "m", "model": "m", "phases": 3, "transport": ["rtu"]}
    data |= {"function_code": 3, "sources": [{"url": "x"}], "registers": registers, "turnaround_ms": 0}
    return MeterProfile.model_validate(data | more)


def volts(name: str, address: int, **more) -> dict:
    return {"quantity": name, "address": address, "count": 1, "type": "uint16", "unit": "V"} | more


ENERGY = {"quantity": "energy_active_import", "address": 4, "count": 2, "type": "uint32", "unit": "Wh"}
HERTZ = {"quantity": "frequency", "address": 6, "count": 2, "type": "float32", "unit": "Hz"}
FAULT = {"quantity": "device_fault", "address": 8, "count": 1, "type": "bits16", "mask": 6, "unit": "1"}
NULLED = volts("voltage_l3", 2, null_markers=[0xFFFF])
SMALL = profile(volts("voltage_l1", 0), volts("voltage_l2", 1, minimum=200, maximum=250), NULLED, ENERGY, HERTZ, FAULT)
WELL = {0: 230, 1: 231, 2: 232, 4: 0, 5: 1000, 6: 0x4248, 7: 0, 8: 0}


class Registers:
    """A meter of words, which refuses with an exception what touches `refused`."""

    def __init__(self) -> None:
        self.words = dict(WELL)
        self.code = 4
        self.refused: set[int] = set()

    async def __call__(self, frame: bytes, send) -> None:
        unit, function, address, count = parse_request(frame)
        span = range(address, address + count)
        if self.refused.intersection(span):
            send(rtu_exception(unit, function, self.code))
        else:
            send(rtu_frame(unit, function, [self.words.get(at, 0) for at in span]))


def by_quality(samples) -> dict[Quality, dict[str, float]]:
    return {sample.quality: dict(sample.values) for sample in samples}


@pytest.mark.parametrize(
    ("words", "bad", "why"),
    [
        ({}, {}, {}),
        # suspect: beyond the limits that the profile gives
        ({1: 251}, {"voltage_l2": Quality.SUSPECT}, {"voltage_l2": "251 is beyond its limits, 200 to 250"}),
        ({1: 199}, {"voltage_l2": Quality.SUSPECT}, {"voltage_l2": "199 is beyond its limits, 200 to 250"}),
        # implausible: a rule of the probe failed, which is worse than a limit
        ({0: 2301}, {"voltage_l1": Quality.IMPLAUSIBLE}, {"voltage_l1": "2301 is not between 0 and 500"}),
        ({1: 2301}, {"voltage_l2": Quality.IMPLAUSIBLE}, {"voltage_l2": "2301 is not between 0 and 500"}),
        ({6: 0x42A0, 7: 0}, {"frequency": Quality.IMPLAUSIBLE}, {"frequency": "80 Hz is not between 40 and 70"}),
        (
            {5: 990},
            {"energy_active_import": Quality.IMPLAUSIBLE},
            {"energy_active_import": "the counter fell from 1000 to 990"},
        ),
        # true although unusual: an outage, a sag
        ({0: 0, 6: 0, 7: 0}, {}, {}),
        ({0: 120}, {}, {}),
    ],
)
async def test_what_a_meter_answers_is_kept_whole_with_what_speaks_against_it(words, bad, why):
    device = Registers()
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": SMALL})
        async with bench as driver:
            first = by_quality(await driver.read("m1"))
            assert set(first) == {Quality.GOOD}
            device.words |= words
            parts = by_quality(await driver.read("m1"))
            outcomes = driver.outcomes("m1")
            device.words = dict(WELL) | {5: 1000}
            again = by_quality(await driver.read("m1"))
            cleared = driver.outcomes("m1")
    kept = {name: quality for quality, values in parts.items() for name in values}
    assert kept == dict.fromkeys(first[Quality.GOOD], Quality.GOOD) | bad
    assert {name: one.doubt for name, one in outcomes.items() if one.doubt} == why
    assert {name: one.quality for name, one in outcomes.items() if one.quality} == bad
    assert set(again) == {Quality.GOOD}
    assert not [one for one in cleared.values() if one.quality]


async def test_a_counter_that_says_zero_for_a_while_is_doubted_for_all_that_while():
    device = Registers()
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": SMALL})
        async with bench as driver:
            await driver.read("m1")
            for high, low in (*[(0, 0)] * 3, (13_700, 0)):
                device.words |= {4: high, 5: low}
                parts = by_quality(await driver.read("m1"))
                assert parts[Quality.IMPLAUSIBLE] == {"energy_active_import": high * 65536.0}
            jumped = driver.outcomes("m1")["energy_active_import"].doubt
            device.words |= {4: 0, 5: 1000}
            again = by_quality(await driver.read("m1"))
    assert jumped.startswith("the counter rose from 1000 to 897843200 Wh in ")
    assert set(again) == {Quality.GOOD}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({2: 0xFFFF}, "voltage_l3"),
        (dict(zip((6, 7), NAN, strict=True)), "frequency"),
        (dict(zip((6, 7), INFINITE, strict=True)), "frequency"),
    ],
)
async def test_what_is_no_number_is_no_value_and_the_rest_is_good(words, name):
    device = Registers()
    device.words |= words
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": SMALL})
        async with bench as driver:
            parts = by_quality(await driver.read("m1"))
            outcomes = driver.outcomes("m1")
    assert set(parts) == {Quality.GOOD}
    assert len(parts[Quality.GOOD]) == 5
    assert outcomes[name].kind is OutcomeKind.NO_VALUE


@pytest.mark.parametrize("bits", [2, 4, 6])
async def test_a_fault_bit_of_a_profile_marks_all_that_came_with_it(bits):
    device = Registers()
    device.words[8] = bits | 0xFF01
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": SMALL})
        async with bench as driver:
            parts = by_quality(await driver.read("m1"))
            doubt = driver.outcomes("m1")["voltage_l1"]
            device.words[8] = 0xFF01
            after = by_quality(await driver.read("m1"))
    assert set(parts) == {Quality.DEVICE_FAULT}
    assert (len(parts[Quality.DEVICE_FAULT]), parts[Quality.DEVICE_FAULT]["device_fault"]) == (6, bits >> 1)
    assert (doubt.quality, doubt.doubt) == (Quality.DEVICE_FAULT, "the device says that it is at fault")
    assert (set(after), after[Quality.GOOD]["device_fault"]) == ({Quality.GOOD}, 0)


PLAIN = profile(volts("voltage_l1", 0), volts("voltage_l2", 500))  # two requests


async def test_exception_four_instead_of_values_is_a_value_of_its_own_until_it_is_over():
    device = Registers()
    device.words |= {500: 231}
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": PLAIN})
        async with bench as driver:
            assert by_quality(await driver.read("m1")) == {Quality.GOOD: {"voltage_l1": 230, "voltage_l2": 231}}
            device.refused = {0, 500}
            for _ in range(2):
                with pytest.raises(DeviceRefusedError, match="exception 4"):
                    await driver.read("m1")
            assert [by_quality([one]) for one in bench.samples] == 2 * [{Quality.DEVICE_FAULT: {"device_fault": 1}}]
            outcome = driver.outcomes("m1")["voltage_l1"]
            assert (outcome.kind, outcome.exception_code) == (OutcomeKind.REFUSED, 4)
            device.refused = set()
            whole = {"voltage_l1": 230, "voltage_l2": 231}
            assert by_quality(await driver.read("m1")) == {Quality.GOOD: {"device_fault": 0} | whole}
            assert by_quality(await driver.read("m1")) == {Quality.GOOD: whole}
    assert [(online, "exception 4" in reason) for _, online, reason in bench.statuses] == [
        (True, False),
        (True, True),
        (True, False),
    ]


async def test_values_that_came_beside_exception_four_are_those_of_a_device_at_fault():
    device = Registers()
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": PLAIN})
        async with bench as driver:
            await driver.read("m1")
            device.refused = {500}
            for _ in range(2):
                parts = by_quality(await driver.read("m1"))
                assert parts == {Quality.DEVICE_FAULT: {"voltage_l1": 230, "device_fault": 1}}
            assert "exception 4" in driver.outcomes("m1")["voltage_l1"].doubt
    assert bench.samples == []


async def test_a_register_that_never_gave_anything_but_exception_four_makes_no_meter_faulty():
    """Some meters answer so for what they lack."""
    device = Registers()
    device.refused = {500}
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": PLAIN})
        async with bench as driver:
            assert by_quality(await driver.read("m1")) == {Quality.GOOD: {"voltage_l1": 230}}
            outcome = driver.outcomes("m1")["voltage_l2"]
    assert (outcome.kind, outcome.exception_code) == (OutcomeKind.REFUSED, 4)
    assert [reason for *_, reason in bench.statuses] == ["answers"]


@pytest.mark.parametrize("code", [1, 2, 3, 5, 6])
async def test_no_other_exception_says_that_the_meter_is_at_fault(code):
    device = Registers()
    device.code = code
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": PLAIN})
        async with bench as driver:
            await driver.read("m1")
            device.refused = {0, 500}
            with pytest.raises(DeviceRefusedError):
                await driver.read("m1")
    assert bench.samples == []


def test_the_worst_that_speaks_against_a_value_is_its_quality():
    meter = load_profile("eastron_sdm630")
    assert isinstance(meter, MeterProfile)
    it = QualityOf("m", meter)
    it.fault = "exception 4"
    (sample,) = it.samples({"voltage_l1": 2301.0, "frequency": 50.0}, 1, over=False)
    assert (sample.quality, set(it.doubts.values())) == (Quality.DEVICE_FAULT, {(Quality.DEVICE_FAULT, "exception 4")})
    parts = by_quality(it.samples({"voltage_l1": 2301.0, "frequency": 50.0}, 2))
    assert parts == {
        Quality.GOOD: {"device_fault": 0.0, "frequency": 50.0},
        Quality.IMPLAUSIBLE: {"voltage_l1": 2301.0},
    }
    assert set(it.doubts) == {"voltage_l1"}


async def test_a_meter_of_one_request_is_told_to_be_well_again_with_its_first_values():
    device = Registers()
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], {"small": profile(volts("voltage_l1", 0))})
        async with bench as driver:
            for _ in range(2):
                await driver.read("m1")
            device.refused = {0}
            with pytest.raises(DeviceRefusedError):
                await driver.read("m1")
            device.refused = set()
            assert by_quality(await driver.read("m1")) == {Quality.GOOD: {"device_fault": 0, "voltage_l1": 230}}
            assert by_quality(await driver.read("m1")) == {Quality.GOOD: {"voltage_l1": 230}}
    assert [online for _, online, _ in bench.statuses] == [True, True, True]
    assert bench.statuses[-1][2] == "answers, and is no longer at fault"
