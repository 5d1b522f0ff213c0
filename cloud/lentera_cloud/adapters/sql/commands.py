"""Commands and executions in SQL."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.rows import command_of, execution_of, execution_values
from lentera_cloud.adapters.sql.scope import change_of, rows_of
from lentera_cloud.adapters.sql.tables import command as head
from lentera_cloud.adapters.sql.tables import device, execution
from lentera_cloud.domain.commanded import may_have_reached
from lentera_cloud.ports import CommandRecord, CommandRow, IdempotencyConflictError
from lentera_model.commands import Execution


class SqlCommands:
    """Implements :class:`lentera_cloud.ports.Commands`."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def create(
        self, tenant: str, command: CommandRow, executions: Sequence[Execution], keep_key_ms: int
    ) -> CommandRecord:
        """See the port."""
        try:
            return await self._create(tenant, command, executions, keep_key_ms)
        except IntegrityError:
            # Two requests with one key raced and the other was first; now it can be seen.
            return await self._create(tenant, command, executions, keep_key_ms)

    async def _create(
        self, tenant: str, command: CommandRow, executions: Sequence[Execution], keep_key_ms: int
    ) -> CommandRecord:
        async with self._database.write() as connection:
            if command.idempotency_key is not None:
                earlier = await self._earlier(connection, tenant, command, keep_key_ms)
                if earlier is not None:
                    return earlier
            await connection.execute(insert(head).values(_command_values(command)))
            numbered: list[Execution] = []
            for one in sorted(executions, key=lambda each: each.device):
                numbered.append(replace(one, sequence=await _next_sequence(connection, one)))
            if numbered:
                await connection.execute(insert(execution), [execution_values(one) for one in numbered])
        return CommandRecord(command, tuple(numbered))

    async def _earlier(
        self, connection: AsyncConnection, tenant: str, row: CommandRow, keep_key_ms: int
    ) -> CommandRecord | None:
        """Find the command that used this key; a key past its time is freed."""
        same_key = head.c.idempotency_key == row.idempotency_key
        found = (await connection.execute(rows_of(tenant, head, same_key))).first()
        if found is None:
            return None
        earlier = command_of(found)
        if earlier.created_at_ms + keep_key_ms <= row.created_at_ms:
            await connection.execute(change_of(tenant, head, same_key).values(idempotency_key=None))
            return None
        if earlier.body_sha256 != row.body_sha256:
            raise IdempotencyConflictError(
                "this Idempotency-Key was used for another request: send a new key with a new request, "
                "or the very same body to get the first answer again"
            )
        return replace(await _with_executions(connection, tenant, earlier), replayed=True)

    async def get(self, tenant: str, command_id: str) -> CommandRecord | None:
        """See the port."""
        async with self._database.read() as connection:
            row = (await connection.execute(rows_of(tenant, head, head.c.command_id == command_id))).first()
            return await _with_executions(connection, tenant, command_of(row)) if row else None

    async def newest(self, tenant: str, limit: int) -> list[CommandRecord]:
        """See the port."""
        newest = rows_of(tenant, head).order_by(head.c.command_id.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = [command_of(row) for row in await connection.execute(newest)]
            mine = execution.c.command_id.in_([row.command_id for row in rows])
            by_command = defaultdict[str, list[Execution]](list)
            for one in await _executions(connection, tenant, mine):
                by_command[one.command_id].append(one)
        return [CommandRecord(row, tuple(by_command[row.command_id])) for row in rows]

    async def execution(self, tenant: str, execution_id: str) -> Execution | None:
        """See the port."""
        async with self._database.read() as connection:
            found = await _executions(connection, tenant, execution.c.execution_id == execution_id)
        return found[0] if found else None

    async def save(self, tenant: str, before: Execution, after: Execution) -> bool:
        """See the port: compared are the columns that every step changes at least one of."""
        statement = change_of(
            tenant,
            execution,
            execution.c.execution_id == before.execution_id,
            execution.c.state == before.state.value,
            execution.c.attempt == before.attempt,
            execution.c.changed_at_ms == before.changed_at_ms,
            execution.c.step_deadline_ms.is_not_distinct_from(before.step_deadline_ms),
        )
        reached = may_have_reached(before, after)
        async with self._database.write() as connection:
            # The device's row first, as `create` does: two executions of one lamp must see each other's change.
            await connection.execute(
                rows_of(tenant, device, device.c.device_id == before.device).with_for_update(key_share=True)
            )
            values = execution_values(after) | {"reached": reached}
            if not (await connection.execute(statement.values(values))).rowcount:
                return False
            await _note_commanded_level(connection, after)
        return True

    async def live_of_gateway(self, tenant: str, gateway_id: str) -> list[Execution]:
        """See the port."""
        statement = rows_of(
            tenant, execution, execution.c.gateway == gateway_id, execution.c.due_at_ms.is_not(None)
        ).order_by(execution.c.created_at_ms, execution.c.sequence)
        async with self._database.read() as connection:
            return [execution_of(row) for row in await connection.execute(statement)]

    async def due(self, now_ms: int, limit: int) -> list[Execution]:
        """See the port."""
        statement = (
            select(execution)  # any tenant: the worker's sweep
            .where(execution.c.due_at_ms <= now_ms)
            .order_by(execution.c.due_at_ms)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [execution_of(row) for row in await connection.execute(statement)]


def _command_values(row: CommandRow) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "command_id": row.command_id,
        "name": row.name,
        "args": json.dumps(dict(row.args)),
        "created_at_ms": row.created_at_ms,
        "created_by": row.created_by,
        "idempotency_key": row.idempotency_key,
        "body_sha256": row.body_sha256,
    }


async def _next_sequence(connection: AsyncConnection, one: Execution) -> int:
    """Take the device's next sequence number; its row stays locked until the commit."""
    statement = change_of(one.tenant, device, device.c.device_id == one.device)
    statement = statement.values(last_sequence=device.c.last_sequence + 1)
    return (await connection.execute(statement.returning(device.c.last_sequence))).scalar_one()


async def _note_commanded_level(connection: AsyncConnection, one: Execution) -> None:
    """Give the execution's lamp the level of the newest execution that may have reached it, or none.

    Worked out anew each time: an accepted execution may yet be cancelled, and then the one before it counts again.
    """
    reached = rows_of(
        one.tenant,
        execution,
        execution.c.device == one.device,
        execution.c.reached.is_(True),
        execution.c.name == "set_level",
    )
    found = (await connection.execute(reached.order_by(execution.c.sequence.desc()).limit(1))).first()
    last = execution_of(found) if found is not None else None
    level = change_of(one.tenant, device, device.c.device_id == one.device).values(
        commanded_percent=last.args["level_percent"] if last else None,
        commanded_at_ms=last.created_at_ms if last else None,
    )
    await connection.execute(level)


async def _executions(connection: AsyncConnection, tenant: str, which: ColumnElement[bool]) -> list[Execution]:
    rows = await connection.execute(rows_of(tenant, execution, which).order_by(execution.c.device))
    return [execution_of(row) for row in rows]


async def _with_executions(connection: AsyncConnection, tenant: str, row: CommandRow) -> CommandRecord:
    mine = await _executions(connection, tenant, execution.c.command_id == row.command_id)
    return CommandRecord(row, tuple(mine))
