"""How far the newest value of a quantity has come: in no batch yet, waiting, with the cloud, or refused by it."""

from lentera_gateway.journal.delivery import Delivery, Stage, Whereabouts
from lentera_gateway.journal.journal import Journal
from lentera_gateway.journal.limits import JournalLimits
from lentera_model.readings import Sample
from tests.gateway.stores import FIT, WALL


def sample(device: str, **values: float) -> Sample:
    return Sample(device, "p", 1, values)


def stage(it: Delivery, device: str, quantity: str, *unsealed: Sample) -> Stage:
    return it.whereabouts(device, quantity, unsealed).stage


def test_a_value_is_followed_quantity_by_quantity():
    it = Delivery()
    assert stage(it, "m", "frequency") is Stage.NOWHERE
    assert stage(it, "m", "frequency", sample("m", frequency=50)) is Stage.UNSEALED
    assert stage(it, "m", "frequency", sample("n", frequency=50), sample("m", voltage_l1=230)) is Stage.NOWHERE
    it.sealed([sample("m", frequency=50, voltage_l1=230)], 1)
    it.sealed([sample("m", voltage_l1=231), sample("n", frequency=50)], 2)
    assert [stage(it, "m", "frequency"), stage(it, "m", "voltage_l1")] == [Stage.WAITING, Stage.WAITING]
    it.settled(2)
    assert [stage(it, "m", "frequency"), stage(it, "m", "voltage_l1")] == [Stage.WAITING, Stage.DELIVERED]
    it.settled(1)
    assert stage(it, "m", "frequency") is Stage.DELIVERED
    assert stage(it, "m", "frequency", sample("m", frequency=51)) is Stage.UNSEALED


def test_a_device_that_gives_now_these_quantities_and_now_those_is_followed_through_all():
    it = Delivery()
    for sequence, names in enumerate(("ab", "ab", "bc", "a", "bc", "bc"), 1):
        it.sealed([sample("m", **dict.fromkeys(names, 1.0))], sequence)
    it.settled(6)
    assert [stage(it, "m", name) for name in "abc"] == [Stage.WAITING, Stage.DELIVERED, Stage.DELIVERED]
    for sequence in (1, 2, 3, 5):
        it.settled(sequence)
    assert stage(it, "m", "a") is Stage.WAITING
    it.settled(4)
    assert stage(it, "m", "a") is Stage.DELIVERED
    assert stage(it, "m", "d") is Stage.NOWHERE


def test_what_was_refused_is_told_until_something_newer_is_taken():
    it = Delivery()
    it.sealed([sample("m", frequency=50), sample("n", frequency=50)], 1)
    it.settled(1, [("m", "no such device")])
    assert it.whereabouts("m", "frequency", ()) == Whereabouts(Stage.SET_ASIDE, "no such device")
    assert stage(it, "n", "frequency") is Stage.DELIVERED
    it.sealed([sample("m", frequency=51)], 2)
    assert stage(it, "m", "frequency") is Stage.WAITING
    it.settled(2)
    assert stage(it, "m", "frequency") is Stage.DELIVERED
    it.sealed([sample("m", frequency=51), sample("n", voltage_l1=1)], 3)
    it.refused(3, "corrupt")
    assert [stage(it, "m", "frequency"), stage(it, "n", "voltage_l1")] == [Stage.SET_ASIDE, Stage.SET_ASIDE]
    assert stage(it, "n", "frequency") is Stage.DELIVERED


def test_a_long_outage_costs_a_bounded_memory_and_forgets_no_newest_value():
    it = Delivery()
    it.sealed([sample("slow", frequency=50)], 1)
    for sequence in range(2, 30_000):
        it.sealed([sample("m", frequency=50)], sequence)
    assert len(it._waiting) <= 10_001
    assert [stage(it, "slow", "frequency"), stage(it, "m", "frequency")] == [Stage.WAITING, Stage.WAITING]


async def test_the_journal_tells_it(tmp_path):
    limits = JournalLimits(tmp_path / "mem", tmp_path / "card")
    journal = Journal("gw-1", bytes(16), limits, lambda: 5, lambda: WALL, lambda: FIT)
    await journal.open()
    journal.add(sample("m", frequency=50))
    assert journal.whereabouts("m", "frequency").stage is Stage.UNSEALED
    await journal.tick()
    assert journal.whereabouts("m", "frequency").stage is Stage.UNSEALED
    await journal.tick(seal_now=True)
    assert journal.whereabouts("m", "frequency").stage is Stage.WAITING
    batch = await journal.next_batch(0)
    assert batch is not None
    await journal.acknowledge(batch.key, [{"device": "m", "code": "unknown_device", "text": "not yours"}])
    assert journal.whereabouts("m", "frequency") == Whereabouts(Stage.SET_ASIDE, "not yours")
    journal.add(sample("m", frequency=50))
    await journal.tick(seal_now=True)
    batch = await journal.next_batch(0)
    assert batch is not None
    earlier = batch.key._replace(epoch=batch.key.epoch - 1)
    await journal.acknowledge(earlier)
    assert journal.whereabouts("m", "frequency").stage is Stage.WAITING
    await journal.acknowledge(batch.key)
    assert journal.whereabouts("m", "frequency").stage is Stage.DELIVERED
    await journal.close()
