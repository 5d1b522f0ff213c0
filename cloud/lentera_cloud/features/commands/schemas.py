"""Commands on the wire."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lentera_cloud.kit.times import to_wire
from lentera_cloud.ports import CommandRecord
from lentera_model.commands import CommandName, Execution, ExecutionState, SetLevelArguments
from lentera_model.identifiers import ID_PATTERN


class Target(BaseModel):
    """Which device is meant."""

    model_config = ConfigDict(extra="forbid")

    device: str = Field(pattern=ID_PATTERN, description="Id of a luminaire.", examples=["lamp-001"])


class CommandIn(BaseModel):
    """A command to a lamp."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"target": {"device": "lamp-001"}, "name": "set_level", "args": {"level_percent": 40}}]
        },
    )

    target: Target
    name: CommandName = Field(description="What to do; `set_level` sets the light level.")
    args: SetLevelArguments
    ttl_s: float = Field(
        300,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="Life of the command: if the gateway has not accepted it by then, it expires.",
    )
    timeout_s: float = Field(
        20, ge=1, le=600, allow_inf_nan=False, description="How long the gateway may be silent about it once sent."
    )
    retries: int = Field(1, ge=0, le=5, description="Further attempts after a failure that may pass.")


class ReasonOut(BaseModel):
    """Why an execution did not succeed (or is being tried again)."""

    code: str = Field(examples=["bus_timeout"])
    text: str | None = Field(None, examples=["no answer within 1 s"])


class ExecutionOut(BaseModel):
    """One command on its way to one device."""

    execution_id: str
    device_id: str
    gateway_id: str
    state: ExecutionState = Field(
        description="queued: waits for the gateway's link. sent: on the link, nothing known yet. accepted: in the "
        "gateway's inbox. running: being written or proved. Then one of succeeded, unproved (echoed, but nothing "
        "measured shows it), failed, rejected, expired, cancelled."
    )
    attempt: int = Field(description="How often it has been sent.")
    reason: ReasonOut | None
    confirmed_by: Literal["readback", "power", "echo"] | None = Field(
        description="What the outcome rests on: the level read back, the power drawn, or an echo only (no proof)."
    )
    result: dict[str, float] | None = Field(description="Values measured at the end, by quantity.")
    changed_at: str
    expires_at: str


class CommandOut(BaseModel):
    """A command and what became of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "command_id": "c_01K0ABCDEFGHJKMNPQRSTVWXYZ",
                    "name": "set_level",
                    "args": {"level_percent": 40},
                    "created_at": "2026-11-25T01:02:03.004Z",
                    "created_by": "desk",
                    "status": "running",
                    "executions": [
                        {
                            "execution_id": "e_01K0ABCDEFGHJKMNPQRSTVWXYZ",
                            "device_id": "lamp-001",
                            "gateway_id": "gw-stabat-01",
                            "state": "sent",
                            "attempt": 1,
                            "reason": None,
                            "confirmed_by": None,
                            "result": None,
                            "changed_at": "2026-11-25T01:02:03.012Z",
                            "expires_at": "2026-11-25T01:07:03.004Z",
                        }
                    ],
                    "counts": {"sent": 1},
                }
            ]
        }
    )

    command_id: str
    name: str
    args: dict[str, float]
    created_at: str
    created_by: str
    status: Literal["running", "succeeded", "failed"] = Field(
        description="running until every execution is final; succeeded if all of them did."
    )
    executions: list[ExecutionOut]
    counts: dict[str, int] = Field(description="Executions by state.")


class CommandsOut(BaseModel):
    """Commands, newest first."""

    items: list[CommandOut]


def _execution_out(one: Execution) -> ExecutionOut:
    return ExecutionOut(
        execution_id=one.execution_id,
        device_id=one.device,
        gateway_id=one.gateway,
        state=one.state,
        attempt=one.attempt,
        reason=ReasonOut(code=one.reason.value, text=one.reason_text) if one.reason else None,
        confirmed_by=one.confirmed_by.value if one.confirmed_by else None,
        result=dict(one.result) if one.result is not None else None,
        changed_at=to_wire(one.changed_at_ms),
        expires_at=to_wire(one.expires_at_ms),
    )


def _status(executions: tuple[Execution, ...]) -> Literal["running", "succeeded", "failed"]:
    if not all(one.is_final for one in executions):
        return "running"
    return "succeeded" if all(one.state is ExecutionState.SUCCEEDED for one in executions) else "failed"


def command_out(record: CommandRecord) -> CommandOut:
    """Describe a command as it stands."""
    row = record.command
    return CommandOut(
        command_id=row.command_id,
        name=row.name,
        args=dict(row.args),
        created_at=to_wire(row.created_at_ms),
        created_by=row.created_by,
        status=_status(record.executions),
        executions=[_execution_out(one) for one in record.executions],
        counts=dict(Counter(one.state.value for one in record.executions)),
    )
