"""The window of a Modbus TCP endpoint: proved before a value rides in it, narrowed when it fails, tried again later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lentera_drivers.driver import DeviceReplyError, DeviceTimeoutError
from lentera_drivers.modbus.blocks import ReadBlock
from lentera_drivers.modbus.line import ModbusLine
from lentera_drivers.modbus.window import AGAIN_FIRST_S, AGAIN_MOST_S, FORGIVEN_S, Window
from lentera_model.config import ModbusBus
from lentera_sim.virtual_time import run_in_virtual_time
from tests.drivers.modbus_bench import Bench, meter, small

TURNAROUND_S = 0.02
TIMEOUT_MS = 500
MOST = 16


def test_a_window_doubles_up_to_what_the_profile_allows():
    window, steps = Window(12), []
    while (step := window.next_step(0)) is not None:
        steps.append(step)
        window = window.passed(step)
    assert steps == [2, 4, 8, 12]
    assert window.proved == 12


def test_nothing_is_proved_where_the_profile_allows_one():
    assert Window(1).next_step(0) is None


def test_a_failed_proof_leaves_what_was_proved_and_is_repeated_after_growing_pauses():
    window, now_s, pauses = Window(16).passed(4), 1_000.0, []
    for _ in range(12):
        window = window.failed(now_s)
        assert (window.proved, window.next_step(now_s)) == (4, None)
        pauses.append(window.again_at_s - now_s)
        now_s = window.again_at_s
        assert window.next_step(now_s) == 8
    assert pauses[:4] == [AGAIN_FIRST_S, 2 * AGAIN_FIRST_S, 4 * AGAIN_FIRST_S, 8 * AGAIN_FIRST_S]
    assert pauses[-1] == AGAIN_MOST_S


def test_a_fall_at_work_begins_again_at_one_and_waits_longer_each_time():
    first = Window(16).passed(8).fell(0)
    again = first.passed(2).passed(4).fell(first.again_at_s)
    assert (first.proved, again.proved) == (1, 1)
    assert again.again_at_s - first.again_at_s == 2 * first.again_at_s


def test_a_fall_long_ago_is_forgiven():
    first = Window(16).failed(0)
    assert first.failed(first.again_at_s + FORGIVEN_S + 1).falls == 1


class Manners:
    """What a device does with questions that come before it has answered the first."""

    def __init__(self, takes: int = 100, *, hangs_up: bool = False, backwards: bool = False, mixes_up: bool = False):
        self.takes = takes
        self.hangs_up = hangs_up
        self.backwards = backwards
        self.mixes_up = mixes_up
        self.most = 0
        self.connections = 0

    def takes_another(self, under_way: int) -> bool:
        """Whether one more question is taken."""
        if under_way >= self.takes:
            return False
        self.most = max(self.most, under_way + 1)
        return True

    def answers(self, questions: list[bytes]) -> list[bytes]:
        """The answers to what was taken."""
        if self.backwards:
            questions = questions[::-1]
        heads = [question[:4] for question in questions]
        if self.mixes_up:
            heads = heads[1:] + heads[:1]
        return [head + answer_to(question) for head, question in zip(heads, questions, strict=True)]


def answer_to(question: bytes) -> bytes:
    """Each register holds its own address."""
    address, count = int.from_bytes(question[8:10]), int.from_bytes(question[10:12])
    words = b"".join((address + at).to_bytes(2) for at in range(count))
    return (3 + 2 * count).to_bytes(2) + question[6:8] + bytes([2 * count]) + words


class Conversation:
    """One connection to a device: it answers what it has taken, 20 ms after the first of it."""

    def __init__(self, manners: Manners, say, hang_up) -> None:
        self.manners, self.say, self.hang_up = manners, say, hang_up
        self.taken: list[bytes] = []
        manners.connections += 1

    def hear(self, question: bytes) -> None:
        if self.manners.takes_another(len(self.taken)):
            if not self.taken:
                asyncio.get_running_loop().call_later(TURNAROUND_S, self.answer)
            self.taken.append(question)
        elif self.manners.hangs_up:
            self.hang_up()

    def answer(self) -> None:
        questions, self.taken = self.taken, []
        for answer in self.manners.answers(questions):
            self.say(answer)


class Served(asyncio.Protocol):
    """A conversation over a real socket."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.conversation = Conversation(self.manners, transport.write, transport.abort)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        while len(self.heard) >= 12 and not self.transport.is_closing():
            question, self.heard = self.heard[:12], self.heard[12:]
            self.conversation.hear(question)


@asynccontextmanager
async def line_to(manners: Manners, window: int = MOST) -> AsyncIterator[ModbusLine]:
    """A line to a real server on the loopback."""
    server = await asyncio.get_running_loop().create_server(lambda: Served(manners), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line = ModbusLine(bus(port), lambda: round(asyncio.get_running_loop().time() * 1000), window=window)
    try:
        yield line
    finally:
        await line.close()
        server.close()


def bus(port: int = 502) -> ModbusBus:
    data = {"id": "b", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "tcp_port": port}
    return ModbusBus.model_validate(data | {"timeout_ms": TIMEOUT_MS})


async def read_all(line: ModbusLine, addresses: range) -> int:
    """Ask for eight registers at each address at once; each answer must be its own. Return how many failed."""

    async def ask(address: int) -> int:
        try:
            reply = await line.read("m", 1, ReadBlock(3, address, 8, ()))
        except DeviceTimeoutError:
            return 1
        assert reply.words == tuple(range(address, address + 8)), "an answer met another question"
        return 0

    return sum(await asyncio.gather(*map(ask, addresses)))


@pytest.mark.parametrize(("manners", "proved"), [
    pytest.param(Manners(), MOST, id="takes all"),
    pytest.param(Manners(takes=8), 8, id="takes eight"),
    pytest.param(Manners(takes=1), 1, id="drops what comes before its answer"),
    pytest.param(Manners(backwards=True), MOST, id="answers out of order"),
    pytest.param(Manners(mixes_up=True), 1, id="gives answers the numbers of other questions"),
    pytest.param(Manners(takes=1, hangs_up=True), 1, id="hangs up"),
    pytest.param(Manners(takes=4, hangs_up=True), 4, id="hangs up beyond four"),
])  # fmt: skip
async def test_no_value_pays_for_what_a_device_does_not_take(manners, proved):
    async with line_to(manners) as line:
        assert line.window == 1
        assert await read_all(line, range(1)) == 0
        assert line.window == proved
        manners.most = 0
        assert await read_all(line, range(100, 164)) == 0
        assert manners.most == proved
        assert line.status()["window"] == proved
        # What was found out belongs to the endpoint: a new connection does not begin again.
        connections = manners.connections
        await line.close()
        assert await read_all(line, range(200, 264)) == 0
        assert (line.window, manners.connections) == (proved, connections + 1)


async def test_a_device_that_takes_less_than_it_did_is_asked_one_at_a_time_from_then_on():
    manners = Manners()
    async with line_to(manners, 4) as line:
        await read_all(line, range(1))
        manners.takes = 1
        assert await read_all(line, range(4)) == 3
        assert line.window == 1
        manners.most = 0
        assert await read_all(line, range(20)) == 0
        assert (line.window, manners.most) == (1, 1)


class Simulated:
    """A conversation in simulated time."""

    def __init__(self, manners: Manners, on_bytes) -> None:
        self.conversation = Conversation(manners, on_bytes, self.close)
        self.is_open = True

    def write(self, data: bytes) -> None:
        self.conversation.hear(data)

    def close(self) -> None:
        self.is_open = False


def simulated(manners: Manners, window: int) -> ModbusLine:
    clock = asyncio.get_running_loop().time

    async def connect(on_bytes, on_lost) -> Simulated:
        return Simulated(manners, on_bytes)

    return ModbusLine(bus(), lambda: round(clock() * 1000), connect=connect, window=window)


@pytest.mark.parametrize("window", [1, 4, 16])
def test_turnarounds_of_a_proved_window_overlap(window):
    async def work() -> float:
        line = simulated(Manners(), window)
        await read_all(line, range(1))
        began_s = asyncio.get_running_loop().time()
        assert await read_all(line, range(160)) == 0
        return asyncio.get_running_loop().time() - began_s

    assert run_in_virtual_time(work()) == pytest.approx(160 / window * TURNAROUND_S, rel=0.01)


def test_a_larger_window_is_tried_again_after_the_pause_and_not_before():
    async def work() -> list[int]:
        manners = Manners(takes=1)
        line = simulated(manners, 4)
        await read_all(line, range(1))
        manners.takes = 100  # its new firmware takes more
        found = []
        for pause_s in (AGAIN_FIRST_S / 2, AGAIN_FIRST_S):
            await asyncio.sleep(pause_s)
            await read_all(line, range(1))
            found.append(line.window)
        return found

    assert run_in_virtual_time(work()) == [1, 4]


async def test_the_requests_of_a_poll_go_out_together_once_that_is_proved():
    manners = Manners()
    server = await asyncio.get_running_loop().create_server(lambda: Served(manners), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    profiles = small(*((f"voltage_l{phase}", 1_000 * phase) for phase in (1, 2, 3)), transport=["tcp"], window=3)
    async with Bench(bus(port), [meter()], profiles) as driver:
        for _ in range(2):
            manners.most = 0
            [sample] = await driver.read("m1")
            assert sample.values == {"voltage_l1": 1_000.0, "voltage_l2": 2_000.0, "voltage_l3": 3_000.0}
        assert manners.most == 3
        assert driver.status()["window"] == 3
    server.close()


@pytest.mark.parametrize(("window", "turnarounds"), [(1, 3), (2, 2), (3, 1), (16, 1)])
def test_a_plan_counts_turnarounds_that_overlap_once(window, turnarounds):
    def wire_ms(turnaround_ms: int) -> float:
        spans = [(f"voltage_l{phase}", 1_000 * phase) for phase in (1, 2, 3)]
        profiles = small(*spans, transport=["tcp"], window=window, turnaround_ms=turnaround_ms)
        return sum(one.wire_ms or 0.0 for one in Bench(bus(), [meter()], profiles).driver.describe_plan())

    assert wire_ms(30) - wire_ms(0) == pytest.approx(30 * turnarounds)


def test_an_answer_of_another_unit_is_not_believed():
    class Neighbour(Manners):
        def answers(self, questions: list[bytes]) -> list[bytes]:
            return [answer[:6] + bytes([answer[6] ^ 1]) + answer[7:] for answer in super().answers(questions)]

    async def work() -> None:
        with pytest.raises(DeviceReplyError, match="unit 0 answered what unit 1 was asked"):
            await simulated(Neighbour(), 1).read("m", 1, ReadBlock(3, 0, 1, ()))

    run_in_virtual_time(work())
