"""What the journal says about itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """What this process has counted since it started.

    Attributes:
        values: values sealed.
        sealed_bytes: bytes of the batches they are in.
        written_memory_bytes, written_card_bytes: bytes written to each tier, marks not included.
        dropped_batches, dropped_values: given up because a tier was full (values where they are known).
        thinned_60_s_values, thinned_900_s_values: given up because a tier was full, one value in so many seconds left.
        thinned_counter_values: the same for counters, the last step before anything is dropped.
        thinning_card_bytes: the part of `written_card_bytes` that thinning wrote.
        damaged_batches: batches that could not be read back.
        refused_samples: samples that no batch can carry.
        dropped_samples: unsealed samples given up because the journal's thread was stuck.
    """

    values: int = 0
    sealed_bytes: int = 0
    written_memory_bytes: int = 0
    written_card_bytes: int = 0
    dropped_batches: int = 0
    dropped_values: int = 0
    thinned_60_s_values: int = 0
    thinned_900_s_values: int = 0
    thinned_counter_values: int = 0
    thinning_card_bytes: int = 0
    damaged_batches: int = 0
    refused_samples: int = 0
    dropped_samples: int = 0

    @property
    def thinned_values(self) -> int:
        """Values that thinning gave up, whatever the step."""
        return self.thinned_60_s_values + self.thinned_900_s_values + self.thinned_counter_values

    @property
    def given_up_values(self) -> int:
        """Values that were given up because a tier was full."""
        return self.thinned_values + self.dropped_values


@dataclass(frozen=True, slots=True)
class ReportsStatus:
    """What waits to be told.

    Attributes:
        gaps, tallies: reports that the cloud has not noted yet.
        dropped_tallies: tallies given up because the log was full.
        joined_gaps: gaps that were made into one with another because the log was full.
        error: why the card does not take reports now, or None.
    """

    gaps: int = 0
    tallies: int = 0
    dropped_tallies: int = 0
    joined_gaps: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """A snapshot for status.json, the link's Status message and the logs.

    Attributes:
        epoch, sequence: of the last sealed batch.
        waiting_batches: sealed and not acknowledged (card segments not yet scanned are not counted).
        memory_bytes, card_bytes: size of the segment files of each tier.
        held_bytes: sealed batches that no file took.
        written_bytes: bytes written to both tiers by this process.
        values_total: values sealed by this process.
        bytes_a_value: sealed bytes a value, 0 before the first batch.
        oldest_monotonic_ms: since when the oldest batch waits (CLOCK_BOOTTIME); None when none waits, or when it is on
            the card, where it may have come from another boot.
        damaged_records, torn_bytes, unreadable_segments: what was found broken at the start and stepped over.
        quarantined: batches set aside because the cloud refused them.
        memory_error, card_error: why a tier does not take data now, or None.
        counters: everything counted.
        reports: known gaps and tallies that the cloud has not noted.
    """

    epoch: int
    sequence: int
    waiting_batches: int
    memory_bytes: int
    card_bytes: int
    held_bytes: int
    written_bytes: int
    values_total: int
    bytes_a_value: float
    oldest_monotonic_ms: int | None
    damaged_records: int
    torn_bytes: int
    unreadable_segments: int
    quarantined: int
    memory_error: str | None
    card_error: str | None
    counters: Counters
    reports: ReportsStatus = ReportsStatus()

    def as_dict(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return asdict(self)
