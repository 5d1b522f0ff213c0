"""The bus's lock: writes overtake reads, a cancelled waiter leaves no hole."""

import asyncio

from lentera_drivers.modbus.priority_lock import READ, WRITE, PriorityLock


async def test_writes_go_before_reads_that_came_earlier():
    lock, order = PriorityLock(), []

    async def use(name: str, priority: int) -> None:
        async with lock.hold(priority):
            order.append(name)
            await asyncio.sleep(0)

    async with lock.hold(READ):
        waiting = [asyncio.create_task(use(name, READ)) for name in ("read 1", "read 2")]
        waiting.append(asyncio.create_task(use("write", WRITE)))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["write", "read 1", "read 2"]


async def test_only_one_at_a_time():
    lock, inside, most = PriorityLock(), 0, 0

    async def use() -> None:
        nonlocal inside, most
        async with lock.hold(READ):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(use() for _ in range(20)))
    assert most == 1


async def test_a_cancelled_waiter_passes_its_turn_on():
    lock, done = PriorityLock(), []

    async def use(name: str) -> None:
        async with lock.hold(READ):
            done.append(name)

    async with lock.hold(READ):
        first, second = asyncio.create_task(use("first")), asyncio.create_task(use("second"))
        await asyncio.sleep(0)
        first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert done == ["second"]


async def test_cancelled_in_the_moment_its_turn_came():
    lock, done = PriorityLock(), []

    async def use(name: str) -> None:
        async with lock.hold(READ):
            done.append(name)

    async with lock.hold(READ):
        first, second = asyncio.create_task(use("first")), asyncio.create_task(use("second"))
        await asyncio.sleep(0)
    first.cancel()  # the release above has just given it the turn
    await asyncio.gather(first, second, return_exceptions=True)
    assert done == ["second"]
    async with asyncio.timeout(1), lock.hold(READ):
        done.append("free again")
