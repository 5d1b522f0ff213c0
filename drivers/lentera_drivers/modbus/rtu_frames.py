"""Finds the frames in what was heard on a serial line: pure, from bytes that begin and end anywhere.

RTU frames have no beginning and no length of their own: a frame is a length that its function code makes possible, and
a check sum that is right. Whatever is no frame is noise. A frame inside another unit's frame is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pymodbus.framer import FramerRTU

_TABLE: Final = tuple(FramerRTU.generate_crc16_table())
_LAST_UNIT: Final = 247
_LEAST_BYTES: Final = 4
_READS: Final = (1, 2, 3, 4)
_COUNT_AT: Final = 2
_FAILED: Final = 0x80


def check_sum(data: bytes) -> bytes:
    """Return the two bytes that follow `data` in a frame (pymodbus's table, half of its time)."""
    crc = 0xFFFF
    table = _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return bytes((crc & 0xFF, crc >> 8))


def is_whole(frame: bytes) -> bool:
    """Whether the last two bytes are the right check sum of the others."""
    return frame[-2:] == check_sum(frame[:-2])


@dataclass(slots=True)
class Heard:
    """What the bytes on a line were.

    Attributes:
        answers: frames of the unit that was asked, in the shape of an answer, without check sums.
        others: frames of other units, without check sums.
        asked_by_another: a request to our unit that is not ours: a second master is on the line.
        echoes: copies of our own request.
        noise_bytes: bytes of no frame.
        damaged: whether something began like the answer and had its length, yet a wrong check sum.
        undecided: whether more bytes could still make a frame of what looks like noise.
    """

    answers: list[bytes] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    asked_by_another: bool = False
    echoes: int = 0
    noise_bytes: int = 0
    damaged: bool = False
    undecided: bool = False


def listen(heard: bytes, unit: int, request: bytes, head: bytes, echoes_expected: int) -> Heard:
    """Cut what was heard since the question into frames.

    Args:
        heard: all bytes since.
        unit: the unit that was asked; -1 when nobody was.
        request: the question's frame.
        head: how the fitting reply begins; empty where that is not known.
        echoes_expected: how many copies of the request may be our own echo; further copies are answers (the answer
            to a write of one register looks just like it).
    """
    found = Heard()
    at, size = 0, len(heard)
    while at < size:
        if found.echoes < echoes_expected and heard.startswith(request, at):
            found.echoes += 1
            at += len(request)
            continue
        length, may_grow = _frame_at(heard, at)
        if length == 0:
            found.undecided = found.undecided or may_grow
            found.damaged = found.damaged or _is_damaged(heard, at, head)
            found.noise_bytes += 1
            at += 1
            continue
        frame = heard[at : at + length - 2]
        at += length
        if frame[0] != unit:
            found.others.append(frame)
        elif _is_request(frame) and frame != request[:-2]:
            found.asked_by_another = True
        else:
            found.answers.append(frame)
    return found


def frames_in(heard: bytes) -> list[bytes]:
    """Return the frames that came while nobody was asked, without check sums."""
    return listen(heard, -1, b"", b"", 0).others


def _frame_at(heard: bytes, at: int) -> tuple[int, bool]:
    """Return the length of the frame that begins at a byte (0: none), and whether more bytes could make one."""
    left = len(heard) - at
    if heard[at] > _LAST_UNIT:
        return 0, False
    if left < _LEAST_BYTES:
        return 0, left < 2 or bool(_lengths(heard, at, left))
    may_grow = False
    for length in _lengths(heard, at, left):
        if length > left:
            may_grow = True
        elif is_whole(heard[at : at + length]):
            return length, False
    return 0, may_grow


def _lengths(heard: bytes, at: int, left: int) -> tuple[int, ...]:
    """Return the lengths that a frame beginning here can have, by its function code: as an answer, as a request.

    A length that is not known yet is given as one byte more than there is.
    """
    function = heard[at + 1]
    if function & _FAILED:
        return (5,) if 1 <= function & 0x7F <= 0x2B else ()
    more = left + 1
    if function in _READS:
        return (5 + heard[at + _COUNT_AT], 8) if left > _COUNT_AT else (more,)
    if function in (5, 6):
        return (8,)
    if function in (15, 16):
        return (8, 9 + heard[at + 6]) if left > 6 else (8, more)
    if function == 23:
        answer = 5 + heard[at + _COUNT_AT] if left > _COUNT_AT else more
        return (answer, 13 + heard[at + 10] if left > 10 else more)
    return ()


def _is_request(frame: bytes) -> bool:
    """Whether a frame without its check sum has the shape of a request to read, and not of the answer."""
    return frame[1] in _READS and len(frame) == 6 and frame[_COUNT_AT] != 3


def _is_damaged(heard: bytes, at: int, head: bytes) -> bool:
    return bool(head) and heard.startswith(head, at) and len(heard) - at >= 5 + head[_COUNT_AT]
