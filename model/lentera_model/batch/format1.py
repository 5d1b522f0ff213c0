"""Format 1: a msgpack header that can be read and given its clock without unpacking, then one zstd frame of msgpack.

Layout (docs/formats/batch.md): "LB", version, flags, header length, header CRC-32, header, body. Written for
clouds that know nothing newer.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import msgspec

from lentera_model.batch.blocks import Block, pack_blocks, unpack_block
from lentera_model.batch.header import MAGIC, check_header
from lentera_model.batch.types import (
    BatchKey,
    ClockFit,
    CorruptBatchError,
    Header,
    Limits,
    OversizedBatchError,
    TruncatedBatchError,
    UnsupportedVersionError,
)
from lentera_model.identifiers import InvalidIdError, check_id
from lentera_model.readings import Sample

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

VERSION: Final = 1
_PREFIX: Final = struct.Struct("<2sBBHI")
_PACKING: Final[dict[int, int]] = {
    zstd.CompressionParameter.compression_level: 6,
    zstd.CompressionParameter.checksum_flag: 1,
}
_UNPACKING: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
"""8 MiB: a frame that asks for a larger window asks for memory that no batch needs."""


class _WireHeader(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The header as it stands in the bytes; `clock` is [offset_ms, uncertainty_ms, source] or nil."""

    gateway: str
    epoch: int
    sequence: int
    boot_id: bytes
    sealed_monotonic_ms: int
    clock: tuple[int, int, str] | None
    rows: int
    values: int
    unpacked_bytes: int


def encode(
    key: BatchKey, boot_id: bytes, sealed_monotonic_ms: int, samples: Iterable[Sample], clock: ClockFit | None
) -> bytes:
    """Seal samples, at least one, into the bytes of one batch.

    Raises:
        InvalidSampleError: a sample that no batch can carry (its device is named); nothing is encoded.
    """
    blocks, rows, values = pack_blocks(samples)
    body = msgspec.msgpack.encode(blocks)
    # A compressor of its own for each call: one that threads share corrupts data.
    packed = zstd.compress(body, options=_PACKING)
    return _frame(Header(key, boot_id, sealed_monotonic_ms, clock, rows, values, len(body)), packed)


def _frame(header: Header, packed: bytes) -> bytes:
    clock = header.clock
    wire = _WireHeader(
        header.key.gateway,
        header.key.epoch,
        header.key.sequence,
        header.boot_id,
        header.sealed_monotonic_ms,
        None if clock is None else (clock.offset_ms, clock.uncertainty_ms, clock.source),
        header.rows,
        header.values,
        header.unpacked_bytes,
    )
    data = msgspec.msgpack.encode(wire)
    return _PREFIX.pack(MAGIC, VERSION, 0, len(data), zlib.crc32(data)) + data + packed


def split(sealed: bytes) -> tuple[Header, bytes]:
    """Check the prefix and the header; return the header and the packed body.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    if len(sealed) < _PREFIX.size:
        raise TruncatedBatchError(f"a batch of {len(sealed)} bytes is shorter than its own prefix: send it again whole")
    _, version, flags, length, checksum = _PREFIX.unpack_from(sealed)
    if flags:
        raise UnsupportedVersionError(
            f"batch format {version} (flags {flags}) is not known here: update the older side"
        )
    data = sealed[_PREFIX.size : _PREFIX.size + length]
    if len(data) < length:
        raise TruncatedBatchError(f"the batch ends within its header, at byte {len(sealed)}: send it again whole")
    if zlib.crc32(data) != checksum:
        raise CorruptBatchError("the checksum of the batch's header is wrong: the bytes were changed on their way")
    return _checked_header(data), sealed[_PREFIX.size + length :]


def peek(sealed: bytes) -> Header:
    """Read the header alone.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    return split(sealed)[0]


def _checked_header(data: bytes) -> Header:
    try:
        wire = msgspec.msgpack.decode(data, type=_WireHeader)
        check_id("gateway", wire.gateway)
    except (msgspec.MsgspecError, InvalidIdError) as error:
        raise CorruptBatchError(f"the batch's header does not read: {error}") from error
    clock = None if wire.clock is None else ClockFit(*wire.clock)
    key = BatchKey(wire.gateway, wire.epoch, wire.sequence)
    return check_header(
        Header(key, wire.boot_id, wire.sealed_monotonic_ms, clock, wire.rows, wire.values, wire.unpacked_bytes)
    )


def with_clock(sealed: bytes, clock: ClockFit) -> bytes:
    """Give a batch that was sealed before the time was known its clock fit; the body stays as it is.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    header, packed = split(sealed)
    return _frame(replace(header, clock=clock), packed)


def _unpack(packed: bytes, header: Header) -> bytes:
    """Undo zstd within the size that the header promised, so that a bomb costs no more than that."""
    decompressor = zstd.ZstdDecompressor(options=_UNPACKING)
    try:
        body = decompressor.decompress(packed, max_length=header.unpacked_bytes + 1)
    except zstd.ZstdError as error:
        raise CorruptBatchError(f"the batch's body does not unpack: {error}") from error
    if len(body) > header.unpacked_bytes:
        raise OversizedBatchError(f"the batch unpacks to more than the {header.unpacked_bytes} bytes that it promises")
    if not decompressor.eof:
        raise TruncatedBatchError(f"the batch's body ends early, after {len(packed)} packed bytes: send it again whole")
    if len(body) != header.unpacked_bytes or decompressor.unused_data:
        raise CorruptBatchError(
            f"the batch unpacks to {len(body)} bytes, not to {header.unpacked_bytes}, or has a tail"
        )
    return body


def samples_of(header: Header, packed: bytes, limits: Limits) -> list[Sample]:
    """Unpack a body within what the header promises.

    Raises:
        OversizedBatchError, TruncatedBatchError, CorruptBatchError: what is wrong with the bytes.
    """
    try:
        blocks = msgspec.msgpack.decode(_unpack(packed, header), type=list[Block])
    except msgspec.MsgspecError as error:
        raise CorruptBatchError(f"the batch's body does not read: {error}") from error
    samples: list[Sample] = []
    values = 0
    for block in blocks:
        more, count = unpack_block(block, limits, header.values - values)
        samples += more
        values += count
        if len(samples) > header.rows:
            raise OversizedBatchError(f"the batch holds more than the {header.rows} rows that it promises")
    if len(samples) != header.rows or values != header.values:
        raise CorruptBatchError(
            f"the batch holds {len(samples)} rows and {values} values, not {header.rows} and {header.values}"
        )
    return samples
