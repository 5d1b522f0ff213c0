"""Paces, tallies and backlogs: the registry's contract on SQLite and PostgreSQL."""

from dataclasses import replace

from lentera_cloud.domain.completeness import HOUR_MS, Pace, PaceVersion
from lentera_cloud.domain.tallies import HourTally
from lentera_cloud.ports import Backlog
from lentera_model.protocol import TallyRow

NOW = 1_790_000_000_000 // HOUR_MS * HOUR_MS
TEN = (Pace(10_000), Pace(60_000, ("energy_active_import",), 900_000))
SLOW = (Pace(60_000),)
TOLD = HourTally(
    "gw-1", 7, 3, NOW, (TallyRow("*", 10_000, 360, 350, 0, {"silent": 10}), TallyRow("m1", 60_000, 60, 60))
)


async def test_paces_keep_their_history_and_what_is_as_before_is_not_noted_again(registry):
    note = registry.tallies.note_paces
    await note("stabat", "gw-1", {"m1": TEN, "m2": SLOW, "old": ()}, NOW)
    await note("stabat", "gw-1", {"m1": TEN, "m2": TEN}, NOW + 5)
    await note("stabat", "gw-1", {"m1": list(TEN), "m2": []}, NOW + 9)
    assert await registry.tallies.paces("stabat", ["m1", "m2", "old", "nobody"]) == {
        "m1": [PaceVersion(NOW, TEN, "gw-1")],
        "m2": [PaceVersion(NOW, SLOW, "gw-1"), PaceVersion(NOW + 5, TEN, "gw-1"), PaceVersion(NOW + 9, (), "gw-1")],
    }
    assert await registry.tallies.paces("binjai", ["m1"]) == {}


async def test_a_device_that_another_gateway_reads_has_its_paces_from_there(registry):
    await registry.tallies.note_paces("stabat", "gw-1", {"m1": TEN}, NOW)
    await registry.tallies.note_paces("stabat", "gw-2", {"m1": TEN}, NOW + 1)
    found = await registry.tallies.paces("stabat", ["m1"])
    assert [version.gateway for version in found["m1"]] == ["gw-1", "gw-2"]


async def test_a_tally_is_kept_once_as_it_came_first(registry):
    await registry.tallies.add("stabat", TOLD)
    await registry.tallies.add("stabat", replace(TOLD, rows=()))
    later = replace(TOLD, number=4, hour_ms=NOW + HOUR_MS)
    for other in (later, replace(TOLD, gateway="gw-2"), replace(TOLD, epoch=8)):
        await registry.tallies.add("stabat", other)
    await registry.tallies.add("binjai", TOLD)
    found = await registry.tallies.of_hours("stabat", ["gw-1"], NOW, NOW + HOUR_MS)
    assert sorted(found, key=lambda one: one.epoch) == [TOLD, replace(TOLD, epoch=8)]
    assert await registry.tallies.of_hours("stabat", ["gw-1"], NOW + HOUR_MS, NOW + 2 * HOUR_MS) == [later]
    assert await registry.tallies.of_hours("stabat", [], NOW, NOW + HOUR_MS) == []
    assert len(await registry.tallies.of_hours("stabat", {"gw-1", "gw-2"}, 0, NOW + 9 * HOUR_MS)) == 4


async def test_a_backlog_is_what_was_told_last(registry):
    await registry.tallies.note_backlog("stabat", "gw-1", Backlog(9, NOW - 5, NOW))
    await registry.tallies.note_backlog("stabat", "gw-1", Backlog(0, None, NOW + 1))
    await registry.tallies.note_backlog("stabat", "gw-2", Backlog(3, None, NOW))
    assert await registry.tallies.backlogs("stabat") == {
        "gw-1": Backlog(0, None, NOW + 1),
        "gw-2": Backlog(3, None, NOW),
    }
    assert await registry.tallies.backlogs("binjai") == {}


async def test_more_devices_than_fit_one_statement(registry):
    names = [f"d{number}" for number in range(6_000)]
    await registry.tallies.note_paces("stabat", "gw-1", dict.fromkeys(names, SLOW), NOW)
    assert len(await registry.tallies.paces("stabat", names)) == 6_000
