"""What the operator set for this gateway's SIM, kept without a link, and which step of the quota holds now."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec

from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.quota import SHAPES, Shape, Step, step_of
from lentera_gateway.delivery.rate import Bucket
from lentera_gateway.journal.policy import Shaping
from lentera_gateway.journal.segments import write_durably
from lentera_model.config import CloudLink
from lentera_model.protocol import SetDelivery
from lentera_model.protocol.messages import Mode

FILE_NAME: Final = "delivery.json"
TOLD_AGAIN_MS: Final = 6 * 3_600_000
"""A stay in a step that lasts is told in parts, so that the cloud knows why values are missing while it lasts."""


class Told(Protocol):
    """What is used of the journal."""

    shape: Shaping | None

    def report_gap(
        self, reason: str, from_ms: int, to_ms: int, devices: Sequence[str] = (), detail_s: int = 0, /
    ) -> Awaitable[None]:
        """Keep a known gap until the cloud has it."""
        ...


class Kept(msgspec.Struct, frozen=True):
    """What outlives the process: the cloud's last word, and since when which step holds (0: not known)."""

    told: SetDelivery | None = None
    step: int = 0
    since_ms: int = 0


@dataclass(slots=True)
class DeliveryKeeper:
    """How readings go out: mode, rate, quota.

    Attributes:
        config: what the gateway's own file says; the cloud's word goes before it.
        air: the month's count.
        card_dir: where the cloud's word is kept.
        monotonic_ms: CLOCK_BOOTTIME.
        bucket: the rate.
        step: what is left out now.
    """

    config: CloudLink
    air: AirMeter
    card_dir: Path
    monotonic_ms: Callable[[], int]
    bucket: Bucket = field(default_factory=Bucket)
    step: Step = Step.FULL
    _kept: Kept = field(default_factory=Kept)

    @property
    def mode(self) -> Mode:
        """The mode while nobody asks for another."""
        told = self._kept.told
        return told.mode if told is not None and told.mode is not None else self.config.mode

    @property
    def quota_bytes(self) -> int:
        """Bytes that a month may have; 0: as many as it likes."""
        return (self._kept.told.quota_bytes if self._kept.told else 0) or self.config.monthly_quota_bytes

    @property
    def shape(self) -> Shape | None:
        """How batches are sealed; None in full detail."""
        return SHAPES.get(self.step)

    @property
    def detail_s(self) -> int:
        """0 in full detail, else seconds a value."""
        return 0 if self.shape is None else self.shape.detail_s

    def open(self) -> None:
        """Take up what was kept; what does not read is nothing."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            self._kept = msgspec.json.decode((self.card_dir / FILE_NAME).read_bytes(), type=Kept)
        self.step = Step(self._kept.step) if self._kept.step in set(Step) else Step.FULL
        self._apply()

    def take(self, told: SetDelivery) -> None:
        """Obey the cloud's word from now on, also after a restart and without a link."""
        if told != self._kept.told:
            self._kept = msgspec.structs.replace(self._kept, told=told)
            self._keep()
            self._apply()

    def _apply(self) -> None:
        told = self._kept.told
        rate = (told.rate_bytes_s if told else 0) or self.config.rate_bytes_s
        self.air.begin_on((told.month_day if told else 0) or self.config.month_day)
        self.bucket.limit(rate, self.monotonic_ms())
        self.air.taken = self.bucket.take

    async def tick(self, wall_ms: int | None, journal: Told) -> None:
        """Look which step holds and let the journal seal by it; each stay in one is told as a known gap.

        Args:
            wall_ms: Unix ms, None while the clock is not trusted: nothing can be told then.
            journal: where.
        """
        now = step_of(self.air.bytes, self.quota_bytes)
        if wall_ms is not None:
            await self._tell(now, wall_ms, journal)
        if now != self.step:
            self.step = now
            self._change(step=int(now), since_ms=wall_ms or 0)
        elif self.step and not self._kept.since_ms and wall_ms is not None:
            self._change(since_ms=wall_ms)
        journal.shape = self.shape

    async def _tell(self, now: Step, wall_ms: int, journal: Told) -> None:
        """Tell of the stay that ends, or of the part of it that has not been told."""
        since_ms = self._kept.since_ms
        if self.shape is None or not 0 < since_ms < wall_ms:
            return
        if now != self.step or wall_ms - since_ms >= TOLD_AGAIN_MS:
            await journal.report_gap("quota", since_ms, wall_ms, (), self.shape.detail_s)
            self._change(since_ms=wall_ms)

    def _change(self, **changes: int) -> None:
        self._kept = msgspec.structs.replace(self._kept, **changes)
        self._keep()

    def _keep(self) -> None:
        """A card that refuses loses the word at the next start; the cloud says it again at each opening of the link."""
        with contextlib.suppress(OSError):
            temporary = self.card_dir / f"{FILE_NAME}.new"
            write_durably(temporary, msgspec.json.encode(self._kept))
            temporary.replace(self.card_dir / FILE_NAME)
