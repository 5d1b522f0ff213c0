"""What holds for the header of a batch in every format."""

from __future__ import annotations

from typing import Final

from lentera_model.batch.types import CorruptBatchError, Header
from lentera_model.identifiers import InvalidIdError, check_id

MAGIC: Final = b"LB"
BOOT_ID_BYTES: Final = 16
_MAX_INT: Final = (1 << 53) - 1


def check_header(header: Header) -> Header:
    """Return a header that was read if what it says is possible.

    Raises:
        CorruptBatchError: an id or a number is out of bounds.
    """
    key, clock = header.key, header.clock
    try:
        check_id("gateway", key.gateway)
    except InvalidIdError as error:
        raise CorruptBatchError(f"the batch's header does not read: {error}") from error
    numbers = (
        *(key.epoch, key.sequence, header.sealed_monotonic_ms),
        *(header.rows, header.values, header.unpacked_bytes),
    )
    if len(header.boot_id) != BOOT_ID_BYTES or not all(0 <= number <= _MAX_INT for number in numbers):
        raise CorruptBatchError("a number in the batch's header is out of bounds")
    if clock is not None and (abs(clock.offset_ms) > _MAX_INT or not 0 <= clock.uncertainty_ms <= _MAX_INT):
        raise CorruptBatchError("the clock fit in the batch's header is out of bounds")
    return header
