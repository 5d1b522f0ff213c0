"""Noise that is a function of (seed, channel, time): the same question always has the same answer.

A draw hashes its coordinates with the finaliser of splitmix64 (Steele, Lea, Flood 2014); smooth noise joins the draws
at the knots of a lattice by a straight line, so that it can be integrated exactly where needed.
"""

from __future__ import annotations

import hashlib

_MASK = (1 << 64) - 1


def channel_key(seed: int, *names: str) -> int:
    """Return a 64-bit key of the seed and a path of names, such as ("meter-office", "voltage")."""
    text = f"{seed}/" + "/".join(names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def draw(key: int, index: int) -> float:
    """Return a number in [-1, 1), evenly spread, that depends on key and index only."""
    z = (key + index * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) / (1 << 63) - 1.0


def smooth(key: int, at_ms: int, period_ms: int) -> float:
    """Return continuous noise in [-1, 1] whose lattice has a knot every `period_ms`."""
    index, rest = divmod(at_ms, period_ms)
    left, right = draw(key, index), draw(key, index + 1)
    return left + (right - left) * rest / period_ms


def layered(key: int, at_ms: int, layers: tuple[tuple[int, float], ...]) -> float:
    """Return the sum of smooth noises, each given as (period_ms, amplitude)."""
    return sum(
        amplitude * smooth(key ^ (number << 56), at_ms, period)
        for number, (period, amplitude) in enumerate(layers, start=1)
    )
