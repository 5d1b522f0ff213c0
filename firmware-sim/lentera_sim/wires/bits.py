"""What a receiver makes of characters that are not meant for it: other settings, or a swapped pair.

A UART waits for the line to fall, samples the middle of each bit that it expects, and takes the next fall for the next
character. Serial ports hand a character on even where its stop bit is missing, which is how the garbage of a wrong
baud rate looks: mostly 0x00, 0x80, 0xE0, 0xFF and friends at lower rates, few characters for many at higher ones.
"""

from __future__ import annotations

from lentera_sim.wires.settings import WireSettings


def heard(data: bytes, sent: WireSettings, by: WireSettings, *, swapped: bool = False) -> bytes:
    """Return the characters that a receiver set to `by` finds in `data` sent back to back with `sent`.

    `swapped`: the receiver's A and B are exchanged, so it sees every level, the idle one too, upside down; idle is
    then a break, which ends with the first rising level.
    """
    levels = _levels(data, sent)
    if swapped:
        levels = [not level for level in levels]
    per_bit = sent.baud / by.baud
    end = len(levels)

    def level_at(place: float) -> bool:
        return levels[int(place)] if 0 <= place < end else not swapped

    found = bytearray()
    at = 0.0
    while at < end:
        if level_at(at) or (at >= 1 and not level_at(at - 1) and not found and swapped):
            at = int(at) + 1.0
            continue
        value = sum(1 << bit for bit in range(8) if level_at(at + (1.5 + bit) * per_bit))
        found.append(value)
        # The stop bit's middle is where the hunt for the next fall begins.
        at += (9.5 + (by.parity != "N")) * per_bit
        while at < end and not level_at(at):
            at += 1.0  # a break lasts until the line rises
    return bytes(found)


def _levels(data: bytes, sent: WireSettings) -> list[bool]:
    """Return one level a bit, idle (mark) is True; two idle bits before and after."""
    levels = [True, True]
    for byte in data:
        levels.append(False)
        levels.extend(bool(byte >> bit & 1) for bit in range(8))
        ones = byte.bit_count() % 2 == 1
        if sent.parity != "N":
            levels.append(ones if sent.parity == "E" else not ones)
        levels.extend([True] * sent.stop_bits)
    return [*levels, True, True]
