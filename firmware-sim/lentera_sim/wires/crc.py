"""The CRC of Modbus RTU (Modbus over serial line V1.02, 6.2.2), by a table."""

from __future__ import annotations


def _entry(byte: int) -> int:
    crc = byte
    for _ in range(8):
        crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


_TABLE = tuple(_entry(byte) for byte in range(256))


def crc16(data: bytes) -> bytes:
    """Return the two bytes that follow `data` in a frame, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def is_whole(frame: bytes) -> bool:
    """Whether a frame is long enough to be one and ends with its CRC."""
    return len(frame) >= 4 and crc16(frame[:-2]) == frame[-2:]
