"""Known gaps: times in which values may be or are missing, as a gateway told, and what the stored readings prove."""

from dataclasses import dataclass, replace
from typing import Final

POWER_CUT: Final = "power_cut"


@dataclass(frozen=True, slots=True)
class KnownGap:
    """A gap as it is kept; (gateway, epoch, number) names it, so that one told twice is one.

    Attributes:
        gateway, epoch, number: who told it, in which boot epoch, as which of its reports.
        reason: a word of the link's format.
        from_ms, to_ms: between these times values may be missing, by all that is known.
        told_from_ms: what the gateway told as the beginning; earlier than `from_ms` where stored readings prove later.
        devices: whose values; empty: all of the gateway's.
        detail_s: 0: nothing is left; else one value in so many seconds is.
        values: how many are known to be lost, 0 where nobody knows.
        uncertainty_ms: how far the times may be off.
    """

    gateway: str
    epoch: int
    number: int
    reason: str
    from_ms: int
    to_ms: int
    told_from_ms: int
    devices: tuple[str, ...] = ()
    detail_s: int = 0
    values: int = 0
    uncertainty_ms: int = 0


def sharpened(gap: KnownGap, newest_ms: int | None) -> KnownGap:
    """Return a power cut's gap with the beginning that the newest stored reading before its end proves.

    After a power cut the gateway knows only when it last wrote its card, which may be an hour before. It was alive when
    it took a reading that is stored; of what came shortly before it at most `uncertainty_ms` may not have arrived.

    Args:
        gap: as told.
        newest_ms: time of that reading, None where none is stored or older ones may be missing.
    """
    if gap.reason != POWER_CUT or newest_ms is None:
        return gap
    proved_ms = min(newest_ms - gap.uncertainty_ms, gap.to_ms)
    return replace(gap, from_ms=max(gap.from_ms, proved_ms))
