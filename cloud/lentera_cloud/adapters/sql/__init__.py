"""The Registry on a SQL database: SQLite by default, PostgreSQL by address; one schema, brought up to date at start."""

from lentera_cloud.adapters.sql.registry import SqlRegistry

__all__ = ["SqlRegistry"]
