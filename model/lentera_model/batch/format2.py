"""Format 2: a header of a few small numbers, and a body of bits (rows.py).

Layout (docs/formats/batch.md): "LB", 2, CRC-32 of all that follows, CRC-16 of the header, header, body.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from lentera_model.batch.header import BOOT_ID_BYTES, MAGIC, check_header
from lentera_model.batch.rows import pack_rows, unpack_rows
from lentera_model.batch.types import (
    BatchKey,
    ClockFit,
    CorruptBatchError,
    Header,
    Limits,
    TruncatedBatchError,
    UnsupportedVersionError,
)
from lentera_model.readings import Sample

VERSION: Final = 2
_START: Final = MAGIC + bytes([VERSION])
_CHECK_AT: Final = len(_START) + 4
_FLAGS_AT: Final = _CHECK_AT + 2
_CLOCK, _FROM_LINK, _OTHER_SOURCE, _BOOT = 1, 2, 4, 8
_ALL_FLAGS: Final = _CLOCK | _FROM_LINK | _OTHER_SOURCE | _BOOT
_SOURCES: Final = {"ntp": 0, "link": _FROM_LINK}
_MOST_VARINT_BYTES: Final = 9
NO_BOOT_ID: Final = bytes(BOOT_ID_BYTES)
"""What stands for the boot id in the header of a batch that travels: with a clock fit nothing needs it any more."""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


@dataclass(slots=True)
class _Bytes:
    """Takes what a header is made of, one after the other."""

    data: bytes
    at: int

    def take(self, count: int) -> bytes:
        """Take bytes."""
        found = self.data[self.at : self.at + count]
        if len(found) < count:
            raise TruncatedBatchError(
                f"the batch ends within its header, at byte {len(self.data)}: send it again whole"
            )
        self.at += count
        return found

    def number(self) -> int:
        """Take a number of 7 bits a byte, the least significant first."""
        number = 0
        for place in range(_MOST_VARINT_BYTES):
            [byte] = self.take(1)
            number |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return number
        raise CorruptBatchError("a number in the batch's header does not end")

    def text(self) -> str:
        """Take ASCII text, its length first."""
        try:
            return self.take(self.number()).decode("ascii")
        except UnicodeDecodeError as error:
            raise CorruptBatchError(f"the batch's header does not read: {error}") from error


def encode(
    key: BatchKey, boot_id: bytes, sealed_monotonic_ms: int, samples: Iterable[Sample], clock: ClockFit | None
) -> bytes:
    """Seal samples, at least one, into the bytes of one batch.

    Raises:
        InvalidSampleError: a sample that no batch can carry (its device is named); nothing is encoded.
    """
    body, rows, values = pack_rows(samples, sealed_monotonic_ms)
    return _frame(Header(key, boot_id, sealed_monotonic_ms, clock, rows, values, len(body)), body)


def _frame(header: Header, body: bytes) -> bytes:
    gateway, fit = header.key.gateway.encode("ascii"), header.clock
    flags, boot_id, clock = 0, b"", b""
    if header.boot_id != NO_BOOT_ID:
        flags |= _BOOT
        boot_id = header.boot_id
    if fit is not None:
        flags |= _CLOCK | _SOURCES.get(fit.source, _OTHER_SOURCE)
        clock = _varint(fit.offset_ms << 1 if fit.offset_ms >= 0 else (-fit.offset_ms << 1) - 1)
        clock += _varint(fit.uncertainty_ms)
        if flags & _OTHER_SOURCE:
            clock += _varint(len(fit.source)) + fit.source.encode("ascii")
    head = b"".join(
        (
            bytes([flags]),
            *(_varint(len(gateway)), gateway),
            *(_varint(header.key.epoch), _varint(header.key.sequence), _varint(header.sealed_monotonic_ms)),
            *(boot_id, clock),
            *(_varint(header.rows), _varint(header.values), _varint(header.unpacked_bytes)),
        )
    )
    checked = binascii.crc_hqx(head, 0).to_bytes(2, "little") + head + body
    return _START + zlib.crc32(checked).to_bytes(4, "little") + checked


def _read_header(sealed: bytes) -> tuple[Header, int]:
    """Return the header, and where the body begins."""
    source = _Bytes(sealed, _FLAGS_AT)
    [flags] = source.take(1)
    header = _take_header(source, flags)
    if binascii.crc_hqx(sealed[_FLAGS_AT : source.at], 0) != int.from_bytes(sealed[_CHECK_AT:_FLAGS_AT], "little"):
        raise CorruptBatchError("the checksum of the batch's header is wrong: the bytes were changed on their way")
    if flags & ~_ALL_FLAGS:
        raise UnsupportedVersionError(
            f"batch format {VERSION} (flags {flags}) is not known here: update the older side"
        )
    return check_header(header), source.at


def peek(sealed: bytes) -> Header:
    """Read the header alone: a batch whose body is damaged can still be named by who refuses it.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    return _read_header(sealed)[0]


def split(sealed: bytes) -> tuple[Header, bytes]:
    """Check all of a batch; return the header and the body.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    header, start = _read_header(sealed)
    body = sealed[start:]
    if len(body) < header.unpacked_bytes:
        raise TruncatedBatchError(
            f"the batch's body has {len(body)} bytes, not {header.unpacked_bytes}: send it again whole"
        )
    if len(body) > header.unpacked_bytes:
        raise CorruptBatchError(f"the batch has {len(body) - header.unpacked_bytes} bytes too many")
    if zlib.crc32(sealed[_CHECK_AT:]) != int.from_bytes(sealed[len(_START) : _CHECK_AT], "little"):
        raise CorruptBatchError("the checksum of the batch is wrong: the bytes were changed on their way")
    return header, body


def _take_header(source: _Bytes, flags: int) -> Header:
    gateway = source.text()
    epoch, sequence, sealed_monotonic_ms = source.number(), source.number(), source.number()
    boot_id = source.take(BOOT_ID_BYTES) if flags & _BOOT else NO_BOOT_ID
    clock = None
    if flags & _CLOCK:
        offset, uncertainty_ms = source.number(), source.number()
        name = source.text() if flags & _OTHER_SOURCE else "link" if flags & _FROM_LINK else "ntp"
        clock = ClockFit((offset >> 1) ^ -(offset & 1), uncertainty_ms, name)
    rows, values, body_bytes = source.number(), source.number(), source.number()
    return Header(BatchKey(gateway, epoch, sequence), boot_id, sealed_monotonic_ms, clock, rows, values, body_bytes)


def without_boot(sealed: bytes) -> bytes:
    """Leave out the boot id of a batch with a clock fit: only its own gateway's journal has a use for it then.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    header, body = split(sealed)
    return sealed if header.clock is None else _frame(replace(header, boot_id=NO_BOOT_ID), body)


def with_clock(sealed: bytes, clock: ClockFit) -> bytes:
    """Give a batch that was sealed before the time was known its clock fit; the body stays as it is.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    header, body = split(sealed)
    return _frame(replace(header, clock=clock), body)


def samples_of(header: Header, body: bytes, limits: Limits) -> list[Sample]:
    """Unpack a body within what the header promises.

    Raises:
        OversizedBatchError, TruncatedBatchError, CorruptBatchError: what is wrong with the bytes.
    """
    return unpack_rows(body, header.sealed_monotonic_ms, header.rows, header.values, limits)
