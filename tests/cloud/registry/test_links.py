"""One contract for who holds which gateway's link, run on SQLite and on PostgreSQL."""

from dataclasses import replace

import pytest

from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.ports import DeliverySettings, LinkRow
from lentera_model.commands import ExecutionState
from tests.cloud.registry.test_contract import NOW, command, device, execution, gateway

LEASE_MS = 15_000


def link(gateway_id="gw-1", replica="a", claim="c1", tenant="stabat", **changes) -> LinkRow:
    return replace(LinkRow(tenant, gateway_id, replica, claim, NOW, NOW), **changes)


@pytest.fixture
async def street(registry: SqlRegistry) -> SqlRegistry:
    """A registry with two tenants and their gateways."""
    for tenant, gateway_ids in (("stabat", ("gw-1", "gw-2")), ("binjai", ("gw-3",))):
        await registry.tenants.create_tenant(tenant, tenant, NOW)
        for gateway_id in gateway_ids:
            await registry.gateways.add(gateway(gateway_id, tenant))
    return registry


async def test_the_newest_link_counts(street):
    links = street.links
    await links.take(link())
    assert await links.holder("stabat", "gw-1") == link()
    assert await links.holder("binjai", "gw-1") is None
    await links.take(link(replica="b", claim="c2"))
    assert not await links.release("stabat", "gw-1", "c1")
    assert await links.holder("stabat", "gw-1") == link(replica="b", claim="c2")
    assert not await links.release("binjai", "gw-1", "c2")
    assert await links.release("stabat", "gw-1", "c2")
    assert await links.holder("stabat", "gw-1") is None


async def test_links_of_a_replica_without_a_lease_are_gone(street):
    links = street.links
    await links.take(link())
    await links.take(link("gw-2", "b", "c2"))
    await links.take(link("gw-3", "a", "c3", "binjai"))
    assert await links.of_tenant("stabat", NOW) == []
    assert (await links.renew("a", [link()], NOW, LEASE_MS)).alone
    assert not (await links.renew("b", [link("gw-2", "b", "c2")], NOW + 5_000, LEASE_MS)).alone
    assert {one.gateway_id for one in await links.of_tenant("stabat", NOW + 14_999)} == {"gw-1", "gw-2"}
    assert [one.gateway_id for one in await links.of_tenant("stabat", NOW + 15_000)] == ["gw-2"]
    assert [one.gateway_id for one in await links.of_tenant("binjai", NOW)] == ["gw-3"]
    assert (await links.renew("b", [link("gw-2", "b", "c2")], NOW + 15_000, LEASE_MS)).alone


async def test_a_renewal_says_what_was_lost_and_restores_what_was_forgotten(street):
    links = street.links
    mine = [link(), link("gw-2", claim="c2"), link("gw-3", claim="c3", tenant="binjai")]
    for one in mine:
        await links.take(one)
    await links.take(link(replica="b", claim="other"))
    await links.release("stabat", "gw-2", "c2")
    renewal = await links.renew("a", mine, NOW, LEASE_MS)
    assert renewal.lost == {"c1"}
    assert await links.holder("stabat", "gw-1") == link(replica="b", claim="other")
    assert await links.holder("stabat", "gw-2") == mine[1]
    assert (await links.renew("a", mine[1:], NOW, LEASE_MS)).lost == frozenset()


async def test_when_a_link_was_last_heard_is_kept_roughly(street):
    links = street.links
    await links.take(link())
    for later_ms, kept_ms in ((9_999, 0), (10_000, 10_000), (12_000, 10_000)):
        await links.renew("a", [link(heard_at_ms=NOW + later_ms)], NOW, LEASE_MS)
        row = await links.holder("stabat", "gw-1")
        assert row is not None
        assert row.heard_at_ms == NOW + kept_ms


async def test_what_waits_and_who_was_revoked_is_told_of_a_replicas_links_alone(street):
    await street.devices.upsert("stabat", [device(), device("lamp-2", gateway_id="gw-2")])
    await street.links.take(link())
    await street.links.take(link("gw-2", "b", "c2"))
    here, there = execution(1), execution(2, "lamp-2", gateway="gw-2")
    await street.commands.create("stabat", command(), [here, there], 0)
    assert [one.execution_id for one in await street.links.waiting("a")] == ["e_1"]
    assert [one.execution_id for one in await street.links.waiting("b")] == ["e_2"]
    before = (await street.links.waiting("a"))[0]
    assert await street.commands.save("stabat", before, replace(before, state=ExecutionState.SENT, attempt=1))
    assert await street.links.waiting("a") == []
    await street.gateways.revoke("stabat", "gw-2", NOW)
    assert await street.links.revoked("a") == []
    assert await street.links.revoked("b") == ["gw-2"]


async def test_the_links_of_the_dead_are_given_to_one_alone(street):
    links = street.links
    for one in (link(), link("gw-2", "b", "c2")):
        await links.take(one)
        await links.renew(one.replica, [one], NOW + (one.replica == "b") * 60_000, LEASE_MS)
    assert await links.bury(NOW + LEASE_MS) == []
    assert await links.bury(NOW + LEASE_MS + 1) == [link()]
    assert await links.bury(NOW + LEASE_MS + 1) == []
    assert await links.holder("stabat", "gw-2") is not None
    await links.leave("b")
    assert await links.holder("stabat", "gw-2") is None
    assert (await links.renew("c", [], NOW, LEASE_MS)).alone


async def test_a_replica_knows_how_the_gateways_of_its_links_should_deliver(street):
    async def at(replica: str) -> list[str]:
        return sorted(row.gateway_id for row in await street.deliveries.set_at(replica, NOW))

    await street.links.take(link())
    await street.links.take(link("gw-2", "b", "c2"))
    await street.links.take(link("gw-3", "a", "c3", "binjai"))
    await street.deliveries.told("stabat", "gw-1", 5, 0)
    await street.deliveries.watch("stabat", "gw-1", NOW)
    assert await at("a") == [], "what is over, and what the gateway told, is nothing to tell"
    await street.deliveries.watch("stabat", "gw-1", NOW + 1)
    await street.deliveries.watch("stabat", "gw-2", NOW + 1)
    await street.deliveries.watch("stabat", "gw-3", NOW + 1)
    assert (await at("a"), await at("b"), await at("c")) == (["gw-1"], ["gw-2"], [])
    await street.deliveries.watch("stabat", "gw-1", 0)
    for settings in (
        DeliverySettings("live"),
        DeliverySettings(rate_bytes_s=1),
        DeliverySettings(quota_bytes=1),
        DeliverySettings(month_day=1),
    ):
        await street.deliveries.set("binjai", "gw-3", settings)
        (row,) = await street.deliveries.set_at("a", NOW)
        assert row == await street.deliveries.get("binjai", "gw-3")
    await street.deliveries.set("binjai", "gw-3", DeliverySettings())
    assert await at("a") == []
