"""The batch as bytes, whatever its format: sealed in the newest, read in all of the last 24 months."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lentera_model.batch import format1, format2
from lentera_model.batch.header import BOOT_ID_BYTES, MAGIC
from lentera_model.batch.types import (
    DEFAULT_LIMITS,
    Batch,
    BatchKey,
    ClockFit,
    CorruptBatchError,
    Header,
    Limits,
    OversizedBatchError,
    TruncatedBatchError,
    UnsupportedVersionError,
)
from lentera_model.readings import Sample

_FORMATS: Final = {format1.VERSION: format1, format2.VERSION: format2}
FORMAT_VERSIONS: Final = tuple(sorted(_FORMATS))
"""Formats that are read, and written for whoever knows nothing newer; the last one is the newest."""
FORMAT_VERSION: Final = FORMAT_VERSIONS[-1]
_VERSION_AT: Final = len(MAGIC)


def encode(
    key: BatchKey,
    boot_id: bytes,
    sealed_monotonic_ms: int,
    samples: Iterable[Sample],
    clock: ClockFit | None = None,
    version: int = FORMAT_VERSION,
) -> bytes:
    """Seal samples into the bytes of one batch.

    Args:
        key: gateway, epoch and sequence that name the batch.
        boot_id: the 16 bytes of the kernel's boot id.
        sealed_monotonic_ms: now, on the boot's monotonic clock.
        samples: at least one.
        clock: the boot's clock fit if it is known; else `with_clock` adds it later.
        version: one of FORMAT_VERSIONS.

    Raises:
        InvalidSampleError: a sample that no batch can carry (its device is named); nothing is encoded.
        ValueError: no samples, or a boot id that is not 16 bytes.
    """
    if len(boot_id) != BOOT_ID_BYTES:
        raise ValueError(f"a boot id has {BOOT_ID_BYTES} bytes, not {len(boot_id)}")
    if not (given := tuple(samples)):
        raise ValueError("a batch needs at least one sample")
    return _FORMATS[version].encode(key, boot_id, sealed_monotonic_ms, given, clock)


def _version_of(sealed: bytes) -> int:
    if len(sealed) <= _VERSION_AT:
        raise TruncatedBatchError(f"a batch of {len(sealed)} bytes is shorter than its own prefix: send it again whole")
    if not sealed.startswith(MAGIC):
        raise CorruptBatchError(f"these bytes are no batch: they begin with {sealed[:4].hex()}, not with 'LB'")
    version = sealed[_VERSION_AT]
    if version not in _FORMATS:
        known = " and ".join(map(str, FORMAT_VERSIONS))
        raise UnsupportedVersionError(f"batch format {version} is not known here, only {known}: update the older side")
    return version


def peek(sealed: bytes) -> Header:
    """Read a batch's header without unpacking its body.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    return _FORMATS[_version_of(sealed)].peek(sealed)


def with_clock(sealed: bytes, clock: ClockFit) -> bytes:
    """Give a batch that was sealed before the time was known its clock fit; the body stays as it is.

    Raises:
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    return _FORMATS[_version_of(sealed)].with_clock(sealed, clock)


def decode(sealed: bytes, limits: Limits = DEFAULT_LIMITS) -> Batch:
    """Unpack a batch, trusting nothing in it.

    Raises:
        OversizedBatchError: larger, packed or unpacked, than `limits`.
        TruncatedBatchError, CorruptBatchError, UnsupportedVersionError: what is wrong with the bytes.
    """
    if len(sealed) > limits.sealed_bytes:
        raise OversizedBatchError(f"a batch of {len(sealed)} bytes is over the limit of {limits.sealed_bytes}")
    used = _FORMATS[_version_of(sealed)]
    header, packed = used.split(sealed)
    if header.unpacked_bytes > limits.unpacked_bytes or header.rows > limits.rows or header.values > limits.values:
        raise OversizedBatchError(
            f"the batch promises {header.rows} rows, {header.values} values and {header.unpacked_bytes} bytes; "
            f"the limits are {limits.rows}, {limits.values} and {limits.unpacked_bytes}"
        )
    return Batch(header, tuple(used.samples_of(header, packed, limits)))


def to_send(sealed: bytes, newest: int = FORMAT_VERSION) -> bytes:
    """Return a batch as it travels to one who knows no format after `newest`: without what only the journal needs.

    It keeps its name, its clock and every value, so that a replay in another format is known as one.

    Raises:
        BatchError: it does not read.
    """
    version = _version_of(sealed)
    if version <= newest:
        return sealed if version == format1.VERSION else format2.without_boot(sealed)
    batch = decode(sealed)
    header = batch.header
    older = max(version for version in FORMAT_VERSIONS if version <= newest)
    return encode(header.key, header.boot_id, header.sealed_monotonic_ms, batch.samples, header.clock, older)
