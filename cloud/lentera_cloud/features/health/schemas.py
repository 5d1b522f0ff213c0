"""Health on the wire."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class HealthOut(BaseModel):
    """Whether the service can do its work, and what it waits for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"status": "ok", "version": "0.1.0", "registry": "ok", "series": "ok", "ingest": "ok"}]
        }
    )

    status: Literal["ok", "degraded"] = Field(
        description="degraded: a store is away or fails. Nothing is lost: no batch is acknowledged until it is back."
    )
    version: str
    registry: str = Field(description="`ok`, `starting`, or in words what is wrong with it.")
    series: str = Field(description="`ok`, `starting`, or in words what is wrong with it.")
    ingest: str = Field(description="`ok`, or which store batches wait for; they are not acknowledged meanwhile.")
