"""The migrations make the schema that the code uses, and every query is bound to a tenant."""

import ast
import asyncio
import sqlite3
from pathlib import Path

from alembic import command as alembic_command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

import lentera_cloud.adapters.sql as package
from lentera_cloud.adapters.sql import SqlRegistry
from lentera_cloud.adapters.sql.database import Database
from lentera_cloud.adapters.sql.tables import metadata

ALLOWED = "# any tenant:"


async def test_migrations_make_the_tables(registry_url):
    database = Database(registry_url)
    await database.migrate()
    async with database.read() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    await database.close()
    assert differences == []


def unscoped_queries(source: str) -> list[int]:
    """Lines that call select, update or delete without saying why no tenant is needed."""
    lines = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name in {"select", "update", "delete", "text"} and ALLOWED not in lines[node.lineno - 1]:
                found.append(node.lineno)
    return found


def test_every_query_is_bound_to_a_tenant_or_says_why_not():
    for path in sorted(Path(package.__file__).parent.glob("*.py")):
        if path.name not in {"database.py", "registry.py", "tables.py"}:
            assert unscoped_queries(path.read_text()) == [], path


def test_the_check_catches_a_query_that_goes_round_the_helper():
    assert unscoped_queries("x = select(device)\ny = select(device)  # any tenant: worker\n") == [1]


def to_first_schema(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    alembic_command.upgrade(config, "0001")


OLD_ROWS = """
INSERT INTO tenant VALUES ('stabat', 'Stabat', 1);
INSERT INTO gateway (gateway_id, tenant, name, public_key, created_at_ms) VALUES ('gw-1', 'stabat', '', 'k', 1);
INSERT INTO device (tenant, device_id, name, kind, profile, gateway_id, bus, address, declared_at_ms, declared,
commanded_percent, commanded_at_ms) VALUES ('stabat', 'lamp-1', '', 'luminaire', 'p', 'gw-1', 'b', '1', 1, true, 5, 3),
('stabat', 'lamp-2', '', 'luminaire', 'p', 'gw-1', 'b', '2', 1, true, 5, 3);
INSERT INTO command (tenant, command_id, name, args, created_at_ms, created_by)
VALUES ('stabat', 'c', 'n', '{}', 1, 'd')
"""
OLD_EXECUTION = """
INSERT INTO execution (tenant, execution_id, command_id, gateway, device, name, args, sequence, created_at_ms,
expires_at_ms, timeout_ms, retries, state, attempt, changed_at_ms, reason) VALUES ('stabat', :id, 'c', 'gw-1', :device,
'set_level', :args, :sequence, :sequence, 9, 9, 1, :state, 1, 1, :reason)
"""


async def test_commanded_levels_of_an_older_registry_are_worked_out_again(registry_url):
    database = Database(registry_url)
    old = [
        ("lamp-1", 1, "succeeded", None),
        ("lamp-1", 2, "failed", "bus_timeout"),
        ("lamp-1", 3, "failed", "superseded"),
        ("lamp-1", 4, "expired", "expired"),
        ("lamp-2", 1, "cancelled", "cancelled"),
    ]
    async with database.engine.connect() as connection:
        await connection.execution_options(lentera_writes=True)
        async with connection.begin():
            await connection.run_sync(to_first_schema)
            for statement in OLD_ROWS.split(";"):
                await connection.execute(text(statement))
            for number, (device, sequence, state, reason) in enumerate(old):
                values = {"id": f"e{number}", "device": device, "sequence": sequence, "state": state, "reason": reason}
                values["args"] = f'{{"level_percent": {sequence * 10}.0}}'
                await connection.execute(text(OLD_EXECUTION), values)
    await database.close()
    registry = SqlRegistry(registry_url)
    await registry.start()
    levels = [(row.commanded_percent, row.commanded_at_ms) for row in await registry.devices.of_tenant("stabat")]
    await registry.close()
    assert levels == [(20.0, 2), (None, None)]


async def test_a_new_file_that_another_process_is_setting_up_is_waited_for(tmp_path):
    """SQLite refuses the switch to the write-ahead log at once while somebody else writes, whatever its timeout."""
    file = tmp_path / "registry.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    registry = SqlRegistry(f"sqlite+aiosqlite:///{file}")
    starting = asyncio.create_task(registry.start())
    asyncio.get_running_loop().call_later(0.2, other.execute, "ROLLBACK")
    await starting
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    await registry.close()
