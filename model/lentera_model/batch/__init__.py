"""Batches: what a gateway seals, stores and sends, encoded once; docs/formats/batch.md gives every byte.

Columnar per profile, because neighbouring values of one quantity resemble each other: that is what makes a value cost
about two bytes. The bytes made by `encode` are those that the journal keeps and a stick brings home; `to_send` makes of
them what travels: the same, less the boot id, or in an older format for a cloud that knows no newer one.
"""

from lentera_model.batch.codec import (
    FORMAT_VERSION,
    FORMAT_VERSIONS,
    decode,
    encode,
    peek,
    to_send,
    with_clock,
)
from lentera_model.batch.types import (
    DEFAULT_LIMITS,
    Batch,
    BatchError,
    BatchKey,
    ClockFit,
    ClockUnknownError,
    CorruptBatchError,
    Header,
    InvalidSampleError,
    Limits,
    OversizedBatchError,
    TruncatedBatchError,
    UnsupportedVersionError,
)

__all__ = [
    "DEFAULT_LIMITS",
    "FORMAT_VERSION",
    "FORMAT_VERSIONS",
    "Batch",
    "BatchError",
    "BatchKey",
    "ClockFit",
    "ClockUnknownError",
    "CorruptBatchError",
    "Header",
    "InvalidSampleError",
    "Limits",
    "OversizedBatchError",
    "TruncatedBatchError",
    "UnsupportedVersionError",
    "decode",
    "encode",
    "peek",
    "to_send",
    "with_clock",
]
