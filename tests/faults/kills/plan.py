"""When what is killed: drawn from a seed, so that a run that went wrong goes the same way again. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

VICTIMS = ("gateway", "cloud", "influxdb", "postgres", "mosquitto")
SHORTEST_S, LONGEST_S = 0.5, 6.0
"""Between two strikes. A restart takes one to four seconds, so many a strike meets a part that is just coming up."""


@dataclass(frozen=True, slots=True)
class Strike:
    """At one instant: who is killed, so many seconds after the strike before it."""

    after_s: float
    victims: tuple[str, ...]


def short_plan(seed: int) -> list[Strike]:
    """Return a plan with each victim alone, two of them together, and all at once, in an order of chance."""
    random_ = random.Random(seed)
    groups: list[tuple[str, ...]] = [(victim,) for victim in VICTIMS]
    groups.append(tuple(random_.sample(VICTIMS, 2)))
    groups.append(VICTIMS)
    random_.shuffle(groups)
    return [Strike(random_.uniform(SHORTEST_S, LONGEST_S), group) for group in groups]


def long_plan(seed: int, kills: int) -> list[Strike]:
    """Return a plan of at least so many kills: three in five strikes hit one part, one in ten all, the others some."""
    return list(_strikes(random.Random(seed), kills))


def _strikes(random_: random.Random, kills: int) -> Iterator[Strike]:
    while kills > 0:
        chance = random_.random()
        count = 1 if chance < 0.6 else len(VICTIMS) if chance > 0.9 else random_.randint(2, len(VICTIMS) - 1)
        yield Strike(random_.uniform(SHORTEST_S, LONGEST_S), tuple(random_.sample(VICTIMS, count)))
        kills -= count
