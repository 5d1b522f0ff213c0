"""How gateways deliver, on the wire."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lentera_cloud.kit.times import to_wire
from lentera_cloud.ports import DeliveryRow, DeliverySettings

MAX_WATCH_S = 3_600


class DeliveryIn(BaseModel):
    """How a gateway should deliver; what is left out is as the gateway's own file says."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"quota_bytes": 100_000_000, "month_day": 15}]}
    )

    mode: Literal["live", "economy"] | None = Field(
        None, description="live: a batch a second; economy: by age or size."
    )
    rate_bytes_s: int = Field(
        0, ge=0, le=1 << 40, description="What a backlog may use of the air; 0: as its file says."
    )
    quota_bytes: int = Field(0, ge=0, le=1 << 50, description="Bytes a month, both ways; 0: as its file says.")
    month_day: int = Field(0, ge=0, le=28, description="On which day that month begins; 0: as its file says.")

    def settings(self) -> DeliverySettings:
        """As the registry keeps it."""
        return DeliverySettings(self.mode, self.rate_bytes_s, self.quota_bytes, self.month_day)


class WatchIn(BaseModel):
    """How long somebody looks."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"seconds": 60}]})

    seconds: int = Field(60, ge=0, le=MAX_WATCH_S, description="From now on; ask again before it ends. 0 ends it.")


class DeliveryOut(BaseModel):
    """How a gateway delivers."""

    gateway_id: str
    mode: Literal["live", "economy"] | None = Field(description="As an operator set it; null: as its file says.")
    rate_bytes_s: int
    quota_bytes: int
    month_day: int
    watched_until: str | None = Field(description="Until when it is live for somebody who looks; null if nobody does.")
    month_bytes: int = Field(description="What its month had used when it last told, both ways.")
    detail_s: int = Field(description="0: in full detail; else one mean in so many seconds, for its quota.")
    held_back_by_quota: bool = Field(
        description="True: its quota keeps it in economy, also while it is watched, until the new month or more quota."
    )


def delivery_out(row: DeliveryRow, now_ms: int) -> DeliveryOut:
    """Describe how a gateway delivers."""
    return DeliveryOut(
        gateway_id=row.gateway_id,
        mode=row.mode,
        rate_bytes_s=row.rate_bytes_s,
        quota_bytes=row.quota_bytes,
        month_day=row.month_day,
        watched_until=to_wire(row.watched_until_ms) if row.watched_until_ms > now_ms else None,
        month_bytes=row.month_bytes,
        detail_s=row.detail_s,
        held_back_by_quota=row.detail_s > 0,
    )
