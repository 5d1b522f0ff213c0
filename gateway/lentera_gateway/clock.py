"""Two clocks: the boot's own, which never jumps and stamps everything, and what is known of the wall clock.

`ClockKeeper` is pure: observations go in with their stamps, a `ClockFit` comes out once one can be trusted.
"""

from __future__ import annotations

import ctypes
import errno
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from lentera_model.batch import ClockFit
from lentera_model.errors import LenteraError

DRIFT_PPM: Final = 50
"""How far a board's crystal may run off in the worst case; a fit's uncertainty grows by it."""
_STA_UNSYNC: Final = 0x0040
_TIME_ERROR: Final = 5
BUILD_TIME_MS: Final = 1_761_955_200_000
"""2025-11-01T00:00Z: no board with this program lives before it."""
_MAX_UNCERTAINTY_MS: Final = 10_000
KERNEL_TRIAL_MS: Final = 600_000
"""A disciplined kernel that contradicts a known time is believed after it has stood still for so long."""
LINK_WITNESS_MS: Final = 1_800_000
"""How long the cloud's last word on the time counts against such a kernel."""
KERNEL_OVER_LINK_MS: Final = 120_000
"""Up to here the kernel's word outweighs the cloud's; well within what the cloud takes to be the future (300 s)."""
_ONE_DAY_MS: Final = 86_400_000


class BootIdError(LenteraError):
    """The kernel does not say which boot this is."""

    code: ClassVar[str] = "boot_id"


def monotonic_ms() -> int:
    """Return CLOCK_BOOTTIME in milliseconds: counts from the boot, also through a suspend, and never jumps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def system_wall_ms() -> int:
    """Return the system's wall clock, right or wrong, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> bytes:
    """Return the 16 bytes that name this boot.

    Raises:
        BootIdError: the file is missing or holds no UUID.
    """
    try:
        return uuid.UUID(path.read_text(encoding="ascii").strip()).bytes
    except (OSError, ValueError) as error:
        raise BootIdError(
            f"{path} does not name this boot ({error}); Lentera needs Linux with /proc mounted"
        ) from error


@dataclass(frozen=True, slots=True)
class KernelClock:
    """What the kernel says of its wall clock: whether it is disciplined, and how far off it may be."""

    synchronised: bool
    uncertainty_ms: int


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as glibc and musl lay it out."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("time_us", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    ]


def kernel_clock() -> KernelClock | None:
    """Ask the kernel whether its wall clock is disciplined (adjtimex, read only); None where it does not say."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    timex = _Timex()
    state = adjtimex(ctypes.byref(timex))
    if state < 0:
        return None if ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.EFAULT) else KernelClock(False, 0)
    synchronised = state != _TIME_ERROR and not timex.status & _STA_UNSYNC
    return KernelClock(synchronised, max(1, timex.maxerror // 1000))


@dataclass(frozen=True, slots=True)
class _Dated:
    fit: ClockFit
    at_ms: int

    def uncertainty_ms(self, now_ms: int) -> int:
        return self.fit.uncertainty_ms + max(0, now_ms - self.at_ms) * DRIFT_PPM // 1_000_000

    def contradicts(self, fit: ClockFit, now_ms: int) -> bool:
        """Whether the two cannot both be right, whatever the crystal did in between."""
        return abs(fit.offset_ms - self.fit.offset_ms) > self.uncertainty_ms(now_ms) + fit.uncertainty_ms


class ClockKeeper:
    """Keeps the best clock fit of this boot.

    A fit is held as long as the next one does not contradict it, so that stamps do not dance with the network's delay.
    A crystal does not jump: when the kernel's clock, though it calls itself disciplined, leaves a time that it stood by
    before, or contradicts the cloud's by more than `KERNEL_OVER_LINK_MS`, it is believed once the cloud's word bears it
    out, or where the cloud has been silent, once it has stood still for `KERNEL_TRIAL_MS`.
    """

    def __init__(self, floor_ms: int) -> None:
        """Start without a fit; the wall clock is taken to be at least `floor_ms` (the build's or last saved time)."""
        self._floor_ms = floor_ms
        self._best: _Dated | None = None
        self._link: _Dated | None = None
        self._on_trial: _Dated | None = None
        self._kernel_agreed_ms: int | None = None
        self._floor_set_at_ms: int | None = None

    @property
    def fit(self) -> ClockFit | None:
        """The fit to seal batches with, None while the time is not trusted."""
        return None if self._best is None else self._best.fit

    @property
    def disputed_ms(self) -> int:
        """How far the kernel's clock is ahead of the fit that is held and contradicts it; 0 while it does not."""
        if self._on_trial is None or self._best is None:
            return 0
        return self._on_trial.fit.offset_ms - self._best.fit.offset_ms

    def raise_floor(self, floor_ms: int) -> None:
        """Learn of a later saved time."""
        self._floor_ms = max(self._floor_ms, floor_ms)

    def observe_kernel(self, kernel: KernelClock | None, wall_ms: int, now_ms: int) -> None:
        """Take the kernel's clock if it is disciplined, not plainly behind the last saved time, and no liar."""
        if kernel is None or not kernel.synchronised or wall_ms < self._floor_ms - _ONE_DAY_MS:
            self._on_trial = None
            return
        fit = ClockFit(wall_ms - now_ms, kernel.uncertainty_ms, "ntp")
        best = self._best
        if best is None or not best.contradicts(fit, now_ms):
            self._kernel_agreed_ms, self._on_trial = now_ms, None
            self._take_if_better(fit, now_ms)
        elif self._kernel_is_believed(best, fit, now_ms):
            self._kernel_agreed_ms, self._on_trial = now_ms, None
            self._best = _Dated(fit, now_ms)

    def _kernel_is_believed(self, best: _Dated, fit: ClockFit, now_ms: int) -> bool:
        """Judge a kernel that contradicts the fit that is held, and put it on trial."""
        if self._on_trial is None or self._on_trial.contradicts(fit, now_ms):
            self._on_trial = _Dated(fit, now_ms)
        link = self._link
        if link is not None and now_ms - link.at_ms <= LINK_WITNESS_MS:
            if not link.contradicts(fit, now_ms):
                return True
            # It follows several servers and the link is one; but what the cloud takes to be the future it refuses.
            newcomer = self._kernel_agreed_ms is None and best.fit.source == "link"
            return newcomer and abs(fit.offset_ms - link.fit.offset_ms) <= KERNEL_OVER_LINK_MS
        return now_ms - self._on_trial.at_ms >= KERNEL_TRIAL_MS

    def observe_link(self, server_ms: int, at_ms: int, uncertainty_ms: int) -> None:
        """Take the cloud's time: it was `server_ms` when our monotonic clock said `at_ms`, within half a round trip."""
        if uncertainty_ms > _MAX_UNCERTAINTY_MS or server_ms < BUILD_TIME_MS:
            return
        fit = ClockFit(server_ms - at_ms, max(1, uncertainty_ms), "link")
        self._link = _Dated(fit, at_ms)
        best = self._best
        if best is None or not best.contradicts(fit, at_ms):
            self._take_if_better(fit, at_ms)
        elif best.fit.source == "link" or not self._kernel_stands_by(best, at_ms):
            self._best = _Dated(fit, at_ms)

    def _kernel_stands_by(self, best: _Dated, now_ms: int) -> bool:
        """Whether the kernel has stood by the fit of late, within what the cloud would take."""
        agreed_ms, link = self._kernel_agreed_ms, self._link
        if agreed_ms is None or link is None or now_ms - agreed_ms > KERNEL_TRIAL_MS:
            return False
        return abs(best.fit.offset_ms - link.fit.offset_ms) <= KERNEL_OVER_LINK_MS

    def _take_if_better(self, fit: ClockFit, now_ms: int) -> None:
        if self._best is None or 2 * fit.uncertainty_ms < self._best.uncertainty_ms(now_ms):
            self._best = _Dated(fit, now_ms)

    def now_ms(self, monotonic_now_ms: int, system_ms: int) -> int:
        """Return the best knowledge of the wall clock in Unix milliseconds.

        Args:
            monotonic_now_ms: CLOCK_BOOTTIME.
            system_ms: the system's wall clock, used while there is no fit, if it is not behind the floor.
        """
        if self._best is not None:
            return monotonic_now_ms + self._best.fit.offset_ms
        if self._floor_set_at_ms is None:
            self._floor_set_at_ms = monotonic_now_ms
        return max(system_ms, self._floor_ms + monotonic_now_ms - self._floor_set_at_ms)
