"""What a meter refuses: found with few requests, shared, remembered, never asked again, and never guessed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_drivers.driver import DeviceRefusedError, OutcomeKind
from lentera_drivers.modbus.blocks import ReadBlock
from lentera_drivers.modbus.driver import ModbusDriver
from lentera_drivers.modbus.holes import (
    ABSENT_AGAIN_AFTER_MS,
    ABSENT_FOR_MS,
    MAX_ENTRIES,
    MAX_MODELS,
    AbsentValue,
    ClosedRange,
    Findings,
    HoleBook,
    HoleBookError,
    search,
)
from tests.drivers.modbus_bench import Bench, meter, small, tcp_bus
from tests.drivers.test_plan import meter as layout
from tests.drivers.wires import ScriptedRtuServer, parse_request, rtu_exception, rtu_frame

NOW_MS = 1_800_000_000_000
NAMES = ["voltage_l1", "voltage_l2", "voltage_l3", "voltage_ln_avg", "voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1"]


class Device:
    """Answers for the registers that it has; exception 2 for others, 3 beyond its limit."""

    def __init__(self, has: set[int], limit: int = 125) -> None:
        self.has, self.limit = has, limit
        self.asked: list[tuple[int, int]] = []

    def refuses(self, address: int, count: int) -> int | None:
        self.asked.append((address, count))
        if count > self.limit:
            return 3
        return None if self.has.issuperset(range(address, address + count)) else 2

    async def __call__(self, frame: bytes, send) -> None:
        unit, function, address, count = parse_request(frame)
        code = self.refuses(address, count)
        if code is None:
            send(rtu_frame(unit, function, [200 + address + at for at in range(count)]))
        else:
            send(rtu_exception(unit, function, code))


def run_search(device: Device, block: ReadBlock, code: int = 2) -> Findings:
    steps = search(block, code)
    try:
        part = next(steps)
        while True:
            part = steps.send(device.refuses(part.address, part.count))
    except StopIteration as end:
        return end.value


def block_of(spans: list[tuple[int, int]]) -> ReadBlock:
    registers = layout(spans).registers
    return ReadBlock(3, registers[0].address, registers[-1].end - registers[0].address, registers)


def test_one_forbidden_hole_among_many_is_found_by_halving():
    spans = [(at * 4, 2) for at in range(16)]
    has = set(range(64)) - {22}
    device = Device(has)
    found = run_search(device, block_of(spans))
    assert found.closed == {ClosedRange(3, 22, 24)}
    assert not found.absent
    assert len(device.asked) <= 2 * math.ceil(math.log2(16)) + 2


def test_a_value_that_is_lacking_is_told_from_a_hole():
    found = run_search(Device(set(range(20)) - {4, 5}), block_of([(at, 2) for at in range(0, 20, 2)]))
    assert found.absent == {AbsentValue(3, 4): 2}
    assert not found.closed


def test_a_smaller_limit_than_the_profile_says_is_learnt():
    found = run_search(Device(set(range(40)), limit=24), block_of([(at, 2) for at in range(0, 40, 2)]), code=3)
    assert found.limit == 20
    assert not found.closed
    assert not found.absent


def test_a_device_that_refuses_everything_is_not_asked_for_ever():
    device = Device(set())
    found = run_search(device, block_of([(at, 2) for at in range(0, 80, 2)]))
    assert not found.accepted
    assert len(device.asked) <= 8


def test_a_moments_refusal_is_not_remembered():
    """Both halves are answered, and so is the whole when it is asked again."""
    found = run_search(Device(set(range(20))), block_of([(0, 2), (8, 2)]))
    assert found.accepted
    assert (found.closed, found.absent, found.limit) == (set(), {}, None)


gaps = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([1, 2])), min_size=2, max_size=8)


@given(gaps, st.data())
def test_what_is_found_is_true_and_what_is_left_is_answered(sizes, data):
    spans, at = [], 0
    for gap, count in sizes:
        at += gap
        spans.append((at, count))
        at += count
    lacking = data.draw(st.sets(st.integers(0, at), max_size=3))
    device = Device(set(range(at)) - lacking)
    block = block_of(spans)
    if device.refuses(block.address, block.count) is None:
        return
    found = run_search(device, block)
    for code, first, end in found.closed:
        assert code == 3
        assert lacking & set(range(first, end))
    for value in found.absent:
        register = next(one for one in block.registers if one.address == value.address)
        assert lacking & set(range(register.address, register.end))


# --- the book -------------------------------------------------------------------------------------------------------


def test_a_book_is_read_again_as_it_was_written():
    written: list[bytes] = []
    book = HoleBook(on_change=written.append)
    book.learn("m", Findings(accepted=True, closed={ClosedRange(3, 2, 4)}, limit=50))
    book.learn_absent("m", AbsentValue(3, 8), NOW_MS)
    again = HoleBook(written[-1])
    assert again.refusals("m", NOW_MS) == book.refusals("m", NOW_MS)
    assert again.refusals("m", NOW_MS).closed == {ClosedRange(3, 2, 4)}
    assert again.refusals("m", NOW_MS).absent == {AbsentValue(3, 8)}
    assert again.refusals("m", NOW_MS).limit == 50
    assert again.refusals("other", NOW_MS).closed == frozenset()


def test_what_is_known_already_is_not_written_again():
    written: list[bytes] = []
    book = HoleBook(on_change=written.append)
    for _ in range(3):
        book.learn("m", Findings(closed={ClosedRange(3, 2, 4)}))
    assert len(written) == 1
    before = book.refusals("m", NOW_MS)
    assert book.refusals("m", NOW_MS) is before, "who plans by it sees at a glance that nothing is new"


def test_a_hole_inside_a_hole_stands_for_both():
    book = HoleBook()
    book.learn("m", Findings(closed={ClosedRange(3, 0, 10)}))
    book.learn("m", Findings(closed={ClosedRange(3, 4, 6)}))
    assert book.refusals("m", NOW_MS).closed == {ClosedRange(3, 4, 6)}


def test_an_absent_value_is_asked_for_again_after_a_month():
    book = HoleBook()
    book.learn_absent("m", AbsentValue(3, 8), NOW_MS)
    assert book.refusals("m", NOW_MS + ABSENT_FOR_MS - 1).absent
    assert not book.refusals("m", NOW_MS + ABSENT_FOR_MS).absent


def test_a_book_is_bounded():
    book = HoleBook()
    for number in range(MAX_MODELS + 10):
        book.learn_absent(f"m{number}", AbsentValue(3, 1), NOW_MS)
    assert len(book.models()) == MAX_MODELS
    for address in range(MAX_ENTRIES + 50):
        book.learn_absent("m70", AbsentValue(3, address), NOW_MS)
    assert len(book.refusals("m70", NOW_MS).absent) == MAX_ENTRIES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 2, "models": {}}',
        b'{"version": 1, "models": {"m": {"closed": [["a"]]}}}',
        b" " * (1 << 21),
    ],
)
def test_a_damaged_book_is_refused_with_words(data):
    with pytest.raises(HoleBookError, match="refusals"):
        HoleBook(data)


# --- on a wire ------------------------------------------------------------------------------------------------------


async def read_all(driver: ModbusDriver, name: str = "m1") -> dict[str, float]:
    return {key: value for sample in await driver.read(name) for key, value in sample.values.items()}


async def test_a_hole_is_found_within_one_poll_shared_and_never_asked_again_after_a_restart():
    profiles = small(*((name, at * 4) for at, name in enumerate(NAMES)))
    device = Device(set(range(64)) - {10})
    wanted = {name: 200.0 + at * 4 for at, name in enumerate(NAMES)}
    written: list[bytes] = []
    book = HoleBook(on_change=written.append)
    async with ScriptedRtuServer(device) as server:
        async with Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter(1), meter(2)], profiles, holes=book) as driver:
            assert await read_all(driver) == wanted, "the search's answers are values of the poll"
            assert book.refusals("small", NOW_MS).closed == {ClosedRange(3, 9, 12)}
            device.asked.clear()
            assert await read_all(driver, "m2") == wanted
            assert await read_all(driver) == wanted
            assert set(device.asked) == {(0, 9), (12, 13)}, "the other meter of the model knows at once"
        device.asked.clear()
        again = HoleBook(written[-1])
        async with Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter(1)], profiles, holes=again) as driver:
            assert await read_all(driver) == wanted
            assert device.asked == [(0, 9), (12, 13)]


async def test_an_absent_value_is_believed_only_when_it_is_refused_again_and_the_rest_goes_on():
    profiles = small(("voltage_l1", 0), ("voltage_l2", 1), ("voltage_l3", 2))
    device = Device({0, 2})
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter(1), meter(2)], profiles)
        async with bench as driver:
            assert await read_all(driver) == {"voltage_l1": 200.0, "voltage_l3": 202.0}
            outcome = driver.outcomes("m1")["voltage_l2"]
            assert (outcome.kind, outcome.exception_code) == (OutcomeKind.REFUSED, 2)
            device.asked.clear()
            assert await read_all(driver) == {"voltage_l1": 200.0, "voltage_l3": 202.0}
            assert (1, 1) not in device.asked
            bench.now_offset_ms += ABSENT_AGAIN_AFTER_MS
            assert await read_all(driver) == {"voltage_l1": 200.0, "voltage_l3": 202.0}
            assert device.asked.count((1, 1)) == 1
            assert driver.outcomes("m1")["voltage_l2"].kind is OutcomeKind.ABSENT
            assert driver.describe_plan()[0].absent == ("voltage_l2",)
            bench.now_offset_ms += ABSENT_AGAIN_AFTER_MS
            await driver.read("m1")
            assert device.asked.count((1, 1)) == 1, "never again"


async def test_a_meter_that_starts_up_loses_nothing():
    """It refuses one value for a while, and everything for a moment."""
    profiles = small(("voltage_l1", 0), ("voltage_l2", 1), ("voltage_l3", 2))
    device = Device(set())
    book = HoleBook()
    async with ScriptedRtuServer(device) as server:
        bench = Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], profiles, holes=book)
        async with bench as driver:
            with pytest.raises(DeviceRefusedError):
                await driver.read("m1")
            bench.now_offset_ms += ABSENT_AGAIN_AFTER_MS
            device.has = {0, 2}
            assert await read_all(driver) == {"voltage_l1": 200.0, "voltage_l3": 202.0}
            device.has = {0, 1, 2}
            bench.now_offset_ms += ABSENT_AGAIN_AFTER_MS
            everything = {"voltage_l1": 200.0, "voltage_l2": 201.0, "voltage_l3": 202.0}
            assert await read_all(driver) == everything
            device.asked.clear()
            assert await read_all(driver) == everything
            assert device.asked == [(0, 3)]
            assert book.models() == []


async def test_a_refusal_that_does_not_speak_of_registers_starts_no_search():
    asked: list[bytes] = []

    async def busy(frame: bytes, send) -> None:
        asked.append(frame)
        send(rtu_exception(frame[0], frame[1], 6))

    profiles = small(("voltage_l1", 0), ("voltage_l2", 4))
    async with (
        ScriptedRtuServer(busy) as server,
        Bench(tcp_bus(server.port, "rtu_over_tcp"), [meter()], profiles) as driver,
    ):
        with pytest.raises(DeviceRefusedError, match="busy"):
            await driver.read("m1")
        assert len(asked) == 1
        assert driver.outcomes("m1")["voltage_l1"].exception_code == 6
