"""More than the process can hold: who comes beyond is told when to come again, and nothing is refused for good."""

import asyncio
import random
from collections.abc import Callable

import httpx
import pytest
import websockets

from lentera_cloud import serve
from lentera_cloud.adapters.memory_series import MemorySeries
from lentera_cloud.bootstrap import create_tenant_and_token
from lentera_cloud.features.ingest.budget import ByteBudget
from lentera_cloud.features.ingest.door import FULL_S, MEASURED, USUAL_RATE, Door
from lentera_cloud.kit.problems import Problem
from lentera_model.protocol import Ack, DeviceDeclaration
from tests.cloud.api.conftest import Site
from tests.cloud.api.test_outages import Switch, impatient, registered  # noqa: F401 - a fixture of every test here
from tests.cloud.support import Board, denial, now_ms, open_link, problem, running_app, running_server, settings_in


def retry_after_s(headers) -> int:
    return int(headers["Retry-After"])


async def test_a_budget_is_held_without_waiting():
    budget = ByteBudget(100)
    one, two = budget.hold(60), budget.hold(40)
    assert one is not None
    assert two is not None
    assert budget.hold(1) is None
    assert not two.grow(1)
    one.release()
    one.release()
    assert (budget.used_bytes, two.grow(50)) == (40, True)
    done = asyncio.get_running_loop().create_future()
    two.lend(done)
    two.release()
    assert budget.used_bytes == 90
    waiting = asyncio.create_task(budget.acquire(20))
    await asyncio.sleep(0)
    assert budget.hold(1) is None, "who does not wait goes before nobody that does"
    done.set_result(None)
    await waiting
    assert budget.used_bytes == 20


async def test_a_batch_larger_than_the_budget_is_taken_alone():
    budget = ByteBudget(100)
    alone = budget.hold(90)
    assert alone is not None
    assert alone.grow(500)
    assert budget.hold(1) is None


async def test_posts_beyond_their_places_are_told_to_come_again_before_they_are_read(tmp_path):
    series = Switch()
    async with running_app(settings_in(tmp_path, batch_posts=3), series=series) as api:
        board = await registered(api)
        series.on = False
        headers = board.authorization()
        batches = [board.sealed(("meter-1", now_ms() + n, {"frequency": 1.0 * n})) for n in range(3)]
        waiting = [asyncio.create_task(api.client.post("/v1/batches", content=one, headers=headers)) for one in batches]
        await asyncio.wait_for(series.attempted.wait(), 10)

        async def never_read():
            raise AssertionError("its body was read")
            yield b""

        async with asyncio.timeout(10):
            while (answer := await api.client.post("/v1/batches", content=b"", headers=headers)).status_code != 503:
                await asyncio.sleep(0.01)
        problem(answer, 503, "busy")
        answer = await api.client.post("/v1/batches", content=never_read(), headers=headers)
        problem(answer, 503, "busy")
        assert 1 <= retry_after_s(answer.headers) <= 10
        series.on = True
        assert [one.status_code for one in await asyncio.gather(*waiting)] == [200] * 3


async def test_posts_that_do_not_fit_the_budget_are_told_to_come_again(tmp_path):
    series = Switch()
    async with running_app(settings_in(tmp_path, ingest_budget_bytes=1 << 20), series=series) as api:
        board = await registered(api)
        series.on = False
        headers = board.authorization()
        rows = [("meter-1", now_ms() - n, {"frequency": 1.0 * n}) for n in range(1_500)]
        first = asyncio.create_task(api.client.post("/v1/batches", content=board.sealed(*rows), headers=headers))
        await asyncio.wait_for(series.attempted.wait(), 10)
        later = board.sealed(*[("meter-1", at_ms - 5_000, values) for _, at_ms, values in rows])
        problem(await api.client.post("/v1/batches", content=later, headers=headers), 503, "busy")
        used = api.cloud.ingest.budget.used_bytes
        series.on = True
        assert (await first).status_code == 200
        assert used > 0
        assert (await api.client.post("/v1/batches", content=later, headers=headers)).status_code == 200
        assert api.cloud.ingest.budget.used_bytes == 0


async def test_requests_beyond_their_places_are_told_to_come_again_and_health_is_not(tmp_path):
    async with running_app(settings_in(tmp_path, api_requests=10)) as api:
        begun, go_on = asyncio.Semaphore(0), asyncio.Event()
        real = api.cloud.registry.tenants.token_by_id

        async def slow(token_id):
            begun.release()
            await go_on.wait()
            return await real(token_id)

        api.cloud.registry.tenants.token_by_id = slow
        asked = [asyncio.create_task(api("GET", "/v1/devices")) for _ in range(10)]
        for _ in asked:
            await begun.acquire()
        answer = await api("GET", "/v1/devices")
        problem(answer, 503, "busy")
        assert retry_after_s(answer.headers) >= 1
        assert (await api.client.get("/v1/health")).status_code == 200
        go_on.set()
        assert [one.status_code for one in await asyncio.gather(*asked)] == [200] * 10
        assert (await api("GET", "/v1/devices")).status_code == 200


class Slow(MemorySeries):
    """A store whose questions take as long as they please; what is written is written."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.go_on = asyncio.Event()

    async def query(self, tenant, q):
        self.asked += 1
        await self.go_on.wait()
        return await super().query(tenant, q)


async def test_long_questions_do_not_keep_batches_from_the_store(tmp_path):
    series = Slow()
    async with running_app(settings_in(tmp_path), series=series) as api:
        board = await registered(api)
        questions = [asyncio.create_task(api("GET", "/v1/series?device=meter-1&quantity=frequency")) for _ in range(20)]
        async with asyncio.timeout(10):
            while series.asked < 3:
                await asyncio.sleep(0.01)
        sealed = board.sealed(("meter-1", now_ms(), {"frequency": 50.0}))
        answer = await api.client.post("/v1/batches", content=sealed, headers=board.authorization())
        assert answer.status_code == 200
        assert series.asked == 3, "threads of the store are left for ingest"
        series.go_on.set()
        assert {one.status_code for one in await asyncio.gather(*questions)} == {200}


def test_a_door_gives_each_its_own_moment_at_the_pace_of_the_process():
    now_s = 100.0
    door = Door(1_000, 2, lambda: now_s, lambda: 0.0)
    tickets = [door.enter(0), door.enter(0)]

    def refused_until() -> int:
        with pytest.raises(Problem) as refused:
            door.enter(0)
        return refused.value.retry_after_s

    usual = [refused_until() for _ in range(100)]
    assert usual == sorted(usual)
    assert usual[-1] == round(100 / USUAL_RATE)
    for _ in range(MEASURED):
        now_s += 0.01
        tickets.pop(0).leave(opened=True)
        tickets.append(door.enter(0))
    assert door.rate == pytest.approx(100)
    now_s += 1_000
    waits = [refused_until() for _ in range(100_000)]
    assert waits[199] == 2
    assert max(waits) <= 61
    for ticket in tickets:
        ticket.leave()
        ticket.leave()
    assert door.opening == 0


def test_a_full_process_sends_links_away_for_longer():
    door = Door(10, 200)
    door.enter(9)
    with pytest.raises(Problem, match="another replica") as refused:
        door.enter(9)
    assert FULL_S[0] <= refused.value.retry_after_s <= FULL_S[1]


async def come(url: str, board: Board, opening: Callable[[], int], seen: list[int], answers: list) -> None:
    """Come until let in, sooner than asked, and bring a batch."""
    meter = f"meter-of-{board.gateway_id}"
    while True:
        try:
            async with open_link(url, board) as link:
                seen.append(opening())
                await link.hello(DeviceDeclaration(meter, "meter", "p", "", "b", "1"), within_s=60)
                sealed = board.sealed((meter, now_ms(), {"frequency": 50.0}))
                assert isinstance(await link.bring(sealed), Ack)
                return
        except TimeoutError:
            continue  # a busy machine
        except websockets.InvalidStatus as refused:
            asked_s = retry_after_s(refused.response.headers)
            answers.append((refused.response.status_code, denial(refused)["code"], asked_s < 62))
            await asyncio.sleep(asked_s * random.uniform(0.2, 0.3))


@pytest.mark.timeout(240)
async def test_gateways_that_return_at_once_are_all_let_in(tmp_path, monkeypatch):
    """Far more than may be opening: each waits as it is told, and every one brings its batch."""
    made, create = [], serve.create_app

    def keep(settings):
        made.append(create(settings))
        return made[-1]

    monkeypatch.setattr(serve, "create_app", keep)
    settings = settings_in(tmp_path, links_opening=5)
    token = await create_tenant_and_token(settings, "stabat", "admin", "desk")
    headers = {"Authorization": f"Bearer {token}"}
    async with running_server(settings) as url, httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        door = made[0].state.cloud.door
        site = Site(url, client, Board())
        boards = [Board(f"gw-{number}") for number in range(60)]
        for board in boards:
            await site.register(board)
        seen, answers = [], []
        async with asyncio.timeout(200):
            await asyncio.gather(*(come(url, board, lambda: door.opening, seen, answers) for board in boards))
        assert max(seen) <= 5
        assert set(answers) == {(503, "busy", True)}
        stored = [await made[0].state.cloud.registry.receipts.stored("stabat", one.gateway_id, 1) for one in boards]
        assert [list(one) for one in stored] == [[(1, 1)]] * len(boards)
