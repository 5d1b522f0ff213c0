"""Between table rows and the dataclasses that the ports speak."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Table, Text, bindparam, func, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from lentera_cloud.domain.roles import Role
from lentera_cloud.ports import ApiToken, CommandRow, DeviceRow, GatewayRow, RefusalCount
from lentera_model.commands import ConfirmedBy, Execution, ExecutionState, Reason

_ROWS_AS_JSON = 16


def _fields(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)


def token_of(row: Row[Any]) -> ApiToken:
    """Read an API token."""
    values = _fields(row)
    values["role"] = Role(values["role"])
    values["secret_sha256"] = bytes(values["secret_sha256"])
    return ApiToken(**values)


def gateway_of(row: Row[Any]) -> GatewayRow:
    """Read a gateway."""
    values = _fields(row)
    values["public_key"] = bytes(values["public_key"])
    return GatewayRow(**values)


def device_of(row: Row[Any]) -> DeviceRow:
    """Read a device."""
    values = _fields(row)
    del values["last_sequence"]
    return DeviceRow(**values)


def command_of(row: Row[Any]) -> CommandRow:
    """Read a command."""
    values = _fields(row)
    return CommandRow(**(values | {"args": json.loads(values["args"])}))


def refusal_of(row: Row[Any]) -> RefusalCount:
    """Read a count of refused readings."""
    values = _fields(row)
    del values["tenant"]
    return RefusalCount(**values)


def execution_of(row: Row[Any]) -> Execution:
    """Read an execution."""
    values = _fields(row)
    del values["due_at_ms"], values["reached"]
    values["args"] = json.loads(values["args"])
    values["state"] = ExecutionState(values["state"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    values["confirmed_by"] = ConfirmedBy(values["confirmed_by"]) if values["confirmed_by"] else None
    values["result"] = json.loads(values["result"]) if values["result"] else None
    return Execution(**values)


def execution_values(execution: Execution) -> dict[str, Any]:
    """Return the columns of an execution."""
    values = asdict(execution)
    values["args"] = json.dumps(dict(execution.args))
    values["state"] = execution.state.value
    values["reason"] = execution.reason.value if execution.reason else None
    values["confirmed_by"] = execution.confirmed_by.value if execution.confirmed_by else None
    values["result"] = json.dumps(dict(execution.result)) if execution.result is not None else None
    values["due_at_ms"] = due_at_ms(execution)
    return values


def due_at_ms(execution: Execution) -> int | None:
    """Return when an execution next needs a tick if nothing else happens; None when it is final.

    A queued or sent one expires; whatever was sent has a step deadline as well.
    """
    if execution.is_final:
        return None
    expires = execution.state in (ExecutionState.QUEUED, ExecutionState.SENT)
    times = [execution.expires_at_ms] if expires or execution.step_deadline_ms is None else []
    if execution.step_deadline_ms is not None:
        times.append(execution.step_deadline_ms)
    return min(times)


async def upsert(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]], replace: Sequence[str]
) -> None:
    """Insert rows; where the primary key exists, replace only the named columns (none: leave the row alone)."""
    if not rows:
        return
    keys = list(table.primary_key.columns)
    if connection.dialect.name == "sqlite":
        statement, given = _in_sqlite(table, rows)
    else:
        statement, given = postgresql.insert(table), [dict(row) for row in rows]
    if replace:
        new = {name: statement.excluded[name] for name in replace}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=new)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    await connection.execute(statement, given)


def _in_sqlite(table: Table, rows: Sequence[Mapping[str, Any]]) -> tuple[sqlite.Insert, Any]:
    """Insert rows in SQLite, many of them as one parameter.

    As parameters row by row each of them gives Python's lock away and has to win it back from the event loop.
    """
    statement = sqlite.insert(table)
    if len(rows) < _ROWS_AS_JSON or any(isinstance(one, bytes) for one in rows[0].values()):
        return statement, [dict(row) for row in rows]
    names = list(rows[0])
    each = func.json_each(bindparam("rows", type_=Text)).table_valued("value", name="given")
    columns = [func.json_extract(each.c.value, f"$[{at}]") for at in range(len(names))]
    chosen = select(*columns).where(true())  # any tenant: no table is read; SQLite's upsert asks for a WHERE
    values = json.dumps([[row[name] for name in names] for row in rows])
    return statement.from_select(names, chosen, include_defaults=False), {"rows": values}
