"""When what is killed: drawn from a seed, so that a run that went wrong goes the same way again. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

VICTIMS = ("gateway", "cloud", "influxdb", "postgres", "mosquitto")
SHORTEST_S, RESTARTED_S, LONGEST_S = 0.05, 1.5, 6.0
"""Between two strikes. A restart takes one to four seconds: half of the strikes find the one before still felt (a store
that is down and a cloud that dies over what it could not write), the others a machine that had time to come back."""


@dataclass(frozen=True, slots=True)
class Strike:
    """At one instant: who is killed, so many seconds after the strike before it."""

    after_s: float
    victims: tuple[str, ...]


def short_plan(seed: int) -> list[Strike]:
    """Return a plan with each victim alone, two of them together, and all at once, in an order of chance.

    Only the cloud follows upon a store at once: it dies while it holds what the store did not take.
    """
    random_ = random.Random(seed)
    stores = random_.sample(("influxdb", "postgres"), 2)
    blocks = [[_strike(random_, (victim,))] for victim in ("gateway", "mosquitto", stores[0])]
    blocks.append([_strike(random_, (stores[1],)), Strike(random_.uniform(0.8, RESTARTED_S), ("cloud",))])
    blocks.append([_strike(random_, tuple(random_.sample(VICTIMS, 2)))])
    blocks.append([_strike(random_, VICTIMS)])
    random_.shuffle(blocks)
    return [strike for block in blocks for strike in block]


def _strike(random_: random.Random, victims: tuple[str, ...]) -> Strike:
    pause_s = random_.uniform(*random_.choice(((SHORTEST_S, RESTARTED_S), (RESTARTED_S, LONGEST_S))))
    return Strike(pause_s, victims)


def long_plan(seed: int, kills: int) -> list[Strike]:
    """Return a plan of at least so many kills: three in five strikes hit one part, one in ten all, the others some."""
    return list(_strikes(random.Random(seed), kills))


def _strikes(random_: random.Random, kills: int) -> Iterator[Strike]:
    while kills > 0:
        chance = random_.random()
        count = 1 if chance < 0.6 else len(VICTIMS) if chance > 0.9 else random_.randint(2, len(VICTIMS) - 1)
        yield _strike(random_, tuple(random_.sample(VICTIMS, count)))
        kills -= count
