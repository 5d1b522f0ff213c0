"""Known gaps on the wire."""

from pydantic import BaseModel, Field

from lentera_cloud.features.gaps.service import GapsView
from lentera_cloud.kit.times import to_wire
from lentera_cloud.ports import GapRow


class GapOut(BaseModel):
    """A time in which values of a gateway's devices may be or are missing."""

    gateway_id: str = Field(examples=["gw-stabat-01"])
    epoch: int = Field(description="Boot epoch in which the gateway told it.")
    number: int = Field(description="Number of the report in that epoch.")
    reason: str = Field(
        description=(
            "killed, power_cut or stopped: the gateway did not run. journal_thinned, journal_dropped, quota, "
            "samples_dropped: it had to give values up. damaged, clock_unknown, refused: it has values that it cannot "
            "deliver. A newer gateway may give other words."
        ),
        examples=["power_cut"],
    )
    from_: str = Field(
        serialization_alias="from",
        description="From here on values may be missing, by the gateway's word and by what is stored.",
    )
    to: str = Field(description="Up to here.")
    told_from: str = Field(
        description="The beginning as the gateway told it; earlier than `from` where stored readings prove a later one."
    )
    devices: list[str] = Field(description="Whose values; empty: all of the gateway's.")
    detail_s: int = Field(description="0: nothing is left. Else one value of each quantity in so many seconds is.")
    values: int = Field(description="How many values are known to be lost; 0 where nobody knows.")
    uncertainty_ms: int = Field(description="How far the gateway's times may be off, in milliseconds.")
    noted_at: str = Field(description="When the cloud heard of it.")


class GapsOut(BaseModel):
    """Known gaps, those that ended last first."""

    items: list[GapOut]
    next_offset: int | None = Field(description="Give it as `offset` for the next page; null on the last one.")


def gaps_out(view: GapsView) -> GapsOut:
    """Describe what was found."""
    return GapsOut(items=[_out(row) for row in view.rows], next_offset=view.next_offset)


def _out(row: GapRow) -> GapOut:
    gap = row.gap
    return GapOut(
        gateway_id=gap.gateway,
        epoch=gap.epoch,
        number=gap.number,
        reason=gap.reason,
        from_=to_wire(gap.from_ms),
        to=to_wire(gap.to_ms),
        told_from=to_wire(gap.told_from_ms),
        devices=list(gap.devices),
        detail_s=gap.detail_s,
        values=gap.values,
        uncertainty_ms=gap.uncertainty_ms,
        noted_at=to_wire(row.noted_at_ms),
    )
