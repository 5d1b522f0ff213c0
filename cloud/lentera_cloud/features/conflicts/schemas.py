"""Conflicts on the wire."""

from pydantic import BaseModel, Field

from lentera_cloud.features.conflicts.service import ConflictsView
from lentera_cloud.kit.times import to_wire
from lentera_cloud.ports import ConflictRow


class ConflictOut(BaseModel):
    """A value that differed from the stored one."""

    device_id: str = Field(examples=["meter-cabinet"])
    quantity: str = Field(examples=["power_active_total"])
    at: str = Field(description="The reading's time.")
    stored_value: float = Field(description="What came first; the series shows it. In the quantity's SI unit.")
    other_value: float = Field(description="What came later for the same time; it is kept here only.")
    gateway_id: str = Field(description="The gateway that brought the other value.")
    epoch: int = Field(description="Boot epoch of the batch that brought it.")
    sequence: int = Field(description="Number of that batch in its epoch.")
    noted_at: str = Field(description="When it came for the first time.")


class ConflictsOut(BaseModel):
    """Conflicts, those of the newest readings first."""

    items: list[ConflictOut]
    truncated: bool = Field(description="True when there are more in the range than `limit`.")
    kept: int = Field(description="How many are kept of this device and quantity (or of all) over all time.")


def conflicts_out(view: ConflictsView) -> ConflictsOut:
    """Describe what was found."""
    return ConflictsOut(items=[_out(row) for row in view.rows], truncated=view.truncated, kept=view.kept)


def _out(row: ConflictRow) -> ConflictOut:
    one = row.conflict
    return ConflictOut(
        device_id=one.device,
        quantity=one.quantity,
        at=to_wire(one.at_ms),
        stored_value=one.stored_value,
        other_value=one.other_value,
        gateway_id=one.key.gateway,
        epoch=one.key.epoch,
        sequence=one.key.sequence,
        noted_at=to_wire(row.noted_at_ms),
    )
