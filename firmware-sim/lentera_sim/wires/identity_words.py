"""What a simulated meter tells about itself: the words of its profile's identity registers."""

from __future__ import annotations

from lentera_drivers.profiles import MeterProfile
from lentera_drivers.profiles.identity import Identity, IdentityKind, IdentityType
from lentera_drivers.profiles.registers import Endianness
from lentera_sim.physics.noise import channel_key

Words = dict[int, dict[int, int]]
"""Function code to address to word."""


def identity_words(profile: MeterProfile, device: str) -> Words:
    """Return the words for every identity entry: the first answer that the model may give, else one of this device."""
    found: Words = {}
    for entry in profile.identity:
        mine = found.setdefault(entry.function_code or profile.function_code, {})
        mine.update(zip(range(entry.address, entry.end), _words(profile, entry, device), strict=True))
    return found


def _words(profile: MeterProfile, entry: Identity, device: str) -> list[int]:
    byte_order = profile.byte_order.value
    if entry.type is IdentityType.STRING:
        text = entry.expected[0] if entry.expected else _own_text(entry, device)
        data = text.encode("latin-1")[: 2 * entry.count].ljust(2 * entry.count, b"\0")
        return [int.from_bytes(data[at : at + 2], byte_order) for at in range(0, len(data), 2)]
    number = int(entry.expected[0]) if entry.expected else _own_number(entry, device)
    data = number.to_bytes(2 * entry.count)
    words = [int.from_bytes(data[at : at + 2], byte_order) for at in range(0, len(data), 2)]
    return words if (entry.word_order or profile.word_order) is Endianness.BIG else words[::-1]


def _own_number(entry: Identity, device: str) -> int:
    """Return a number of this device that is no null marker and fits."""
    number = channel_key(0, device, entry.what) % (1 << min(16 * entry.count, 31) - 1) + 1
    return number + 1 if number in entry.null_markers else number


def _own_text(entry: Identity, device: str) -> str:
    if entry.what is IdentityKind.FIRMWARE:
        return "1.00"
    return f"{channel_key(0, device, entry.what) % 100_000_000:08d}"
