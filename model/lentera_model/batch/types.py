"""What a batch is made of, what bounds it, and what can be wrong with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from lentera_model.errors import LenteraError
from lentera_model.readings import Reading, Sample


class BatchError(LenteraError):
    """Base of everything that can be wrong with a batch; `code` is what a refusal on the link says."""

    code: ClassVar[str] = "batch"


class TruncatedBatchError(BatchError):
    """The bytes end before the batch does."""

    code: ClassVar[str] = "truncated"


class CorruptBatchError(BatchError):
    """The bytes contradict themselves or their checksum."""

    code: ClassVar[str] = "corrupt"


class OversizedBatchError(BatchError):
    """The batch is larger, packed or unpacked, than the reader's limits."""

    code: ClassVar[str] = "oversized"


class UnsupportedVersionError(BatchError):
    """The batch is of a format that this reader does not know."""

    code: ClassVar[str] = "unsupported_version"


class ClockUnknownError(BatchError):
    """The batch was sealed before its gateway knew the time, and carries no clock fit yet."""

    code: ClassVar[str] = "clock_unknown"


class InvalidSampleError(BatchError):
    """A sample that no batch can carry: a value that is not finite, a stamp or a name out of bounds."""

    code: ClassVar[str] = "invalid_sample"


@dataclass(frozen=True, slots=True, order=True)
class BatchKey:
    """What names a batch for ever: a replay is known by it, whatever connection brings it.

    Attributes:
        gateway: gateway id.
        epoch: rises by one at each start of the gateway's program.
        sequence: rises by one with each sealed batch of an epoch, from 1.
    """

    gateway: str
    epoch: int
    sequence: int


@dataclass(frozen=True, slots=True)
class ClockFit:
    """How a boot's monotonic clock maps to wall time: `at_ms = monotonic_ms + offset_ms`.

    Attributes:
        offset_ms: wall time (Unix milliseconds) at the boot's zero.
        uncertainty_ms: bound of the error, for example half the round trip to the source.
        source: "ntp" (the kernel's clock is disciplined) or "link" (taken from the cloud over the link).
    """

    offset_ms: int
    uncertainty_ms: int
    source: str


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a batch that is read without unpacking it.

    Attributes:
        key: gateway, epoch and sequence.
        boot_id: 16 bytes that name the boot whose clock stamped the samples.
        sealed_monotonic_ms: when the batch was closed, on that clock.
        clock: the fit for that boot, or None while the gateway does not know the time.
        rows: number of samples.
        values: number of values in them.
        unpacked_bytes: size of the body once unpacked, checked before unpacking.
    """

    key: BatchKey
    boot_id: bytes
    sealed_monotonic_ms: int
    clock: ClockFit | None
    rows: int
    values: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded batch: its header and its samples, ordered by profile, device and stamp."""

    header: Header
    samples: tuple[Sample, ...]

    def readings(self) -> list[Reading]:
        """Give the samples their wall time.

        Raises:
            ClockUnknownError: the header has no clock fit.
        """
        clock = self.header.clock
        if clock is None:
            key = self.header.key
            raise ClockUnknownError(
                f"batch {key.gateway}/{key.epoch}/{key.sequence} has no clock fit: send it once the time is known"
            )
        return [
            Reading(s.device, s.profile, s.monotonic_ms + clock.offset_ms, s.values, s.quality) for s in self.samples
        ]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a reader is ready to unpack; far above what a gateway seals, far below what would hurt a server."""

    sealed_bytes: int = 1 << 20
    unpacked_bytes: int = 8 << 20
    rows: int = 100_000
    values: int = 1_000_000
    columns: int = 512


DEFAULT_LIMITS: Final = Limits()
