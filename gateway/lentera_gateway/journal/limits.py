"""How much the journal may hold, and how long a batch may stand in memory alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS_MS: Final = 5_000
"""What the second's ticks and a slow poll may add."""
LONGEST_SEAL_AGE_MS: Final = 900_000
"""No step of the quota seals later."""


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Where the two tiers lie and their bounds.

    Attributes:
        memory_dir: folder on tmpfs: written each second, survives a killed process, not a power cut.
        card_dir: folder on the card: written only for what waits too long, and at shutdown.
        power_loss_budget_s: seconds that a sealed batch may wait for its acknowledgement in memory alone.
        memory_max_bytes: bound of the files in `memory_dir`, and of batches held in the process when it is full.
        card_max_bytes: bound of the segment files in `card_dir`.
        seal_age_s: economy mode seals a batch at this age of its first sample ...
        seal_bytes: ... or when it is expected to have this many bytes.
    """

    memory_dir: Path
    card_dir: Path
    power_loss_budget_s: float = 10.0
    memory_max_bytes: int = 32 * 1024 * 1024
    card_max_bytes: int = 1024 * 1024 * 1024
    seal_age_s: float = 60.0
    seal_bytes: int = 4096

    @property
    def seal_age_ms(self) -> int:
        """The age at which a batch is sealed while no step of the quota asks for a longer one."""
        return round(self.seal_age_s * 1000)

    @property
    def to_card_ms(self) -> int:
        """How long a batch that nobody takes may be on no card: the budget and the ticks."""
        return round(self.power_loss_budget_s * 1000) + TICKS_MS

    def at_most_lost_ms(self, seal_age_ms: int) -> int:
        """Of what came before a power cut, at most so much is not on the card: seal age in force, budget, ticks."""
        return seal_age_ms + self.to_card_ms

    @property
    def memory_segment_bytes(self) -> int:
        """Size at which a memory segment is closed: small enough that the bound is met by dropping whole segments."""
        return max(4096, min(256 * 1024, self.memory_max_bytes // 16))

    @property
    def card_segment_bytes(self) -> int:
        """Size at which a card segment is closed: large, a flash card erases in megabytes."""
        return max(4096, min(1024 * 1024, self.card_max_bytes // 16))
