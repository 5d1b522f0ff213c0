"""Each fault of a serial line, met by the driver and by a plain pymodbus client, which most peers are built on.

The table says what the plain client makes of it: `BELIEVES` wrong values, `LOSES` polls that the driver reads through,
or is `RIGHT` too (it may lose what nobody could read). The driver gives out no wrong value, and once the fault has
ended it reads every unit again.
"""

import asyncio
from dataclasses import dataclass

import pytest

from bench.hostile_wire import HostileWire
from bench.million import PAIRS, QUANTITIES, TIMEOUT_MS, OurReader, PlainReader, Tally
from lentera_sim.virtual_time import run_in_virtual_time

BELIEVES, LOSES, RIGHT = "believes wrong values", "loses what can be read", "right too"
PLAIN_CLIENT = {
    "late": BELIEVES,  # after the time-out: the answer to the next question
    "behind": BELIEVES,  # each question answered with the reply before
    "other_function": BELIEVES,
    "other_count": BELIEVES,
    "doubled": BELIEVES,  # the second copy answers the next question
    "noise": LOSES,
    "echo": LOSES,
    "other_unit": RIGHT,
    "damaged": RIGHT,  # the check sum is wrong
    "cut": RIGHT,
    "chatter": RIGHT,  # a panel's frame before the reply
    "panel": RIGHT,  # a panel's frame after it, between ours
}
READ_THROUGH = ("noise", "echo", "chatter", "panel")
UNITS = range(1, 9)
ROUNDS = 6
SHARE = 0.3
POLLS = ROUNDS * len(UNITS)


@dataclass
class Faced:
    """What a reader made of a line while it was faulty; after it, who gave all values, and how many were wrong."""

    during: Tally
    healed: set[int]
    wrong_after: int


async def face(reader: OurReader | PlainReader, wire: HostileWire) -> Faced:
    """Poll under the fault, end it, then poll until every unit has given all its values, ten minutes at most."""
    during = await rounds(reader)
    assert wire.faults, "nothing went wrong"
    wire.shares = {}
    healed, wrong_after = set[int](), 0
    for _ in range(300):
        for unit in UNITS:
            tally = Tally()
            await reader.poll(unit, tally)
            wrong_after += tally.wrong_values
            if tally.good_values >= len(QUANTITIES):
                healed.add(unit)
        if healed == set(UNITS):
            break
        await asyncio.sleep(2)
    return Faced(during, healed, wrong_after)


async def rounds(reader: OurReader | PlainReader) -> Tally:
    tally = Tally()
    for _ in range(ROUNDS):
        for unit in UNITS:
            await reader.poll(unit, tally)
        await asyncio.sleep(2)
    return tally


def faced(reader: type[OurReader] | type[PlainReader], fault: str, kind: str) -> Faced:
    async def work() -> Faced:
        wire = HostileWire(kind, PAIRS, TIMEOUT_MS / 1000, 1, {fault: SHARE})
        return await face(reader(wire), wire)

    return run_in_virtual_time(work())


@pytest.mark.parametrize("kind", ["rtu", "rtu_over_tcp"])
@pytest.mark.parametrize("fault", PLAIN_CLIENT)
def test_the_driver_believes_nothing_wrong_and_goes_on_when_the_fault_ends(fault, kind):
    ours = faced(OurReader, fault, kind)
    assert (ours.during.wrong_values, ours.wrong_after) == (0, 0)
    assert ours.during.good_values > 0
    assert ours.healed == set(UNITS)
    if fault in READ_THROUGH:
        assert (ours.during.polls, ours.during.failed) == (POLLS, 0)


@pytest.mark.parametrize("kind", ["rtu", "rtu_over_tcp"])
@pytest.mark.parametrize(("fault", "does"), PLAIN_CLIENT.items())
def test_what_a_plain_client_makes_of_it(fault, does, kind):
    plain = faced(PlainReader, fault, kind).during
    assert plain.polls == POLLS
    assert (plain.wrong_values > 0) == (does == BELIEVES)
    if does == LOSES:
        assert plain.failed > 0, "the driver read through this"
    if does == RIGHT and fault in READ_THROUGH:
        assert plain.failed == 0
