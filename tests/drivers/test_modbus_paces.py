"""Paces on a wire: a slow value that rides in a fast request is taken when it is due; outcomes say how all fared."""

from lentera_drivers.driver import DeviceTimeoutError, OutcomeKind
from tests.drivers.modbus_bench import Bench, answers, meter, small, tcp_bus
from tests.drivers.wires import ScriptedRtuServer

THREE = small(("voltage_l1", 0), ("voltage_l2", 1), ("voltage_l3", 2))
SLOW = {"paces": [{"quantities": ["voltage_l2"], "every_s": 60}], "every_s": 1}


async def test_a_rider_is_taken_at_its_own_pace_and_costs_no_request():
    async with (
        ScriptedRtuServer(answers({0: 1, 1: 2, 2: 3})) as server,
        Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter(**SLOW)], THREE) as driver,
    ):
        assert await driver.read("m1", 1) == (), "nothing is asked for it alone"
        [first] = await driver.read("m1")
        assert sorted(first.values) == ["voltage_l1", "voltage_l2", "voltage_l3"]
        [second] = await driver.read("m1")
        assert sorted(second.values) == ["voltage_l1", "voltage_l3"]
        assert [request[2:] for request in server.requests] == [(0, 3), (0, 3)]
        await driver.read("m1", 1)
        [third] = await driver.read("m1")
        assert "voltage_l2" in third.values


async def test_outcomes_tell_values_apart_from_silence():
    silent = False

    async def answer(frame: bytes, send) -> None:
        if not silent:
            await answers({0: 1, 1: 2, 2: 3})(frame, send)

    async with ScriptedRtuServer(answer) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], THREE)
        async with bench as driver:
            assert driver.outcomes("m1") == {}
            [sample] = await driver.read("m1")
            well = driver.outcomes("m1")["voltage_l1"]
            assert (well.kind, well.at_ms, well.ok_at_ms) == (OutcomeKind.OK, sample.monotonic_ms, sample.monotonic_ms)
            silent = True
            kinds = []
            for _ in range(2):
                try:
                    await driver.read("m1")
                except DeviceTimeoutError:
                    outcome = driver.outcomes("m1")["voltage_l1"]
                    kinds.append(outcome.kind)
                    assert outcome.ok_at_ms == sample.monotonic_ms
                bench.now_offset_ms += 600_000
            assert kinds[0] is OutcomeKind.LATE
