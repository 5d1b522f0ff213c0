"""What the operator set for this gateway's SIM, kept without a link, and which step of the quota holds now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec

from lentera_gateway.delivery.air import AirMeter
from lentera_gateway.delivery.keptfile import KeptFile
from lentera_gateway.delivery.quota import SHAPES, Shape, Step, step_of
from lentera_gateway.delivery.rate import Bucket
from lentera_gateway.journal.policy import Shaping
from lentera_model.config import CloudLink
from lentera_model.protocol import SetDelivery
from lentera_model.protocol.messages import Mode

FILE_NAME: Final = "delivery.json"
_HOUR_MS: Final = 3_600_000
"""A stay in a step that lasts is told by hours of UTC, as reads are: so the cloud knows why an hour misses values."""
_ROUGHEST_S: Final = max(shape.detail_s for shape in SHAPES.values())
_KEEP_AGAIN_MS: Final = 60_000
"""A card that refused is tried again this much later."""


class Told(Protocol):
    """What is used of the journal."""

    shape: Shaping | None

    def reshape(self, shape: Shaping | None, /) -> Awaitable[tuple[int, int]]:
        """Seal what waits, go on by another shape; from which stamp on that may be so, and up to which the old one."""
        ...

    def report_gap(
        self, reason: str, from_ms: int, to_ms: int, devices: Sequence[str] = (), detail_s: int = 0, /
    ) -> Awaitable[None]:
        """Keep a known gap until the cloud has it."""
        ...


class Kept(msgspec.Struct, frozen=True):
    """What outlives the process: the cloud's last word, and since when which step holds (0: not known).

    Each change has the next number, by which the newer of two copies is known.
    """

    told: SetDelivery | None = None
    step: int = 0
    since_ms: int = 0
    number: int = 0


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
    _began_ms: int = 0
    _kept: Kept = field(default_factory=Kept)
    _on_card: Kept = field(default_factory=Kept)
    _keep_at_ms: int = 0
    _writing: asyncio.Task[None] | None = None
    _file: KeptFile = field(init=False)

    def __post_init__(self) -> None:
        """Name the file."""
        self._file = KeptFile(FILE_NAME, self.air.memory_dir, self.card_dir)

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
        """0 in full detail, else seconds a value; the most there are also where no instantaneous value is left."""
        return 0 if self.shape is None else self.shape.detail_s or _ROUGHEST_S

    def open(self) -> None:
        """Take up what was kept last; a copy that does not read is none."""
        kept = [found for content in self._file.read() if (found := _kept_of(content)) is not None]
        self._kept = max(kept, key=lambda found: found.number, default=self._kept)
        if kept:
            self._file.keep_in_memory(msgspec.json.encode(self._kept))  # after a power cut there is none
        self.step = Step(self._kept.step) if self._kept.step in set(Step) else Step.FULL
        self._began_ms = self.monotonic_ms()
        self._apply()

    def take(self, told: SetDelivery) -> None:
        """Obey the cloud's word from now on, also after a restart and without a link."""
        if told != self._kept.told:
            self._change(told=told)
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
        offset_ms = None if wall_ms is None else wall_ms - self.monotonic_ms()
        if offset_ms is not None and self.step and not self._kept.since_ms:
            self._change(since_ms=self._began_ms + offset_ms)
        now = step_of(self.air.bytes, self.quota_bytes)
        if now != self.step:
            await self._step_to(now, offset_ms, journal)
        elif self.step and wall_ms is not None and self._kept.since_ms // _HOUR_MS != wall_ms // _HOUR_MS:
            await self._tell(wall_ms, journal)
            self._change(since_ms=wall_ms)
        if journal.shape is not self.shape:
            await journal.reshape(self.shape)
        if self._kept != self._on_card and self.monotonic_ms() >= self._keep_at_ms:
            self._keep_on_card()

    async def _step_to(self, now: Step, offset_ms: int | None, journal: Told) -> None:
        """Let the journal change first: what the old step leaves out, and the new one, is known only then.

        While the clock is not known a stay cannot be told: the next one's gap then begins where it began.
        """
        first_ms, last_ms = await journal.reshape(SHAPES.get(now))
        if offset_ms is not None:
            await self._tell(last_ms + offset_ms, journal)
        if offset_ms is not None or self.step is Step.FULL:
            self._began_ms = first_ms
            since_ms = 0 if offset_ms is None or now is Step.FULL else first_ms + offset_ms
        else:
            since_ms = self._kept.since_ms
        self.step = now
        self._change(step=int(now), since_ms=since_ms)

    async def _tell(self, until_ms: int, journal: Told) -> None:
        """Tell of the part of the stay that has not been told."""
        if self.shape is not None and 0 < self._kept.since_ms < until_ms:
            await journal.report_gap("quota", self._kept.since_ms, until_ms, (), self.shape.detail_s)

    def _change(self, **changes: SetDelivery | int) -> None:
        """Keep a change: in memory at once, on the card by a task, for a card may take its time."""
        self._kept = msgspec.structs.replace(self._kept, **changes, number=self._kept.number + 1)
        self._file.keep_in_memory(msgspec.json.encode(self._kept))
        self._keep_on_card()

    def _keep_on_card(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """Write until the card has the newest; if it refuses, the cloud says its word again when the link opens."""
        while (kept := self._kept) != self._on_card:
            if not await self._file.thread.run(self._file.keep_on_card, msgspec.json.encode(kept)):
                self._keep_at_ms = self.monotonic_ms() + _KEEP_AGAIN_MS
                return
            self._on_card = kept

    async def close(self) -> None:
        """Wait for what is being kept."""
        try:
            if self._writing is not None:
                await self._writing
        finally:
            self._file.close()


def _kept_of(content: bytes) -> Kept | None:
    try:
        return msgspec.json.decode(content, type=Kept)
    except msgspec.MsgspecError:
        return None
