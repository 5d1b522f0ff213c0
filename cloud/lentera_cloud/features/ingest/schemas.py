"""What ``POST /v1/batches`` answers."""

from pydantic import BaseModel, Field

from lentera_cloud.features.ingest.writer import Verdict


class BatchNumber(BaseModel):
    """The batch that was taken."""

    epoch: int = Field(description="Boot epoch of the gateway.", examples=[7])
    sequence: int = Field(description="Number of the batch in that epoch.", examples=[1042])


class RefusedDevice(BaseModel):
    """Rows of a device that were not stored though the rest was."""

    device_id: str = Field(examples=["lamp-009"])
    code: str = Field(description="undeclared_device, foreign_device, from_future, from_past or store_refused.")
    text: str = Field(description="What was wrong and what to do.")
    readings: int = Field(description="How many rows were refused.")


class BatchAnswer(BaseModel):
    """The batch is stored; what is in ``refused`` is not."""

    acknowledged: BatchNumber
    replayed: bool = Field(description="True when it had been stored before; nothing was written again.")
    refused: list[RefusedDevice]


def answer_of(verdict: Verdict) -> BatchAnswer:
    """Describe a batch that was stored."""
    assert verdict.key is not None  # noqa: S101 - a batch without a readable key is refused
    return BatchAnswer(
        acknowledged=BatchNumber(epoch=verdict.key.epoch, sequence=verdict.key.sequence),
        replayed=verdict.replayed,
        refused=[
            RefusedDevice(device_id=one.device, code=one.code.value, text=one.text, readings=one.readings)
            for one in verdict.refused
        ],
    )
