"""A stream of bits, each byte's least significant first, and the small numbers that format 2 is made of.

Many numbers of one width are put and taken at once: a column stands in one large integer, a lane of 8 to 64 bits a
number, and neighbouring lanes are moved together (or apart) by shifts and masks, twice as many bits in each step. In
Python that is several times faster than a step for each number.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from lentera_model.batch.types import CorruptBatchError, TruncatedBatchError

MAX_WIDTH: Final = 66
"""Bits of the widest number: the difference of two of 64 bits with its sign."""
_LENGTH_BITS: Final = 7
_MAX_GAMMA_BITS: Final = 24
_CHARACTER_BITS: Final = 7
_LANES: Final = ((8, "B"), (16, "H"), (32, "I"), (64, "Q"))
_WIDEST_LANE: Final = (1 << 64) - 1
_FEW: Final = 3
"""Fewer numbers are put one by one."""
_DOUBLINGS: Final = 7
_CHUNK: Final = 1 << _DOUBLINGS
"""Numbers that are moved at once; bounds the masks that are kept (some kilobytes for each width that occurs)."""
_FLUSH_BITS: Final = 2048


class _Move(NamedTuple):
    """One step: the lower lane of each pair (`low`) stays, the upper one moves by `shift` to `high` or from there."""

    shift: int
    low: int
    high: int


@lru_cache(maxsize=256)
def _moves(lane: int, width: int) -> tuple[_Move, ...]:
    """Return the steps that bring numbers of `width` bits in lanes of `lane` bits together."""
    moves: list[_Move] = []
    for step in range(_DOUBLINGS):
        size, used = lane << step, width << step
        pairs = _CHUNK >> step + 1
        low = sum(((1 << used) - 1) << 2 * size * pair for pair in range(pairs))
        moves.append(_Move(size - used, low, low << used))
    return tuple(moves)


@lru_cache(maxsize=8)
def _ones(lane: int) -> int:
    """Return 1 in each lane of a chunk."""
    return sum(1 << lane * place for place in range(_CHUNK))


def _lane_for(largest: int) -> tuple[int, str] | None:
    width = largest.bit_length()
    return next((lane for lane in _LANES if width <= lane[0]), None)


def signed_bits(number: int) -> int:
    """Bits that `put_signed` takes."""
    return _LENGTH_BITS + (abs(number) << 1).bit_length()


class BitWriter:
    """Collects bits."""

    def __init__(self) -> None:
        """Begin empty."""
        self._done = bytearray()
        self._open = 0
        self._open_bits = 0

    def put(self, number: int, width: int) -> None:
        """Append a number that is at least 0 in `width` bits."""
        self._open |= number << self._open_bits
        self._open_bits += width
        if self._open_bits > _FLUSH_BITS:
            whole = self._open_bits >> 3
            self._done += (self._open & (1 << 8 * whole) - 1).to_bytes(whole, "little")
            self._open >>= 8 * whole
            self._open_bits &= 7

    def put_all(self, numbers: Sequence[int], width: int, low: int = 0) -> None:
        """Append what each number is above `low`, in `width` bits each; no number is below `low`."""
        if not width or not numbers:
            return
        if low and not 0 < low <= max(numbers) <= _WIDEST_LANE:
            numbers, low = [number - low for number in numbers], 0
        lane = _lane_for(max(numbers))
        if lane is None or len(numbers) < _FEW:
            for number in numbers:
                self.put(number - low, width)
            return
        bits, letter = lane
        for start in range(0, len(numbers), _CHUNK):
            chunk = numbers[start : start + _CHUNK]
            count = len(chunk)
            lanes = int.from_bytes(struct.pack(f"<{count}{letter}", *chunk), "little")
            if low:
                lanes -= low * (_ones(bits) & (1 << bits * count) - 1)
            if width < bits:
                for shift, kept, moved in _moves(bits, width)[: (count - 1).bit_length()]:
                    lanes = lanes & kept | lanes >> shift & moved
            self.put(lanes, count * width)

    def put_gamma(self, number: int) -> None:
        """Append a number of at least 1 as Elias's gamma code: one zero less than its bits, a one, its other bits."""
        rest = number.bit_length() - 1
        self.put(1 << rest | (number ^ 1 << rest) << rest + 1, 2 * rest + 1)

    def put_signed(self, number: int) -> None:
        """Append a number of any sign: how many bits follow (7 bits), then it in zigzag form."""
        zigzag = number << 1 if number >= 0 else (-number << 1) - 1
        width = zigzag.bit_length()
        self.put(width | zigzag << _LENGTH_BITS, width + _LENGTH_BITS)

    def put_text(self, text: str) -> None:
        """Append ASCII text: its length plus 1 as gamma, then 7 bits a character."""
        self.put_gamma(len(text) + 1)
        self.put_all(text.encode("ascii"), _CHARACTER_BITS)

    def to_bytes(self) -> bytes:
        """Return all of it, filled up to whole bytes with zeros."""
        return bytes(self._done) + self._open.to_bytes((self._open_bits + 7) // 8, "little")


class BitReader:
    """Takes bits in the order in which they were put; whoever asks for many has checked that he may have so many."""

    def __init__(self, data: bytes) -> None:
        """Read these bytes from their first bit."""
        self._data = data
        self._at = 0
        self._end = 8 * len(data)

    def take(self, width: int) -> int:
        """Take a number of `width` bits."""
        start = self._at
        self._at = end = start + width
        if end > self._end:
            raise TruncatedBatchError("the batch's body ends within a number: send it again whole")
        found = int.from_bytes(self._data[start >> 3 : end + 7 >> 3], "little") >> (start & 7)
        return found & (1 << width) - 1

    def take_all(self, count: int, width: int, low: int = 0) -> Sequence[int]:
        """Take `count` numbers of `width` bits, each above `low`."""
        if not width or not count:
            return [low] * count
        if low and not 0 < low <= _WIDEST_LANE - (1 << width):
            return [low + number for number in self.take_all(count, width)]
        lane = _lane_for(low + (1 << width) - 1)
        if lane is None:
            return [self.take(width) for _ in range(count)]
        bits, letter = lane
        found: list[int] = []
        for start in range(0, count, _CHUNK):
            some = min(_CHUNK, count - start)
            lanes = self.take(some * width)
            if width < bits:
                for shift, kept, moved in reversed(_moves(bits, width)[: (some - 1).bit_length()]):
                    lanes = lanes & kept | (lanes & moved) << shift
            if low:
                lanes += low * (_ones(bits) & (1 << bits * some) - 1)
            found += struct.unpack(f"<{some}{letter}", lanes.to_bytes(some * bits // 8, "little"))
        return found

    def take_gamma(self) -> int:
        """Take a gamma code."""
        at = self._at
        ahead = int.from_bytes(self._data[at >> 3 : (at + _MAX_GAMMA_BITS >> 3) + 1], "little") >> (at & 7)
        rest = (ahead & -ahead).bit_length() - 1
        if rest < 0 or rest >= _MAX_GAMMA_BITS:
            self.take(_MAX_GAMMA_BITS)
            raise CorruptBatchError("a count in the batch's body is larger than any batch has")
        self._at = at + rest + 1
        return 1 << rest | self.take(rest)

    def take_signed(self) -> int:
        """Take a number of any sign."""
        width = self.take(_LENGTH_BITS)
        if width > MAX_WIDTH:
            raise CorruptBatchError(f"a number in the batch's body has {width} bits")
        zigzag = self.take(width)
        return (zigzag >> 1) ^ -(zigzag & 1)

    def take_text(self) -> str:
        """Take ASCII text."""
        length = self.take_gamma() - 1
        if length > self._end:
            raise TruncatedBatchError("the batch's body ends within a text: send it again whole")
        return bytes(self.take_all(length, _CHARACTER_BITS)).decode("ascii")

    def end(self) -> None:
        """Say that nothing may follow but zeros that fill the last byte.

        Raises:
            CorruptBatchError: more follows.
        """
        left = self._end - self._at
        if left > 7 or self.take(left):
            raise CorruptBatchError("the batch's body goes on after its last block")
