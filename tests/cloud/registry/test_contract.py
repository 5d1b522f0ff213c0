"""One contract for the registry, run on SQLite and on PostgreSQL."""

import asyncio
from dataclasses import replace

import pytest

from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.domain.roles import Role
from lentera_cloud.ports import (
    AlreadyExistsError,
    ApiToken,
    CommandRow,
    DeviceRow,
    GatewayRow,
    IdempotencyConflictError,
    RefusalCount,
    StoreUnavailableError,
)
from lentera_model.batch import BatchKey
from lentera_model.commands import ConfirmedBy, Execution, ExecutionState, Reason

DAY_MS = 86_400_000
NOW = 1_790_000_000_000


def gateway(gateway_id="gw-1", tenant="stabat", **changes) -> GatewayRow:
    return replace(GatewayRow(tenant, gateway_id, "Jalan Merdeka", bytes(range(32)), NOW), **changes)


def device(device_id="lamp-1", tenant="stabat", gateway_id="gw-1", **changes) -> DeviceRow:
    row = DeviceRow(tenant, device_id, "Lamp", "luminaire", "zigbee2mqtt_light", gateway_id, "lamps", device_id, NOW)
    return replace(row, **changes)


def execution(number=1, device_id="lamp-1", tenant="stabat", **changes) -> Execution:
    one = Execution(
        f"e_{number}",
        "c_1",
        tenant,
        "gw-1",
        device_id,
        "set_level",
        {"level_percent": 40.0},
        0,
        NOW,
        NOW + 300_000,
        20_000,
        1,
        changed_at_ms=NOW,
    )
    return replace(one, **changes)


def command(command_id="c_1", tenant="stabat", **changes) -> CommandRow:
    return replace(CommandRow(tenant, command_id, "set_level", {"level_percent": 40.0}, NOW, "desk"), **changes)


@pytest.fixture
async def street(registry: SqlRegistry) -> SqlRegistry:
    """A registry with two tenants, a gateway each, and two lamps of the first."""
    for tenant, gateway_id in (("stabat", "gw-1"), ("binjai", "gw-2")):
        assert await registry.tenants.create_tenant(tenant, tenant.title(), NOW)
        await registry.gateways.add(gateway(gateway_id, tenant))
    await registry.devices.upsert("stabat", [device("lamp-1"), device("lamp-2")])
    return registry


async def test_starting_twice_keeps_what_is_there(street, registry_url):
    await street.start()
    other = SqlRegistry(registry_url)
    await other.start()
    assert [row.gateway_id for row in await other.gateways.of_tenant("stabat")] == ["gw-1"]
    await other.close()
    await other.close()


async def test_several_replicas_may_start_together(registry_url):
    replicas = [SqlRegistry(registry_url) for _ in range(6)]
    await asyncio.gather(*(one.start() for one in replicas))
    assert await replicas[0].tenants.create_tenant("stabat", "Stabat", NOW)
    assert not await replicas[1].tenants.create_tenant("stabat", "Again", NOW)
    for one in replicas:
        await one.ping()
        await one.close()


async def test_a_database_that_is_away_is_said_so_without_its_password():
    away = SqlRegistry("postgresql+asyncpg://lentera:hush@127.0.0.1:1/lentera")
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1") as caught:
        await away.start()
    assert "hush" not in str(caught.value)
    with pytest.raises(StoreUnavailableError):
        await away.ping()
    await away.close()


async def test_tokens(street):
    token = ApiToken("k1", "stabat", Role.OPERATOR, "desk", b"\1" * 32, NOW, NOW + DAY_MS)
    await street.tenants.add_token(token)
    assert await street.tenants.token_by_id("k1") == token
    assert await street.tenants.token_by_id("k2") is None
    assert await street.tenants.list_tokens("binjai") == []
    with pytest.raises(AlreadyExistsError):
        await street.tenants.add_token(token)
    with pytest.raises(AlreadyExistsError, match="nowhere"):
        await street.tenants.add_token(replace(token, token_id="k3", tenant="nowhere"))
    assert not await street.tenants.revoke_token("binjai", "k1", NOW)
    assert await street.tenants.revoke_token("stabat", "k1", NOW + 1)
    assert await street.tenants.list_tokens("stabat") == [replace(token, revoked_at_ms=NOW + 1)]


async def test_gateway_ids_are_unique_over_tenants(street):
    with pytest.raises(AlreadyExistsError, match="gw-1"):
        await street.gateways.add(gateway("gw-1", "binjai"))
    assert (await street.gateways.by_id("gw-2")).tenant == "binjai"
    assert await street.gateways.get("stabat", "gw-2") is None
    assert await street.gateways.by_id("gw-9") is None


async def test_a_gateway_is_revoked_once_and_by_its_tenant_only(street):
    assert not await street.gateways.revoke("binjai", "gw-1", NOW)
    assert await street.gateways.revoke("stabat", "gw-1", NOW)
    assert await street.gateways.revoke("stabat", "gw-1", NOW + 5)
    assert (await street.gateways.by_id("gw-1")).revoked_at_ms == NOW


async def test_what_a_gateway_tells_of_itself_is_kept_until_it_tells_anew(street):
    await street.gateways.seen("stabat", "gw-1", NOW, agent_version="0.1.0", journal_waiting=7)
    await street.gateways.seen("stabat", "gw-1", NOW + 9, journal_waiting=0, mode="live")
    row = await street.gateways.get("stabat", "gw-1")
    assert (row.agent_version, row.journal_waiting, row.mode, row.last_seen_at_ms) == ("0.1.0", 0, "live", NOW + 9)


async def test_a_declaration_leaves_the_devices_state_alone(street):
    assert await street.devices.set_status("stabat", "lamp-1", False, "no answer", NOW + 1)
    record = await street.commands.create("stabat", command(), [execution()], DAY_MS)
    await moved(street, record.executions[0], ExecutionState.ACCEPTED)
    await street.devices.upsert("stabat", [device("lamp-1", name="Renamed", contested_by="gw-2")])
    row = await street.devices.get("stabat", "lamp-1")
    assert (row.name, row.contested_by, row.online, row.online_reason) == ("Renamed", "gw-2", False, "no answer")
    assert (row.commanded_percent, row.commanded_at_ms, row.online_changed_at_ms) == (40.0, NOW, NOW + 1)


async def test_a_device_is_seen_by_its_tenant_only(street):
    assert await street.devices.get("binjai", "lamp-1") is None
    assert await street.devices.of_tenant("binjai") == []
    assert not await street.devices.set_status("binjai", "lamp-1", True, "", NOW)
    assert not await street.devices.move("binjai", "lamp-1", "gw-2")
    with pytest.raises(ValueError, match="binjai"):
        await street.devices.upsert("binjai", [device("lamp-1")])
    await street.devices.upsert("binjai", [device("lamp-1", "binjai", "gw-2", name="Theirs")])
    assert (await street.devices.get("stabat", "lamp-1")).name == "Lamp"


async def test_devices_are_listed_in_order_and_filtered(street):
    await street.devices.upsert("stabat", [device("meter-1", kind="meter")])
    assert [row.device_id for row in await street.devices.of_tenant("stabat")] == ["lamp-1", "lamp-2", "meter-1"]
    assert [row.device_id for row in await street.devices.of_tenant("stabat", kind="meter")] == ["meter-1"]
    assert await street.devices.of_tenant("stabat", gateway_id="gw-2") == []
    many = await street.devices.get_many("stabat", [f"lamp-{n}" for n in range(1200)])
    assert set(many) == {"lamp-1", "lamp-2"}
    assert await street.devices.get_many("stabat", []) == {}


async def test_moving_a_device_clears_its_flag(street):
    await street.gateways.add(gateway("gw-3"))
    await street.devices.upsert("stabat", [device("lamp-1", contested_by="gw-3")])
    assert await street.devices.move("stabat", "lamp-1", "gw-3")
    row = await street.devices.get("stabat", "lamp-1")
    assert (row.gateway_id, row.contested_by) == ("gw-3", None)


async def test_a_command_and_its_executions_are_stored_together(street):
    made = await street.commands.create("stabat", command(), [execution(2, "lamp-2"), execution(1)], DAY_MS)
    assert [(one.device, one.sequence) for one in made.executions] == [("lamp-1", 1), ("lamp-2", 1)]
    assert await street.commands.get("stabat", "c_1") == made
    assert await street.commands.get("binjai", "c_1") is None
    assert await street.commands.execution("binjai", "e_1") is None
    again = await street.commands.create("stabat", command("c_2"), [execution(3, command_id="c_2")], DAY_MS)
    assert again.executions[0].sequence == 2
    assert [each.command.command_id for each in await street.commands.newest("stabat", 10)] == ["c_2", "c_1"]
    assert [each.command.command_id for each in await street.commands.newest("stabat", 1)] == ["c_2"]
    assert await street.commands.newest("binjai", 10) == []


async def test_an_idempotency_key_gives_the_first_answer_for_a_day(street):
    keyed = command(idempotency_key="k", body_sha256=b"\1" * 32)
    first = await street.commands.create("stabat", keyed, [execution()], DAY_MS)
    same = replace(keyed, command_id="c_2", created_at_ms=NOW + 1000)
    second = await street.commands.create("stabat", same, [execution(2, command_id="c_2")], DAY_MS)
    assert second == replace(first, replayed=True)
    with pytest.raises(IdempotencyConflictError):
        await street.commands.create("stabat", replace(same, body_sha256=b"\2" * 32), [], DAY_MS)
    late = replace(same, created_at_ms=NOW + DAY_MS, body_sha256=b"\2" * 32)
    assert not (await street.commands.create("stabat", late, [execution(2, command_id="c_2")], DAY_MS)).replayed
    theirs = command("c_3", "binjai", idempotency_key="k", body_sha256=b"\3" * 32)
    assert not (await street.commands.create("binjai", theirs, [], DAY_MS)).replayed


async def test_one_key_raced_makes_one_command(street):
    def attempt(number):
        keyed = command(f"c_{number}", idempotency_key="k", body_sha256=b"\1" * 32)
        return street.commands.create("stabat", keyed, [execution(number, command_id=f"c_{number}")], DAY_MS)

    records = await asyncio.gather(*(attempt(number) for number in range(8)))
    assert len({record.command.command_id for record in records}) == 1
    assert sum(not record.replayed for record in records) == 1
    assert len(await street.commands.newest("stabat", 10)) == 1


async def test_an_execution_is_saved_only_over_what_was_read(street):
    record = await street.commands.create("stabat", command(), [execution()], DAY_MS)
    before = record.executions[0]
    sent = replace(before, state=ExecutionState.SENT, attempt=1, step_deadline_ms=NOW + 20_000, changed_at_ms=NOW + 1)
    assert not await street.commands.save("binjai", before, sent)
    assert await street.commands.save("stabat", before, sent)
    assert not await street.commands.save("stabat", before, sent)
    done = replace(
        sent,
        state=ExecutionState.FAILED,
        step_deadline_ms=None,
        changed_at_ms=NOW + 2,
        reason=Reason.BUS_TIMEOUT,
        reason_text="no answer",
        confirmed_by=ConfirmedBy.ECHO,
        result={"level_percent": 100.0},
    )
    assert await street.commands.save("stabat", sent, done)
    assert await street.commands.execution("stabat", "e_1") == done


async def moved(street, one: Execution, state: ExecutionState, reason: Reason | None = None, **more) -> Execution:
    """Save an execution's next state and return it."""
    after = replace(one, state=state, reason=reason, changed_at_ms=one.changed_at_ms + 1, **more)
    assert await street.commands.save("stabat", one, after)
    return after


async def asked(street, number: int, level_percent: float, device_id="lamp-1") -> Execution:
    """Create a command to a lamp; it stands as sent."""
    one = execution(number, device_id, command_id=f"c_{number}", args={"level_percent": level_percent})
    one = replace(one, created_at_ms=NOW + number)
    record = await street.commands.create("stabat", command(f"c_{number}"), [one], DAY_MS)
    return await moved(street, record.executions[0], ExecutionState.SENT, attempt=1)


async def commanded(street, device_id="lamp-1") -> tuple[float | None, int | None]:
    row = await street.devices.get("stabat", device_id)
    return row.commanded_percent, row.commanded_at_ms


S, R = ExecutionState, Reason


@pytest.mark.parametrize(
    ("state", "reason", "reached"),
    [
        (S.SENT, None, False),
        (S.ACCEPTED, None, True),
        (S.RUNNING, None, True),
        (S.SUCCEEDED, None, True),
        (S.UNPROVED, R.UNPROVED, True),
        (S.FAILED, R.BUS_TIMEOUT, True),
        (S.FAILED, R.LEVEL_MISMATCH, True),
        (S.FAILED, R.TIMED_OUT, True),
        (S.FAILED, R.DEVICE_OFFLINE, False),
        (S.FAILED, R.DEVICE_UNKNOWN, False),
        (S.FAILED, R.INVALID_ARGUMENTS, False),
        (S.FAILED, R.NOT_SUPPORTED, False),
        (S.FAILED, R.SUPERSEDED, False),
        (S.REJECTED, R.DEVICE_REFUSED, False),
        (S.EXPIRED, R.EXPIRED, False),
        (S.CANCELLED, R.CANCELLED, False),
    ],
)
async def test_the_commanded_level_is_of_what_may_have_reached_the_lamp(street, state, reason, reached):
    first = await asked(street, 1, 80.0)
    await moved(street, first, S.SUCCEEDED)
    second = await asked(street, 2, 40.0)
    assert await commanded(street) == (80.0, NOW + 1)
    await moved(street, second, state, reason)
    assert await commanded(street) == ((40.0, NOW + 2) if reached else (80.0, NOW + 1))
    assert await commanded(street, "lamp-2") == (None, None)


async def test_a_late_word_on_an_older_command_does_not_hide_a_newer_level(street):
    older, newer = await asked(street, 1, 80.0), await asked(street, 2, 40.0)
    await moved(street, newer, S.SUCCEEDED)
    await moved(street, older, S.UNPROVED, R.UNPROVED)
    assert await commanded(street) == (40.0, NOW + 2)


async def test_what_was_accepted_and_then_dropped_gives_the_earlier_level_back(street):
    await moved(street, await asked(street, 1, 80.0), S.SUCCEEDED)
    accepted = await moved(street, await asked(street, 2, 40.0), S.ACCEPTED)
    assert await commanded(street) == (40.0, NOW + 2)
    await moved(street, accepted, S.CANCELLED, R.CANCELLED)
    assert await commanded(street) == (80.0, NOW + 1)
    only = await moved(street, await asked(street, 3, 10.0, "lamp-2"), S.ACCEPTED)
    await moved(street, only, S.FAILED, R.SUPERSEDED)
    assert await commanded(street, "lamp-2") == (None, None)


async def test_an_attempt_that_may_have_reached_the_lamp_counts_though_the_next_one_expires(street):
    await moved(street, await asked(street, 1, 80.0), S.SUCCEEDED)
    running = await moved(street, await asked(street, 2, 40.0), S.RUNNING)
    again = await moved(street, running, S.SENT, R.BUS_TIMEOUT, attempt=2)
    assert await commanded(street) == (40.0, NOW + 2)
    waiting = await moved(street, again, S.QUEUED, R.BUS_TIMEOUT, attempt=1)
    await moved(street, waiting, S.EXPIRED, R.EXPIRED)
    assert await commanded(street) == (40.0, NOW + 2)


async def test_of_many_words_at_once_the_newest_command_wins(street):
    sent = [await asked(street, number, float(number)) for number in range(1, 9)]
    await asyncio.gather(*(moved(street, one, S.ACCEPTED) for one in reversed(sent)))
    assert await commanded(street) == (8.0, NOW + 8)


async def test_live_and_due_executions(street):
    await street.commands.create("stabat", command(), [execution(1), execution(2, "lamp-2")], DAY_MS)
    one, two = await street.commands.live_of_gateway("stabat", "gw-1")
    assert await street.commands.live_of_gateway("binjai", "gw-1") == []
    assert await street.commands.due(NOW + 299_999, 10) == []
    running = replace(two, state=ExecutionState.RUNNING, attempt=1, step_deadline_ms=NOW + 20_000)
    assert await street.commands.save("stabat", two, running)
    assert await street.commands.due(NOW + 20_000, 10) == [running]
    assert [each.execution_id for each in await street.commands.due(NOW + 300_000, 10)] == ["e_2", "e_1"]
    assert len(await street.commands.due(NOW + 300_000, 1)) == 1
    assert await street.commands.save("stabat", one, replace(one, state=ExecutionState.EXPIRED))
    assert await street.commands.live_of_gateway("stabat", "gw-1") == [running]


async def test_receipts_merge_and_stay_in_their_epoch(street):
    def keys(epoch, *numbers, gateway_id="gw-1"):
        return [BatchKey(gateway_id, epoch, number) for number in numbers]

    await street.receipts.add("stabat", keys(1, 1, 2, 5) + keys(2, 1), NOW)
    await street.receipts.add("stabat", keys(1, 5, 3) + keys(1, 9, gateway_id="gw-9"), NOW + DAY_MS)
    assert list(await street.receipts.stored("stabat", "gw-1", 1)) == [(1, 3), (5, 5)]
    await street.receipts.add("stabat", keys(1, 4), NOW + DAY_MS)
    assert list(await street.receipts.stored("stabat", "gw-1", 1)) == [(1, 5)]
    assert list(await street.receipts.stored("stabat", "gw-1", 2)) == [(1, 1)]
    assert list(await street.receipts.stored("binjai", "gw-1", 1)) == []
    assert await street.receipts.tidy(NOW + 1) == 1
    assert list(await street.receipts.stored("stabat", "gw-1", 2)) == []


async def test_receipts_of_one_gateway_added_at_once_are_all_kept(street):
    groups = [[BatchKey("gw-1", 1, number) for number in range(start, 201, 8)] for start in range(1, 9)]
    await asyncio.gather(*(street.receipts.add("stabat", group, NOW) for group in groups))
    assert list(await street.receipts.stored("stabat", "gw-1", 1)) == [(1, 200)]


async def test_refusals_are_counted(street):
    one = RefusalCount("gw-1", "lamp-9", "undeclared_device", "not declared", 3, NOW)
    await street.receipts.note_refusals("stabat", [one, replace(one, code="from_future", readings=1)])
    await street.receipts.note_refusals("stabat", [replace(one, readings=4, last_at_ms=NOW + 1)])
    newest, other = await street.receipts.refusals("stabat", "gw-1")
    assert (newest.code, newest.readings, newest.last_at_ms) == ("undeclared_device", 7, NOW + 1)
    assert (other.code, other.readings) == ("from_future", 1)
    assert await street.receipts.refusals("binjai") == []
    assert len(await street.receipts.refusals("stabat")) == 2


async def test_a_lease_is_held_by_one(street):
    holders = [f"worker-{n}" for n in range(4)]
    taken = await asyncio.gather(*(street.jobs.acquire("expiry", holder, NOW, 1000) for holder in holders))
    assert sum(taken) == 1
    winner = holders[taken.index(True)]
    loser = holders[taken.index(False)]
    assert await street.jobs.acquire("expiry", winner, NOW + 500, 1000)
    assert not await street.jobs.acquire("expiry", loser, NOW + 1000, 1000)
    assert await street.jobs.acquire("expiry", loser, NOW + 1500, 1000)
    await street.jobs.release("expiry", winner)
    assert not await street.jobs.acquire("expiry", winner, NOW + 1501, 1000)
    await street.jobs.release("expiry", loser)
    assert await street.jobs.acquire("expiry", winner, NOW + 1502, 1000)
