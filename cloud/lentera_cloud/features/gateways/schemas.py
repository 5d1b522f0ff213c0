"""Gateways on the wire."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lentera_cloud.domain.keys import read_public_key
from lentera_cloud.domain.progress import EpochProgress
from lentera_cloud.features.gateways.service import GatewayView
from lentera_cloud.kit.texts import PlainText
from lentera_cloud.kit.times import to_wire, to_wire_or_none
from lentera_cloud.ports import RefusalCount
from lentera_model.identifiers import ID_PATTERN

MAX_HOLES = 100

_EXAMPLE_KEY = (
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----"
)


class GatewayIn(BaseModel):
    """A gateway to register."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"gateway_id": "gw-stabat-01", "name": "Jalan Merdeka, Stabat", "public_key": _EXAMPLE_KEY},
            ]
        },
    )

    gateway_id: str = Field(pattern=ID_PATTERN, description="Unique over the whole service.")
    name: PlainText = Field("", max_length=120, description="For people; no control characters.")
    public_key: str = Field(
        max_length=400, description="The gateway's Ed25519 public key: PEM, or base64 of its DER or raw 32 bytes."
    )

    @field_validator("public_key")
    @classmethod
    def _is_a_key(cls, text: str) -> str:
        read_public_key(text)
        return text


class GatewayOut(BaseModel):
    """A gateway and how it is."""

    gateway_id: str
    name: str
    online: bool = Field(description="Whether it has a link now.")
    last_seen_at: str | None = Field(description="When it last spoke; null if never.")
    registered_at: str
    revoked_at: str | None = Field(description="Since when it is refused; null while it is not.")
    agent_version: str | None
    mode: str | None = Field(description="live or economy, as it last said.")
    journal_waiting: int | None = Field(description="Batches that waited on it unacknowledged when it last said.")
    journal_bytes: int | None
    refused_readings: dict[str, int] = Field(
        description="Rows refused so far by code, e.g. undeclared_device.", examples=[{"from_future": 12}]
    )


class GatewaysOut(BaseModel):
    """Gateways in order of id."""

    items: list[GatewayOut]


class RefusalOut(BaseModel):
    """What was refused of a device for one reason."""

    device_id: str
    code: str
    text: str = Field(description="What was wrong and what to do, as it was last said.")
    readings: int
    last_at: str


class RefusalsOut(BaseModel):
    """Refusals, the newest first."""

    items: list[RefusalOut]


class HoleOut(BaseModel):
    """Batches that are not stored though later ones of their epoch are."""

    first: int
    last: int = Field(description="Included.")


class EpochOut(BaseModel):
    """How far the batches of one boot epoch have come."""

    epoch: int = Field(description="Counts the boots of the gateway, and what else makes it number anew.")
    high_water: int = Field(description="Up to this number every batch is stored; 0: not even the first.")
    newest: int = Field(description="Highest number that is stored.")
    missing: int = Field(description="Batches in the holes, all of them.")
    holes: list[HoleOut] = Field(
        description=f"The oldest {MAX_HOLES}. A batch in a hole is on its way, waits in the gateway's journal, or was "
        "given up by it: the gateway's known gaps say which."
    )
    changed_at: str = Field(description="When the last batch of it was stored.")


class ReceiptsOut(BaseModel):
    """Epochs, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "epoch": 7,
                            "high_water": 1042,
                            "newest": 1044,
                            "missing": 1,
                            "holes": [{"first": 1043, "last": 1043}],
                            "changed_at": "2026-11-25T01:02:03.004Z",
                        }
                    ]
                }
            ]
        }
    )

    items: list[EpochOut]


def epoch_out(one: EpochProgress) -> EpochOut:
    """Describe how far an epoch's batches have come."""
    return EpochOut(
        epoch=one.epoch,
        high_water=one.high_water,
        newest=one.newest,
        missing=one.missing,
        holes=[HoleOut(first=first, last=last) for first, last in one.holes[:MAX_HOLES]],
        changed_at=to_wire(one.changed_at_ms),
    )


def gateway_out(view: GatewayView) -> GatewayOut:
    """Describe a gateway as it stands."""
    row = view.row
    return GatewayOut(
        gateway_id=row.gateway_id,
        name=row.name,
        online=view.online,
        last_seen_at=to_wire_or_none(view.last_seen_ms),
        registered_at=to_wire(row.created_at_ms),
        revoked_at=to_wire_or_none(row.revoked_at_ms),
        agent_version=row.agent_version,
        mode=row.mode,
        journal_waiting=row.journal_waiting,
        journal_bytes=row.journal_bytes,
        refused_readings=view.refused_readings,
    )


def refusal_out(one: RefusalCount) -> RefusalOut:
    """Describe a count of refusals."""
    return RefusalOut(
        device_id=one.device_id, code=one.code, text=one.text, readings=one.readings, last_at=to_wire(one.last_at_ms)
    )
