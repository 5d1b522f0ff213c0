"""The parts of a Modbus line: the account of the silent, frames in what was heard, turnarounds, windows."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera_drivers.driver import DeviceReplyError, DeviceTimeoutError
from lentera_drivers.modbus.blocks import ReadBlock
from lentera_drivers.modbus.breaker import DEAD_SHARE, DeadTime
from lentera_drivers.modbus.doubt import LATE_MS
from lentera_drivers.modbus.line import ModbusLine
from lentera_drivers.modbus.question import reading
from lentera_drivers.modbus.rtu_frames import check_sum, frames_in, listen
from lentera_drivers.modbus.transport import LineSettings
from lentera_drivers.modbus.turnaround import Turnarounds
from lentera_model.config import ModbusBus
from lentera_sim.virtual_time import run_in_virtual_time
from tests.drivers.wires import parse_request, rtu_exception, rtu_frame


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(1, 1500)), min_size=50, max_size=300))
def test_the_silent_get_their_share_of_the_time_and_no_more(tries):
    account, now_ms, spent_ms = DeadTime(), 0.0, 0.0
    for pause_ms, cost_ms in tries:
        now_ms += pause_ms
        if account.allows(now_ms):
            now_ms += cost_ms
            account = account.spent(now_ms, cost_ms)
            spent_ms += cost_ms
    most = now_ms * DEAD_SHARE + 1000 + 1500
    assert spent_ms <= most
    assert account.allows(account.allows_at_ms() + 0.001)


def test_an_account_that_was_never_used_buys_one_second_at_most():
    account = DeadTime().at(3_600_000)
    assert account.saved_ms == 1000
    assert not account.spent(3_600_000, 1001).allows(3_600_000)


QUESTION = reading(5, 3, 100, 2)
ANSWER = rtu_frame(5, 3, [1, 2])


def heard(data: bytes, echoes: int = 0):
    return listen(data, QUESTION.unit, QUESTION.rtu, QUESTION.head, echoes)


@pytest.mark.parametrize("before", [b"", b"\x00\xff\x55", rtu_frame(9, 3, [7] * 4)])
@pytest.mark.parametrize("after", [b"", b"\xf8\xf9"])
def test_an_answer_is_found_among_noise_and_the_frames_of_others(before, after):
    found = heard(before + ANSWER + after)
    assert found.answers == [ANSWER[:-2]]
    assert len(found.others) == (before[:1] == b"\x09")
    assert found.noise_bytes == (len(before) if before[:1] == b"\x00" else 0) + len(after)


def test_an_echo_is_no_answer_and_a_second_copy_is():
    assert heard(QUESTION.rtu, 1).answers == []
    found = heard(QUESTION.rtu + ANSWER, 1)
    assert (found.echoes, found.answers) == (1, [ANSWER[:-2]])


def test_a_damaged_answer_is_told_from_silence():
    assert heard(ANSWER[:-1] + b"\x00").damaged
    assert not heard(b"").damaged


def test_half_a_frame_may_yet_become_one():
    assert heard(ANSWER[:5]).undecided
    assert not heard(ANSWER).undecided


def test_another_master_is_seen():
    assert heard(reading(5, 3, 0, 9).rtu).asked_by_another


@given(st.binary(max_size=300))
def test_no_bytes_break_the_listener(data):
    found = heard(data, 1)
    assert all(check_sum(frame) in data for frame in [*found.answers, *found.others])
    frames_in(data)


def test_frames_that_nobody_asked_for():
    assert frames_in(rtu_frame(9, 3, [1]) + rtu_exception(8, 3, 2)) == [
        rtu_frame(9, 3, [1])[:-2],
        rtu_exception(8, 3, 2)[:-2],
    ]


def test_a_turnaround_is_the_median_of_the_last_ones():
    measured = Turnarounds()
    for ms in (10, 10, 10, 500):
        measured.note(1, ms)
    assert measured.typical_ms(1) is None
    measured.note(1, 12)
    assert measured.typical_ms(1) == 10
    assert measured.typical_ms(2) is None
    assert measured.worst_ms > 490


def test_the_silence_of_a_frame():
    assert LineSettings(9600, "N", 1).silence_s == pytest.approx(3.5 * 10 / 9600)
    assert LineSettings(9600, "E", 1).silence_s == pytest.approx(3.5 * 11 / 9600)
    assert LineSettings(115200).silence_s == 0.00175


class RtuUnit:
    """A serial unit on simulated time. `replies` are what it says to its next questions; then it answers well."""

    def __init__(self, *replies: bytes) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[int, int]] = []
        self.is_open = True

    async def open(self, on_bytes, on_lost) -> "RtuUnit":
        self.on_bytes = on_bytes
        return self

    def write(self, data: bytes) -> None:
        unit, function, address, count = parse_request(data)
        self.asked.append((address, count))
        well = rtu_frame(unit, function, [address + at for at in range(count)])
        reply = self.replies.pop(0) if self.replies else well
        wait_s = LineSettings().character_s * (len(data) + len(reply)) + 0.02
        if reply:
            asyncio.get_running_loop().call_later(wait_s, self.on_bytes, reply)

    def close(self) -> None:
        self.is_open = False


CANARIES = [ReadBlock(3, 7, count, ()) for count in (1, 3, 4)]


def serial_line(unit: RtuUnit) -> ModbusLine:
    data = {"id": "b", "driver": "modbus", "transport": "rtu", "port": "/dev/none", "timeout_ms": 100}
    bus = ModbusBus.model_validate(data)
    return ModbusLine(bus, lambda: round(asyncio.get_running_loop().time() * 1000), connect=unit.open)


async def nothing_is_overdue() -> None:
    await asyncio.sleep(LATE_MS / 1000)


async def words_of(line: ModbusLine, address: int) -> tuple[int, ...]:
    return (await line.read("m", 5, ReadBlock(3, address, 2, ()), canaries=CANARIES)).words


def test_after_a_silence_the_canary_goes_first():
    async def work() -> None:
        unit = RtuUnit(b"")
        line = serial_line(unit)
        with pytest.raises(DeviceTimeoutError):
            await words_of(line, 100)
        await nothing_is_overdue()
        assert await words_of(line, 200) == (200, 201)
        assert await words_of(line, 300) == (300, 301)
        assert unit.asked == [(100, 2), (7, 1), (200, 2), (300, 2)]
        assert line.status()["canaries"] == 1

    run_in_virtual_time(work())


def test_a_unit_that_is_one_reply_behind_is_not_believed_until_it_is_in_step():
    async def work() -> None:
        # silent; then twice the reply to the question before; then in step
        unit = RtuUnit(b"", rtu_frame(5, 3, [100, 101]), rtu_frame(5, 3, [7]))
        line = serial_line(unit)
        with pytest.raises(DeviceTimeoutError):
            await words_of(line, 100)
        await nothing_is_overdue()
        with pytest.raises(DeviceReplyError, match="got function 3 with 2 registers, asked for function 3 with 1"):
            await words_of(line, 200)
        await nothing_is_overdue()
        with pytest.raises(DeviceReplyError, match="got function 3 with 1 registers, asked for function 3 with 3"):
            await words_of(line, 200)
        await nothing_is_overdue()
        assert await words_of(line, 200) == (200, 201)

    run_in_virtual_time(work())


def test_a_unit_that_speaks_unasked_is_in_doubt():
    async def work() -> None:
        unit = RtuUnit()
        line = serial_line(unit)
        assert await words_of(line, 100) == (100, 101)
        unit.on_bytes(rtu_frame(5, 3, [1, 2]))
        unit.on_bytes(rtu_frame(9, 3, [1, 2]))
        assert await words_of(line, 200) == (200, 201)
        assert unit.asked == [(100, 2), (7, 1), (200, 2)]
        assert line.status()["chatter"] == 2

    run_in_virtual_time(work())


def test_a_second_answer_behind_a_canary_spoils_it():
    async def work() -> None:
        canary = rtu_frame(5, 3, [7])
        unit = RtuUnit(b"", canary + canary)
        line = serial_line(unit)
        with pytest.raises(DeviceTimeoutError):
            await words_of(line, 100)
        await nothing_is_overdue()
        with pytest.raises(DeviceReplyError, match="one of the two is late"):
            await words_of(line, 200)

    run_in_virtual_time(work())


def test_a_canary_that_follows_a_canary_proves_nothing():
    async def work() -> None:
        canary, late = rtu_frame(5, 3, [7]), rtu_frame(5, 3, [200, 201])
        # Silent to a probe and one reply behind from then on; an exception has no length that could give that away.
        unit = RtuUnit(b"", canary, rtu_exception(5, 3, 4), canary, late)
        line = serial_line(unit)
        with pytest.raises(DeviceTimeoutError):
            await line.read("m", 5, CANARIES[0])
        await nothing_is_overdue()
        assert (await line.read("m", 5, CANARIES[0])).words == (7,)
        with pytest.raises(DeviceReplyError, match="got function 3 with 1 registers, asked for function 3 with 2"):
            await words_of(line, 200)
        await nothing_is_overdue()
        with pytest.raises(DeviceReplyError, match="got function 3 with 2 registers, asked for function 3 with 4"):
            await words_of(line, 300)
        await nothing_is_overdue()
        assert await words_of(line, 300) == (300, 301)

    run_in_virtual_time(work())
