"""The migrations make the schema that the code uses, and every query is bound to a tenant."""

import ast
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import lentera_cloud.adapters.sql as package
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
